"""The application's code: checkouts, builds, releases, migrations."""

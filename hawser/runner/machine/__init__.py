"""The machine: packages, users, volumes, mounts, commands."""

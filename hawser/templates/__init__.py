"""Templates of files and values, rendered in a sandbox."""

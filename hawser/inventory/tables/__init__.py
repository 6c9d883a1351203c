"""The tables of an environment file, one module a table."""

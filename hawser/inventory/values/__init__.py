"""The kinds of values in an environment file."""

"""Contradictions between the keys of an environment file, by subject."""

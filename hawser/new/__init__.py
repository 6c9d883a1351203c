"""An environment file for a checkout: its files are read, never run, and each value names its place."""

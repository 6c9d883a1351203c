"""Databases and brokers: roles, backups, restores."""

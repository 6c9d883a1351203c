"""Hawser beside a shell script that does the same by hand."""

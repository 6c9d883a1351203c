"""Faults in words, and the command to type next."""

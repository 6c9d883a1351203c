"""Certificates that the team brings, and requests for those that it orders."""

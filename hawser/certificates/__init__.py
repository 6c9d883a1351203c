"""Certificates that the team brings, and requests for certificates that it orders."""

"""Certificates: self-signed ones, and those of an ACME server."""

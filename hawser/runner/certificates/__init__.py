"""Certificates: self-signed, or from an ACME server."""

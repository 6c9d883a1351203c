"""What visitors reach, one module a web server."""

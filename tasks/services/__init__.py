"""What the application relies on, one module a service."""

"""What runs the processes, one module a manager."""

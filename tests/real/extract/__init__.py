"""What is read out of the code of each system: one module a system."""

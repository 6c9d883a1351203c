"""Processes of the application: their managers, their health, what they wrote."""

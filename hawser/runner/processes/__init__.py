"""Processes of the application: their managers, their health, their logs."""

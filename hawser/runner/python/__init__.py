"""Python environments, and their contents."""

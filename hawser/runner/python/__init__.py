"""Python environments, and what goes into them."""

"""All tasks of Hawser; a team adds its own to the namespace in the same way."""

from hawser import namespace as ns  # noqa: F401

"""Hawser: from bare Linux hosts to a production Python web back end, over SSH, with Fabric."""

__version__ = "0.1.0"

# As `typing` has it, which is slow to load and which the runner does without.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .tasks.collection import namespace as namespace
else:

    def __getattr__(name: str) -> object:
        """Return the namespace of all tasks: loaded when somebody asks for it, so that no other import pays for it."""
        if name == "namespace":
            from .takeover import take_over

            take_over()
            from .tasks.collection import namespace

            return namespace
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

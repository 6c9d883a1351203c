"""The secrets of an environment: looked up where a team keeps them, checked, made once where wanted, and masked
everywhere.

A `Secrets` shows its names only. Whoever takes a value out of it holds plain text, and keeps it out of arguments and
logs.
"""

from .held import Secrets, Values
from .hosts import kept_secrets, reconcile_generated
from .making import FORMATS
from .reading import load_secrets, read_secrets
from .sources import Sources, in_file, sources_of

__all__ = [
    "FORMATS",
    "Secrets",
    "Sources",
    "Values",
    "in_file",
    "kept_secrets",
    "load_secrets",
    "read_secrets",
    "reconcile_generated",
    "sources_of",
]

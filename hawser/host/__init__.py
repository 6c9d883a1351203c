"""A host as the steps see it: its settings, its facts, its processes, and the release that is at stake."""

from .host import Host

__all__ = ["Host"]

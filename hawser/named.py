"""Tasks that are known by their names before they are loaded, so that a list of them costs what a list costs."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from invoke.parser.argument import Argument
from invoke.tasks import Task

# The subjects under which tasks are listed, in this order.
SUBJECTS = (
    "Begin",
    "Deploy",
    "Look",
    "Work on hosts",
    "Data",
    "Certificates",
    "Parts of a deploy, one by one",
)
# Where all tasks of this kind stand, in their order.
_places: dict[str, None] = {}


class Named(Task[Callable[..., Any]]):
    """A task that is loaded when somebody asks for more than its name and its docstring.

    :param name: as it is typed, without its collection.
    :param place: its module, and its name in it.
    :param subject: one of `SUBJECTS`.
    """

    def __init__(self, name: str, place: str, docstring: str, subject: str) -> None:
        def body(context: object) -> None:
            raise NotImplementedError(place)

        body.__doc__ = docstring
        super().__init__(body, name=name)
        self.place, self.subject = place, subject
        _places[place] = None

    def load(self) -> Task[Callable[..., Any]]:
        """Return the task itself."""
        return loaded(self.place)

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return its options; see Invoke."""
        return list(self.load().get_arguments(ignore_unknown_help))

    def __call__(self, *arguments: object, **options: object) -> Any:
        return self.load()(*arguments, **options)


def load_all() -> None:
    """Load every task, and with it every step: all of them are rendered before the first connection."""
    for place in _places:
        loaded(place)


@functools.cache
def loaded(place: str) -> Task[Callable[..., Any]]:
    """Return the task of a place, like ``package.module.name``."""
    module, _, name = place.rpartition(".")
    found: Task[Callable[..., Any]] = getattr(importlib.import_module(module), name)
    return found

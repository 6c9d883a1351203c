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
# Where the tasks stand whose modules, with what these load, hold all steps.
_places_of_steps: dict[str, None] = {}


class Named(Task[Callable[..., Any]]):
    """A task that is loaded when somebody asks for more than its name and its docstring.

    :param name: as it is typed, without its collection.
    :param place: its module, and its name in it.
    :param subject: one of `SUBJECTS`.
    :param brings_steps: its module, or what that loads, holds steps.
    """

    def __init__(self, name: str, place: str, docstring: str, subject: str, brings_steps: bool = False) -> None:
        def body(context: object) -> None:
            raise NotImplementedError(place)

        body.__doc__ = docstring
        super().__init__(body, name=name)
        self.place, self.subject = place, subject
        if brings_steps:
            _places_of_steps[place] = None

    def load(self) -> Task[Callable[..., Any]]:
        """Return the task itself."""
        return loaded(self.place)

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return its options; see Invoke."""
        return list(self.load().get_arguments(ignore_unknown_help))

    def __call__(self, *arguments: object, **options: object) -> Any:
        return self.load()(*arguments, **options)


def load_steps() -> None:
    """Load every step: all of them are rendered before the first connection."""
    for place in _places_of_steps:
        loaded(place)


@functools.cache
def loaded(place: str) -> Task[Callable[..., Any]]:
    """Return the task of a place, like ``package.module.name``."""
    module, _, name = place.rpartition(".")
    found: Task[Callable[..., Any]] = getattr(importlib.import_module(module), name)
    return found

"""The variables of this process, as CI sets them: each is taken out of what other programs inherit."""

from __future__ import annotations

from collections.abc import Sequence

from hawser.children import withheld

from .found import Found


class Variables:
    """Variables with the names of the secrets.

    :param prefix: what stands before these names.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @property
    def name(self) -> str:
        return f"the variables {self.prefix}…" if self.prefix else "the variables of this process"

    @property
    def label(self) -> str:
        return self.name

    def ask(self, names: Sequence[str]) -> Found:
        """Return those that are set; CI gives an empty one for what it does not know."""
        values = {name: withheld(self.prefix + name) for name in names}
        return Found({name: value for name, value in values.items() if value})

    def advice(self, name: str) -> str:
        return f"set the variable {self.prefix}{name}"

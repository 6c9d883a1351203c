"""The variables of this process, as CI sets them: each is taken out of what other programs inherit."""

from __future__ import annotations

from collections.abc import Sequence

from hawser.children import withheld

from .found import Found


class Variables:
    """Variables with the names of the secrets, which no program inherits that is started later.

    :param prefix: what stands before these names.
    :param names: of all secrets that may be asked for.
    """

    def __init__(self, prefix: str, names: Sequence[str]) -> None:
        self.prefix = prefix
        self._values = {name: withheld(prefix + name) for name in names}

    @property
    def name(self) -> str:
        return f"the variables {self.prefix}…" if self.prefix else "the variables of this process"

    @property
    def one_by_one(self) -> bool:
        return False

    @property
    def label(self) -> str:
        return self.name

    def ask(self, names: Sequence[str]) -> Found:
        """Return those that are set; CI gives an empty one for what it does not know."""
        return Found({name: value for name in names if (value := self._values.get(name))})

    def advice(self, name: str) -> str:
        return f"set the variable {self.prefix}{name}"

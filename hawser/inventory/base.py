"""The common parts of all tables: the model, the error that carries a hint, and `did you mean`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

Loc = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it, such as ``("processes", "web", "groups", 0)``."""


class Model(BaseModel):
    """A table of the environment file: every key is known, and nothing changes after it was read."""

    # Validators are built when a file is read, not at every start.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, defer_build=True
    )


class InvalidValue(ValueError):
    """A value that its type refuses.

    :param message: what is wrong, as the end of a sentence that starts with the key.
    :param hint: what to write instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class SettingError:
    """A contradiction between keys.

    :param loc: the key to change.
    :param needs: the top-level tables that must be right themselves for this to be true; a mistake in one of them
        is reported alone, since this may only follow from it.
    """

    loc: Loc
    message: str
    hint: str = ""
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Shape:
    """How the reference names a type, such as ``a port (1-65535)``."""

    text: str


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean …?`` for the known word that is nearest to `word`, or `otherwise` when none is near."""
    lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f"did you mean {lower[near[0]]}?" if near else otherwise


def listed(what: str, names: Iterable[str]) -> str:
    """Return what there is of something, as a hint: ``folders: media, data``."""
    return f"{what}: {', '.join(names) or 'none'}"


def dotted(loc: Loc) -> str:
    """Write a place as TOML does: ``processes.web.groups[0]``, ``site.proxy."/"``."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
        text += ("." if text else "") + (part if bare else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return text

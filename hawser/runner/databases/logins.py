"""Users of a service that log in for another one, the owner: one for each password."""

from __future__ import annotations

import re

# Bytes of a name that PostgreSQL takes.
LONGEST = 63
# What stands behind the owner's name: digits that are others for each password.
DIGITS = 8


def joined(owner: str, digits: str, longest: int = LONGEST) -> str:
    """Return the name of a login of an owner."""
    return "%s_%s" % (owner[: longest - DIGITS - 1], digits)


def is_login(name: str, owner: str, longest: int = LONGEST) -> bool:
    """Tell whether a name is that of a login of an owner."""
    return name == joined(owner, name[-DIGITS:], longest) and bool(re.match(r"[0-9a-f]{8}\Z", name[-DIGITS:]))

"""The shells' functions, as they are printed for whoever sources them."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import HawserError

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """Return the function of a shell.

    :raises HawserError: there is none for it.
    """
    if shell not in SHELLS:
        close = difflib.get_close_matches(shell, SHELLS, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise HawserError(
            f"--print-completion-script: there is none for {shell!r}", next=f"{meant}one of {', '.join(SHELLS)}", code=2
        )
    return (Path(__file__).parent / f"hawser.{shell}").read_text(encoding="utf-8")

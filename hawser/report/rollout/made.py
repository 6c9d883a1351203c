"""A page out of a log, and out of the one before."""

from __future__ import annotations

from pathlib import Path

from . import compare, folder
from .account import Account
from .page import page
from .reading import read_log


def make_page(log: Path, to: Path) -> Account:
    """Make the page of a log anew.

    :param to: where it shall lie.
    :returns: what the log tells.
    :raises HawserError: the log cannot be read.
    :raises OSError: the page cannot be written.
    """
    account = read_log(log)
    former = compare.before(account, folder.kept(log.parent), log)
    folder.write_page(to, page(account, former))
    return account

"""Which report this run gets."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from hawser.errors import HawserError

from .jsonlines import JsonReport
from .lines import Settings
from .plain import PlainReport
from .protocol import Report
from .stream import Sink

KINDS = ("terminal", "plain", "json")


def make_report(
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
    dry: bool = False,
    verbose: bool = False,
) -> Report:
    """Make the report that suits the stream, or that ``HAWSER_OUTPUT`` names.

    :param stream: where to; standard output when not given.
    :param environ: where HAWSER_OUTPUT, HAWSER_DIFF, HAWSER_DEBUG, NO_COLOR and TERM are looked up; ``os.environ`` when
        not given.
    :param dry: nothing is touched in this run.
    :param verbose: book-keeping is wanted as well; programs get it anyway.
    :raises HawserError: ``HAWSER_OUTPUT`` names no kind of report.
    """
    stream = sys.stdout if stream is None else stream
    environ = os.environ if environ is None else environ
    talks_to_person = stream.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown")
    kind = environ.get("HAWSER_OUTPUT") or ("terminal" if talks_to_person else "plain")
    if kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise HawserError(f"HAWSER_OUTPUT={kind}: one of {', '.join(KINDS)} is known{hint}", code=2)
    sink = Sink(stream)
    if kind == "json":
        return JsonReport(sink, dry=dry)
    settings = Settings(dry, diffs=bool(environ.get("HAWSER_DIFF")), debug=debugging(environ), verbose=verbose)
    if kind == "plain":
        return PlainReport(sink, settings)
    from .terminal import TerminalReport  # rich's start costs what a run without a terminal need not pay

    return TerminalReport(sink, settings, environ)


def debugging(environ: Mapping[str, str]) -> bool:
    """Whether tracebacks are wanted: by HAWSER_DEBUG, or by ``fab --debug``, which lowers the root logger's level."""
    return bool(environ.get("HAWSER_DEBUG")) or logging.getLogger("invoke").isEnabledFor(logging.DEBUG)

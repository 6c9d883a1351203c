"""A report that is kept: what is told goes to whoever looks on, and into the log of the rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import HawserError
from ..events import Event
from ..plain import PlainReport, in_github
from ..protocol import Report
from . import folder
from .log import RolloutLog

if TYPE_CHECKING:
    from .account import Account

# The exit status of what was refused as it stands.
BAD_INPUT = 2


class RecordedReport:
    """Tells one report and the log the same; at the end it says where the page lies that is made of the log.

    :param shown: the report of whoever looks on.
    """

    def __init__(self, shown: Report, dry: bool) -> None:
        self.shown = shown
        self.log_file = RolloutLog(dry, lambda text: shown.note("", text))

    def keep(self) -> None:
        """Leave a log whatever comes of the run: it is a rollout."""
        self.log_file.always = True

    def set_masks(self, values: Sequence[str]) -> None:
        self.shown.set_masks(values)
        self.log_file.set_masks(values)

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None:
        self.shown.begin(run)
        self.log_file.begin(run)

    def release(self, identifier: str, commit: str) -> None:
        self.shown.release(identifier, commit)
        self.log_file.release(identifier, commit)

    def commits(
        self, former: str, commit: str, hosts: Sequence[str], told: str, subjects: Sequence[str], goes_out: bool = True
    ) -> None:
        self.shown.commits(former, commit, hosts, told, subjects, goes_out)
        self.log_file.commits(former, commit, hosts, told, subjects, goes_out)

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        self.shown.phase(name, hosts, detail, bookkeeping)
        self.log_file.phase(name, hosts, detail, bookkeeping)

    def start(self, host: str, step: str, label: str) -> None:
        self.shown.start(host, step, label)
        self.log_file.start(host, step, label)

    def progress(self, host: str, text: str) -> None:
        self.shown.progress(host, text)
        self.log_file.progress(host, text)

    def event(self, host: str, event: Event) -> None:
        self.shown.event(host, event)
        self.log_file.event(host, event)

    def note(self, host: str, text: str, level: str = "info") -> None:
        self.shown.note(host, text, level)
        self.log_file.note(host, text, level)

    def output(self, host: str, text: str, stream: str = "out") -> None:
        self.shown.output(host, text, stream)
        self.log_file.output(host, text, stream)

    def log(self, host: str, source: str, moment: float, text: str) -> None:
        self.shown.log(host, source, moment, text)
        self.log_file.log(host, source, moment, text)

    def explained(self, host: str, text: str) -> None:
        self.shown.explained(host, text)
        self.log_file.explained(host, text)

    def host_done(self, host: str) -> None:
        self.shown.host_done(host)
        self.log_file.host_done(host)

    def host_failed(self, host: str, message: str) -> None:
        self.shown.host_failed(host, message)
        self.log_file.host_failed(host, message)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None:
        self.shown.table(title, columns, rows, records, empty)
        self.log_file.table(title, columns, rows, records, empty)

    def pause(self) -> None:
        self.shown.pause()

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None:
        self.log_file.finish(ok, exchanges, error, code)
        log = self.log_file.close()
        # Where there was nothing to do, or nothing could be done as it was typed, there is nothing to look at; and a
        # page takes longer than all the rest.
        if log is None or ((ok or code == BAD_INPUT) and not self.log_file.eventful):
            self.shown.finish(ok, exchanges, error, code, kept)
            return
        page, account = self._page(log)
        self.shown.finish(ok, exchanges, error, code, str(page))
        if account is not None and isinstance(self.shown, PlainReport) and in_github():
            from .annotations import github

            self.shown.tell_program(github(account))

    def _page(self, log: Path) -> tuple[Path, Account | None]:
        """Make the page of a log; return where it lies, or the log where there can be none, and what the log tells."""
        from .made import make_page  # what a run without a log need not pay for

        page = folder.page_of(log)
        try:
            account = make_page(log, page)
            folder.forget(log.parent)
        except (OSError, HawserError) as error:
            self.shown.note("", f"no page is made of {log}: {getattr(error, 'strerror', None) or error}")
            return log, None
        return page, account

"""The events that every report can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .events import Event


class Report(Protocol):
    """One run of ``fab``, as a person or a program sees it. Every method may be called from any thread."""

    def set_masks(self, values: Sequence[str]) -> None:
        """Mask these secrets in everything that is told from now on."""

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None:
        """Say what this run is about, once; for programs.

        :param run: makes the account of it: command, environment, application, hosts, who, from, hawser.
        """

    def release(self, identifier: str, commit: str) -> None:
        """Say which release is to serve; for programs: people read it at the end."""

    def commits(
        self, former: str, commit: str, hosts: Sequence[str], told: str, subjects: Sequence[str], goes_out: bool = True
    ) -> None:
        """Tell the commits that go out, or are taken back, on these hosts.

        :param told: the same for people, in lines.
        :param subjects: the first lines of their messages, as far as they are told, the youngest first.
        :param goes_out: the youngest is the commit itself; else they are taken back.
        """

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        """Begin a phase (``prepare``, ``switch batch 1/2``) on these hosts.

        :param bookkeeping: nothing but book-keeping comes in it.
        """

    def start(self, host: str, step: str, label: str) -> None:
        """Say that a resource begins to be applied."""

    def progress(self, host: str, text: str) -> None:
        """Pass on the last line of a program that takes long, as part of the resource that was begun last."""

    def event(self, host: str, event: Event) -> None:
        """Say that a resource is settled."""

    def note(self, host: str, text: str, level: str = "info") -> None:
        """Say something worth knowing; ``host`` may be empty.

        :param level: ``info``; ``warning``, which is loud and is said again at the end; ``error``.
        """

    def output(self, host: str, text: str, stream: str = "out") -> None:
        """Pass on a line that a program on the host wrote.

        :param stream: ``out`` or ``err``.
        """

    def log(self, host: str, source: str, moment: float, text: str) -> None:
        """Pass on a line of a log.

        :param source: who wrote it.
        :param moment: when, in seconds since the epoch.
        """

    def explained(self, host: str, text: str) -> None:
        """Tell the meaning of a failure and the next move; for programs: people read it at the very end."""

    def host_done(self, host: str) -> None:
        """Say that a host has nothing left to do in this phase."""

    def host_failed(self, host: str, message: str) -> None:
        """Say that a host's run is broken off: it cannot be reached, its connection was cut."""

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None:
        """Show an answer that is a table; a column without a word is left out for people.

        :param rows: cells; a `Marked` one stands out.
        :param records: the same for programs: numbers as numbers.
        :param empty: what people are told in its place when it has no rows: that there are none, and the next move.
        """

    def pause(self) -> None:
        """Leave the terminal to somebody else (a prompt, a plain task) until something is told again."""

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None:
        """Sum up; later calls do nothing.

        :param exchanges: how often each host was asked for something; for programs, people are not told.
        :param error: what the run ends with, which people read on standard error, and
        :param code: its exit status.
        :param kept: where the report of the rollout lies that anybody may look at later; empty: nowhere.
        """

"""A report that nobody reads, of a dry run that only looks whether a plan still holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .events import Event


class Silent:
    """Take everything, and tell nothing."""

    def set_masks(self, values: Sequence[str]) -> None:
        """See `Report`, here as below."""

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None: ...

    def release(self, identifier: str, commit: str) -> None: ...

    def commits(
        self, former: str, commit: str, hosts: Sequence[str], told: str, subjects: Sequence[str], goes_out: bool = True
    ) -> None: ...

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None: ...

    def start(self, host: str, step: str, label: str) -> None: ...

    def progress(self, host: str, text: str) -> None: ...

    def event(self, host: str, event: Event) -> None: ...

    def note(self, host: str, text: str, level: str = "info") -> None: ...

    def output(self, host: str, text: str, stream: str = "out") -> None: ...

    def log(self, host: str, source: str, moment: float, text: str) -> None: ...

    def explained(self, host: str, text: str) -> None: ...

    def host_done(self, host: str) -> None: ...

    def host_failed(self, host: str, message: str) -> None: ...

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None: ...

    def pause(self) -> None: ...

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None: ...

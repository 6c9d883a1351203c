"""The work under way in a run, as far as steps depend on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ..host.journal import Record
from ..host.release import Release


class Progress:
    """The work under way.

    :ivar rollout: what the journals of the hosts say of the rollout; None outside of one.
    :ivar drained: backends to which the web servers in front of them pass nothing now.
    :ivar release: the release that an earlier step of the same command has prepared.
    :ivar revisions: those that tasks of the same command will release; empty: what the environment says.
    :ivar commits: the commits of revisions that were looked up, and where.
    """

    def __init__(self) -> None:
        self.rollout: Record | None = None
        self.drained: tuple[str, ...] = ()
        self.release: Release | None = None
        self.revisions: tuple[str, ...] = ()
        self.commits: dict[str, tuple[str, str]] = {}

    def set_rollout(self, record: Record) -> None:
        """Have the journals say this from now on."""
        self.rollout = record

    def end_anew(self) -> None:
        """Have no processes start anew any more only because the rollout says so."""
        if self.rollout is not None:
            self.rollout = dataclasses.replace(self.rollout, anew=())

    def drain(self, backends: Iterable[str]) -> None:
        """Have these backends, and no others, get no requests."""
        self.drained = tuple(backends)

    def announce(self, revisions: Sequence[str]) -> None:
        """Remember which revisions the command will release."""
        self.revisions = tuple(revisions)

    def note_commit(self, revision: str, commit: str, place: str) -> None:
        """Have a revision be this commit until the command ends.

        :param place: where that is known from, in words.
        """
        self.commits[revision] = (commit, place)

    def prepare(self, release: Release) -> None:
        """Have the next steps of the command work on this release."""
        self.release = release

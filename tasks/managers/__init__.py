"""The process managers, one module each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hawser.host import trials
from hawser.host.processes import ProcessInstance
from hawser.resources import Resources
from hawser.steps import Step

from . import supervisor, systemd


class ProcessManager(Protocol):
    """A process manager: a module here, with these names. Its other traits stand in `MANAGERS` of
    `hawser/runner/processes/traits.py`.
    """

    @property
    def reload(self) -> Step:
        """Have the processes of the release at stake that it manages run as their settings say."""

    def text(self, process: ProcessInstance) -> str:
        """Render the definition of a process."""

    def defined(self, process: ProcessInstance) -> Resources:
        """Yield a process's definition and its start (see `definition`)."""


PROCESS_MANAGERS: Mapping[str, ProcessManager] = {"systemd": systemd, "supervisor": supervisor}

RELOAD: Sequence[Step] = [each.reload for each in PROCESS_MANAGERS.values()]


def defined(process: ProcessInstance) -> Resources:
    """Yield a process's definition under its manager, and its start."""
    return PROCESS_MANAGERS[process.setting.manager].defined(process)


def tried(process: ProcessInstance) -> Resources:
    """Yield the trial of a process that restarts in place, where it takes the place of one that runs."""
    return trials.tried(process, PROCESS_MANAGERS[process.setting.manager].text)

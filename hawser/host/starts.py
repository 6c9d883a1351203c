"""How processes start: their definitions, in which order, and the proofs that they work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from ..resources import (
    Command,
    File,
    Resource,
    Resources,
    Retired,
    Running,
    Settled,
    Vacated,
    changed,
)
from .health import healthy
from .processes import ProcessInstance, begins_anew, elsewhere, overlaps

# Seconds.
LONGEST_WARMING = 600


def stages(processes: Iterable[ProcessInstance]) -> Iterator[list[ProcessInstance]]:
    """Yield the processes that come up together, one lot after the other.

    Those that start beside others, and wait for none of them, are one lot. Of those that restart in place, what listens
    or is one of several is a lot by itself: the next one stops only when it works. The others have none to stand in.
    Where nothing runs yet, nothing has to stop.
    """

    def stage(process: ProcessInstance) -> tuple[int, bool, str]:
        setting, beside = process.setting, overlaps(process.setting) or not process.host.facts.processes
        alone = process.unit if not beside and (setting.listens or setting.count > 1) else ""
        return process.host.environment.rank(process.setting_name), beside, alone

    for _stage, together in groupby(processes, key=stage):
        yield list(together)


def brought_up(processes: Iterable[ProcessInstance], defined: Callable[[ProcessInstance], Resources]) -> Resources:
    """Yield the definitions of processes, their starts, and the proofs that they work (see `stages`).

    :param defined: yields the definition of a process, and its start last.
    """
    for together in stages(processes):
        starts = {}
        # What proves itself by staying up does so while others load.
        for process in sorted(together, key=lambda each: each.setting.listens):
            *before, start = defined(process)
            yield from (*before, start)
            starts[process.unit] = start
        for process in together:
            yield from proof(process, starts[process.unit])


def definition(process: ProcessInstance, text: str, validate: str) -> Resources:
    """Yield a process's definition, and last its start, which `proof` goes by.

    :param text: the whole unit or program file.
    """
    setting = process.setting
    for former in elsewhere(process):
        if process.host.facts.release_of(process.unit, former.setting.manager):
            # The settings name another manager than before, and the same process must not run under both.
            yield Retired(former.unit, former.setting.manager, former.definition, wait=True)
    if process.port is not None and process.host.release is not None:
        yield Vacated(process.port, process.unit, process.host.app.name, process.host.release.id)
    file = File(process.definition, text, mode=0o644, validate=validate)
    yield file
    again = begins_anew(process.host) and not process.colour
    yield Running(process.unit, setting.manager, log=process.log, when=changed(file), again=again)


def proof(process: ProcessInstance, start: Resource) -> Resources:
    """Yield that a process that was started works, and what has it load what it needs.

    One that listens proves itself by answering; another one by staying up for a while.

    :param start: the resource that has started it.
    """
    if not process.setting.listens:
        yield Settled(process.unit, process.setting.manager, log=process.log, when=changed(start))
    yield from healthy(process)
    yield from warmed(process, start)


def warmed(process: ProcessInstance, start: Resource) -> Resources:
    """Yield the command that has a process load what it needs, where it has one and was started."""
    setting = process.setting
    if setting.warm is not None:
        argv, title = process.in_shell(setting.warm, "warm"), f"warm {process.unit}"
        when = changed(start)
        yield Command(argv, when=when, user=setting.user, cwd=process.host.code, timeout=LONGEST_WARMING, title=title)

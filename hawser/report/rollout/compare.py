"""What took markedly longer, or less long, than in the rollout before, and hosts that are slower than their peers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import HawserError
from .account import Account
from .reading import read_log

# A difference is told from here on: how many times as long, and how many seconds more.
TIMES, SECONDS = 1.5, 1.0
# The same for a host beside its peers, and how many peers there have to be.
PEER_TIMES, PEER_SECONDS, PEERS = 2.0, 2.0, 3
MOST_TOLD = 8
# The part of a phase's difference from which on a step explains it.
EXPLAINS = 0.8
# Seconds below which nobody counts how many times as long something takes.
SHORTEST = 0.1
# Logs that are looked through for the rollout before.
MOST_READ = 10


@dataclass(frozen=True)
class Difference:
    """Something that took another time than it should have.

    :param kind: ``phase``, ``step`` or ``host``.
    :param what: the name of the phase or step.
    :param host: the one that is slower than its peers; ``before`` is how long half of them took at most then, and
    :param label: the resource. Empty: it is about all hosts.
    """

    kind: str
    what: str
    seconds: float
    before: float
    host: str = ""
    label: str = ""

    @property
    def slower(self) -> bool:
        return self.seconds > self.before

    @property
    def took(self) -> str:
        """Say by how much, as in ``took 3.1 times as long as before``."""
        than = "on the other hosts" if self.host else "before"
        if not self.slower:
            return f"took {self.seconds / self.before:.0%} of the time that it took {than}"
        if self.before < SHORTEST:
            return f"took far longer than {than}"
        return f"took {self.seconds / self.before:.1f} times as long as {than}"


def before(account: Account, logs: Sequence[Path], log: Path) -> Account | None:
    """Return the last rollout before this one of the same command that went well and did something; None without one.

    :param logs: those of the environment, the oldest first.
    """
    earlier = [path for path in logs if path.name < log.name and _named_alike(path, log)]
    for path in earlier[: -MOST_READ - 1 : -1]:
        try:
            found = read_log(path)
        except HawserError:
            continue
        alike = (found.command, found.environment, found.dry) == (account.command, account.environment, account.dry)
        if alike and found.ok and found.events:
            return found
    return None


def _named_alike(path: Path, log: Path) -> bool:
    """Tell whether two logs may be of the same command, by their names: others are not read."""
    command, other = (each.name.partition("Z-")[2].partition(".")[0] for each in (path, log))
    return command == other


def differences(account: Account, former: Account) -> list[Difference]:
    """Return what took markedly longer or less long than before, the largest difference first.

    A step takes as long as on the host that takes longest. A phase is told where no step of these explains it.
    """
    steps = _marked((Difference("step", *row) for row in _both(_by_step(account), _by_step(former))), TIMES, SECONDS)
    gained = [each.seconds - each.before for each in steps]
    phases = [
        Difference("phase", name, now, then)
        for name, now, then in _both(by_phase(account), by_phase(former))
        if not any(step * (now - then) > 0 and abs(step) >= EXPLAINS * abs(now - then) for step in gained)
    ]
    return _marked([*steps, *phases], TIMES, SECONDS)


def slow_hosts(account: Account) -> list[Difference]:
    """Return the hosts that took markedly longer for a resource than others did for the same, by the median of all."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for each in account.events:
        row = found.setdefault((each.step, each.label), {})
        row[each.host] = row.get(each.host, 0.0) + each.seconds
    pairs = []
    for (step, label), hosts in found.items():
        if len(hosts) >= PEERS:
            usual = median(hosts.values())
            slow = {host: seconds for host, seconds in hosts.items() if seconds > usual}
            pairs += [Difference("host", step, seconds, usual, host, label) for host, seconds in slow.items()]
    return _marked(pairs, PEER_TIMES, PEER_SECONDS)


def median(values: Iterable[float]) -> float:
    """Return the middle one of some numbers; the module of that name takes milliseconds to load."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 2


def by_phase(account: Account) -> dict[str, float]:
    """Return the seconds of each phase, by its name; several of one name are one."""
    found: dict[str, float] = {}
    for each in account.phases:
        found[each.name] = found.get(each.name, 0.0) + each.seconds
    return found


def _by_step(account: Account) -> dict[str, float]:
    found: dict[str, dict[str, float]] = {}
    for each in account.events:
        row = found.setdefault(each.step, {})
        row[each.host] = row.get(each.host, 0.0) + each.seconds
    return {step: max(hosts.values()) for step, hosts in found.items()}


def _both(now: Mapping[str, float], then: Mapping[str, float]) -> Iterable[tuple[str, float, float]]:
    return ((name, now[name], then[name]) for name in now if name in then)


def _marked(pairs: Iterable[Difference], times: float, seconds: float) -> list[Difference]:
    """Return those that are large in both ways, the largest first."""
    found = [
        each
        for each in pairs
        if abs(each.seconds - each.before) >= seconds
        and max(each.seconds, each.before) >= times * min(each.seconds, each.before)
    ]
    return sorted(found, key=lambda each: -abs(each.seconds - each.before))[:MOST_TOLD]

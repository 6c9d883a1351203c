"""A fault in a phase of a deploy: each host goes on serving one complete release, and one more command gets there."""

from __future__ import annotations

import json
import time

from hawser.host import journal

from .conftest import HOSTS, STATE, Ferry, converged, publish, serves_completely, visitors
from .faults import FAULTS, PHASES, PUT_BACK, Fault, deploy_under, settle

OUTCOMES: dict[tuple[str, str], str] = {}
# These take the host itself away for a while, and with it what its visitors ask for.
AWAY = ("cut off", "rebooted")


def tell(name: str, phase: str, outcome: str) -> None:
    """Note what came of a fault in a phase, for the matrix that is printed at the end."""
    OUTCOMES[name, phase] = outcome
    rows = [(each, *(OUTCOMES.get((each, phase), "not tried") for phase in PHASES)) for each in FAULTS]
    publish("matrix", "Faults in each phase of a deploy", ("fault", *PHASES), rows)


def served_everywhere(ferry: Ferry) -> dict[str, str]:
    """Return the release that each host serves, when a host that was away is back."""
    deadline = time.monotonic() + 40
    while True:
        try:
            return {host: serves_completely(ferry, host) for host in HOSTS}
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def open_phases(ferry: Ferry) -> set[str]:
    """Return the phases in which the hosts have a rollout open."""
    journals = [ferry.sh(host, f"cat {STATE}/journal.json 2>/dev/null || echo '{{}}'") for host in HOSTS]
    return {json.loads(text).get("phase", "prepare") for text in journals}


def putting_back(ferry: Ferry) -> bool:
    return journal.PUT_BACK in open_phases(ferry)


def next_command(ferry: Ferry) -> str:
    """Return what an operator types next: `resume` where a rollout has come past its preparation, else `deploy`."""
    return "resume" if open_phases(ferry) - {"prepare"} else "deploy"


def survive(ferry: Ferry, name: str, fault: Fault) -> str:
    """Deploy under a fault, look at what serves, repair with one command; returns what came of it, in words."""
    before = converged(ferry, "")
    commit = ferry.next_commit(**({"health": ["web4"]} if fault.phase == PUT_BACK else {}))
    steady = tuple(host for host in HOSTS if host != fault.victim or name not in AWAY)
    with fault.around(), visitors(ferry, steady, pause=0.5) as visits:
        code = deploy_under(fault)
        settle(ferry, HOSTS)
        now = served_everywhere(ferry)
        for host, release in now.items():
            assert release == before or release.startswith(commit[:10]), f"{host} serves {release}"
        repair = next_command(ferry)
        if fault.phase == PUT_BACK:
            # The one that is not healthy is mended.
            commit = ferry.next_commit()
        # Where nobody has begun to put hosts back, the rollout goes on, as far as its release lets it.
        onward = fault.phase == PUT_BACK and repair == "resume" and not putting_back(ferry)
        ferry.fab("-H", "ferry", repair, code=1 if onward else 0)
        time.sleep(1)
    assert not visits.failed, visits.failed[:20]
    # A rollout that had begun to put hosts back is resumed in that direction.
    after = converged(ferry, "" if repair == "resume" else commit)
    assert after == before or after.startswith(commit[:10])
    words = {0: "old", len(HOSTS): "new"}
    new = sum(release != before for release in now.values())
    ended = " (exit 0)" if code == 0 else ""
    return f"{words.get(new, f'{new} of {len(HOSTS)} new')}{ended}; {repair}: {'old' if after == before else 'new'}"


def gets_there(ferry: Ferry, name: str, phase: str) -> None:
    """Try one fault in one phase, and note what came of it."""
    tell(name, phase, "FAILED")
    tell(name, phase, survive(ferry, name, FAULTS[name](ferry, PHASES[phase], phase)))

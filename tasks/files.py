"""Files by hand, to and from all named hosts at once."""

from __future__ import annotations

from pathlib import Path

from hawser.errors import HawserError, StepFailed
from hawser.fleet import transfer
from hawser.fleet.fleet import Fleet
from hawser.steps import fleet_task


@fleet_task(
    admin=True,
    positional=["local", "remote"],
    help={
        "local": "a file or a folder on this machine; with / at its end, a folder's contents",
        "remote": "an absolute path on the hosts; with / at its end, or where a folder is there that is to take in "
        "another one, the name stays",
        "owner": "default: as it is there, else root",
        "group": "default: as it is there, else root",
        "mode": "octal digits; default: as it is here",
    },
)
def put(fleet: Fleet, local: str, remote: str, owner: str = "", group: str = "", mode: str = "") -> None:
    """Bring a file or a folder to every host, links as links; what is there already is not sent."""
    if mode and (not mode.isdigit() or set(mode) - set("01234567")):
        raise HawserError(f"{mode} is no file mode; octal digits, as in 0640", code=2)
    if not remote.startswith("/"):
        raise HawserError(f"{remote} is no absolute path on the host", code=2)
    luggage = transfer.pack(local, int(mode, 8) if mode else None)

    def bring(name: str) -> None:
        fleet.report.note(name, transfer.put(fleet, name, luggage, remote, owner, group))

    everywhere(fleet, bring)


@fleet_task(
    admin=True,
    positional=["remote", "local"],
    help={
        "remote": "a file or a folder on the hosts",
        "local": "where to; with several hosts a folder, in which each has its own",
        "force": "replace files that are here already and differ",
        "limit": "the most bytes to take from one host",
    },
)
def get(fleet: Fleet, remote: str, local: str, force: bool = False, limit: int = transfer.MOST_BYTES) -> None:
    """Take a file or a folder from every host."""

    def take(name: str) -> None:
        own = Path(local) / name / Path(remote).name if len(fleet.names) > 1 else Path(local)
        for said in transfer.get(fleet, name, remote.rstrip("/"), own, force, limit):
            fleet.report.note(name, said)

    everywhere(fleet, take)


def everywhere(fleet: Fleet, work: object) -> None:
    """Do something for every host that answers, all at once.

    :raises StepFailed: says for each host what went wrong.
    """
    assert callable(work)
    results = fleet.connections.parallel(fleet.reachable().names, work)
    bad = [*map(str, fleet.lost.values()), *(str(each) for each in results.values() if isinstance(each, Exception))]
    if bad:
        raise StepFailed("\n".join(bad))

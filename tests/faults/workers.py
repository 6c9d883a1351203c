"""The same hosts by way of workers: each has two of them, and reaches them through a jump host of its own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hawser import sandbox
from tests.dask_cluster import Cluster

from .conftest import Ferry
from .faults import ControllerKilled, Fault, Interrupted

# The hosts of each worker, and the host through which it reaches them.
WORKERS = {"east": (("web1", "web2"), "web3"), "west": (("web3", "web4"), "web1")}


class FarFerry(Ferry):
    """The four hosts, reached by way of workers."""

    cluster: Cluster
    home: Path

    def environ(self, **more: str) -> dict[str, str]:
        """Return what `fab` is started with; it knows of the jump hosts by files of the user."""
        return super().environ(**self.cluster.environ, HOME=str(self.home), **more)

    def start_worker(self, name: str) -> None:
        hosts, jump = WORKERS[name]
        self.cluster.add(name, *hosts, HAWSER_JUMP=f"root@{self.address(jump)}")

    def start_cluster(self) -> None:
        """Start both workers side by side."""
        starting = [threading.Thread(target=self.start_worker, args=(name,)) for name in WORKERS]
        for each in starting:
            each.start()
        for each in starting:
            each.join()

    def worker_of(self, host: str) -> str:
        return next(name for name, (hosts, _jump) in WORKERS.items() if host in hosts)


@contextmanager
def by_workers(ferry: Ferry, folder: Path) -> Iterator[FarFerry]:
    """Give the hosts as they are reached by way of workers."""
    far = FarFerry(ferry.folder, ferry.name)
    far.home = folder
    (folder / ".ssh").mkdir(mode=0o700)
    key = folder / ".ssh" / "id_ed25519"
    key.touch(mode=0o600)
    key.write_bytes(sandbox.private_key().read_bytes())
    keys = {each.address: each.host_keys for each in sandbox.listing()}
    known = "".join(f"{address} {line}\n" for address, lines in keys.items() for line in lines)
    (folder / ".ssh" / "known_hosts").write_text(known)
    far.cluster = Cluster(folder)
    try:
        far.start_cluster()
        yield far
    finally:
        far.cluster.end()


class WorkerKilled(Fault):
    """The worker that holds the victim's line is killed; whoever watches over it starts it again."""

    ferry: FarFerry

    def strike(self, process: subprocess.Popen[str]) -> None:
        name = self.ferry.worker_of(self.victim)
        lines = self.ferry.sh(WORKERS[name][1], "ss -Htn state established dport = :22")
        assert f"{self.ferry.address(self.victim)}:22" in lines, lines
        self.ferry.cluster.workers.pop(name).kill()
        self.starting = threading.Thread(target=self.ferry.start_worker, args=(name,))
        self.starting.start()

    def heal(self) -> None:
        self.starting.join()


class SchedulerKilled(Fault):
    """The scheduler is killed, and started again afterwards; workers end with it."""

    ferry: FarFerry

    def strike(self, process: subprocess.Popen[str]) -> None:
        self.ferry.cluster.scheduler.kill()

    def heal(self) -> None:
        cluster = self.ferry.cluster
        for each in cluster.workers.values():
            each.end()
        cluster.workers.clear()
        cluster.start_scheduler()
        self.ferry.start_cluster()


FAULTS: Mapping[str, type[Fault]] = {
    "worker killed": WorkerKilled,
    "scheduler killed": SchedulerKilled,
    "controller killed": ControllerKilled,
    "interrupted": Interrupted,
}

"""Four hosts with a small site, visitors who count what they do not get, and faults that strike in a given phase."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hosts.conftest import PROJECT, Fleet, bare_fleet, fleet, make_repository, worker_sandbox

__all__ = ["bare_fleet", "fleet", "worker_sandbox"]  # fixtures of these tests as well

APP = Path(__file__).parent / "app"
FIGURES = PROJECT / ".sandbox" / "figures"
HOSTS = ("web1", "web2", "web3", "web4")
ROOT = "/srv/ferry"
STATE = "/var/lib/hawser/ferry"
# A visitor would call this slow; a request that is answered in time, on a machine that carries four hosts and the
# visitors as well, takes a few milliseconds.
SLOW = 3.0


def publish(name: str, title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table where `make test-faults` finds it, and prints it at its end."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
    (FIGURES / f"{name}.md").write_text("\n".join(["", title, "", *lines, ""]))


class Ferry(Fleet):
    """The four hosts and what a person would ask of them."""

    def name_of(self, host: str) -> str:
        return f"{self.name}-{host}"

    def sh(self, host: str, script: str, check: bool = True) -> str:
        return self.inside(host, "sh", "-c", script, check=check).strip()

    def served(self, host: str, path: str = "/") -> dict[str, str]:
        """Return what the site of a host says of itself."""
        request = urllib.request.Request(f"http://{self.address(host)}{path}", headers={"Host": "ferry.test"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, str] = json.load(answer)
        return found

    def next_commit(self, **behaviour: object) -> str:
        """Commit a new version that behaves as said (see the application); returns the full hash."""
        return self.commit({"version": str(time.time_ns()), "behaviour.json": json.dumps(behaviour)})


@pytest.fixture(scope="session")
def ferry() -> Iterator[Ferry]:
    """Four hosts on which the site has been deployed. HAWSER_FLEET names a folder that is kept between runs."""
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept or tempfile.mkdtemp(prefix="hawser-ferry-"))
    fleet = Ferry(folder, "ferry")
    fleet.hosts.mkdir(parents=True, exist_ok=True)
    make_repository(fleet.repository, APP)
    text = (APP / "faults.toml").read_text()
    fleet.file.write_text(text.replace('"REPOSITORY"', json.dumps(str(fleet.repository))))
    fleet.fab("-H", "ferry", "sandbox.up", timeout=300)
    fleet.fab("-H", "ferry", "bootstrap", "deploy")
    yield fleet
    if not kept:
        fleet.fab("-H", "ferry", "sandbox.down")
        shutil.rmtree(folder)


@dataclass
class Visits:
    """What visitors got: how many requests, the slowest in seconds, and those that failed."""

    asked: int = 0
    slowest: float = 0.0
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, host: str, path: str, seconds: float, problem: str) -> None:
        with self.lock:
            self.asked += 1
            self.slowest = max(self.slowest, seconds)
            if problem:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {host}{path}: {problem}")


@contextmanager
def visitors(ferry: Ferry, hosts: tuple[str, ...] = HOSTS, pause: float = 0.05) -> Iterator[Visits]:
    """Ask each host for pages of both web processes, again and again, each time over a new connection.

    One visitor asks for a page that takes a second and a half, so that requests are under way at every moment.
    """
    visits, over = Visits(), threading.Event()
    addresses = {host: ferry.address(host) for host in hosts}

    def visit(host: str, path: str) -> None:
        while not over.wait(pause):
            began = time.monotonic()
            request = urllib.request.Request(f"http://{addresses[host]}{path}", headers={"Host": "ferry.test"})
            problem = ""
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answer.read()
            except (OSError, urllib.error.HTTPError) as error:
                problem = str(error)
            seconds = time.monotonic() - began
            if not problem and seconds > SLOW + (1.5 if "slow" in path else 0):
                problem = f"slow: {seconds:.1f} s"
            visits.note(host, path, seconds - (1.5 if "slow" in path else 0), problem)

    paths = ("/", "/api/", "/slow/", "/api/slow/", "/static/site.css")
    threads = [threading.Thread(target=visit, args=(host, path)) for host in hosts for path in paths]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        over.set()
        for thread in threads:
            thread.join()


def serves_completely(ferry: Ferry, host: str) -> str:
    """Insist that a host serves one release, with both web processes; returns it."""
    current = ferry.sh(host, f"readlink {ROOT}/current").rpartition("/")[2]
    seen = {ferry.served(host)["release"], ferry.served(host, "/api/")["release"]}
    assert seen == {current}, f"{host}: links say {current}, visitors see {seen}"
    return current


def left_behind(ferry: Ferry, host: str) -> list[str]:
    """Return what an interrupted run has left on a host and a later one should have cleared away."""
    script = f"""
        find {ROOT} /etc /opt/hawser {STATE} -name ".*.????????~" 2>/dev/null
        test ! -e {STATE}/journal.json || echo "{STATE}/journal.json is open"
        ls -A {STATE}/scratch 2>/dev/null
        flock -n {STATE}/lock true || echo "{STATE}/lock is held"
        pgrep -af '[p]ython3 -IBc'
        find {ROOT}/releases -mindepth 1 -maxdepth 1 -type d '!' -exec test -e '{{}}/release.json' ';' -print
        systemctl list-units 'ferry-web-*' --state=active --no-legend | sed 1d
        for program in api worker; do
            supervisorctl status | grep "^ferry-$program-" | grep -v STOPPED | sed 1d
        done
        true
    """
    return [line for line in ferry.sh(host, script).splitlines() if line]


def converged(ferry: Ferry, commit: str) -> str:
    """Insist that every host serves the release of one commit and that nothing is left behind; returns it."""
    served = {host: serves_completely(ferry, host) for host in HOSTS}
    assert len(set(served.values())) == 1, served
    release = served["web1"]
    assert release.startswith(commit[:10]), f"{release} serves, {commit[:10]} was wanted"
    deadline = time.monotonic() + 40  # an old process has its stop_timeout
    while any(found := {host: left_behind(ferry, host) for host in HOSTS}.values()):
        assert time.monotonic() < deadline, found
        time.sleep(1)
    return release

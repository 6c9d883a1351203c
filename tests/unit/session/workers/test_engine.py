"""Which worker holds the line to a host."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from fabric.config import Config

from hawser.errors import Unreachable
from hawser.session.workers import cluster, engine
from hawser.session.workers.engine import Workers
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import KnownHosts

GROUPS = {"web1": ("paris",), "web2": ("paris", "oslo"), "db1": ()}


class Scheduler:
    """A scheduler whose workers are stations at once."""

    def __init__(self, **workers: tuple[str, ...]) -> None:
        self.there = {name: list(hosts) for name, hosts in workers.items()}
        self.begun: list[str] = []
        self.jumps: dict[str, str] = {}

    def workers(self) -> list[tuple[str, str, list[str]]]:
        return [(f"tls://{name}", name, hosts) for name, hosts in self.there.items()]

    def actor(self, address: str, title: str) -> str:
        self.begun.append(title)
        return address.removeprefix("tls://")


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def workers(scheduler: Scheduler) -> Workers:
        monkeypatch.setattr(cluster, "Cluster", lambda address: scheduler)
        monkeypatch.setattr(
            engine,
            "Station",
            lambda name, actor: SimpleNamespace(name=actor, over=None, jump=scheduler.jumps.get(actor)),
        )
        connector = Connector(Config(lazy=True), KnownHosts(tmp_path / "known_hosts"))
        return Workers("tls://here:8786", connector, lambda name: (name, *GROUPS.get(name, ()), "shop"))

    return workers


def placed(found: Workers, host: str) -> str:
    return found.place(Address(host, host))[0].name


def test_lines_are_shared_out_evenly(workers):
    scheduler = Scheduler(a=(), b=(), c=())
    found = workers(scheduler)
    assert Counter(placed(found, f"web{number}") for number in range(9)) == {"a": 3, "b": 3, "c": 3}
    assert sorted(scheduler.begun) == ["a (tls://a)", "b (tls://b)", "c (tls://c)"]


def test_a_worker_that_was_started_for_a_host_or_a_group_takes_its_hosts_and_no_others(workers):
    found = workers(Scheduler(far=("oslo",), near=("paris",), own=("web1",), rest=()))
    assert [placed(found, host) for host in ("web1", "web2", "db1")] == ["own", "near", "rest"]


def test_a_worker_for_an_environment_takes_all_of_it(workers):
    found = workers(Scheduler(ours=("shop",), theirs=("blog",), rest=()))
    assert {placed(found, host) for host in ("web1", "web2", "db1")} == {"ours"}


def test_a_host_for_which_nobody_was_started_is_told_with_those_who_are_there(workers):
    with pytest.raises(Unreachable, match=r"db1: no worker is there for it at tls://here:8786: near \(paris\); next: "):
        placed(workers(Scheduler(near=("paris",))), "db1")


def test_without_a_worker_it_is_told(workers):
    with pytest.raises(Unreachable, match="there is none at all"):
        placed(workers(Scheduler()), "db1")


def test_after_a_worker_has_died_another_one_takes_its_hosts(workers):
    found = workers(Scheduler(a=(), b=()))
    first = found.place(Address("web1", "web1"))[0]
    first.over = Unreachable("it is gone")
    assert {placed(found, f"web{number}") for number in range(4)} == {"a", "b"} - {first.name}


def test_hosts_of_a_worker_that_has_died_wait_for_it_to_be_started_again_and_go_to_no_other(workers, monkeypatch):
    scheduler = Scheduler(near=("paris",), rest=())
    found = workers(scheduler)
    found.place(Address("web1", "web1"))[0].over = Unreachable("it is gone")
    del scheduler.there["near"]

    def start_again(seconds: float) -> None:
        scheduler.there["again"] = ["paris"]
        found.seen = 0.0

    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=engine.time.monotonic, sleep=start_again))
    assert placed(found, "web1") == "again"


def test_a_worker_that_is_started_again_at_the_same_address_takes_its_hosts(workers, monkeypatch):
    scheduler = Scheduler(near=("paris",))
    found = workers(scheduler)
    first = found.place(Address("web1", "web1"))[0]
    first.over = Unreachable("it is gone")
    del scheduler.there["near"]

    def start_again(seconds: float) -> None:
        scheduler.there["near"] = ["paris"]
        found.seen = 0.0

    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=engine.time.monotonic, sleep=start_again))
    again = found.place(Address("web1", "web1"))[0]
    assert again is not first and len(scheduler.begun) == 2


def test_one_whose_absence_nobody_saw_is_asked_once_more_before_its_hosts_are_lost(workers, monkeypatch):
    found = workers(Scheduler(near=("paris",)))
    first = found.place(Address("web1", "web1"))[0]
    first.over = Unreachable("it is gone")
    monkeypatch.setattr(engine, "SILENCE", 0.0)
    assert found.place(Address("web1", "web1"))[0] is not first


def test_nobody_waits_for_ever_for_a_worker_that_has_died(workers, monkeypatch):
    scheduler = Scheduler(a=())
    found = workers(scheduler)
    found.place(Address("web1", "web1"))[0].over = Unreachable("it is gone")
    del scheduler.there["a"]
    found.seen = 0.0
    monkeypatch.setattr(engine, "SILENCE", 0.0)
    with pytest.raises(Unreachable, match="web1: no worker is there for it"):
        placed(found, "web1")


def test_the_jump_host_of_a_worker_is_the_way_from_it(workers):
    scheduler = Scheduler(a=(), b=())
    scheduler.jumps = {"a": "root@gate", "b": ""}
    found = workers(scheduler)
    ways = {
        station.name: at.jump for station, at in (found.place(Address("web1", "web1", jump="far")) for _ in range(2))
    }
    assert ways == {"a": "root@gate", "b": ""}

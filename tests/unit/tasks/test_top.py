"""What `top` makes of what hosts say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.answers import reading
from hawser.answers.rows import HostUsage
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.processes import live_processes_of
from hawser.inventory import Environment
from hawser.report import Marked
from hawser.secrets import Secrets
from hawser.tasks import top as tasks
from hawser.tasks.top import HOSTS, HostUse, Meter
from hawser.templates.rendering import Templates

from ..simulated_hosts import World
from .test_status import API, CURRENT, NOW, SETTINGS, WEB

GIB = 1 << 30


def told(moment: float, **changes: Any) -> HostUsage:
    own: dict[str, Any] = {"cpu": 5.0, "memory": 200 << 20, "programs": 3, "restarts": 0}
    return {
        "moment": moment,
        "busy": 100.0,
        "processors": 2,
        "load": 0.5,
        "memory": {"total": 4 * GIB, "free": 2 * GIB},
        "swap": {"total": 0, "free": 0},
        "processes": {"web": own, "api": {**own, "restarts": None}},
        "others": {"rows": [], "more": 0},
        **changes,
    }  # type: ignore[return-value]


@pytest.fixture
def use():
    def use(before: HostUsage | None, now: HostUsage) -> HostUse:
        environment = Environment.model_validate(SETTINGS)
        facts = Facts(current=CURRENT, clock=NOW, live={"web": "blue"}, processes=(WEB, API))
        host = Host("web1", environment, Secrets("shop", Path(), {}), Templates(), {"web1": "10.0.0.1"}, facts)
        return HostUse(host, live_processes_of(host), now, before)

    return use


def test_processors_are_measured_between_two_looks(use) -> None:
    own: dict[str, Any] = {"cpu": 6.0, "memory": 200 << 20, "programs": 3, "restarts": 14}
    seen = use(told(100.0), told(102.0, busy=103.0, processes={"web": own, "api": {**own, "cpu": 1.0, "programs": 0}}))
    web, api = seen.processes()
    assert web[:6] == ["web1", "web", "50 %", "200 MiB", "3", "14"] and isinstance(web[5], Marked)
    # It was started anew meanwhile, and what it has computed is all since then; nothing of it runs now.
    assert api[2:5] == ["50 %", "200 MiB", "none"]
    assert seen.row()[:5] == ["web1", "150 % of 2", "0.50", "2.0 of 4.0 GiB", "none"]
    assert [each["cpu"] for each in seen.process_records()] == [0.5, 0.5]
    assert seen.record()["cpu"] == 1.5


def test_a_first_look_knows_no_processors(use) -> None:
    seen = use(None, told(100.0))
    assert [row[2] for row in seen.processes()] == ["", ""] and seen.row()[1] == ""
    assert [each["cpu"] for each in seen.process_records()] == [None, None]


def test_a_clock_that_stands_still_or_runs_backwards_is_no_trouble(use) -> None:
    for moment in (100.0, 90.0):
        assert use(told(100.0), told(moment)).row()[1] == ""


def test_the_others_that_use_most_are_named(use) -> None:
    def rows(*cpus: float) -> Any:
        sizes = (0, 3 * GIB, 1 << 20, 1 << 20)
        units = ("burner.service", "postgresql@17-main.service", "cron.service", "ssh.service")
        found = [{"unit": unit, "cpu": cpu, "memory": size} for unit, cpu, size in zip(units, cpus, sizes, strict=True)]
        return {"rows": found, "more": 0}

    seen = use(told(100.0, others=rows(0, 50, 7, 7)), told(102.0, others=rows(2, 50, 7, 7)))
    assert seen.row()[HOSTS.index("others")] == ("burner.service 100 % 0 MiB\npostgresql@17-main.service 0 % 3.0 GiB")
    assert use(told(1.0), told(2.0)).row()[-1] == ""


def test_what_is_nearly_full_stands_out(use) -> None:
    row = use(
        told(100.0),
        told(101.0, busy=102.3, load=9.0, memory={"total": GIB, "free": GIB // 20}, swap={"total": GIB, "free": 0}),
    ).row()
    assert row[1] == "200 % of 2"
    assert [isinstance(each, Marked) for each in row] == [False, True, True, True, True, False]


def test_hosts_are_asked_twice_and_one_that_stays_away_is_an_error(
    keepers: World, monkeypatch: pytest.MonkeyPatch, own_time: Callable[..., None]
) -> None:
    asked: list[tuple[str, str]] = []

    def ask(fleet: Fleet, name: str, function: str, arguments: object) -> HostUsage:
        asked.append((name, function))
        return told(100.0 + len(asked))

    monkeypatch.setattr(Fleet, "ask", ask)
    own_time(tasks, sleep=lambda seconds: asked.append(("", str(seconds))))
    tasks.top.body(keepers.fleet_of(), every=7)
    names = ["web1", "web2", "web3"]
    assert [sorted(name for name, _ in part) for part in (asked[:3], asked[4:])] == [names, names]
    assert asked[3] == ("", "7") and {function for name, function in asked if name} == {reading.USAGE}

    keepers["web2"].answers = False
    fleet = keepers.fleet_of()
    with pytest.raises(Exception, match="web2"):
        Meter(fleet).look()

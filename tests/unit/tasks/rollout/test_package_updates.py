"""Updates of packages, and reboots: in the batches of a rollout of what serves, on simulated hosts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hawser.answers import reading
from hawser.errors import Unreachable
from hawser.fleet.fleet import Fleet
from hawser.session import connections
from hawser.tasks import status
from hawser.tasks import upgrade as tasks
from hawser.tasks.upgrade import upgrade

from ...simulated_hosts import NGINX, World

LAMP = {"name": "lamp", "old": "1.0", "new": "1.1", "security": True}
ROPE = {**LAMP, "name": "rope", "security": False}


class Updates:
    """What hosts wait for, until it is installed; and what was done on them, in its order."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, own_time: Callable[..., None]) -> None:
        self.world = world
        self.waiting: dict[str, list[dict[str, Any]]] = {name: [] for name in world.hosts}
        self.reboot: dict[str, str] = {}
        self.outdated: dict[str, list[str]] = {}
        self.boots = dict.fromkeys(world.hosts, 0)
        self.down: dict[str, int] = {}
        self.done: list[str] = []
        self.ill: set[str] = set()
        original = Fleet.ask

        def ask(fleet: Fleet, name: str, function: Any, arguments: Any) -> Any:
            if not world[name].answers:
                raise Unreachable(f"{name}: no answer")
            if function == reading.UPGRADES:
                packages, reboot = self.waiting[name], self.reboot.get(name, "")
                return {"packages": packages, "lists": 0, "reboot": reboot, "trouble": ""}
            if function == reading.OUTDATED:
                return self.outdated.get(name, [])
            if function == reading.BOOT:
                return f"boot-{self.boots[name]}"
            return original(fleet, name, function, arguments)

        monkeypatch.setattr(Fleet, "ask", ask)
        for module in (tasks, connections):
            own_time(module, sleep=lambda seconds: self.passes())
        monkeypatch.setattr(status, "status_of", lambda fleet, name: self)
        world.fault = self.seen

    def troubles(self) -> list[str]:
        return [f"{name}: web is down" for name in self.ill]

    def seen(self, name: str, row: Any) -> None:
        kind = row["kind"]
        if kind == "upgraded":
            wanted = [each for each in self.waiting[name] if each["security"] or row["everything"]]
            self.waiting[name] = [each for each in self.waiting[name] if each not in wanted]
            if wanted:
                self.done.append(f"{name} gets {', '.join(each['name'] for each in wanted)}")
        elif kind == "rebooted" and row["boot"] == f"boot-{self.boots[name]}":
            self.done.append(f"{name} boots")
            self.down[name] = 2
        elif kind == "running" and row["again"]:
            self.done.append(f"{name} starts anew")
        elif kind == "file" and row["path"] == NGINX:
            found = re.findall(r"10\.0\.0\.(\d):8001[^\n]* down;", row["content"])
            out = [f"app{int(number) - 1}" for number in found]
            self.done.append(f"{name} passes nothing to {', '.join(out) or 'nobody'}")

    def passes(self) -> None:
        """A moment passes: a host that was told to boot goes down, and comes back later."""
        for name, left in [*self.down.items()]:
            self.world[name].answers = left == 1
            self.down[name] = left - 1
            if left == 1:
                del self.down[name]
                self.boots[name] += 1
                self.reboot.pop(name, None)


@pytest.fixture
def updates(world: World, monkeypatch: pytest.MonkeyPatch, own_time: Callable[..., None]) -> Updates:
    return Updates(world, monkeypatch, own_time)


def upgraded(world: World, target: str = "pier", **options: Any) -> str:
    return world.give(upgrade.body, target, "upgrade", **options)


def test_where_nothing_waits_nothing_is_done(
    world: World, updates: Updates, capsys: pytest.CaptureFixture[str]
) -> None:
    updates.waiting["app1"] = [ROPE]
    assert upgraded(world) == ""
    assert updates.done == [] and world.state == dict.fromkeys(world.hosts, "a")
    assert "nothing waits; nothing to do" in capsys.readouterr().out


def test_each_host_gets_its_updates_while_it_is_drained_and_its_processes_start_anew(
    world: World, updates: Updates
) -> None:
    for name in world.hosts:
        updates.waiting[name] = [LAMP, ROPE]
    assert upgraded(world) == ""
    assert list(updates.waiting.values()) == [[ROPE]] * 4
    for name in ("app1", "app2", "app3"):
        start = updates.done.index(f"web1 passes nothing to {name}")
        installed, anew = (updates.done.index(f"{name} {what}") for what in ("gets lamp", "starts anew"))
        back = updates.done.index("web1 passes nothing to nobody", start)
        assert start < installed < anew < back
    assert "web1 gets lamp" in updates.done
    assert world.open == {} and [each["what"] for each in world["app1"].history][-1] == "upgrade"
    assert set(world.state.values()) == {"a"}
    assert upgraded(world, everything=True) == "" and not any(updates.waiting.values())


def test_a_host_that_is_not_healthy_ends_it_and_those_behind_it_are_not_touched(world: World, updates: Updates) -> None:
    for name in world.hosts:
        updates.waiting[name] = [LAMP]
    ill = world.ill("app2", "a")

    def both(name: str, row: Any) -> str | None:
        updates.seen(name, row)
        return ill(name, row)

    world.fault = both
    error = upgraded(world)
    assert "switch 3/4 failed on app2" in error or "switch 2/4 failed on app2" in error
    assert "app3 gets lamp" not in updates.done and updates.waiting["app3"] == [LAMP]
    assert set(world.state.values()) == {"a"}
    world.fault = updates.seen
    assert upgraded(world) == ""
    assert not any(updates.waiting.values()) and world.open == {}


def test_processes_that_run_code_that_was_replaced_before_start_anew(world: World, updates: Updates) -> None:
    updates.outdated["app2"] = ["pier-back.service", "cron.service"]
    updates.outdated["app3"] = ["cron.service"]
    assert upgraded(world) == ""
    assert [each for each in updates.done if "anew" in each] == ["app2 starts anew"]


def test_two_releases_are_not_started_anew_at_once(world: World, updates: Updates) -> None:
    updates.waiting = {name: [LAMP] for name in world.hosts}
    world.commit = "b"
    assert world.fab("deploy", target="pier/app1", partial=True) == ""
    updates.done.clear()
    error = upgraded(world)
    assert "these hosts serve different releases" in error and "app1: bbbb" in error and updates.done == []


def test_secrets_that_have_changed_do_not_come_with_updates(world: World, updates: Updates) -> None:
    updates.waiting = {name: [LAMP] for name in world.hosts}
    world.settings(more='[env]\nrequired = ["KEY"]')
    (world.folder / "pier.env").open("a").write("KEY=one-of-my-keys\n")
    assert world.fab("deploy") == ""
    text = (world.folder / "pier.env").read_text()
    (world.folder / "pier.env").write_text(text.replace("one-of", "another-of"))
    updates.done.clear()
    error = upgraded(world)
    assert "secrets have changed since" in error and "fab -H pier deploy" in error and updates.done == []


def test_hosts_that_want_it_are_named_and_booted_only_when_that_is_wanted(
    world: World, updates: Updates, capsys: pytest.CaptureFixture[str]
) -> None:
    updates.reboot = {"app1": "the kernel 6.1.0-41-amd64 waits, 6.1.0-40-amd64 runs", "web1": "a package asks for it"}
    assert upgraded(world) == ""
    said = capsys.readouterr().out
    assert updates.done == [] and "app1: the kernel 6.1.0-41-amd64 waits" in said and "upgrade --reboot" in said
    assert upgraded(world, reboot=True) == ""
    assert updates.boots == {"web1": 1, "app1": 1, "app2": 0, "app3": 0}
    assert [each for each in updates.done if "boots" in each or "passes" in each] == [
        "web1 boots",
        "web1 passes nothing to app1",
        "app1 boots",
        "web1 passes nothing to nobody",
    ]


def test_a_host_that_does_not_come_back_stays_out_and_those_behind_it_are_not_booted(
    world: World, updates: Updates, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.reboot = dict.fromkeys(("app1", "app2"), "a package asks for it")
    monkeypatch.setattr(tasks, "BOOT", -1.0)
    error = upgraded(world, reboot=True)
    assert "app1: does not answer" in error and "pier/app1 status" in error
    assert [each for each in updates.done if "boots" in each] == ["app1 boots"]
    assert " down" in world["web1"].files[NGINX]


def test_a_host_that_has_booted_and_is_not_well_ends_it(
    world: World, updates: Updates, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.reboot = dict.fromkeys(("app1", "app2"), "a package asks for it")
    updates.ill = {"app1"}
    monkeypatch.setattr(tasks, "WELL", -1.0)
    error = upgraded(world, reboot=True)
    assert "has booted, and is not well" in error and "web is down" in error
    assert [each for each in updates.done if "boots" in each] == ["app1 boots"]

"""Another Hawser makes another release, and restarts no process for which it writes the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from hawser import installed
from hawser.host import release as releases
from hawser.host.release import Release
from hawser.session import session
from hawser.tasks import bootstrap, config
from hawser.tasks.managers import systemd
from hawser.tasks.rollout import confined
from hawser.templates import rendering

from ...simulated_hosts import KILL, ROOT, World

NEWER = "0.2.0+0123456789ab"
ALL_RESTART = ["app1 starts a", "app2 starts a", "app3 starts a"]


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the next command come from another Hawser, which puts the same on hosts."""

    def become(version: str) -> None:
        for module in (releases, session, confined):
            monkeypatch.setattr(module, "this_version", lambda: version)

    return become


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Have Hawser bring a template that differs."""

    def shipped(name: str) -> None:
        folder = tmp_path / "shipped"
        shutil.copytree(rendering.BUILT_IN, folder)
        (folder / name).write_text((folder / name).read_text() + "# another\n")
        monkeypatch.setattr(rendering, "BUILT_IN", folder)
        monkeypatch.setattr(rendering, "SHIPPED", jinja2.FileSystemLoader(folder))

    return shipped


def current(world: World) -> str:
    return world["app1"].links[f"{ROOT}/current"].rpartition("/")[2]


def test_another_hawser_makes_another_release_and_restarts_nothing(world, become, capsys):
    before = current(world)
    become(NEWER)
    assert world.fab("deploy") == "" and world.log == []
    assert current(world) != before and current(world)[:10] == before[:10]
    told = f"serves {before}, made by Hawser {installed.this_version()}; only Hawser differs, this is {NEWER}"
    assert told in capsys.readouterr().out
    world.settings(body="2m")
    world.fab("deploy")
    assert "only Hawser differs" not in capsys.readouterr().out


def test_folders_that_another_hawser_let_processes_write_to_are_named_before_anything_changes(world, become, capsys):
    world["app2"].elsewhere = ["/data/media"]
    world.settings(body="2m")
    world.fab("deploy")
    assert "/data/media" not in capsys.readouterr().out
    become(NEWER)
    world.fab("deploy")
    said = capsys.readouterr().out
    assert said.count("app2  warning  /data/media belongs to pier") == 1
    assert said.index("/data/media belongs") < said.index("== prepare")


def test_what_an_older_hawser_released_is_as_it_was(world):
    """It hardened nothing, and said nothing of it in what it kept."""
    environment = world.fleet_of().environment
    kept = json.loads(world["app1"].files[f"{ROOT}/releases/{current(world)}/release.json"])
    assert [each.hardened for each in Release.from_inputs(kept, environment).environment.processes.values()] == [True]
    for process in kept["settings"]["processes"].values():
        del process["hardened"], process["writable"]
    assert [each.hardened for each in Release.from_inputs(kept, environment).environment.processes.values()] == [False]


def test_hosts_record_which_hawser_deployed(world, become):
    become(NEWER)
    world.fab("deploy")
    host = world["app1"]
    assert json.loads(host.files[f"{ROOT}/releases/{current(world)}/release.json"])["hawser"] == NEWER
    assert [entry["hawser"] for entry in host.history] == [installed.this_version(), NEWER]


def test_a_rollback_to_a_release_of_another_hawser_restarts_nothing(world, become):
    before = current(world)
    become(NEWER)
    world.fab("deploy")
    assert world.fab("rollback", to=before) == "" and world.log == []
    assert current(world) == before


def test_a_hawser_that_writes_another_unit_restarts_the_process(world, become, monkeypatch):
    become(NEWER)
    written = systemd.keys
    monkeypatch.setattr(systemd, "keys", lambda process: {**written(process), "Nice": "5"})
    assert world.fab("deploy") == "" and world.log == ALL_RESTART
    assert world.fab("deploy") == "" and world.log == []


def test_a_hawser_that_sets_another_variable_restarts_the_process(world, become, monkeypatch):
    become(NEWER)
    written = config.full_environment
    monkeypatch.setattr(config, "full_environment", lambda host: f"{written(host)}MORE=1\n")
    assert world.fab("deploy") == "" and world.log == ALL_RESTART


@pytest.mark.parametrize(("name", "log"), [("run.sh.j2", ALL_RESTART), ("nginx-site.conf.j2", [])])
def test_of_templates_that_hawser_brings_those_count_that_processes_read(world, become, shipped, name, log):
    before = current(world)
    become(NEWER)
    shipped(name)
    assert world.fab("deploy") == "" and world.log == log
    assert current(world) != before


def test_bootstrap_of_another_hawser_still_gives_services_the_passwords_of_what_serves(world, become):
    world.settings(more='[services.redis]\ngroups = ["front"]\n')
    assert world.fab("deploy") == ""
    become(NEWER)
    assert not bootstrap.serves_with_others(world.fleet_of())
    world.settings(body="2m")
    assert bootstrap.serves_with_others(world.fleet_of())


def test_what_another_hawser_has_begun_is_not_finished_but_deployed_anew(world, become):
    world.commit = "b"
    world.fault = lambda host, row: KILL if host == "app2" and row["kind"] == "running" else None
    assert world.fab("deploy") == KILL
    world.fault = lambda host, row: None
    become(NEWER)
    told = f"Hawser has changed (from {installed.this_version()} to {NEWER}) since"
    assert told in world.fab("resume")
    assert world.fab("deploy") == "" and set(world.state.values()) == {"b"} and world.open == {}

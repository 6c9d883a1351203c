"""Rollouts that concern a part of the hosts, and hosts that the settings no longer name."""

from __future__ import annotations

import pytest

from ...simulated_hosts import KILL, at

FILE = '[[files]]\npath = "/etc/pier.conf"\ncontent = "{}"'
MIGRATES = 'batch = 1\nmigrate = "./migrate"\nleader = "app1"\nrolling_migrations = "unclassified"'


def test_a_leader_that_has_no_part_in_a_rollout_keeps_its_files(world):
    world.settings(release=MIGRATES, more=FILE.format("one"))
    assert world.fab("deploy") == ""
    world.settings(more=FILE.format("two"))
    assert world.fab("deploy", "app2") == ""
    found = {name: host.files["/etc/pier.conf"] for name, host in world.hosts.items() if name != "web1"}
    assert found == {"app1": "one", "app2": "two", "app3": "one"}


def test_a_migration_that_fails_on_a_leader_without_a_part_is_told_as_it_is(world):
    world.settings(release=MIGRATES, more=FILE.format("one"))
    assert world.fab("deploy") == ""
    world.settings(more=FILE.format("two"))
    world.fault = lambda name, row: "no such table" if row["step"] == "db.migrate" else None
    assert "migrate failed on app1" in world.fab("deploy", "app2")
    assert {host.files.get("/etc/pier.conf", "one") for host in world.hosts.values()} == {"one"}


def test_a_host_that_lost_its_part_is_left_also_by_the_next_command(world):
    world.groups["old1"] = ["back"]
    world.settings()
    assert world.fab("deploy") == ""
    world.groups["old1"] = ["other"]
    world.settings()
    world.commit = "b"
    world.fault = lambda name, row: KILL if name == "old1" else None
    assert world.fab("deploy") == KILL
    assert world["old1"].runs == "a"
    world.fault = at("nobody", KILL)
    assert world.fab("deploy") == ""
    assert (world["old1"].current, world["old1"].runs) == ("", "")


def test_journals_of_hosts_that_waited_close_when_the_last_one_has_come_by_itself(world):
    world.settings(release='batch = 1\nunreachable = "skip"')
    world.fab("deploy")
    world.commit = "b"
    world["app3"].answers = False
    assert world.fab("deploy") == ""
    world["app3"].answers = True
    assert world.fab("resume", "app3") == ""
    assert set(world.open) == {"web1", "app1", "app2"}
    assert world.fab("resume") == ""
    assert world.open == {} and set(world.state.values()) == {"b"}


BEAT = '[processes.beat]\ncommand = "beat"\ngroups = ["{}"]\nsingle = true'


@pytest.fixture
def beats(world):
    """A process of which there is one, on app1, that shall move to web1, which switches earlier."""
    world.settings(more=BEAT.format("back"))
    assert world.fab("deploy") == ""
    assert "pier-beat" in world["app1"].units
    world.settings(more=BEAT.format("front"))
    return world


def test_a_single_process_stops_on_its_host_before_another_one_starts_it(beats):
    assert beats.fab("deploy") == ""
    moves = [line for line in beats.log if "beat" in line]
    assert moves == ["app1 stops pier-beat", "web1 starts a pier-beat"]
    assert [name for name, host in beats.hosts.items() if "pier-beat" in host.units] == ["web1"]


def test_a_single_process_is_back_on_its_host_when_the_rollout_fails(beats):
    beats.commit = "b"
    beats.fault = beats.ill("app2")
    assert "failed on app2" in beats.fab("deploy")
    assert [name for name, host in beats.hosts.items() if "pier-beat" in host.units] == ["app1"]

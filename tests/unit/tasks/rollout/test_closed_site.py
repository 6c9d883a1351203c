"""The maintenance page of a rollout: on all web servers or on none, and never forgotten."""

from __future__ import annotations

import pytest

from ...simulated_hosts import KILL, PAGE, World, at


@pytest.fixture
def two(world):
    """Two web servers."""
    world.fleet(web1="front", web2="front", app1="back", app2="back")
    assert world.fab("deploy") == ""
    world.commit = "b"
    return world


def closed(world: World) -> list[str]:
    return [name for name, host in world.hosts.items() if host.closed]


def test_the_page_is_on_all_web_servers_while_hosts_switch_and_gone_afterwards(two):
    seen = []

    def look(name, row):
        if row["kind"] == "running":
            seen.append(closed(two))

    two.fault = look
    assert two.fab("deploy", maintenance=True) == ""
    assert seen == [["web1", "web2"]] * 2
    assert closed(two) == [] and two.open == {}


def test_a_page_that_cannot_be_put_on_one_web_server_is_on_none(two):
    two.fault = lambda name, row: "disk full" if name == "web2" and row.get("content") and row["path"] == PAGE else None
    assert "close the site failed on web2" in two.fab("deploy", maintenance=True)
    assert closed(two) == []
    assert set(two.state.values()) == {"a"}


def test_a_page_that_cannot_be_taken_away_either_is_told_with_the_first_reason(two):
    two.fault = lambda name, row: "disk full" if name == "web2" and row.get("path") == PAGE else None
    said = two.fab("deploy", maintenance=True)
    assert "close the site failed on web2" in said and "open the site failed on web2" in said
    assert "maintenance.off" in said


def test_the_page_is_put_on_all_web_servers_again_when_the_rollout_is_resumed(two):
    two.fault = at("web2", KILL, kind="file", path=PAGE)
    assert two.fab("deploy", maintenance=True) == KILL
    assert not two["web2"].closed
    seen = []

    def look(name, row):
        if row["kind"] == "running":
            seen.append(closed(two))

    two.fault = look
    assert two.fab("resume") == ""
    assert seen == [["web1", "web2"]] * 2
    assert closed(two) == [] and set(two.state.values()) == {"b"}


def test_the_page_of_somebody_else_stays(two):
    for name in ("web1", "web2"):
        two[name].files[PAGE] = "by hand"
    assert two.fab("deploy", maintenance=True) == ""
    assert closed(two) == ["web1", "web2"]
    assert two["web1"].files[PAGE] == "by hand"

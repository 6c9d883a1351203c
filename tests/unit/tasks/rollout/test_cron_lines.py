"""A changed cron line makes a release, and restarts no process that reads the same as before."""

from __future__ import annotations

import pytest

from ...simulated_hosts import NAME, ROOT, World, at

LINE = '[cron.nightly]\ncommand = "true"\nschedule = "{}"'
CRONTAB = f"/etc/cron.d/{NAME}"


@pytest.fixture
def daily(world: World) -> World:
    world.settings(more=LINE.format("@daily"))
    assert world.fab("deploy") == ""
    return world


def current(world: World) -> str:
    return world["app1"].links[f"{ROOT}/current"].rpartition("/")[2]


def serves(world: World, host: str) -> str:
    """Return the release in whose folder the process of a host runs."""
    return world[host].units[f"{NAME}-back"].partition("release=")[2].split()[0]


def crontabs(world: World) -> set[str]:
    return {line for host in world.hosts.values() for line in host.files[CRONTAB].splitlines() if line[:1] == "@"}


def schedules(world: World) -> set[str]:
    return {line.split()[0] for line in crontabs(world)}


def test_a_first_a_changed_and_a_last_cron_line_restart_no_process(daily):
    assert daily.log == [] and schedules(daily) == {"@daily"}
    daily.settings(more=LINE.format("@weekly"))
    assert daily.fab("deploy") == "" and daily.log == []
    assert schedules(daily) == {"@weekly"}
    daily.settings(more="")
    assert daily.fab("deploy") == "" and daily.log == []
    assert not any(CRONTAB in host.files for host in daily.hosts.values())


def test_a_rollback_brings_the_cron_lines_of_its_release_back_and_restarts_nothing(daily):
    first = current(daily)
    daily.settings(more=LINE.format("@weekly"))
    daily.fab("deploy")
    second = current(daily)
    daily.settings(more=LINE.format("@hourly"))
    daily.fab("deploy")
    for wanted, schedule in ((second, "@weekly"), (first, "@daily"), (second, "@weekly")):
        assert daily.fab("rollback", to=wanted) == "" and daily.log == []
        assert (current(daily), schedules(daily)) == (wanted, {schedule})


def test_a_rollback_across_code_restarts_into_the_release_that_it_goes_to(daily):
    daily.settings(more=LINE.format("@weekly"))
    daily.fab("deploy")
    weekly = current(daily)
    daily.commit = "b"
    assert daily.fab("deploy") == "" and daily.log == ["app1 starts b", "app2 starts b", "app3 starts b"]
    assert daily.fab("rollback", to=weekly) == "" and daily.log == ["app1 starts a", "app2 starts a", "app3 starts a"]
    assert serves(daily, "app1") == weekly


def test_a_rollback_gives_processes_the_secrets_of_today(world):
    needs, file = '\n[env]\nrequired = ["API_KEY"]\n', world.folder / f"{NAME}.env"
    before = file.read_text()
    file.write_text(f"{before}API_KEY=first\n")
    world.settings(more=LINE.format("@daily") + needs)
    assert world.fab("deploy") == ""
    first = current(world)
    world.settings(more=LINE.format("@weekly") + needs)
    assert world.fab("deploy") == "" and world.log == []
    file.write_text(f"{before}API_KEY=second\n")
    assert world.fab("rollback", to=first) == ""
    assert world.log == ["app1 starts a", "app2 starts a", "app3 starts a"]


def test_a_new_cron_line_that_fails_in_the_middle_is_finished_without_a_restart(daily):
    daily.settings(more=LINE.format("@weekly"))
    daily.fault = at("app2", "no", kind="file", path=CRONTAB)
    assert "finish failed" in daily.fab("deploy")
    daily.fault = lambda host, row: None
    assert daily.fab("resume") == "" and daily.log == []
    assert schedules(daily) == {"@weekly"} and daily.open == {}


def test_a_release_that_fails_leaves_processes_where_an_earlier_one_had_left_them(daily):
    started_in = serves(daily, "app3")
    daily.settings(more=LINE.format("@weekly"))
    daily.fab("deploy")
    weekly = current(daily)
    daily.commit = "b"
    daily.fault = daily.ill("app2")
    assert "failed on app2" in daily.fab("deploy")
    assert daily.log == ["app1 starts b", "app2 starts b", "app2 starts a", "app1 starts a"]
    assert (current(daily), schedules(daily), daily.open) == (weekly, {"@weekly"}, {})
    # What never switched was not touched; what had to start again did so where all is as the release was built.
    assert (serves(daily, "app1"), serves(daily, "app3")) == (weekly, started_in)

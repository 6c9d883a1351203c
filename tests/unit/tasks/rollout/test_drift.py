"""What differs on hosts, and a repair: a rollout of the release that serves, on the hosts where something differs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hawser.fleet.comparison import SERVES, SET_UP, Comparison
from hawser.fleet.fleet import Fleet
from hawser.host.journal import Record
from hawser.tasks import drift
from hawser.tasks.bootstrap import note
from hawser.tasks.drift import compare
from hawser.tasks.repair import repair

from ...simulated_hosts import CUT, NGINX, ROOT, STATE, World, at

CRON = "/etc/logrotate.d/pier"
UNIT = "/etc/systemd/system/pier-back.service"


@pytest.fixture
def world(world: World) -> World:
    """The hosts of a rollout, made ready by this `bootstrap` as well."""
    bootstrapped(world)
    assert drifted(world) == {}
    return world


def bootstrapped(world: World) -> None:
    """Leave on hosts what `bootstrap` does, and the note of it."""
    from hawser.fleet.references import bootstrapped_with

    fleet = world.fleet_of()
    fleet.connect()
    for name in fleet.names:
        for step in drift.SET_UP:
            for row in fleet.catalog(name, [step], None).to_wire():
                world[name].become(row, [])
    fleet.apply([note.given(made=bootstrapped_with(fleet))], phase="note")
    for wire in fleet.connections.wires.values():
        wire.close()


def comparisons(world: World) -> list[Comparison]:
    fleet = world.fleet_of()
    fleet.connect()
    return compare(fleet)


def drifted(world: World) -> dict[str, list[str]]:
    """Return the labels of what differs, by host."""
    return {each.host: [row.event.label for row in each.drift] for each in comparisons(world) if each.drift}


def doubted(world: World) -> dict[str, dict[str, str]]:
    """Return what differs and may be nobody's doing, with the reason, by host."""
    found = {each.host: {row.event.label: row.doubt for row in each.found if row.doubt} for each in comparisons(world)}
    return {name: rows for name, rows in found.items() if rows}


def says(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return what `drift` ends with, and what it has told."""
    error = world.give(drift.drift.body, "pier", "drift")
    return error, capsys.readouterr().out


class TestDrift:
    def test_an_edit_of_a_file_a_link_and_a_stopped_process_differ_on_their_hosts(self, world: World) -> None:
        world["web1"].files[NGINX] += "# by hand\n"
        world["app2"].links[f"{ROOT}/source"] = "/tmp"
        world["app3"].units.clear()
        assert drifted(world) == {
            "web1": [f"file {NGINX}"],
            "app2": [f"link {ROOT}/source"],
            "app3": ["running pier-back"],
        }

    def test_the_command_ends_with_an_error_that_counts_and_names_the_next_move(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert says(world, capsys)[0] == ""
        world["web1"].files[NGINX] += "# by hand\n"
        world["app1"].files[UNIT] += "# by hand\n"
        error, told = says(world, capsys)
        assert error.startswith("2 things differ on web1, app1") and "pier/web1,pier/app1 repair" in error
        assert f"nginx.install     file {NGINX}" in told

    def test_it_takes_one_exchange_a_host_where_the_settings_are_those_of_the_release(self, world: World) -> None:
        fleet = world.fleet_of()
        fleet.connect()
        compare(fleet)
        assert {wire.exchanges for wire in fleet.connections.wires.values()} == {1}

    def test_settings_that_were_not_deployed_yet_are_no_drift(self, world: World) -> None:
        world.settings(body="9m")
        assert drifted(world) == {} and doubted(world) == {}
        world["web1"].files[NGINX] += "# by hand\n"
        assert drifted(world) == {"web1": [f"file {NGINX}"]}

    def test_a_commit_that_was_not_deployed_yet_is_no_drift(self, world: World) -> None:
        world.commit = "b"
        assert drifted(world) == {} and doubted(world) == {}

    def test_nothing_differs_after_a_rollback(self, world: World) -> None:
        world.commit = "b"
        assert world.fab("deploy") == "" == world.fab("rollback", to=first_release(world))
        assert set(world.state.values()) == {"a"} and drifted(world) == {} == doubted(world)

    def test_what_bootstrap_has_brought_is_compared_with_the_settings_of_then(self, world: World) -> None:
        """Settings of a release may be older or younger than those with which its host was set up."""
        world.settings(more='[packages]\nall = ["tree"]')
        assert world.fab("deploy") == ""
        assert drifted(world) == {}
        world["app1"].files[f"{STATE}/secrets.json"] = "{}"
        assert drifted(world) == {"app1": [f"file {STATE}/secrets.json"]}

    def test_where_no_bootstrap_has_noted_its_settings_nothing_that_it_brings_is_known(self, world: World) -> None:
        del world["app1"].files[f"{STATE}/bootstrap.json"]
        world["app1"].files["/var/lib/hawser/pier/signing.pub"] = "A" * 43
        assert drifted(world) == {}
        assert "fab -H pier bootstrap" in doubted(world)["app1"][f"file {STATE}/signing.pub"]

    def test_an_open_rollout_is_told_and_what_serves_is_not_compared(self, world: World) -> None:
        world["app1"].journal = {"release": world["app1"].links[f"{ROOT}/current"].rpartition("/")[2], "by": "x"}
        (only,) = [each for each in comparisons(world) if each.unknown]
        assert only.host == "app1" and "is open; next: fab -H pier resume" in only.unknown[0]
        assert SERVES not in only.known and SET_UP in only.known

    def test_a_record_of_what_serves_that_was_altered_differs(self, world: World) -> None:
        for host in world.hosts.values():
            path = next(path for path in host.files if path.endswith("/release.json"))
            content = {**json.loads(host.files[path]), "process_inputs": "", "around": ""}
            host.files[path] = json.dumps(content)
        found = comparisons(world)
        assert [len(each.drift) for each in found] == [1] * 4
        assert "does not fit its signature" in found[0].drift[0].event.note

    def test_a_host_that_falls_silent_is_told_and_the_others_are_compared(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fleet = world.fleet_of()
        fleet.connect()
        world["app1"].answers = False
        found = {each.host: each for each in compare(fleet)}
        assert found["app1"].error is not None and not any(found[name].error for name in ("web1", "app2", "app3"))

    def test_what_only_follows_from_something_else_is_not_told(self, world: World) -> None:
        world["app1"].files[UNIT] += "# by hand\n"
        world.fault = at("app1", "would_change", kind="healthy")
        assert drifted(world) == {"app1": [f"file {UNIT}"]}
        world.fault = at("web1", "would_change", kind="reloaded")
        world["web1"].files[NGINX] += "# by hand\n"
        assert drifted(world)["web1"] == [f"file {NGINX}"]

    def test_a_reload_that_a_broken_off_run_has_left_is_told(self, world: World) -> None:
        world.fault = at("web1", "would_change", kind="reloaded")
        assert drifted(world) == {"web1": ["reloaded nginx"]}

    def test_what_the_host_cannot_know_is_no_drift(self, world: World) -> None:
        world.fault = at("web1", "unknown", kind="service", name="nginx")
        assert drifted(world) == {}
        assert "put right" in doubted(world)["web1"]["service nginx"]


def first_release(world: World) -> str:
    kept = [path.split("/")[4] for path in world["web1"].files if path.endswith("/release.json")]
    return next(each for each in kept if each.startswith("a"))


class TestRepair:
    def test_only_hosts_that_differ_are_touched_and_processes_start_anew_where_their_definition_differs(
        self, world: World
    ) -> None:
        world["web1"].files[NGINX] += "# by hand\n"
        world["app2"].files[UNIT] += "# by hand\n"
        before = {name: list(host.history) for name, host in world.hosts.items()}
        world.log.clear()
        assert world.give(repair.body, "pier", "repair") == ""
        assert drifted(world) == {} and world.open == {}
        assert world.log == ["app2 starts a"]
        assert {name for name, host in world.hosts.items() if host.history != before[name]} == {"web1", "app2"}
        assert world["app2"].history[-1]["what"] == "repair"

    def test_it_brings_neither_a_newer_commit_nor_newer_settings(self, world: World) -> None:
        world.commit = "b"
        world.settings(body="9m")
        world["web1"].files[NGINX] += "# by hand\n"
        assert world.give(repair.body, "pier", "repair") == ""
        assert world["web1"].max_body == "1m" and set(world.state.values()) == {"a"}

    def test_where_nothing_differs_nothing_is_done(self, world: World) -> None:
        before = {name: list(host.history) for name, host in world.hosts.items()}
        assert world.give(repair.body, "pier", "repair") == ""
        assert {name: host.history for name, host in world.hosts.items()} == before

    def test_a_process_that_somebody_has_stopped_starts_and_others_go_on(self, world: World) -> None:
        world["app1"].units.clear()
        world.log.clear()
        assert world.give(repair.body, "pier", "repair") == ""
        assert world.log == ["app1 starts a"]

    def test_hosts_go_one_after_the_other_and_the_rest_is_not_touched_when_one_fails(self, world: World) -> None:
        for name in ("app1", "app2", "app3"):
            world[name].files[UNIT] += "# by hand\n"
        world.log.clear()
        faults = ["it is ill"]
        world.fault = lambda host, row: faults.pop() if faults and host == "app1" and ill(world, host, row) else None
        assert "failed on app1" in world.give(repair.body, "pier", "repair")
        assert world.open == {} and set(world.state.values()) == {"a"}
        results = {name: world[name].history[-1]["result"][:6] for name in ("app1", "app2", "app3")}
        assert set(results.values()) == {"failed"}
        world.fault = lambda host, row: None
        assert world.give(repair.body, "pier", "repair") == "" and drifted(world) == {}

    def test_one_that_was_cut_off_is_finished_by_resume(self, world: World) -> None:
        world["app2"].files[UNIT] += "# by hand\n"
        world.fault = lambda host, row: CUT if host == "app2" and acts(row, "running") else None
        assert world.give(repair.body, "pier", "repair") != ""
        world.fault = lambda host, row: None
        world["app2"].answers = True
        assert world.fab("resume") == "" and world.open == {} and set(world.state.values()) == {"a"}

    def test_other_secrets_are_not_brought_to_some_hosts_alone(self, world: World) -> None:
        secrets = world.folder / "pier.env"
        world.settings(more='[env]\nrequired = ["TOKEN"]\nvariables = { TOKEN = "{{ secrets.TOKEN }}" }')
        secrets.write_text(secrets.read_text() + "TOKEN='first'\n")
        assert world.fab("deploy") == ""
        secrets.write_text(secrets.read_text().replace("first", "second"))
        assert drifted(world) == {}
        assert all("secrets have changed" in why for rows in doubted(world).values() for why in rows.values())
        world["web1"].files[NGINX] += "# by hand\n"
        assert drifted(world) == {"web1": [f"file {NGINX}"]}
        error = world.give(repair.body, "pier", "repair")
        assert "nothing was touched\n  web1: secrets\n" in error and "fab -H pier deploy" in error
        assert world["web1"].files[NGINX].endswith("# by hand\n")

    def test_a_host_that_joins_the_settings_is_not_brought_to_a_web_server_that_is_repaired(self, world: World) -> None:
        world.fleet(web1="front", app1="back", app2="back", app3="back", app4="back")
        assert drifted(world) == {}
        assert set(doubted(world)["web1"]) == {f"file {NGINX}"}
        world["web1"].links[f"{ROOT}/source"] = "/tmp"
        error = world.give(repair.body, "pier/web1,pier/app1", "repair")
        assert f"nothing was touched\n  web1: file {NGINX}" in error
        assert "10.0.0.5" not in world["web1"].files[NGINX]

    def test_a_freeze_and_whoever_is_at_work_are_respected(self, world: World) -> None:
        world["web1"].files[NGINX] += "# by hand\n"
        world["app1"].holder = object()
        assert "nothing was touched" in world.give(repair.body, "pier", "repair")
        world["app1"].holder = None
        world["web1"].files[f"{STATE}/hold.json"] = '{"who": "ann", "why": "exam"}'
        assert "frozen" in world.give(repair.body, "pier", "repair")
        assert world["web1"].files[NGINX].endswith("# by hand\n")

    def test_hosts_that_serve_different_releases_are_repaired_one_release_at_a_time(self, world: World) -> None:
        world.commit = "b"
        assert world.fab("deploy", "pier/app1", partial=True) == ""
        for name in ("app1", "app2"):
            world[name].files[UNIT] += "# by hand\n"
        assert "serve different releases" in world.give(repair.body, "pier", "repair")
        assert world.give(repair.body, "pier/app1", "repair") == "" == world.give(repair.body, "pier/app2", "repair")
        assert world.state["app1"] == "b" and world.state["app2"] == "a" and drifted(world) == {}


def acts(row: Any, kind: str) -> bool:
    return bool(row["kind"] == kind and row.get("again"))


def ill(world: World, host: str, row: Any) -> bool:
    """Tell whether a process that was started anew is asked for its health."""
    return row["kind"] == "healthy" and f"{host} starts a" in world.log


def test_a_record_says_on_which_hosts_processes_start_anew() -> None:
    assert Record("a", anew=("web1",)).entry()["anew"] == ["web1"]


def test_hosts_without_a_connection_are_no_part_of_a_comparison(world: World) -> None:
    fleet: Fleet = world.fleet_of("pier/app1")
    fleet.connect()
    assert [each.host for each in compare(fleet)] == ["app1"]

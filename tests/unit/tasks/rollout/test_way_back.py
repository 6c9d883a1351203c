"""A rollout that fails puts everything back: what serves, what the web servers pass on, and the maintenance page."""

from __future__ import annotations

from ...simulated_hosts import CUT, KILL, World, at, either


def everything_is(world: World, commit: str, body: str = "1m") -> None:
    assert set(world.state.values()) == {commit}
    assert {host.runs for name, host in world.hosts.items() if name != "web1"} == {commit}
    assert world.open == {}
    web1 = world["web1"]
    assert (web1.max_body, web1.out, web1.closed) == (body, [], False)


def test_the_web_server_in_front_goes_back_too(world):
    world.commit = "b"
    world.settings(body="9m")
    world.fault = world.ill("app2")
    assert "switch 3/4 failed on app2" in world.fab("deploy")
    everything_is(world, "a")


def test_backends_go_back_one_by_one_the_ill_one_first_and_get_no_requests_meanwhile(world, capsys):
    world.commit = "b"
    world.fault = world.ill("app2")
    world.fab("deploy")
    said = capsys.readouterr().out
    back = said[said.index("== put back") :].splitlines()
    phases = [line.split("  ")[0][3:] for line in back if line.startswith("== ")]
    names = [line.split("  ")[1] for line in back if line.startswith("== put back")]
    assert names == ["web1, app3", "app2", "app1"]
    assert [phase for phase in phases if phase.startswith("take")] == [
        f"take {way} {name}" for name in ("app2", "app1") for way in ("out", "in")
    ]
    assert world.log == ["app1 starts b", "app2 starts b", "app2 starts a", "app1 starts a"]


def test_a_web_server_that_switches_together_with_a_backend_has_the_new_settings(world):
    world.groups = {"app1": ["back"], "app2": ["back"], "app3": ["back"], "web1": ["front"]}
    world.commit = "b"
    world.settings(release="batch = 2", body="9m")
    assert world.fab("deploy") == ""
    everything_is(world, "b", "9m")


def test_a_host_that_served_nothing_before_serves_nothing_afterwards(world):
    world.fleet(web1="front", new1="back", app1="back", app2="back", app3="back")
    world.commit = "b"
    world.fault = world.ill("app2")
    world.fab("deploy")
    assert world.state == {"web1": "a", "new1": "", "app1": "a", "app2": "a", "app3": "a"}
    assert world["new1"].runs == "" and world.open == {}


def test_a_first_release_that_fails_stays_where_it_came_up_for_a_look(world):
    world.hosts.clear()
    world.settings()
    world.fault = world.ill("app2", "a")
    world.fab("deploy")
    assert world.state == {"web1": "a", "app1": "a", "app2": "", "app3": ""}
    assert world["app2"].runs == "a"
    world.fault = lambda host, row: None
    assert world.fab("deploy") == ""
    everything_is(world, "a")


def test_a_rollout_killed_on_its_way_back_is_resumed_and_the_page_goes(world):
    world.commit = "b"
    world.fault = either(world.ill("app2"), at("app3", KILL, kind="journal", phase="put back"))
    assert world.fab("deploy", maintenance=True) == KILL
    assert world["web1"].closed
    world.fault = lambda host, row: None
    assert world.fab("resume") == ""
    everything_is(world, "a")
    assert "put back: " in world["app2"].history[-1]["result"]


def test_a_rollout_killed_while_its_journals_close_is_resumed(world):
    world.commit = "b"
    world.fault = either(world.ill("app2"), at("app3", KILL, kind="journal", release=""))
    assert world.fab("deploy", maintenance=True) == KILL
    world.fault = lambda host, row: None
    assert world.fab("resume") == ""
    everything_is(world, "a")


def test_a_backend_that_was_out_is_in_again_after_a_resume_that_does_not_name_the_web_server(world):
    world.settings(command="back2")
    world.fault = either(world.ill("app2", "a"), at("app2", KILL, kind="journal", phase="put back"))
    assert world.fab("deploy", "app1,app2") == KILL
    assert world["web1"].out == ["10.0.0.3"]
    world.fault = lambda host, row: None
    assert world.fab("resume", "app1,app2") == ""
    assert world["web1"].out == [] and world.open == {}


def test_a_backend_that_restarts_gets_no_requests_even_where_the_web_server_is_not_named(world, capsys):
    world.commit = "b"
    assert world.fab("deploy", "app1", partial=True) == ""
    said = capsys.readouterr().out
    assert said.index("take out app1  web1") < said.index("switch 1/1  app1") < said.index("take in app1  web1")
    assert world["web1"].out == []


def test_a_failure_leaves_hosts_that_have_finished_long_ago_and_the_rollout_stays_open(world):
    world.commit = "b"
    world.fault = at("app3", KILL, kind="journal", release="")
    world.fab("deploy")
    world.fault = world.ill("app3")
    # Its process is to be started again, for it died meanwhile.
    world["app3"].units.clear()
    for _ in range(2):
        assert "failed on app3" in world.fab("resume")
        assert world.state == {"web1": "b", "app1": "b", "app2": "b", "app3": "a"}
        assert world.open == {"app3": "switch"}
    world.fault = lambda host, row: None
    assert world.fab("resume") == ""
    everything_is(world, "b")


def test_a_host_that_was_skipped_and_fails_later_is_not_forgotten(world):
    world.settings(release='batch = 1\nunreachable = "skip"')
    world.fab("deploy")
    world.commit = "b"
    world["app3"].answers = False
    assert world.fab("deploy") == ""
    world["app3"].answers = True
    world.fault = world.ill("app3")
    for _ in range(2):
        assert "failed on app3" in world.fab("resume")
        assert world.state == {"web1": "b", "app1": "b", "app2": "b", "app3": "a"}
        assert "app3" in world.open
    world.fault = lambda host, row: None
    assert world.fab("resume") == ""
    everything_is(world, "b")


def test_a_host_that_is_lost_while_it_switches_counts_as_one_that_may_fail(world):
    world.settings(release="batch = 1\nmax_failures = 1")
    world.fab("deploy")
    world.commit = "b"
    world.fault = lambda name, row: CUT if name == "app2" and row["kind"] == "healthy" else None
    assert "does not serve on app2" in world.fab("deploy")
    assert world.state == {"web1": "b", "app1": "b", "app2": "a", "app3": "b"}
    world["app2"].answers = True
    world.fault = lambda host, row: None
    assert world.fab("resume") == ""
    everything_is(world, "b")


def test_a_failure_ends_with_what_serves_where_and_what_to_type(world, capsys):
    world.commit = "b"
    world.fault = world.ill("app2")
    world.fab("deploy")
    [last] = [part for part in capsys.readouterr().out.split("note  ") if part.startswith("after the failure:")]
    told = last.splitlines()
    assert [told[1].strip().split(": ")[0], told[1].strip()[-7:]] == ["web1, app1, app2, app3", " serves"]
    assert told[1].strip().split(": ")[1].startswith("aaaaaaaaaa-")
    assert told[2].strip() == "next: mend what failed, then fab -H pier deploy"


def test_a_host_that_is_lost_in_a_failure_is_told_as_unknown(world, capsys):
    world.commit = "b"
    world.fault = either(world.ill("app2"), at("app1", CUT, kind="running"))
    world.fab("deploy")
    last = capsys.readouterr().out.rpartition("after the failure:")[2]
    assert "app1: unknown, it does not answer" in last and "web1, app2, app3: aaaaaaaaaa-" in last

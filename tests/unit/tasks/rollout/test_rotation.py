"""Another value of a secret: on simulated hosts, killed between any two steps, and gone on with by the same command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hawser.answers import reading
from hawser.fleet.fleet import Fleet
from hawser.secrets import files
from hawser.tasks import rotation
from hawser.tasks.rotation import rotate

from ...simulated_hosts import CUT, KILL, ROOT, World

MORE = """
[env]
generated = ["DB_PASSWORD", "KEY"]
required = ["STRIPE_KEY"]

[env.variables]
DB = "{{ login('postgresql', 'pier') }}:{{ secrets.DB_PASSWORD }}"
KEYS = "{{ secrets.KEY }},{{ secrets.KEY__FORMER }}"
STRIPE_KEY = "{{ secrets.STRIPE_KEY }}"

[services.postgresql]
groups = ["front"]
databases.pier = { password = "{{ secrets.DB_PASSWORD }}", logins = true }
"""
FIRST = {"DB_PASSWORD": "first-password", "KEY": "first-key", "STRIPE_KEY": "first-stripe"}


class Rotations:
    """A service that lets some in, processes that log in there, and whoever gives the command."""

    def __init__(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.file = world, folder / "pier.env"
        self.good: dict[str, str] = {}
        self.kill_at = 0
        self.rows = 0
        self.seen: list[str] = []
        # What still runs, at one look after the other.
        self.holders: list[list[dict[str, Any]]] = []
        self.asked: list[Any] = []
        original = Fleet.ask

        def ask(fleet: Fleet, name: str, function: Any, arguments: Any) -> Any:
            if function != reading.HOLDERS:
                return original(fleet, name, function, arguments)
            self.asked.append(arguments)
            return self.holders.pop(0) if self.holders else []

        monkeypatch.setattr(Fleet, "ask", ask)
        monkeypatch.setattr(rotation, "GLANCE", 0)
        world.fault = self.happens

    def happens(self, name: str, row: Any) -> str | None:
        self.rows += 1
        if self.rows == self.kill_at:
            return KILL
        self.seen.append(row["step"])
        if row["kind"] == "postgres_login":
            if row["alone"]:
                self.good.clear()
            self.good[row["name"]] = row["password"]
        if row["kind"] == "running":
            # Health is proven right behind it.
            assert self.fails() == []
        return None

    def fab(self, name: str, **options: Any) -> str:
        self.rows, self.seen = 0, []
        try:
            return self.world.give(rotate.body, "pier", "secrets.rotate", name=name, **options)
        except KeyboardInterrupt:
            return KILL

    @property
    def lines(self) -> dict[str, str]:
        rows = (line.partition("=") for line in self.file.read_text().splitlines())
        return {name: value for name, _, value in rows if not name.startswith("HAWSER_")}

    def variable(self, name: str, host: str) -> str:
        """Return a variable with which the process of a host runs."""
        unit = self.world[host].units["pier-back"]
        (release,) = set(re.findall(r"release=(\S+)", unit))
        text = self.world[host].files[f"{ROOT}/releases/{release}/environment"]
        return re.findall(rf"^(?:export )?{name}=(.*)$", text, re.M)[0].strip("'\"")

    def fails(self) -> list[str]:
        """Return the hosts whose processes are not let in."""
        hosts = [name for name in self.world.hosts if "pier-back" in self.world[name].units]
        users = {name: self.variable("DB", name).partition(":") for name in hosts}
        return [name for name, (user, _, password) in users.items() if self.good.get(user) != password]


@pytest.fixture
def turns(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rotations:
    found = Rotations(world, tmp_path, monkeypatch)
    before = [line for line in found.file.read_text().splitlines() if line.startswith("HAWSER_")]
    found.file.write_text("\n".join([*(f"{name}={value}" for name, value in FIRST.items()), *before, ""]))
    world.fault = lambda host, row: None
    world.settings(more=MORE)
    assert world.fab("deploy") == ""
    found.good = dict([found.variable("DB", "app1").split(":")])
    world.log.clear()
    world.fault = found.happens
    assert found.fails() == []
    return found


def test_a_password_becomes_another_one_everywhere_and_the_former_one_is_good_nowhere(turns):
    assert turns.fab("DB_PASSWORD") == ""
    new = turns.lines["DB_PASSWORD"]
    assert new != "first-password" and len(new) == 64 and list(turns.lines) == list(FIRST)
    assert turns.fails() == [] and list(turns.good.values()) == [new]
    assert {turns.variable("DB", name).partition(":")[2] for name in ("app1", "app2", "app3")} == {new}
    assert turns.asked[0]["values"][0] == "first-password" and turns.asked[0]["root"] == ROOT
    assert turns.world.fab("deploy") == "" and turns.world.log == []


def test_killed_between_any_two_steps_it_goes_on_and_no_process_is_ever_refused(turns):
    assert turns.fab("DB_PASSWORD") == ""
    # Where each step comes first and last, on whichever host, and the very last row.
    first = {step: number for number, step in reversed([*enumerate(turns.seen, 1)])}
    last = {step: number for number, step in enumerate(turns.seen, 1)}
    assert {"postgresql.passwords", "release.start", "release.activate", "release.close"} <= first.keys()
    for number in sorted({*first.values(), *last.values(), turns.rows}):
        before = turns.lines["DB_PASSWORD"]
        turns.kill_at = number
        assert turns.fab("DB_PASSWORD") == KILL, number
        assert turns.lines["DB_PASSWORD"] == before and turns.fails() == []
        coming = turns.lines.get("DB_PASSWORD__NEXT")
        turns.kill_at = 0
        assert turns.fab("DB_PASSWORD") == "", number
        assert turns.lines["DB_PASSWORD"] not in (before, "") and coming in (None, turns.lines["DB_PASSWORD"])
        assert list(turns.lines) == list(FIRST) and list(turns.good.values()) == [turns.lines["DB_PASSWORD"]]
        assert turns.fails() == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2])
def test_killed_while_the_file_is_written_it_goes_on(turns, monkeypatch, moment, write):
    original, count = files.replace, []

    def replace(path, data, mode=0o600):
        count.append(path)
        if len(count) == write and moment == "before":
            raise KeyboardInterrupt
        original(path, data, mode)
        if len(count) == write:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "replace", replace)
    assert turns.fab("DB_PASSWORD") == KILL and turns.fails() == []
    ended = write == 2 and moment == "after"
    assert ("DB_PASSWORD__NEXT" in turns.lines) == ((write, moment) in ((1, "after"), (2, "before")))
    assert (turns.lines["DB_PASSWORD"] == "first-password") == (not ended)
    if not ended:
        assert turns.fab("DB_PASSWORD") == ""
    assert list(turns.lines) == list(FIRST) and list(turns.good.values()) == [turns.lines["DB_PASSWORD"]]


def test_while_a_program_of_before_runs_both_values_are_good_and_it_says_which(turns, monkeypatch):
    monkeypatch.setattr(rotation, "BEYOND", -30)
    shell = {"pid": 7, "program": "bash", "unit": "session-3.scope"}
    turns.holders = [[shell] for _ in turns.world.hosts]
    told = turns.fab("DB_PASSWORD")
    assert "bash (process 7 of session-3.scope)" in told and "the former value stays good" in told
    assert len(turns.good) == 2 and turns.fails() == [] and "DB_PASSWORD__NEXT" in turns.lines
    turns.holders = []
    assert turns.fab("DB_PASSWORD") == "" and len(turns.good) == 1


def test_it_waits_for_programs_of_before_that_end_by_their_own_time(turns, capsys):
    turns.holders = [[{"pid": 7, "program": "web", "unit": ""}] for _ in range(6)]
    assert turns.fab("DB_PASSWORD") == "" and len(turns.asked) > 6
    assert capsys.readouterr().out.count("waiting for what still has the former value: ") == 1


def test_a_rollout_that_fails_leaves_both_good_and_the_same_command_goes_on(turns):
    ill = lambda name, row: "it is ill" if name == "app2" and row["kind"] == "healthy" and turns.ill else None  # noqa: E731
    turns.ill = True
    turns.world.fault = lambda name, row: ill(name, row) or turns.happens(name, row)
    assert "app2" in turns.fab("DB_PASSWORD")
    assert turns.fails() == [] and turns.lines["DB_PASSWORD"] == "first-password" and len(turns.good) == 2
    turns.ill = False
    coming = turns.lines["DB_PASSWORD__NEXT"]
    assert turns.fab("DB_PASSWORD") == "" and turns.good.popitem()[1] == coming == turns.lines["DB_PASSWORD"]


def test_where_a_host_is_lost_both_stay_good_until_it_is_back(turns):
    turns.world.settings(release='batch = 1\nunreachable = "skip"')
    turns.world.fault = lambda name, row: (
        CUT if name == "app3" and row["kind"] == "running" else turns.happens(name, row)
    )
    told = turns.fab("DB_PASSWORD")
    assert "the former value stays good" in told and "app3: does not answer" in told
    assert turns.fails() == [] and len(turns.good) == 2 and turns.lines["DB_PASSWORD"] == "first-password"
    assert "app3" in turns.fab("DB_PASSWORD") and len(turns.good) == 2
    turns.world["app3"].answers, turns.world.fault = True, turns.happens
    assert turns.fab("DB_PASSWORD") == ""
    assert turns.fails() == [] and list(turns.good.values()) == [turns.lines["DB_PASSWORD"]]


def test_a_deploy_between_goes_on_with_the_value_of_before_and_says_so(turns, capsys):
    assert turns.fab("DB_PASSWORD") == ""
    turns.kill_at = turns.rows // 2
    assert turns.fab("DB_PASSWORD") == KILL
    turns.kill_at, before = 0, turns.lines["DB_PASSWORD"]
    capsys.readouterr()
    assert turns.world.fab("deploy") == "" and turns.fails() == []
    assert "a rotation of DB_PASSWORD is half done" in capsys.readouterr().out
    assert turns.variable("DB", "app1").endswith(before)
    assert turns.fab("DB_PASSWORD") == "" and turns.fails() == [] and turns.lines["DB_PASSWORD"] != before


def test_a_key_whose_former_value_is_kept_is_read_by_all_before_one_signs_with_it(turns):
    signing: list[tuple[str, ...]] = []
    other = turns.world.fault

    def watch(name: str, row: Any) -> str | None:
        if row["kind"] == "running":
            signing.append(tuple(turns.variable("KEYS", host) for host in ("app1", "app2", "app3")))
        return other(name, row)

    turns.world.fault = watch
    assert turns.fab("KEY", keep_former=True) == ""
    new = turns.lines["KEY"]
    assert turns.lines["KEY__FORMER"] == "first-key" and "KEY__NEXT" not in turns.lines
    assert {turns.variable("KEYS", name) for name in ("app1", "app2", "app3")} == {f"{new},first-key"}
    # Whatever any of them signs with at any moment, all of them read.
    assert len(signing) == 6
    for moment in signing:
        assert all(each.partition(",")[0] in other.split(",") for each in moment for other in moment)
    assert "--end-former" in turns.fab("KEY") and "--end-former" in turns.fab("KEY", keep_former=True)
    assert turns.fab("KEY", end_former=True) == ""
    assert "KEY__FORMER" not in turns.lines and turns.lines["KEY"] == new
    assert turns.variable("KEYS", "app1") == f"{new}," and turns.asked[0]["values"][0] == "first-key"


def test_a_kept_key_goes_on_in_its_second_rollout(turns):
    assert turns.fab("KEY", keep_former=True) == "" and turns.fab("KEY", end_former=True) == ""
    before, counted = turns.lines["KEY"], 0
    assert turns.fab("KEY", keep_former=True) == ""
    counted = turns.rows
    assert turns.fab("KEY", end_former=True) == ""
    before = turns.lines["KEY"]
    turns.kill_at = counted * 3 // 4
    assert turns.fab("KEY", keep_former=True) == KILL
    coming, turns.kill_at = turns.lines["KEY__NEXT"], 0
    # It knows by itself that the former one is to be kept.
    assert turns.fab("KEY") == ""
    assert turns.lines["KEY"] == coming and turns.lines["KEY__FORMER"] == before


def test_a_secret_that_somebody_else_makes_is_waited_for(turns):
    told = turns.fab("STRIPE_KEY")
    assert "STRIPE_KEY__NEXT" in told and "whoever gives STRIPE_KEY" in told and turns.world.log == []
    turns.file.write_text(turns.file.read_text() + "STRIPE_KEY__NEXT=second-stripe\n")
    assert turns.fab("STRIPE_KEY") == "" and turns.lines["STRIPE_KEY"] == "second-stripe"
    assert turns.variable("STRIPE_KEY", "app1") == "second-stripe" and "STRIPE_KEY__NEXT" not in turns.lines


def test_where_hawser_cannot_write_it_says_what_to_put_where(turns, monkeypatch, capsys):
    for name, value in turns.lines.items():
        monkeypatch.setenv(f"P_{name}", value)
    monkeypatch.setenv("P_HAWSER_SIGNING_KEY", re.findall("HAWSER_SIGNING_KEY=(.*)", turns.file.read_text())[0])
    turns.world.settings(more=MORE + '[secrets]\nsources = ["variables"]\nprefix = "P_"\n')
    told = turns.fab("DB_PASSWORD")
    assert "set the variable P_DB_PASSWORD__NEXT" in told and "secrets.token_urlsafe" in told
    for name, value in turns.lines.items():
        monkeypatch.setenv(f"P_{name}", value)
    monkeypatch.setenv("P_HAWSER_SIGNING_KEY", re.findall("HAWSER_SIGNING_KEY=(.*)", turns.file.read_text())[0])
    monkeypatch.setenv("P_DB_PASSWORD__NEXT", "second-password")
    capsys.readouterr()
    assert turns.fab("DB_PASSWORD") == "" and list(turns.good.values()) == ["second-password"]
    said = capsys.readouterr().out
    assert "put the value of DB_PASSWORD__NEXT in the place of DB_PASSWORD" in said and "second-password" not in said


def test_what_else_would_change_is_deployed_first(turns):
    turns.world.settings(body="2m")
    told = turns.fab("DB_PASSWORD")
    assert "more than this secret would change" in told and "DB_PASSWORD__NEXT" not in turns.lines
    assert turns.world.log == []


def test_whoever_has_other_secrets_than_those_that_serve_gets_them_first(turns):
    """As a colleague who has not fetched what another rotation has left."""
    before = turns.file.read_text()
    assert turns.fab("DB_PASSWORD") == ""
    ended = turns.file.read_text()
    turns.file.write_text(before)
    assert "web1 serves with other secrets than those that are here" in turns.fab("DB_PASSWORD")
    assert turns.file.read_text() == before and turns.fails() == []
    turns.file.write_text(ended)
    assert turns.fab("DB_PASSWORD") == ""


def test_hosts_record_the_new_value_whoever_has_set_them_up_meanwhile(turns):
    record = "/var/lib/hawser/pier/secrets.json"
    assert turns.fab("DB_PASSWORD") == ""
    turns.kill_at = turns.rows
    assert turns.fab("DB_PASSWORD") == KILL
    turns.kill_at = 0
    for host in turns.world.hosts.values():
        host.files[record] = "{}"
    assert turns.fab("DB_PASSWORD") == ""
    assert all(turns.lines["DB_PASSWORD"] in host.files[record] for host in turns.world.hosts.values())


def test_a_part_of_the_hosts_is_refused(turns):
    told = turns.world.give(rotate.body, "app1", "secrets.rotate", name="DB_PASSWORD")
    assert "changes on all of them" in told and "fab -H pier secrets.rotate DB_PASSWORD" in told


def test_no_value_is_told(turns, capsys):
    capsys.readouterr()
    assert turns.fab("DB_PASSWORD") == ""
    said = "".join(capsys.readouterr())
    assert (
        turns.lines["DB_PASSWORD"] not in said and "first-password" not in said and "drew another DB_PASSWORD" in said
    )

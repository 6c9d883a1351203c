"""Which commands are Alembic's, and what they do; what a rollout makes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.fleet import alembic
from hawser.tasks import db
from hawser.tasks.rollout import migrations
from hawser.tasks.rollout.migrations import outlook, refusal

from ..tasks.rollout.test_migrations import Fleet

PAIKEA = (
    "test -e migrations/env.py || flask db init",
    "flask db upgrade",
    "flask db migrate",
    "flask db upgrade",
    "flask db check",
)


@pytest.mark.parametrize(
    ("command", "does", "location"),
    [
        ("flask db upgrade", "upgrade", "migrations"),
        ("flask db upgrade -d /srv/x/source/migrations", "upgrade", "/srv/x/source/migrations"),
        ("flask --app autoapp db -d other upgrade head", "upgrade", "other"),
        ("python -m flask db migrate -m 'made on the host'", "generate", "migrations"),
        ("FLASK_APP=x flask db migrate --directory=other", "generate", "other"),
        ("flask db revision --autogenerate", "generate", "migrations"),
        ("flask db check >/dev/null 2>&1", "nothing", "migrations"),
        ("test -e migrations/env.py || flask db init", "nothing", "migrations"),
        ("alembic upgrade head", "upgrade", "alembic.ini"),
        ("alembic -c conf/alembic.ini -x tenant=a upgrade heads", "upgrade", "conf/alembic.ini"),
        ("env/bin/alembic revision --autogenerate -m auto", "generate", "alembic.ini"),
        ("python -m alembic upgrade head --sql", "nothing", "alembic.ini"),
        ("@one flask db upgrade", "upgrade", "migrations"),
    ],
)
def test_a_command_of_alembic_is_understood(command, does, location):
    line = alembic.line(command)
    (part,) = line.parts
    assert (part.does, part.location) == (does, location)
    assert line.instance == ("one" if command.startswith("@") else "")
    assert alembic.generates(command) == (does == "generate")


@pytest.mark.parametrize(
    ("command", "asks"),
    [
        ("flask db -d other upgrade head", "flask db {} -v -d other"),
        ("flask db upgrade", "flask db {} -v"),
        ("FLASK_APP=x flask db upgrade", "env FLASK_APP=x flask db {} -v"),
        ("flask db -x tenant=a upgrade", "flask db -x tenant=a {} -v"),
        ("alembic -c a.ini -n shop upgrade head", "alembic -n shop -c a.ini {} -v"),
        ("alembic -c a.ini -c pyproject.toml upgrade head", "alembic -c a.ini -c pyproject.toml {} -v"),
        ("python -m alembic upgrade head", "python -m alembic {} -v"),
    ],
)
def test_alembic_is_asked_as_the_command_runs_it_so_that_it_finds_its_own_files(command, asks):
    (part,) = alembic.line(command).upgrades
    assert " ".join(part.asks) == asks


@pytest.mark.parametrize(
    "command",
    [
        "python manage.py migrate",
        "flask db downgrade",
        "flask db stamp head",
        "flask db upgrade 1a2b",
        "flask db upgrade | tee log",
        "flask db upgrade && ./more.sh",
        "flask db upgrade $(cat rev)",
        "alembic -c $CONF upgrade head",
        "~/venv/bin/alembic upgrade head",
        "flask db upgrade && cd other && flask db upgrade",
        "(flask db upgrade)",
        "alembic revision -m by-hand",
        "./alembic.sh upgrade head",
        "flask db",
        "flask db upgrade 'open",
        "flask db upgrade -x tenant=a",
        "flask db upgrade -dother",
        "alembic -cother.ini upgrade head",
        "alembic --conf=other.ini upgrade head",
    ],
)
def test_a_command_that_is_no_plain_upgrade_is_not_understood(command):
    assert alembic.line(command) is None
    assert not alembic.generates(command)


@pytest.mark.parametrize(
    "command",
    [
        "flask db migrate && flask db upgrade",
        "cd x; flask db migrate",
        "sh -c 'flask db -d x migrate'",
        "python manage.py makemigrations --noinput",
        "python manage.py makemigrations && python manage.py migrate",
        "alembic revision --autogenerate | cat",
        "aerich migrate",
    ],
)
def test_a_command_that_generates_is_known_wherever_it_stands(command):
    line = alembic.line(command)
    assert alembic.generates(command) and (line is None or line.generator is None)


class Told(Fleet):
    """A fleet whose leader reads revisions."""

    def __init__(self, migrate: tuple[str, ...], *answers: Any) -> None:
        super().__init__({}, migrate)
        self.answers = list(answers)
        self.programs: list[list[str]] = []
        self.folders: list[str] = []

    def host(self, name: str, release: Any) -> Any:
        host = super().host(name, release)
        host.release = SimpleNamespace(id=release.id)
        return host

    def ask(self, name: str, function: str, arguments: Any) -> list[Any]:
        self.programs += [list(each["argv"]) for each in arguments["questions"]]
        self.folders += [each["cwd"] for each in arguments["questions"]]
        return self.answers


def seen(fleet: Any) -> migrations.PendingMigrations:
    return outlook(fleet, fleet.release)


DROPS = {"key": "2b_", "kind": "breaking", "reasons": ["removes pod"], "reversible": True}


def test_pending_revisions_are_read_and_generated_ones_are_judged_later():
    fleet = Told(PAIKEA, {"pending": []})
    found = seen(fleet)
    assert found.beyond("additive") == [] and not found.nothing
    assert found.later == ("flask db migrate",)
    (argv,) = fleet.programs
    assert argv[:3] == ["/srv/shop/releases/new/run", "/usr/bin/python3", "-IBc"]
    assert argv[4:] == ["pending", "migrations", "new", "flask db '{}' -v"]


def test_each_place_that_a_line_upgrades_is_asked_about():
    fleet = Told(("flask db upgrade && flask db upgrade -d other",), {"pending": []}, {"pending": [DROPS]})
    assert seen(fleet).beyond("unclassified") == ["2b_ in other: breaking (removes pod)"]
    assert [argv[5] for argv in fleet.programs] == ["migrations", "other"]


def test_a_revision_that_removes_is_refused_whatever_else_may_roll():
    found = seen(Told(PAIKEA, {"pending": [DROPS]}))
    assert found.beyond("unclassified") == ["2b_: breaking (removes pod)"]
    assert found.beyond("all") == []


def test_alembic_in_a_subfolder_is_asked_there():
    fleet = Told(
        ("cd backend && exec alembic upgrade head", "cd jobs && alembic upgrade head"),
        {"pending": []},
        {"pending": [DROPS]},
    )
    assert seen(fleet).beyond("all") == [] and fleet.folders == ["/srv/shop/source/backend", "/srv/shop/source/jobs"]
    assert [str(each) for each in seen(fleet).verdicts] == ["2b_ in jobs/alembic.ini: breaking (removes pod)"]


def test_a_database_without_pending_revisions_needs_nothing():
    assert seen(Told(("flask db upgrade",), {"pending": []})).nothing


def test_an_answer_of_no_known_kind_is_taken_for_the_worst():
    found = seen(Told(PAIKEA, {"pending": [{**DROPS, "kind": "harmless"}]}))
    assert found.beyond("unclassified") == ["2b_: breaking (removes pod)"]


def test_pending_revisions_are_unknown_without_an_answer():
    found = seen(Told(PAIKEA, {"error": "`flask db current` exited with 1", "output": "no database"}))
    assert found.beyond("unclassified") == [] and not found.nothing
    assert "`flask db current` exited with 1 (no database)" in found.beyond("additive")[0]


@pytest.mark.parametrize("lines", [("flask db migrate && flask db upgrade",), ("manage.py makemigrations", "x")])
def test_a_revision_generated_and_applied_unseen_never_passes_unasked(lines):
    answers = [{"pending": []}] if "flask" in lines[0] else []
    found = seen(Told(lines, *answers))
    assert f"breaking: `{lines[0]}` generates migrations and applies them unseen" in found.beyond("unclassified")
    assert found.beyond("all") == []
    hosts = SimpleNamespace(session=SimpleNamespace(names=["shop"]))
    rolling: Any = SimpleNamespace(hosts=hosts, wanted=SimpleNamespace(commit="abc"))
    assert "a line of its own for each command" in refusal(rolling, found.beyond("unclassified"), found)


@pytest.mark.parametrize(
    ("rollout", "allowed"),
    [
        (None, "additive"),
        (SimpleNamespace(accepted=False, maintenance=False), "additive"),
        (SimpleNamespace(accepted=True, maintenance=False), "all"),
        (SimpleNamespace(accepted=False, maintenance=True), "all"),
    ],
)
def test_a_command_that_generates_runs_under_a_guard_that_knows_what_was_accepted(rollout, allowed):
    environment = SimpleNamespace(release=SimpleNamespace(rolling_migrations="additive"))
    release = SimpleNamespace(id="new")
    host: Any = SimpleNamespace(rollout=rollout, environment=environment, release=release, code="/srv/shop/source")
    words = db.generating(host, "@one flask db migrate -d x")
    assert words[3:] == ("generate", "x", "new", allowed, "flask db '{}' -v -d x", "flask", "db", "migrate", "-d", "x")
    assert db.generating(host, "cd api && flask db migrate")[:3] == ("env", "-C", "/srv/shop/source/api")
    assert db.generating(host, "flask db upgrade") == ()
    assert db.generating(host, "python manage.py migrate") == ()


def test_a_generated_revision_counts_beside_a_command_that_tells_what_is_pending():
    fleet = Told(PAIKEA, {"lines": ["shop.0007"]})
    fleet.release.environment.release.pending = "python pending.py"
    found = seen(fleet)
    assert found.later == ("flask db migrate",) and [each.key for each in found.verdicts] == ["shop.0007"]

"""What a rollout knows of pending migrations, where one release has several databases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import StepFailed
from hawser.inventory.tables.app import ReleaseCommand
from hawser.tasks.rollout import migrations
from hawser.tasks.rollout.migrations import applied, outlook

OLD, NEW = "default", "legacy"
TWO = ("python manage.py migrate --noinput", "python manage.py migrate --noinput --database legacy")


def migration(key: str, kind: str) -> dict[str, Any]:
    row = {"kind": kind, "module": "django.db", "reversible": True, "model": "Order", "text": kind, "empty": False}
    return {"key": key, "app": "shop", "operations": [row]}


MAKES, REMOVES = migration("shop.0001", "CreateModel"), migration("shop.0002", "RemoveField")


class Fleet:
    """A fleet of one host, whose databases have what a test says still pending."""

    def __init__(self, pending: dict[str, list[dict[str, Any]] | str], migrate: tuple[str, ...] = TWO) -> None:
        self.names = ("web1",)
        self.pending = pending
        self.asked: list[str] = []
        self.notes: list[str] = []
        settings = SimpleNamespace(migrate=[ReleaseCommand(command=each) for each in migrate], pending=None)
        self.release: Any = SimpleNamespace(id="new", environment=SimpleNamespace(release=settings))
        self.report = SimpleNamespace(note=lambda host, text, level="info": self.notes.append(text))

    def leader(self) -> Fleet:
        return self

    def facts(self, name: str) -> Any:
        return SimpleNamespace(releases=("new",), current="")

    def host(self, name: str, release: Any) -> Any:
        return SimpleNamespace(
            name=name,
            environment=release.environment,
            release_path="/srv/shop/releases/new",
            source="/srv/shop/source",
            code="/srv/shop/source",
            app=SimpleNamespace(user="shop"),
            command_text=lambda line, key: line,
        )

    def everyone(self) -> Fleet:
        return self

    with_code = required_hosts = everyone

    def explained(self, texts: dict[str, str]) -> list[str]:
        return [f"{name}: known" for name, text in texts.items() if "password" in text]

    def ask(self, name: str, function: str, arguments: Any) -> list[Any]:
        assert function == "migrations.plans"
        databases = [each["env"]["HAWSER_DATABASE"] for each in arguments["questions"]]
        self.asked += databases
        found = [self.pending[each] for each in databases]
        return [
            {"error": each, "output": ""}
            if isinstance(each, str)
            else {"pending": each, "applied": [row["key"] for row in each], "known": []}
            for each in found
        ]


def seen(fleet: Any) -> migrations.PendingMigrations:
    return outlook(fleet, fleet.release)


def test_a_migration_that_breaks_an_old_database_is_not_made_harmless_by_a_new_one():
    fleet = Fleet({OLD: [REMOVES], NEW: [MAKES, REMOVES]})
    assert seen(fleet).beyond("additive") == ["shop.0002 in database default: breaking (removes a field of shop.Order)"]


def test_a_migration_applied_in_one_database_alone_counts_as_applied():
    before = seen(Fleet({OLD: [REMOVES], NEW: [REMOVES]}))
    after: Any = Fleet({OLD: [], NEW: [REMOVES]})
    done = applied(after, after.release, before)
    assert done is not None
    assert [(each.key, each.place) for each in done] == [("shop.0002", "database default")]


def test_both_databases_of_commands_on_one_line_are_asked():
    fleet = Fleet({OLD: [], NEW: [REMOVES]}, (" && ".join(TWO),))
    found = seen(fleet)
    assert not found.nothing
    assert fleet.asked == [OLD, NEW]
    assert found.beyond("additive") == ["shop.0002 in database legacy: breaking (removes a field of shop.Order)"]


def test_commands_after_a_migration_on_its_line_are_not_known():
    fleet = Fleet({OLD: []}, ("python manage.py migrate --noinput && python scripts/drop_old.py",))
    (line,) = seen(fleet).beyond("additive")
    assert line.startswith(
        "unclassified: nobody can tell beforehand what `python manage.py migrate --noinput && python"
    )


def test_the_same_question_about_migrations_is_put_once():
    fleet = Fleet({OLD: [REMOVES]}, (TWO[0], "python manage.py migrate"))
    assert seen(fleet).beyond("additive") == ["shop.0002: breaking (removes a field of shop.Order)"]
    assert fleet.asked == [OLD]


def test_a_database_that_gives_no_answer_is_named():
    assert seen(Fleet({OLD: [], NEW: "exited with 1"})).unknown == (
        "Django does not tell its plan for database legacy: exited with 1"
    )


def test_a_rollback_says_of_each_database_whether_it_fits():
    fleet: Any = Fleet({OLD: [], NEW: [REMOVES]})
    migrations.report_reverts(fleet, fleet.release)
    assert fleet.notes == [
        "the database (database default) fits: new knows every migration that is applied",
        "the database (database legacy) stays as it is, with migrations that new does not know:\n"
        "  shop.0002: what it does is unknown",
    ]


class Serving(Fleet):
    """A fleet that serves a newer release, which knows more migrations than the one that it goes back to."""

    def __init__(self, older: dict[str, Any], newer: dict[str, Any], migrate: tuple[str, ...] = TWO[:1]) -> None:
        super().__init__({}, migrate)
        self.older, self.newer = older, newer
        self.serving: Any = SimpleNamespace(id="newer", environment=self.release.environment)

    def facts(self, name: str) -> Any:
        return SimpleNamespace(releases=("new", "newer"), current=f"{'a' * 10}-{'b' * 8}")

    def host(self, name: str, release: Any) -> Any:
        host = super().host(name, release)
        host.release, host.release_path = release, f"/srv/shop/releases/{release.id}"
        return host

    def ask(self, name: str, function: str, arguments: Any) -> list[Any]:
        (question,) = arguments["questions"]
        self.asked = question["argv"]
        return [self.newer if question["argv"][0] == "/srv/shop/releases/newer/run" else self.older]

    def said(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(migrations.kept, "releases", lambda *_arguments: ({"web1": self.serving}, []))
        fleet: Any = self
        migrations.report_reverts(fleet, self.release)
        return self.notes


def plan(*applied: str, known: tuple[str, ...] = (), described: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"pending": [], "applied": list(applied), "known": list(known), "described": list(described)}


def test_what_both_releases_lack_says_nothing_about_going_back(monkeypatch):
    fleet = Serving(plan("shop.0001", "gone.0001", known=("shop.0001",)), plan(described=()))
    assert fleet.said(monkeypatch) == ["the database fits: new knows every migration that is applied"]


def test_a_squashed_migration_of_known_ones_says_nothing_about_going_back(monkeypatch):
    squashed = {**REMOVES, "key": "shop.0001_squashed", "replaces": ["shop.0001", "shop.0002"]}
    older = plan("shop.0001", "shop.0001_squashed", known=("shop.0001", "shop.0002"))
    assert "fits" in Serving(older, plan(described=(squashed,))).said(monkeypatch)[0]
    older = plan("shop.0001", "shop.0001_squashed", known=("shop.0001",))
    assert "does not know" in Serving(older, plan(described=(squashed,))).said(monkeypatch)[0]


def test_of_many_migrations_the_worst_are_told_first_and_few_of_all(monkeypatch):
    rows = [migration(f"shop.{number:04}", "AddIndex") for number in range(400)]
    rows.append(migration("shop.9999", "RemoveField"))
    (said,) = Serving(plan(*(row["key"] for row in rows)), plan(described=tuple(rows))).said(monkeypatch)
    lines = said.splitlines()
    assert lines[1] == "  shop.9999: can be reversed; breaking (removes a field of shop.Order)"
    assert len(lines) == 14 and lines[-1] == "  and 389 more that are no worse"


def test_a_rollback_says_which_revisions_of_alembic_the_older_release_lacks(monkeypatch):
    row = {"key": "b2_drop", "kind": "breaking", "reasons": ["removes pod"], "reversible": True}
    fleet = Serving({"lines": ["a1"]}, {"pending": [row]}, ("cd api && alembic upgrade head",))
    (said,) = fleet.said(monkeypatch)
    assert said.endswith("does not know:\n  b2_drop: can be reversed; breaking (removes pod)")
    assert fleet.asked[-3:] == ["beyond", "alembic '{}' -v", "a1"]


def test_a_rollback_says_that_the_database_fits_where_alembic_is_at_what_the_older_release_has(monkeypatch):
    fleet = Serving({"lines": ["a1"]}, {"pending": []}, ("flask db upgrade",))
    assert fleet.said(monkeypatch) == ["the database fits: new knows every migration that is applied"]


def test_a_rollback_says_why_nobody_knows_whether_the_database_fits(monkeypatch):
    refused = {"error": "`alembic current` exited with 1", "output": "no database", "crashed": True}
    fleet = Serving({"lines": ["a1"]}, refused, ("alembic upgrade head", "./migrate"))
    assert [text.partition(" is unknown: ")[2] for text in fleet.said(monkeypatch)] == [
        "`./migrate` is neither Django's nor Alembic's",
        "`alembic current` exited with 1 (no database)",
    ]


TRACEBACK = "\n".join(
    ["Traceback (most recent call last):", *map(str, range(300)), "ModuleNotFoundError: No module named 'x'"]
)


class Crashing(Fleet):
    """A fleet whose release fails when it is asked for its migrations."""

    dry = False

    def __init__(self, *said: str, pending: str | None = None) -> None:
        super().__init__({}, TWO)
        self.said = said
        self.release.environment.release.pending = pending
        self.environment = SimpleNamespace(name="shop", release=SimpleNamespace(rolling_migrations="additive"))

    def facts(self, name: str) -> Any:
        return SimpleNamespace(releases=("new",), current="old")

    def ask(self, name: str, function: str, arguments: Any) -> list[Any]:
        return [{"error": "run exited with 1", "output": each, "crashed": True} for each in self.said]


def check(fleet: Any, accepted: bool = False) -> Any:
    wanted = SimpleNamespace(**vars(fleet.release), commit="abc")
    record = SimpleNamespace(accepted=accepted, maintenance=False)
    return migrations.check_pending(SimpleNamespace(hosts=fleet, wanted=wanted, record=record))  # type: ignore[arg-type]


@pytest.mark.parametrize("pending", [None, "python pending.py"])
def test_a_release_that_fails_when_it_is_asked_is_broken_and_no_risky_migration(pending):
    fleet = Crashing(*([TRACEBACK] if pending else [TRACEBACK, "no such table"]), pending=pending)
    with pytest.raises(StepFailed) as caught:
        check(fleet)
    said = str(caught.value)
    assert said.startswith("web1: the new release fails when it is asked which migrations are pending")
    assert "    ModuleNotFoundError: No module named 'x'" in said and len(said.splitlines()) < 30
    assert ("no such table" in said) != bool(pending) and (f"`{pending}`" in said) == bool(pending)
    assert "accept" not in said and "run exited" not in said
    assert said.endswith("next: correct what it says, then: fab -H shop deploy")


def test_the_known_cause_of_a_failing_question_is_told():
    with pytest.raises(StepFailed) as caught:
        check(Crashing("password authentication failed", "fine"))
    assert str(caught.value).endswith("\nweb1: known")


def test_who_accepts_what_is_not_known_may_go_on_without_an_answer():
    assert check(Crashing(TRACEBACK, ""), accepted=True).open


def test_a_dry_run_says_that_the_question_fails():
    fleet = Crashing(TRACEBACK, "")
    fleet.dry = True
    check(fleet)
    assert fleet.notes[0].startswith("this would be refused: web1: the new release fails")


ONCE = """
[once.admin]
command = "./make-admin"

[once.install]
command = "./install"
before = "migrate"
"""
AROUND = """
migrate = "./migrate"
after_migrate = "./reindex"
leader = "app1"
rolling_migrations = "unclassified"
"""


def commands_of(world: Any, fails: str = "") -> list[str]:
    """Deploy, and return what ran once and around the migration, in its order."""
    ran: list[str] = []

    def watch(name: str, row: Any) -> str | None:
        if row["step"] in ("once.run", "db.migrate", "db.after_migrate") and row["title"]:
            ran.append(row["title"])
        return "it fails" if fails and row.get("title") == fails else None

    world.fault = watch
    world.failed = world.fab("deploy")
    return ran


def test_what_an_application_needs_before_its_first_migration_runs_before_it(world):
    world.settings(release=AROUND, more=ONCE)
    assert commands_of(world) == ["./install", "./migrate", "./reindex", "./make-admin"]


def test_what_runs_once_before_a_migration_runs_without_one_too(world):
    world.settings(more=ONCE)
    assert commands_of(world) == ["./make-admin", "./install"]


def test_what_fails_behind_a_migration_stops_before_anything_switches(world):
    world.settings(release=AROUND)
    world.commit = "b"
    assert commands_of(world, "./reindex") == ["./migrate", "./reindex"]
    assert "migrate failed on app1" in world.failed and set(world.state.values()) == {"a"}
    assert commands_of(world) == ["./migrate", "./reindex"] and set(world.state.values()) == {"b"}

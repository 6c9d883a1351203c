"""What a rollout knows of pending migrations, where one release has several databases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tasks.rollout import migrations
from tasks.rollout.migrations import applied, outlook

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
        self.release: Any = SimpleNamespace(
            id="new", environment=SimpleNamespace(release=SimpleNamespace(migrate=migrate, pending=None))
        )
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
            app=SimpleNamespace(user="shop"),
            command_text=lambda line, key: line,
        )

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
        "  shop.0002: what it does is unknown, for what serves lacks it as well",
    ]

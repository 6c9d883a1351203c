"""Which backup `latest` is, and what is done about a restore that was broken off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.host.databases import Database, broken_off, databases_of
from hawser.host.facts import Facts
from hawser.inventory import Services
from hawser.inventory.tables.backup import Backup
from hawser.tasks import db
from hawser.tasks.db import latest, restore

JOURNAL = {
    "database": "shop",
    "engine": "sqlite",
    "backup": "b1",
    "by": {"who": "ann", "from": "desk", "started": "2030-01-02T03:04:05Z"},
}
SHOP = Database("shop", "sqlite", "shop", "/srv/shop/data/shop.db")


def backup(name: str, why: str = "by hand", **more: Any) -> dict[str, Any]:
    known = {"database": "shop", "engine": "sqlite", "path": SHOP.path, "proven": True}
    return {"name": name, "why": why, **known, **more}


def test_the_latest_backup_is_the_youngest_that_was_not_made_for_a_restore():
    found = [backup("other", database="x"), backup("b3", "before a restore"), backup("b2", proven=False)]
    found += [backup("b1")]
    assert latest(SHOP, found, ()) == "b1"
    assert latest(SHOP, found[1:2], ()) == ""


def test_the_latest_backup_is_that_of_a_restore_that_was_broken_off():
    assert latest(SHOP, [backup("b3"), backup("b1")], [JOURNAL]) == "b1"
    assert latest(SHOP, [backup("b3"), backup("b1")], [{**JOURNAL, "database": "other"}]) == "b3"
    assert latest(SHOP, [backup("b3"), backup("b1")], [{**JOURNAL, "engine": "mariadb"}]) == "b3"


def test_the_latest_backup_is_none_of_another_database_of_the_same_name():
    theirs = [backup("b4", engine="postgresql", path=""), backup("b3", path="/srv/other/data/shop.db")]
    assert latest(SHOP, theirs, ()) == ""
    assert latest(SHOP, [*theirs, backup("of an older version", path="")], ()) == "of an older version"


class OneMachine(SimpleNamespace):
    """A host with files of SQLite and no server."""

    runs_code, root, app = True, "/srv/shop", SimpleNamespace(user="shop")

    def __init__(self, **backup: Any) -> None:
        super().__init__(environment=SimpleNamespace(services=Services(), backup=Backup(**backup)))


def test_databases_in_files_of_one_name_are_told_apart_by_the_names_they_were_given():
    files = ("data/main/db.sqlite3", "data/jobs/db.sqlite3")
    host = OneMachine(sqlite=files, names={files[1]: "jobs"})
    assert [(each.name, each.path) for each in databases_of(host)] == [  # type: ignore[arg-type]
        ("db", "/srv/shop/data/main/db.sqlite3"),
        ("jobs", "/srv/shop/data/jobs/db.sqlite3"),
    ]


def test_two_databases_of_one_name_are_never_brought_back_as_one():
    host = OneMachine(sqlite=("data/main/db.sqlite3", "data/jobs/db.sqlite3"))
    fleet = SimpleNamespace(names=["w1"], host=lambda name: host, session=SimpleNamespace(), subset=lambda names: fleet)
    with pytest.raises(HawserError, match="which database"):
        restore.body(fleet, "b1", destroy="db")


class OneHost(SimpleNamespace):
    """A fleet of one host, which has said something of itself."""

    def host(self, name: str) -> Any:
        return SimpleNamespace(facts=self.connections.facts[name])


@pytest.fixture
def fleet():
    def fleet(*journals: Any, dry: bool = False) -> Any:
        said: list[str] = []
        report = SimpleNamespace(note=lambda host, text, level: said.append(text))
        connections = SimpleNamespace(facts={"d1": Facts(restores=journals)})
        environment = SimpleNamespace(target=lambda *hosts: ",".join(f"shop/{host}" for host in hosts))
        return OneHost(
            names=["d1", "unheard"], environment=environment, connections=connections, dry=dry, report=report, said=said
        )

    return fleet


def test_no_database_is_touched_while_a_restore_is_open(fleet):
    db.refuse_broken_off(fleet())
    with pytest.raises(HawserError) as caught:
        db.refuse_broken_off(fleet(JOURNAL))
    assert str(caught.value).splitlines() == [
        "a database is not as it should be; nothing was touched",
        "  d1: the restore of shop from b1, begun by ann on desk at 2030-01-02T03:04:05Z, is not complete",
        "  next: fab -H shop/d1 resume, which finishes or undoes it, or the same restore again",
    ]


def test_a_dry_run_only_says_that_a_restore_is_open(fleet):
    there = fleet(JOURNAL, dry=True)
    db.refuse_broken_off(there)
    assert "is not complete" in there.said[0]


def test_a_record_that_is_no_journal_of_a_restore_is_passed_over(fleet):
    assert list(broken_off(fleet("x", 7, None).host("d1"))) == []
    assert len(list(broken_off(fleet({"by": "x"}).host("d1")))) == 1

"""A real engine is held to what it found in a dry run, in histories that nobody has thought of."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hawser.resources import Absent, Backup, Catalog, Command, Directory, File, Link, Prune, Resource, changed
from hawser.runner.engine import Engine
from hawser.session.planning import OPEN, Guard, Recorder, differences

from .conftest import ME, MY_GROUP

# What each of these is, if it is there: one kind in the way of another fails, which no dry run of many can foretell.
KINDS = {"a": "file", "b": "file", "c": "folder", "d": "folder", "e": "link", "f": "link"}


def wanted(folder: Path, chance: random.Random) -> Catalog:
    """Return a catalog of some resources, and programs that follow them up."""
    found: list[Resource] = []
    for name, kind in chance.sample(list(KINDS.items()), chance.randrange(1, len(KINDS))):
        path = f"{folder}/{name}"
        if chance.random() < 0.3:
            found.append(Absent(path))
        elif kind == "file":
            text, mode = chance.choice(["one\n", "two\n"]), chance.choice([0o600, 0o644])
            found.append(File(path, text, mode=mode, owner=ME, group=MY_GROUP))
        elif kind == "folder":
            found.append(Directory(path, mode=chance.choice([0o700, 0o755]), owner=ME, group=MY_GROUP))
        else:
            found.append(Link(path, chance.choice(["here", "there"])))
    if chance.random() < 0.5:
        log = f"echo done >>{folder}/log"
        found.append(Command(("sh", "-c", log), when=changed(*chance.sample(found, min(2, len(found))))))
    return Catalog.of([("one", found)])


def edit(folder: Path, chance: random.Random) -> None:
    """Change something by hand."""
    name, kind = chance.choice(list(KINDS.items()))
    path = folder / name
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        path.rmdir()
    if chance.random() < 0.3:
        return
    if kind == "file":
        path.write_text(chance.choice(["one\n", "two\n", "three\n"]))
        path.chmod(chance.choice([0o600, 0o644, 0o666]))
    elif kind == "folder":
        path.mkdir(mode=chance.choice([0o700, 0o755]))
    else:
        path.symlink_to(chance.choice(["here", "there"]))


def run(system, catalog: Catalog, dry: bool = False, recorder: Recorder | None = None) -> dict[int, str]:
    """Apply a catalog; returns the status of each resource."""
    found: dict[int, str] = {}

    def hear(message) -> None:
        if message["t"] == "event":
            found[message["position"]] = message["status"]

    Engine(system, recorder.recording("web1", catalog, hear) if recorder else hear).apply(catalog.to_wire(), dry)
    return found


def planned(system, catalog: Catalog) -> Recorder:
    recorder = Recorder(lambda text: text)
    run(system, catalog, True, recorder)
    return recorder


@pytest.mark.parametrize("seed", range(200))
def test_what_is_applied_is_what_the_plan_said(system, tmp_path: Path, seed: int) -> None:
    chance, folder = random.Random(seed), tmp_path / "host"
    folder.mkdir()
    # A history: releases, with edits by hand between them.
    for _ in range(chance.randrange(3)):
        run(system, wanted(folder, chance))
        edit(folder, chance)
    catalog = wanted(folder, chance)
    plan = planned(system, catalog).rows.get("web1", [])
    said = {position for position, row in enumerate(plan) if row.status in OPEN}
    edited = chance.random() < 0.5
    if edited:
        edit(folder, chance)
    now = planned(system, catalog).rows.get("web1", [])
    held = Guard({"web1": plan}).held("web1", catalog)
    found = run(system, held)
    done = {position for position, status in found.items() if status == "changed"}
    assert done <= said
    if not differences(plan, now):
        assert done == said and "failed" not in found.values()
    assert edited or plan == now


def test_what_differs_and_is_not_planned_fails_and_stays(system, tmp_path: Path) -> None:
    files = [File(f"{tmp_path}/{name}", "new\n", owner=ME, group=MY_GROUP) for name in "ab"]
    catalog = Catalog.of([("one", files)])
    run(system, catalog)
    plan = planned(system, catalog)
    (tmp_path / "a").write_text("by hand\n")
    said: list[str] = []

    def hear(message) -> None:
        if message["t"] == "event":
            said.append(f"{message['status']} {message.get('error', '')}".strip())

    Engine(system, hear).apply(Guard(plan.rows).held("web1", catalog).to_wire())
    assert said == ["failed it differs, and the plan does not change it; it stays as it is", "skipped"]
    assert (tmp_path / "a").read_text() == "by hand\n"


def test_a_failure_ends_the_plan_for_hosts_are_put_back() -> None:
    catalog = Catalog.of([("one", [Absent("/a")])])
    guard = Guard({"web1": []})
    assert guard.held("web1", catalog).held == {0}
    guard.lift()
    assert guard.held("web1", catalog).held == set()


def test_book_keeping_is_neither_planned_nor_held(system, tmp_path: Path) -> None:
    file = File(f"{tmp_path}/a", "text\n", owner=ME, group=MY_GROUP)
    catalog = Catalog.of([("books", [file])], books=["books"])
    assert planned(system, catalog).rows == {"web1": []}
    assert Guard({}).held("web1", catalog).held == set()


def test_a_colleague_may_apply_a_plan() -> None:
    found = []
    for who in ("ann", "bob"):
        saved = Backup("shop", "sqlite", ME, "/backups", 7, 30, "/db", entry={"who": who}, why="by hand")
        hook = Command(("true",), env={"HAWSER_WHO": who, "HAWSER_FROM": who, "HAWSER_TASK": "deploy"})
        catalog, recorder = Catalog.of([("one", [saved, hook])]), Recorder(lambda text: text)
        hear = recorder.recording("web1", catalog, lambda message: None)
        for position, item in enumerate(catalog.items):
            event = {"t": "event", "position": position, "step": "one", "label": item.resource.label}
            hear({**event, "status": "would_change", "ms": 1.0})
        found.append(recorder.rows["web1"])
    assert len(found[0]) == 2 and found[0] == found[1]


def test_what_goes_by_what_comes_before_it_is_not_known() -> None:
    def statuses(*first: str) -> list[str]:
        catalog, recorder = Catalog.of([("one", [Absent("/a"), Prune("/srv/shop", 5)])]), Recorder(lambda text: text)
        hear = recorder.recording("web1", catalog, lambda message: None)
        for position, status in enumerate([*first, "ok"]):
            label = catalog.items[position].resource.label
            hear({"t": "event", "position": position, "step": "one", "label": label, "status": status, "ms": 1.0})
        return [row.status for row in recorder.rows["web1"]]

    # A new release pushes an old one out, which is there before it.
    assert statuses("would_change") == ["would_change", "unknown"]
    assert statuses("ok") == ["ok", "ok"]

"""What goes and what stays of former releases, and what is written down of them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from hawser.runner.code import failures, releases
from hawser.runner.code.failures import keep
from hawser.runner.code.releases import History, Journal, Prune, before
from hawser.runner.files import deletion
from hawser.runner.system import Failure, System


@pytest.fixture
def system(tmp_path):
    (tmp_path / "state").mkdir()
    return System(str(tmp_path / "state"))


class Site:
    """The folders of an application with some releases, oldest first."""

    def __init__(self, root, system):
        self.root = root
        self.system = system
        (root / "releases").mkdir(parents=True)
        (root / "envs").mkdir()

    def release(self, name, env="e1", age=0, complete=True):
        folder = self.root / "releases" / name
        (folder / "source").mkdir(parents=True)
        (self.root / "envs" / env / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "env").symlink_to(f"../../envs/{env}")
        if complete:
            (folder / "release.json").write_text("{}")
            os.utime(folder / "release.json", (1000 - age, 1000 - age))

    def link(self, name, release):
        (self.root / name).symlink_to(f"releases/{release}")

    def served(self, *names):
        for name in names:
            History({"entry": {"what": "deploy", "release": name, "result": "ok"}}, self.system).apply(None)

    def prune(self, keep):
        resource = Prune({"root": str(self.root), "keep": keep}, self.system)
        change = resource.check()
        if change is None:
            return None
        resource.apply(change)
        assert resource.check() is None
        return change.note

    def names(self, folder):
        return sorted(path.name for path in (self.root / folder).iterdir())


@pytest.fixture
def site(tmp_path, system):
    return Site(tmp_path / "demo", system)


def test_the_youngest_releases_stay_when_old_ones_go(site):
    for age, name in enumerate(["a", "b", "c", "d"]):
        site.release(name, age=age)
    site.link("current", "a")
    site.link("previous", "b")
    assert site.prune(3) == "removes releases/d"
    assert site.names("releases") == ["a", "b", "c"]


def test_the_release_that_serves_and_the_one_before_stay_however_old(site):
    for age, name in enumerate(["a", "b", "c", "d"]):
        site.release(name, age=age)
    site.link("current", "d")
    site.link("previous", "c")
    site.prune(2)
    assert site.names("releases") == ["c", "d"]


def test_fewer_than_are_kept_all_stay(site):
    site.release("a")
    site.link("current", "a")
    assert site.prune(5) is None


def test_a_release_that_was_never_completed_goes_first(site):
    site.release("a", age=5)
    site.release("b", complete=False)
    site.link("current", "a")
    assert site.prune(5) == "removes releases/b"


def test_a_release_whose_rollout_is_under_way_stays(site, system):
    site.release("a", age=5)
    site.release("b", complete=False)
    site.link("current", "a")
    Journal({"release": "b", "entry": {"by": "me"}}, system).apply(None)
    assert site.prune(5) is None


def test_a_release_that_an_open_rollout_would_go_back_to_stays(site, system):
    for age, name in enumerate(["a", "b", "c", "d"]):
        site.release(name, age=age)
    site.link("current", "d")
    Journal({"release": "a", "entry": {"before": "d", "previous": "c"}}, system).apply(None)
    site.prune(2)
    assert site.names("releases") == ["a", "c", "d"]


def test_once_the_host_has_switched_only_as_many_stay_as_are_asked_for(site, system):
    for age, name in enumerate(["a", "b", "c", "d"]):
        site.release(name, age=age)
    site.link("current", "a")
    site.link("previous", "b")
    Journal({"release": "a", "entry": {"before": "b", "previous": "c"}}, system).apply(None)
    site.prune(2)
    assert site.names("releases") == ["a", "b"]


def test_a_release_stays_as_long_as_processes_run_in_it_that_a_later_one_has_left_alone(site, monkeypatch):
    for age, (name, read) in enumerate({"a": "11", "b": "11", "c": "11", "d": "22", "e": "33"}.items()):
        site.release(name, age=age)
        (site.root / "releases" / name / "release.json").write_text(f'{{"commit": "x", "process_inputs": "{read}"}}')
    site.link("current", "a")
    site.link("previous", "b")
    rows = [{"release": "c", "inputs": "11"}, {"release": "d", "inputs": "22"}, {"release": "e", "inputs": ""}]
    monkeypatch.setattr(releases, "definitions", lambda application: rows)
    site.prune(2)
    assert site.names("releases") == ["a", "b", "c"]


def test_releases_that_failed_take_the_place_of_none_that_served(site, system):
    for age, name in enumerate(["fifth", "fourth", "third", "second", "first"]):
        site.release(name, age=age)
    site.served("first", "second")
    for name in ("third", "fourth"):
        History({"entry": {"what": "deploy", "release": name, "result": "failed: no"}}, system).apply(None)
    site.served("fifth")
    site.link("current", "fifth")
    site.link("previous", "second")
    assert site.prune(3) == "removes releases/fourth, releases/third"
    assert site.names("releases") == ["fifth", "first", "second"]


def test_releases_that_served_last_stay_whatever_the_times_of_files_say(site):
    for age, name in enumerate(["older", "a", "b", "c", "d"]):
        site.release(name, age=age)
    site.served("a", "b", "c", "d")
    site.link("current", "d")
    site.link("previous", "c")
    assert site.prune(3) == "removes releases/a, releases/older"
    assert site.names("releases") == ["b", "c", "d"]


def test_a_release_older_than_the_history_counts_as_having_served(site, system):
    for age, name in enumerate(["c", "b", "a"]):
        site.release(name, age=age)
    site.served("c")
    site.link("current", "c")
    assert site.prune(2) == "removes releases/a"


def test_the_list_says_which_releases_have_served_and_where_it_stands_why_another_has_not(site, system, tmp_path):
    for age, name in enumerate(["c", "b", "a"]):
        site.release(name, age=age)
        (site.root / "releases" / name / "release.json").write_text('{"commit": "abc"}')
    Journal({"release": "b", "entry": {}}, system).apply(None)
    keep(system, {"step": "release.build", "label": "command ./x", "error": "sh exited with 1", "output": "no luck\n"})
    Journal({"release": ""}, system).apply(None)
    site.served("a", "c")
    site.link("current", "c")
    site.link("previous", "a")
    rows = {row["id"]: row for row in releases.listing(system, str(site.root))}
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "rollback goes here",
        "b": "never served",
        "c": "serves",
    }
    assert rows["a"]["failure"] == rows["c"]["failure"] == ""
    path = Path(rows["b"]["failure"])
    assert path.read_text().partition("Z ")[2] == "release.build: command ./x failed: sh exited with 1\nno luck\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_record_of_failures_is_bounded(system, monkeypatch):
    monkeypatch.setattr(failures, "LONGEST", 100)
    monkeypatch.setattr(failures, "MOST", 2)
    for name in "abc":
        Journal({"release": name, "entry": {}}, system).apply(None)
        keep(system, {"step": "s", "label": "l", "error": "x" * 500})
    kept = sorted(Path(system.state, "failures").iterdir())
    assert [path.name for path in kept] == ["b.log", "c.log"]
    assert kept[0].stat().st_size == 100


def test_the_failure_that_is_kept_last_stays_after_a_clock_was_ahead(system, monkeypatch):
    monkeypatch.setattr(failures, "MOST", 2)
    folder = Path(system.state, "failures")
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.log").write_text("")
        os.utime(folder / f"{name}.log", (time.time() + 9999, time.time() + 9999 + ord(name)))
    Journal({"release": "c", "entry": {}}, system).apply(None)
    keep(system, {"step": "s", "label": "l", "error": "x"})
    assert sorted(path.name for path in folder.iterdir()) == ["b.log", "c.log"]


def test_no_failure_is_kept_without_an_open_rollout(system):
    keep(system, {"step": "s", "label": "l", "error": "x"})
    assert not Path(system.state, "failures").exists()


def test_a_release_in_which_something_is_mounted_stays_whole_with_a_warning(site, tmp_path, monkeypatch):
    for age, name in enumerate(["a", "b", "c"]):
        site.release(name, age=age)
    site.link("current", "a")
    held = str(site.root / "releases" / "b" / "source" / "photos")
    monkeypatch.setattr(releases, "mount_points", lambda: ["/", held])
    monkeypatch.setattr(deletion, "mount_points", lambda: ["/", held])
    kind = Prune({"root": str(site.root), "keep": 1}, site.system)
    assert kind.check().note == "removes releases/c"
    kind.apply(None)
    assert site.names("releases") == ["a", "b"]
    said = f"{site.root}/releases/b is not removed, for something else is mounted in it: {held}; next: umount {held}"
    assert kind.facts() == {"warning": said}
    again = Prune({"root": str(site.root), "keep": 1}, site.system)
    assert again.check() is None and again.facts() == {"warning": said}
    assert releases.stuck(site.system, str(site.root), 1) == [said]


def test_a_release_that_cannot_be_removed_keeps_no_other_from_going(site, monkeypatch):
    for age, name in enumerate(["a", "b", "c"]):
        site.release(name, env=name, age=age)
    site.link("current", "a")
    rmdir, doomed = os.rmdir, site.root / "releases" / ".hawser-removed-b"

    def refuse(name, **options):
        if name == "source" and os.path.samestat(os.fstat(options["dir_fd"]), stuck):
            raise PermissionError(1, "Operation not permitted")
        rmdir(name, **options)

    stuck = (site.root / "releases" / "b").stat()
    monkeypatch.setattr(os, "rmdir", refuse)
    kind = Prune({"root": str(site.root), "keep": 1}, site.system)
    kind.apply(kind.check())
    assert f"{doomed}/source cannot be removed: Operation not permitted; if it is immut" in kind.facts()["warning"]
    assert site.names("releases") == [doomed.name, "a"] and site.names("envs") == ["a"]
    assert releases.stuck(site.system, str(site.root), 1) == [
        f"{doomed} is left of something that could not be removed"
    ]
    monkeypatch.undo()
    again = Prune({"root": str(site.root), "keep": 1}, site.system)
    again.apply(again.check())
    assert site.names("releases") == ["a"] and again.facts() == {}


def test_a_journal_is_written_again_when_what_it_says_has_changed(system):
    first = Journal({"release": "b", "entry": {"phase": "prepare"}}, system)
    first.apply(first.check())
    assert first.check() is None
    second = Journal({"release": "b", "entry": {"phase": "switch"}}, system)
    assert second.check().note == "rollout of b: switch"
    second.apply(None)
    assert releases.read_journal(system.state)["phase"] == "switch"
    assert Journal({"release": ""}, system).check().note == "rollout of b is complete"


def test_environments_that_no_release_uses_go_with_the_last_one(site):
    site.release("a", env="e1")
    site.release("b", env="e1", age=1)
    site.release("c", env="e2", age=2)
    site.link("current", "a")
    site.prune(2)
    assert site.names("envs") == ["e1"]


def test_hidden_folders_beside_environments_stay(site):
    site.release("a")
    site.link("current", "a")
    (site.root / "envs" / ".cache").mkdir()
    (site.root / "releases" / ".hidden").mkdir()
    assert site.prune(1) is None


def test_a_release_that_a_crash_left_half_removed_goes(site):
    site.release("a")
    site.link("current", "a")
    (site.root / "releases" / ".hawser-removed-x" / "source").mkdir(parents=True)
    assert site.prune(1) == "removes releases/.hawser-removed-x"
    assert site.names("releases") == ["a"]


def test_a_crash_while_removing_leaves_nothing_that_looks_like_a_release(site, monkeypatch):
    for age, name in enumerate(["a", "b"]):
        site.release(name, age=age)
    site.link("current", "a")

    def crash(path, recursive=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(releases, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            site.prune(1)
    assert site.names("releases") == [".hawser-removed-b", "a"]
    site.prune(1)
    assert site.names("releases") == ["a"]


def test_links_out_of_a_release_are_not_followed(site, tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "photo").touch()
    site.release("a")
    site.release("b", age=1)
    (site.root / "releases" / "b" / "source" / "media").symlink_to(tmp_path / "media")
    site.link("current", "a")
    site.prune(1)
    assert (tmp_path / "media" / "photo").exists()


def test_there_is_nothing_to_prune_before_the_first_release(tmp_path, system):
    assert Prune({"root": str(tmp_path / "nowhere"), "keep": 5}, system).check() is None


def test_the_journal_says_what_is_under_way_until_it_is_complete(system, tmp_path):
    path = tmp_path / "state" / "journal.json"
    begin, end = Journal({"release": "r1", "entry": {"by": "me"}}, system), Journal({"release": ""}, system)
    assert end.check() is None
    assert begin.check().note == "rollout of r1 begins"
    begin.apply(None)
    entry = json.loads(path.read_text())
    assert (entry["release"], entry["by"]) == ("r1", "me") and entry["since"].endswith("Z")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert begin.check() is None
    assert end.check().note == "rollout of r1 is complete"
    end.apply(None)
    assert not path.exists() and end.check() is None


def test_a_damaged_journal_is_named(system, tmp_path):
    (tmp_path / "state" / "journal.json").write_text("{")
    with pytest.raises(Failure, match=r"journal\.json is damaged; next: remove it, then deploy"):
        Journal({"release": "r1"}, system).check()


class TestHistory:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "state" / "history.jsonl"

    @pytest.fixture
    def add(self, system):
        def add(**entry):
            resource = History({"entry": entry}, system)
            resource.apply(resource.check())

        return add

    def test_each_entry_of_the_history_is_a_line_with_its_time(self, add, path):
        add(release="r1", by="me")
        add(release="r2", by="you")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["release"] for row in rows] == ["r1", "r2"]
        assert all(row["at"].endswith("Z") for row in rows)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_line_that_a_crash_cut_does_not_spoil_the_next(self, add, path):
        path.write_text('{"release": "r1"}\n{"rel')
        add(release="r2")
        lines = path.read_text().splitlines()
        assert lines[1] == '{"rel' and json.loads(lines[2])["release"] == "r2"

    def test_old_lines_of_the_history_go(self, add, path):
        path.write_text("".join(f'{{"release": "{number}"}}\n' for number in range(700)))
        add(release="new")
        rows = [json.loads(line)["release"] for line in path.read_text().splitlines()]
        assert len(rows) == 500 and rows[0] == "201" and rows[-1] == "new"


class TestTheReleaseBefore:
    @pytest.fixture
    def served(self, system, tmp_path):
        """Write the history of an application, and let its last release serve."""

        def served(*lines, kept=None):
            entries = [dict(zip(("what", "release"), line.split(), strict=True)) for line in lines]
            path = tmp_path / "state" / "history.jsonl"
            path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
            for entry in entries:
                folder = tmp_path / "releases" / entry["release"]
                if kept is None or entry["release"] in kept:
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / "release.json").write_text("{}")
            current = tmp_path / "current"
            current.unlink(missing_ok=True)
            current.symlink_to(f"releases/{entries[-1]['release']}")
            return before(system, str(tmp_path))

        return served

    def test_the_release_before_is_the_one_that_was_deployed_before(self, served):
        assert served("deploy a", "deploy b", "deploy c") == "b"

    def test_the_release_before_a_rollback_is_one_further_back_and_not_the_one_fled_from(self, served):
        assert served("deploy a", "deploy b", "deploy c", "rollback b") == "a"

    def test_there_is_no_release_before_the_first(self, served):
        assert served("deploy a") == ""
        assert served("deploy a", "deploy b", "rollback a") == ""

    def test_the_release_before_may_have_been_replaced_by_an_older_one(self, served):
        assert served("deploy a", "deploy b", "deploy a") == "b"

    def test_the_release_before_is_not_the_same_one_deployed_twice(self, served):
        assert served("deploy a", "deploy b", "deploy b") == "a"

    def test_the_release_before_is_one_that_is_still_kept(self, served):
        assert served("deploy a", "deploy b", "deploy c", kept={"a", "c"}) == "a"

    def test_starts_anew_after_a_rollback(self, served):
        assert served("deploy a", "deploy b", "rollback a", "deploy c") == "a"

    def test_the_release_before_is_unknown_without_a_history(self, system, tmp_path):
        assert before(system, str(tmp_path)) == ""


def test_the_history_tells_the_subject_of_a_commit_that_the_mirror_holds_and_no_other(system, tmp_path):
    mirror = tmp_path / "mirror"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", "-C", str(mirror)]
    subprocess.run(["git", "init", "-q", str(mirror)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", f"Boats\t\x1b[31m {'x' * 300}"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    entries = [{"commit": commit}, {"commit": "0" * 40, "subject": "forged"}, {"commit": 5, "subject": "x"}, {}]
    for entry in entries:
        History({"entry": entry}, system).apply(None)
    found = releases.history(system, 9, str(mirror / ".git"))
    assert [entry.get("subject") for entry in found] == [f"Boats\t\x1b[31m {'x' * 188}", None, None, None]
    assert [entry.get("subject") for entry in releases.history(system, 9)] == [None, "forged", "x", None]

"""What was placed before and is wanted no more goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.runner.files.manifest import OnlyPlaced
from hawser.runner.system import Failure

from ..conftest import whole


@pytest.fixture
def put(system, tmp_path):
    """Have exactly these files of the folder `things`; returns what was done."""
    folder = tmp_path / "things"
    folder.mkdir()

    def put(*names):
        paths = [str(folder / name) for name in names]
        kind = OnlyPlaced(whole("placed", {"record": "things", "paths": paths, "folder": str(folder)}), system)
        change = kind.check()
        if change:
            kind.apply(change)
            assert kind.check() is None
        for name in names:
            (folder / name).write_text(name)
        return change.note if change else ""

    put.folder, put.system = folder, system
    return put


def test_a_file_that_is_wanted_no_more_goes_away(put):
    put("a", "b")
    assert put("b") == f"removes {put.folder}/a"
    assert [each.name for each in put.folder.iterdir()] == ["b"]
    assert put("b") == ""


def test_a_file_that_somebody_else_put_there_stays(put):
    (put.folder / "theirs").write_text("x")
    put("a")
    put()
    assert [each.name for each in put.folder.iterdir()] == ["theirs"]


def test_the_folder_goes_with_its_last_file(put):
    put("a")
    put()
    assert not put.folder.exists()


def test_nothing_is_noted_where_nothing_was_ever_placed(put, system):
    assert put() == ""
    assert put.folder.exists()


def test_a_file_that_was_noted_but_never_made_is_forgotten(put, system):
    kind = OnlyPlaced(whole("placed", {"record": "things", "paths": [str(put.folder / "a")], "folder": ""}), system)
    kind.apply(kind.check())
    put()
    assert put() == ""


def test_what_is_only_added_leaves_the_others_until_they_are_not_wanted(put, system):
    put("a")
    kind = OnlyPlaced(
        whole("placed", {"record": "things", "paths": [str(put.folder / "b")], "folder": "", "adds": True}), system
    )
    change = kind.check()
    assert change.note == f"notes {put.folder}/b"
    kind.apply(change)
    assert kind.check() is None
    (put.folder / "b").write_text("b")
    assert sorted(each.name for each in put.folder.iterdir()) == ["a", "b"]
    assert put() == f"removes {put.folder}/a, {put.folder}/b"
    assert not put.folder.exists()


def test_what_was_there_before_comes_back_with_its_mode(put):
    theirs = put.folder / "a"
    theirs.write_text("theirs")
    theirs.chmod(0o640)
    put("a", "b")
    put("a", "b")
    theirs.chmod(0o600)
    assert put("b") == f"puts back {theirs}"
    assert (theirs.read_text(), theirs.stat().st_mode & 0o777) == ("theirs", 0o640)
    assert put() == f"removes {put.folder}/b"
    assert theirs.read_text() == "theirs"


def test_what_came_back_once_and_went_away_does_not_come_back_again(put):
    (put.folder / "a").write_text("theirs")
    put("a")
    put()
    (put.folder / "a").unlink()
    put("a")
    assert put() == f"removes {put.folder}/a"


def test_a_link_that_was_there_before_is_no_file_to_keep(put, tmp_path):
    (tmp_path / "far").write_text("far")
    (put.folder / "a").symlink_to(tmp_path / "far")
    kind = OnlyPlaced(whole("placed", {"record": "things", "paths": [str(put.folder / "a")], "folder": ""}), put.system)
    kind.apply(kind.check())
    assert put() == f"removes {put.folder}/a"
    assert (tmp_path / "far").read_text() == "far"


@pytest.mark.parametrize("text", ["", '["/srv/x", "/sr', "{}"])
def test_where_nobody_knows_what_was_placed_nothing_is_taken_for_the_user_s_own(put, system, text):
    theirs = put.folder / "a"
    theirs.write_text("theirs")
    put("a")
    record = Path(system.state, "placed-things.json")
    record.write_text(text)
    with pytest.raises(Failure, match=f"{record} is damaged, .* next: write what was there into it, as in .*things/a"):
        put("a")
    record.write_text(f'["{theirs}"]')
    assert put() == f"puts back {theirs}"
    assert theirs.read_text() == "theirs"

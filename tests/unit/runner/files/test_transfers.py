"""Files that are listed for an operator who takes them."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from hawser.runner.files import transfers
from hawser.runner.system import Failure

from ..conftest import validated


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return what has a folder hold files of some names."""

    def make(names):
        monkeypatch.setattr(transfers, "walk", lambda path: [(path, [], names)])
        described = {"sha256": "0" * 64, "mode": 0o640, "size": 1}
        monkeypatch.setattr(transfers, "described", lambda _path, name: {"path": name, **described})
        return str(tmp_path)

    return make


def test_files_are_listed_by_their_path(system, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    (found,) = transfers.listing(system, str(tmp_path / "a"))
    assert (found["path"], found["size"]) == ("b", 1)


@pytest.mark.parametrize(
    "names",
    [[str(number) for number in range(100_001)], ["x" * 240] * 50_000, ["," * 240] * 50_000],
    ids=["many", "long", "commas"],
)
def test_more_than_can_be_told_is_refused_in_a_sentence(system, folder, names):
    with pytest.raises(Failure, match=r"holds more than \d+ files, or too long names; next: get parts of it"):
        transfers.listing(system, folder(names))


def test_what_is_listed_is_taken(system, folder):
    names = [f"folder/{number}" for number in range(60_000)]
    assert len(validated(transfers.listing(system, folder(names)), "transfers.listing")) == 60_000


def test_folders_are_made_with_their_modes_and_links_stay_links(system, tmp_path):
    root, me = tmp_path / "there", pwd.getpwuid(os.getuid()).pw_name
    folders = [(str(root), 0o755), (f"{root}/empty", 0o700), (f"{root}/a", 0o2775)]
    links = [(f"{root}/a/here", "../empty"), (f"{root}/nowhere", "/no/such/place")]
    transfers.furnish(folders, links, me, me)
    assert [stat.S_IMODE(Path(path).stat().st_mode) for path, _mode in folders] == [0o755, 0o700, 0o2775]
    assert [str(Path(path).readlink()) for path, _target in links] == [target for _path, target in links]
    (root / "empty").chmod(0o750)
    (tmp_path / "file").write_text("")
    transfers.furnish(folders, [(f"{root}/nowhere", "else"), (str(tmp_path / "file"), "else")], me, me)
    assert stat.S_IMODE((root / "empty").stat().st_mode) == 0o750
    assert str((root / "nowhere").readlink()) == str((tmp_path / "file").readlink()) == "else"
    asked = [str(root), f"{root}/a/here", f"{root}/none", f"{root}/none/at/all", __file__]
    found = transfers.entries(system, asked)
    assert list(found.values()) == ["folder", "-> ../empty", "", "", "other"]


def test_what_is_in_the_way_of_a_folder_or_a_link_is_named(tmp_path):
    me = pwd.getpwuid(os.getuid()).pw_name
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=f"{tmp_path}/file: "):
        transfers.furnish([(str(tmp_path / "file"), 0o755)], [], me, me)
    with pytest.raises(Failure, match=f"{tmp_path} is a folder, not a link; next: move it away"):
        transfers.furnish([], [(str(tmp_path), "else")], me, me)

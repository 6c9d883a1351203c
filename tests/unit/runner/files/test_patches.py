"""Patches: exact texts in a file of the code, replaced once, and refused where they do not fit."""

from __future__ import annotations

import stat

import pytest

from hawser.runner.files.patches import Patch
from hawser.runner.system import Failure

LINES = "host = localhost\nother = localhost\nskipAuth = True\n"


@pytest.fixture
def patch(system, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.py").write_text(LINES)

    def make(*edits):
        spec = {
            "path": f"{tmp_path}/source/app.py",
            "source": f"{tmp_path}/source",
            "originals": f"{tmp_path}/originals",
            "edits": [list(edit) for edit in edits],
        }
        return Patch(spec, system)

    return make


def put(resource):
    change = resource.check()
    assert change is not None
    resource.apply(change)
    assert type(resource)(resource.spec, resource.system).check() is None
    return change


def test_a_patch_replaces_every_occurrence_and_shows_the_change(patch, tmp_path):
    change = put(patch(("localhost", "db.example.org", 2), ("skipAuth = True", "skipAuth = False", 1)))
    text = (tmp_path / "source/app.py").read_text()
    assert text == "host = db.example.org\nother = db.example.org\nskipAuth = False\n"
    assert "\n-skipAuth = True\n" in change.diff
    assert change.diff.endswith("\n+skipAuth = False")


def test_a_patch_whose_new_text_holds_the_old_one_is_made_once(patch, tmp_path):
    put(patch(("localhost", "localhost.example.org", 2)))
    assert (tmp_path / "source/app.py").read_text().count("localhost.example.org") == 2


def test_another_patch_starts_from_the_file_as_it_was_checked_out(patch, tmp_path):
    put(patch(("localhost", "one", 2)))
    put(patch(("localhost", "two", 2)))
    assert (tmp_path / "source/app.py").read_text() == LINES.replace("localhost", "two")


def test_a_patched_file_keeps_its_mode(patch, tmp_path):
    (tmp_path / "source/app.py").chmod(0o750)
    put(patch(("localhost", "one", 2)))
    assert stat.S_IMODE((tmp_path / "source/app.py").stat().st_mode) == 0o750


def test_a_patch_that_does_not_fit_says_what_was_found_and_changes_nothing(patch, tmp_path):
    with pytest.raises(Failure) as failure:
        patch(("localhost", "one", 1), ("nowhere", "x", 3)).check()
    assert failure.value.message.endswith("app.py is not the file that the patch is for; it holds")
    assert failure.value.output == "2 times instead of 1: localhost\n0 times instead of 3: nowhere"
    assert (tmp_path / "source/app.py").read_text() == LINES


def test_a_file_that_is_not_there_is_named(patch, tmp_path):
    (tmp_path / "source/app.py").unlink()
    with pytest.raises(Failure, match=r"app\.py does not exist"):
        patch(("a", "b", 1)).check()

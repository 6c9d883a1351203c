"""Repositories beside the application's own: what is checked out, and what goes when nobody needs it any more."""

from __future__ import annotations

import json

import pytest

from hawser.runner.code.worktrees import OnlyCheckouts, OnlyWorktrees, held
from hawser.runner.files import deletion
from hawser.runner.system import Failure

from ..conftest import names

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def firmware(tmp_path):
    """Two working copies of a repository; the link leads to the newer one."""
    base = tmp_path / "checkouts" / "firmware"
    for commit in (OLD, NEW):
        (base / "trees" / commit).mkdir(parents=True)
        (base / "trees" / f"{commit}.complete").write_text(commit)
    path = tmp_path / "firmware"
    path.symlink_to(base / "trees" / NEW)
    record = {"repo": "git@x:y", "branch": "main", "path": str(path), "commit": NEW}
    (base / "checkout.json").write_text(json.dumps(record))
    return base


def apply(kind, spec, system):
    resource = kind(spec, system)
    change = resource.check()
    if change:
        resource.apply(change)
    return change.note if change else ""


def test_a_second_repository_is_told_with_its_commit(firmware, system):
    assert held(system, str(firmware.parent))["firmware"]["commit"] == NEW
    assert held(system, str(firmware / "nowhere")) == {}


def test_a_record_that_does_not_fit_its_link_or_an_incomplete_copy_does_not_count(firmware, system, tmp_path):
    (firmware / "trees" / f"{NEW}.complete").unlink()
    assert held(system, str(firmware.parent)) == {}
    (firmware / "trees" / f"{NEW}.complete").write_text(NEW)
    (tmp_path / "firmware").unlink()
    (tmp_path / "firmware").symlink_to(firmware / "trees" / OLD)
    assert held(system, str(firmware.parent)) == {}
    (firmware / "checkout.json").write_text("{ broken")
    assert held(system, str(firmware.parent)) == {}


def test_the_copy_before_stays_and_older_ones_go(firmware, system):
    spec = {"folder": str(firmware), "keep": [NEW]}
    assert apply(OnlyWorktrees, spec, system) == ""
    newer = "c" * 40
    (firmware / "trees" / newer).mkdir()
    (firmware / "trees" / f"{newer}.complete").write_text(newer)
    assert apply(OnlyWorktrees, {**spec, "keep": [newer]}, system) == f"removes {OLD}"
    assert names(firmware / "trees") == [NEW, f"{NEW}.complete", newer, f"{newer}.complete"]


def test_a_repository_that_is_no_longer_wanted_goes_with_its_link_but_not_what_was_written(firmware, system, tmp_path):
    spec = {"folder": str(firmware.parent), "keep": ["firmware"]}
    assert apply(OnlyCheckouts, spec, system) == ""
    (firmware / "kept" / "upgrades").mkdir(parents=True)
    spec["keep"] = []
    assert apply(OnlyCheckouts, spec, system) == "removes firmware"
    assert names(firmware) == ["kept"]
    assert not (tmp_path / "firmware").is_symlink()
    assert apply(OnlyCheckouts, spec, system) == ""


def test_nothing_is_left_of_a_repository_that_nobody_wrote_into(firmware, system):
    apply(OnlyCheckouts, {"folder": str(firmware.parent), "keep": []}, system)
    assert names(firmware.parent) == []
    assert apply(OnlyCheckouts, {"folder": str(firmware.parent / "nowhere"), "keep": []}, system) == ""


def test_a_link_that_leads_elsewhere_by_now_is_left_alone(firmware, system, tmp_path):
    (tmp_path / "firmware").unlink()
    (tmp_path / "firmware").symlink_to("/etc")
    apply(OnlyCheckouts, {"folder": str(firmware.parent), "keep": []}, system)
    assert (tmp_path / "firmware").is_symlink()


@pytest.mark.parametrize("kind", [OnlyWorktrees, OnlyCheckouts])
def test_a_repository_in_which_something_is_mounted_stays_whole_with_a_warning(firmware, system, monkeypatch, kind):
    held = str(firmware / "trees" / OLD / "data")
    monkeypatch.setattr(deletion, "mount_points", lambda: ["/", held])
    folder = firmware if kind is OnlyWorktrees else firmware.parent
    resource = kind({"folder": str(folder), "keep": []}, system)
    resource.apply(resource.check())
    assert f"is mounted in it: {held}; next: umount {held}" in resource.facts()["warning"]
    assert f"{OLD}.complete" in names(firmware / "trees") and OLD in names(firmware / "trees")
    assert (firmware / "checkout.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"path": "/sr'])
def test_a_checkout_with_a_damaged_record_stays_for_somebody_to_look_at(firmware, system, text):
    (firmware / "checkout.json").write_text(text)
    assert held(system, str(firmware.parent)) == {}
    resource = OnlyCheckouts({"folder": str(firmware.parent), "keep": []}, system)
    with pytest.raises(Failure, match=r"checkout\.json is damaged, so nobody knows where the link"):
        resource.remove("firmware")
    assert (firmware / "trees" / NEW).exists()

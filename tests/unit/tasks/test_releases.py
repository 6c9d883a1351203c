"""What the history says, and how a release is named."""

from __future__ import annotations

import pytest

from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.tasks.releases import local, whence

from ..simulated_hosts import ROOT, World

BY = "ann on desk at 2030-01-02T03:04:05Z"


def test_who_has_begun_a_rollout_that_was_broken_off_is_told_as_everybody_else() -> None:
    ended = {"who": "ann", "from": "desk", "started": "2030-01-02T03:04:05Z", "result": "ok"}
    interrupted = {"what": "a rollout", "who": BY, "result": "interrupted", "at": "2030-01-02T09:00:00Z"}
    assert whence(ended) == whence(interrupted) == ("ann", "desk", "2030-01-02T03:04:05Z")


@pytest.mark.parametrize(
    "who", ["", "ann", "ann on desk", "a b on c at later", "ann on desk at 2030-01-02T03:04:05Z x"]
)
def test_a_record_that_says_something_else_is_told_as_it_is(who: str) -> None:
    assert whence({"who": who, "at": "x"}) == (who, "", "x")


def test_times_are_those_of_here(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Etc/GMT-5")
    time.tzset()
    try:
        assert local("2030-01-02T03:04:05Z") == "2030-01-02 08:04"
        for odd in ("", "soon", "9999-12-31T23:59:60Z", "2030-13-01T00:00:00Z"):
            assert isinstance(local(odd), str)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.fixture
def two(keepers: World) -> World:
    """Hosts that keep two releases of one commit, and one of another."""
    text = keepers["web1"].files[f"{ROOT}/releases/1.0-12345678/release.json"]
    for name in ("aaaaaaaaaa-00000001", "aaaaaaaaaa-00000002", "bbbbbbbbbb-00000003"):
        for host in keepers.hosts.values():
            host.files[f"{ROOT}/releases/{name}/release.json"] = text
    return keepers


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("bbbbbbbbbb", "bbbbbbbbbb-00000003"),
        ("bbbb", "bbbbbbbbbb-00000003"),
        ("aaaaaaaaaa-00000001", "aaaaaaaaaa-00000001"),
        ("bbb", "bbb"),
        ("cccccccccc", "cccccccccc"),
        ("", ""),
    ],
)
def test_a_release_is_named_by_its_first_digits(two: World, named: str, found: str) -> None:
    assert kept.identifier(two.fleet_of(), named) == found


def test_digits_that_several_releases_begin_with_name_none(two: World) -> None:
    with pytest.raises(HawserError, match="aaaaaaaaaa-00000001, aaaaaaaaaa-00000002") as told:
        kept.identifier(two.fleet_of(), "aaaaaaaaaa")
    assert told.value.code == 2

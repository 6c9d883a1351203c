"""The host that looks a commit up for all hosts names the one that was asked for, or nothing is deployed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host.release import fetched_by
from hawser.inventory.tables.checkouts import CheckoutEntry
from hawser.tasks import checkouts

WANTED, OTHER = "a" * 40, "b" * 40
ENTRY = CheckoutEntry(repo="https://git.test/lib")


class Hosts(Fleet):
    """Hosts of which each names the same commit, whatever it is asked."""

    def __init__(self, said: str) -> None:
        super().__init__(SimpleNamespace(dry=False, report=SimpleNamespace(note=lambda *_words: None)), ("w1", "w2"))  # type: ignore[arg-type]
        self.said = said

    def host(self, name: str, release: object = None) -> Any:
        return SimpleNamespace(root="/srv/shop", secrets=SimpleNamespace(values={}))

    def ask(self, name: str, function: str, arguments: object) -> str:
        return self.said


@pytest.mark.parametrize(
    ("said", "wanted"), [(OTHER, WANTED), ("", WANTED), ("", "main"), ("main", "main"), ("--all", "main")]
)
def test_another_commit_or_none_goes_to_no_host(said, wanted):
    with pytest.raises(HawserError, match=f"w1: answers with '{said}', which is not the commit {wanted}"):
        checkouts.look_up(Hosts(said), "lib", ENTRY, wanted)


def test_the_commit_of_a_branch_is_what_the_host_says():
    assert checkouts.look_up(Hosts(OTHER), "lib", ENTRY, "main") == OTHER


@pytest.mark.parametrize(
    ("revision", "named"),
    [
        ("main", ""),
        ("aaaaaaa", ""),
        ("refs/heads/main", ""),
        (WANTED, WANTED),
        ("refs/pull/1/head", "refs/pull/1/head"),
    ],
)
def test_only_a_commit_named_in_full_is_fetched_from_outside_of_branches_and_tags(revision, named):
    assert fetched_by(revision, WANTED) == named

"""Files that are listed for an operator who takes them."""

from __future__ import annotations

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

"""Downloaded packages are shared by hard links."""

from __future__ import annotations

from pathlib import Path

from hawser.sandbox import archives


def test_what_one_host_downloaded_the_next_one_has(tmp_path: Path) -> None:
    first, store, second = tmp_path / "first", tmp_path / "store", tmp_path / "second"
    (first / "partial").mkdir(parents=True)
    (first / "partial" / "half_1_all.deb").write_bytes(b"ha")
    (first / "lock").write_bytes(b"")
    (first / "whole_1_all.deb").write_bytes(b"whole")
    archives.harvest(first, store)
    archives.fill(store, second)
    assert [path.name for path in second.iterdir()] == ["whole_1_all.deb"]
    assert (second / "whole_1_all.deb").samefile(first / "whole_1_all.deb")


def test_a_package_removed_in_one_host_stays_for_the_others(tmp_path: Path) -> None:
    first, store = tmp_path / "first", tmp_path / "store"
    first.mkdir()
    (first / "a_1_all.deb").write_bytes(b"a")
    archives.harvest(first, store)
    (first / "a_1_all.deb").unlink()
    archives.harvest(first, store)
    assert (store / "a_1_all.deb").read_bytes() == b"a"


def test_a_host_that_never_had_a_folder_gives_nothing(tmp_path: Path) -> None:
    archives.harvest(tmp_path / "missing", tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []

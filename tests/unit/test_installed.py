"""Which Hawser is installed, and by which line another one comes."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from hawser import cache as caching
from hawser import installed
from hawser.installed import INSTALLERS, digest, modules, upgrade


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a clone, where one of its folders is a link."""
    clone = tmp_path / "clone"
    for name in ("hawser/__init__.py", "hawser/host/ports.py", "hawser/report/text.py", "tasks/db.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(f"# {name}\n")
    (clone / "hawser/tasks").symlink_to("../tasks")
    return clone / "hawser"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(installed, "own_folder", caching.own_folder)
    return tmp_path / "cache/hawser/sources"


def test_the_digest_is_the_same_in_a_clone_a_wheel_and_an_archive(package: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "site-packages/hawser"
    shutil.copytree(package, wheel)
    assert not (wheel / "tasks").is_symlink()
    os.utime(wheel / "__init__.py", (1e9, 1e9))
    with zipfile.ZipFile(tmp_path / "hawser.zip", "w") as archive:
        for path in sorted(wheel.rglob("*.py"), reverse=True):
            archive.write(path, path.relative_to(wheel))
    with zipfile.ZipFile(tmp_path / "hawser.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert digest(package) == digest(wheel) == digest(tmp_path / "unpacked")


@pytest.mark.parametrize("name", ["host/ports.py", "tasks/db.py", "host/new.py", "tasks/more/new.py"])
def test_a_module_that_shapes_hosts_changes_the_digest(package: Path, name: str) -> None:
    before = digest(package)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("another = True\n")
    assert digest(package) != before


@pytest.mark.parametrize(
    "name", ["report/text.py", "new/asking.py", "host/__pycache__/ports.py", "host/.#ports.py", "tasks/docstrings.json"]
)
def test_what_talks_to_the_person_alone_leaves_the_digest(package: Path, name: str) -> None:
    before = digest(package)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("another = True\n")
    assert digest(package) == before


def test_a_module_that_moves_and_text_that_moves_between_modules_change_the_digest(package: Path) -> None:
    found = {digest(package)}
    (package / "host/ports.py").rename(package / "host/places.py")
    found.add(digest(package))
    (package / "host/places.py").write_text("")
    (package / "host/ports.py").write_text("# hawser/host/ports.py\n")
    assert len({*found, digest(package)}) == 3


def test_the_modules_that_run_on_hosts_and_those_of_tasks_count_here() -> None:
    names = {name for name, _entry in modules(installed.PACKAGE)}
    assert {"__init__.py", "runner/main.py", "tasks/managers/systemd.py", "formats/systemd.py"} <= names
    assert not any(name.startswith(("new/", "report/", "completion/", "sandbox/", "diagnosis/")) for name in names)


def test_the_digest_is_kept_until_a_module_changes(package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digest(package)
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read"))
    assert digest(package) == first
    monkeypatch.setattr(Path, "read_bytes", read)
    ports = package / "host/ports.py"
    at = ports.stat()
    ports.write_text(ports.read_text().replace("ports", "sport"))
    # As a copy or an unpacked archive sets it; only the kernel says when the file itself changed.
    os.utime(ports, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert digest(package) != first


@pytest.mark.parametrize("change", [lambda data: data[:40], lambda data: data + b"0", lambda data: b""])
def test_a_kept_digest_that_was_torn_is_made_anew(package: Path, cache: Path, change) -> None:  # type: ignore[no-untyped-def]
    first = digest(package)
    [path] = cache.iterdir()
    path.write_bytes(change(path.read_bytes()))
    assert digest(package) == first


def test_without_a_cache_the_digest_is_made_each_time(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed.own_folder("sources") is None
    assert digest(package) == digest(package)


@pytest.mark.parametrize(
    ("receipt", "line", "for_any"),
    [
        ("uv-receipt.toml", "uv tool upgrade hawser-deploy", "uv tool install 'hawser-deploy<0.2'"),
        ("pipx_metadata.json", "pipx upgrade hawser-deploy", "pipx install --force 'hawser-deploy<0.2'"),
        ("", "pip install -U 'hawser-deploy>=0.2'", "pip install -U 'hawser-deploy<0.2'"),
    ],
)
def test_the_line_that_upgrades_goes_by_what_has_installed_hawser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receipt: str, line: str, for_any: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(installed, "PACKAGE", tmp_path / "lib/hawser")
    if receipt:
        (tmp_path / receipt).touch()
    assert upgrade(">=0.2", newer=True) == line
    assert upgrade("<0.2", newer=False) == for_any


@pytest.mark.parametrize("worktree", [False, True])
def test_in_a_clone_git_upgrades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worktree: bool) -> None:
    clone = tmp_path / "my clone"
    (clone / "hawser").mkdir(parents=True)
    (clone / ".git").touch() if worktree else (clone / ".git").mkdir()
    monkeypatch.setattr(installed, "PACKAGE", clone / "hawser")
    assert upgrade(">=0.2", newer=True) == f"git -C '{clone}' pull"
    assert upgrade("<0.2", newer=False) == f"a commit of such a version in '{clone}'"


def test_the_programs_that_install_are_told_apart_by_files_of_their_own() -> None:
    assert len({receipt for receipt, *_lines in INSTALLERS}) == len(INSTALLERS)

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.errors import InputErrors, Problem
from hawser.inventory import Environment, read_environment

PLAIN = """
[app]
name = "shop"
repo = "https://git.example.org/shop.git"
[processes.web]
command = "gunicorn shop.wsgi --bind unix:{{ socket }}"
[site]
domains = ["shop.test"]
[hosts.web1]
address = "10.0.0.1"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environment files, `hosts` in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts").mkdir()
    return Path("hosts")


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    def write(text: str = PLAIN, name: str = "shop") -> Path:
        path = folder / f"{name}.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def read(write: Callable[..., Path]) -> Callable[..., Environment]:
    """Read an environment from the text of its file."""
    return lambda text=PLAIN: read_environment(write(text))


@pytest.fixture
def complain(write: Callable[..., Path]) -> Callable[[str], list[Problem]]:
    """Return what is wrong with the plain environment after its tables were replaced or added to by those of a text."""

    def complain(change: str) -> list[Problem]:
        with pytest.raises(InputErrors) as caught:
            read_environment(write(with_tables(change)))
        assert caught.value.code == 2
        return list(caught.value.problems)

    return complain


def with_tables(change: str) -> str:
    """Return the plain environment, without those of its tables that `change` writes itself."""
    changed = tomllib.loads(change)
    tables = PLAIN.split("\n[")[1:]
    kept = [f"[{table}\n" for table in tables if table.split("]")[0].split(".")[0] not in changed]
    loose, bracket, rest = change.partition("[") if not change.lstrip().startswith("[") else ("", "", change)
    return loose + "\n" + "".join(kept) + bracket + rest

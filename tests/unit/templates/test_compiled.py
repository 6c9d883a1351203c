"""Code of templates that is kept between commands."""

from __future__ import annotations

import os
import time
from pathlib import Path

import jinja2
import pytest

from hawser.cache import KEPT
from hawser.templates import compiled
from hawser.templates.bounded import Environment
from hawser.templates.compiled import Compiled

TEXT = "{% for each in names %}{{ each }} {% endfor %}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/hawser"


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("templates-*/*"))


def compilations(text: str = TEXT, name: str = "a.j2") -> int:
    """Render a text as the next command would, and return how often it was compiled."""
    made = []

    class Counting(Environment):
        def _compile(self, source, filename):  # type: ignore[no-untyped-def]
            made.append(filename)
            return super()._compile(source, filename)

    loader = jinja2.DictLoader({name: text})
    environment = Counting(loader=loader, bytecode_cache=Compiled())
    assert environment.get_template(name).render(names=["x", "y"]) == "x y "
    return len(made)


def test_the_next_command_finds_the_code_of_the_same_text(cache: Path) -> None:
    assert [compilations(), compilations()] == [1, 0]
    assert compilations(TEXT + "{# another #}") == 1
    assert compilations(name="b.j2") == 1
    assert [path.stat().st_mode & 0o777 for path in kept(cache)] == [0o600] * 3
    assert kept(cache)[0].parent.stat().st_mode & 0o777 == 0o700


def test_code_that_others_can_write_is_not_run(cache: Path) -> None:
    compilations()
    [path] = kept(cache)
    path.chmod(0o620)
    assert compilations() == 1
    path.parent.chmod(0o777)
    assert compilations() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_code_of_somebody_else_is_not_run(cache: Path) -> None:
    compilations()
    [path] = kept(cache)
    os.chown(path, 12345, -1)
    assert compilations() == 1
    os.chown(path.parent, 12345, -1)
    assert compilations() == 1


@pytest.mark.parametrize("change", [lambda data: data[:40], lambda data: data[:-1] + b"!", lambda data: b""])
def test_code_that_was_torn_is_made_anew(cache: Path, change) -> None:  # type: ignore[no-untyped-def]
    compilations()
    [path] = kept(cache)
    path.write_bytes(change(path.read_bytes()))
    assert [compilations(), compilations()] == [1, 0]


def test_code_of_another_version_is_not_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compilations()
    monkeypatch.setattr(compiled, "translator", lambda: "another")
    assert compilations() == 1


def test_a_cache_that_cannot_be_is_done_without(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [compilations(), compilations()] == [1, 1]
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert [compilations(), compilations()] == [1, 0]


def test_code_that_nobody_has_written_for_long_goes(cache: Path) -> None:
    compilations()
    [old] = kept(cache)
    long_ago = time.time() - KEPT - 60
    os.utime(old, (long_ago, long_ago))
    compilations(name="b.j2")
    assert [path != old for path in kept(cache)] == [True]

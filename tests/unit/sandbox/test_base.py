"""The base image: its ingredients make its name."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hawser.sandbox.base import bootstrap_command, fingerprint
from hawser.sandbox.machine import Inheritance, Release
from hawser.sandbox.sources import Source

PLAIN = Inheritance(Release("debian", "bookworm"), (Source("a.list", "deb http://x bookworm main\n"),), (), {})


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, release=Release("debian", "trixie")),
        replace(PLAIN, sources=()),
        replace(PLAIN, apt_options=('Acquire::Retries "3";',)),
        replace(PLAIN, files={"/etc/pip.conf": b"[global]\n"}),
    ],
)
def test_any_other_ingredient_makes_another_image_of_a_host(other: Inheritance) -> None:
    assert fingerprint(other, python=True) != fingerprint(PLAIN, python=True)


def test_a_host_without_python_has_an_image_of_its_own() -> None:
    assert fingerprint(PLAIN, python=False) != fingerprint(PLAIN, python=True)


def test_the_same_ingredients_make_the_same_image() -> None:
    assert fingerprint(replace(PLAIN), python=True) == fingerprint(PLAIN, python=True)


def test_a_bare_image_is_made_without_python_and_git() -> None:
    argv = bootstrap_command(Path("/x/root"), Path("/x"), PLAIN, python=False)
    include = next(word for word in argv if word.startswith("--include="))
    assert "python3" not in include and "git" not in include and "openssh-server" in include


def test_the_image_is_made_from_the_staged_sources() -> None:
    argv = bootstrap_command(Path("/x/root"), Path("/x"), PLAIN, python=True)
    assert argv[-3:] == ["bookworm", "/x/root", "/x/sources/a.list"]


def test_a_staged_file_takes_the_place_of_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    staged, place = tmp_path / "stage/files/etc/default/locale", tmp_path / "root/etc/default/locale"
    for each in (staged, place):
        each.parent.mkdir(parents=True)
    staged.write_text("LANG=C.UTF-8\n")
    place.symlink_to("../locale.conf")  # as Debian 13 has it
    argv = bootstrap_command(tmp_path / "root", tmp_path / "stage", PLAIN, python=True)
    hook = next(word.partition("=")[2] for word in argv if word.startswith("--customize-hook=cp"))
    subprocess.run(["sh", "-c", hook, "hook", str(tmp_path / "root")], check=True)
    assert not place.is_symlink()
    assert place.read_text() == "LANG=C.UTF-8\n"

"""The shells' functions, in real shells, with a list and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import hawser.completion

FOLDER = Path(hawser.completion.__file__).parent
HOSTILE = "$(touch owned)`touch owned`;touch owned '\"\\ *"
LIST = f"""\
option	-	--hosts	target	hosts
option	-	-H	target	hosts
option	-	--dry	nothing	nothing is touched
option	-	--config	text	a file
task	deploy	Release a revision.
option	deploy	--revision	revision	a branch
option	deploy	--partial	nothing	some hosts
task	rollback	Go back.
option	rollback	--to	release	a release
task	logs	Show logs.
option	logs	--process	process	a process
target	shop	shop	environment
target	shop/web	shop	group
target	web1	shop	host
target	sharks	fair	host
target	{HOSTILE}	fair	environment
value	release	shop	aaaaaaaaaa-01
value	release	fair	bbbbbbbbbb-02
value	revision	shop	trunk
value	process	shop	front
value	process	shop	{HOSTILE}
"""
BASH = """
source {script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_hawser
for each in "${{COMPREPLY[@]}}"; do eval "printf '%s\\n' $each"; done
"""
# What is outside of completion stands in for what zsh has in it: what `compadd` gets is what is offered.
ZSH = """
compdef() {{ : }}
compadd() {{ while [[ $1 == -* ]]; do [[ $1 == -d ]] && shift; shift; done; print -rl -- "${{(P@)1}}" }}
_files() {{ : }}
source {script}
words=("$@"); CURRENT=$#
_hawser
"""
FISH = """
source {script}
complete -C (string join -- ' ' (string escape -n -- $argv[1..-2]) $argv[-1])
"""
SHELLS = {"bash": (BASH, ["--norc"]), "zsh": (ZSH, ["-f"]), "fish": (FISH, ["--no-config"])}

Typed = Callable[..., list[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a list, and a program `fab` that notes when it is started."""
    folder = tmp_path / "work"
    (folder / "below").mkdir(parents=True)
    (folder / "fabfile.py").touch()
    keep(tmp_path, folder, LIST)
    program = tmp_path / "bin/fab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/started\ncp {tmp_path}/later "$LIST" 2>/dev/null\n')
    program.chmod(0o755)
    return folder


def keep(home: Path, folder: Path, text: str) -> Path:
    path = home / "cache/hawser/completion" / str(folder.resolve()).replace("/", "%")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(params=SHELLS)
def typed(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> Typed:
    """Return what is offered for the last of some words."""
    shell = request.param
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    text, options = SHELLS[shell]
    path = tmp_path / f"driver.{shell}"
    path.write_text(text.format(script=FOLDER / f"hawser.{shell}"))

    def typed(*words: str, below: str = ".", **environ: str) -> list[str]:
        search = f"{tmp_path}/bin:{os.environ['PATH']}"
        own = {"PATH": search, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "LC_ALL": "C.UTF-8"}
        argv = [program, *options, str(path), *words]
        done = subprocess.run(argv, cwd=project / below, env={**own, **environ}, capture_output=True, text=True)
        assert not done.stderr, done.stderr
        offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
        # The program of zsh itself leaves out what does not begin as the word does; fish offers what has it inside.
        return sorted({each for each in offered if each.startswith(words[-1])})

    return typed


def started(tmp_path: Path) -> Sequence[str]:
    path = tmp_path / "started"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["de"], ["deploy"]),
        (["deploy", "lo"], ["logs"]),
        (["-H", "w"], ["web1"]),
        (["-H", "shop,w"], ["shop,web1"]),
        (["--hosts", "shop/"], ["shop/web"]),
        (["deploy", "--re"], ["--revision"]),
        (["rollback", "--re"], []),
        (["deploy", "--d"], ["--dry"]),
        (["--dry", "dep"], ["deploy"]),
        (["deploy", "--revision", "t"], ["trunk"]),
        (["deploy", "--partial", "log"], ["logs"]),
        (["rollback", "--to", ""], ["aaaaaaaaaa-01", "bbbbbbbbbb-02"]),
        (["-H", "shop", "rollback", "--to", ""], ["aaaaaaaaaa-01"]),
        (["-H", "sharks,web1", "rollback", "--to", ""], ["bbbbbbbbbb-02"]),
        (["-H", "shop", "logs", "--process", "fr"], ["front"]),
        (["--config", "dep"], []),
        (["nothing-like-it"], []),
    ],
)
def test_what_is_offered(typed: Typed, words: list[str], offered: list[str], tmp_path: Path) -> None:
    assert typed("fab", *words) == offered
    assert not started(tmp_path), "the list is there"


def test_a_folder_below_the_project_has_its_list(typed: Typed, tmp_path: Path) -> None:
    assert typed("fab", "de", below="below") == ["deploy"]
    assert not started(tmp_path)


def test_a_name_that_is_a_program_of_the_shell_is_data(typed: Typed, project: Path, tmp_path: Path) -> None:
    assert HOSTILE in typed("fab", "-H", "")
    assert HOSTILE in typed("fab", "logs", "--process", "")
    assert not list(tmp_path.rglob("owned"))


def test_words_of_the_line_are_data(typed: Typed, tmp_path: Path) -> None:
    for word in ("$(touch owned)", "`touch owned`", "[", "*", "\\", "-", "--", "="):
        typed("fab", "-H", word, "deploy", "--revision", "tr")
    assert not list(tmp_path.rglob("owned"))


def test_a_project_without_a_list_has_it_made_once(typed: Typed, project: Path, tmp_path: Path) -> None:
    own = project / "below"
    (own / "hosts").mkdir()
    (own / "hosts/shop.toml").touch()
    (tmp_path / "later").write_text(LIST)
    path = keep(tmp_path, own, "")
    path.unlink()
    assert typed("fab", "de", below="below", LIST=str(path)) == ["deploy"]
    assert typed("fab", "lo", below="below", LIST=str(path)) == ["logs"]
    assert started(tmp_path) == ["--complete"]


def test_where_no_list_can_be_made_nothing_is_offered(typed: Typed, project: Path, tmp_path: Path) -> None:
    (project / "below/fabfile.py").touch()
    assert typed("fab", "de", below="below", LIST=os.devnull) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_splits_an_option_and_its_value_at_the_sign_between_them(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "driver"
    path.write_text(BASH.format(script=FOLDER / "hawser.bash"))
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for words in (["--revision", "=", "tr"], ["--revision", "="]):
        argv = ["bash", "--norc", str(path), "fab", "deploy", *words]
        done = subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["trunk"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_long_list_is_read_faster_than_python_starts(project: Path, tmp_path: Path) -> None:
    more = "".join(f"target\thost{number}\tshop\thost\n" for number in range(1000))
    keep(tmp_path, project, LIST + more)
    path = tmp_path / "driver"
    path.write_text(BASH.format(script=FOLDER / "hawser.bash"))
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    took = []
    for _ in range(5):
        before = time.monotonic()
        argv = ["bash", "--norc", str(path), "fab", "-H", "host99"]
        done = subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, check=True)
        took.append(time.monotonic() - before)
        assert len(done.stdout.split()) == 11
    assert min(took) < 0.15


def test_the_program_prints_the_function_of_a_shell_and_makes_the_list(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/shop.toml").write_text('[app]\nname = "shop"\nrepo = "."\n[hosts.web1]\naddress = "127.0.0.1"\n')

    def fab(*words: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(FOLDER.parents[1]), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        argv = [sys.executable, "-c", "from hawser.program import main; main()", *words]
        return subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert fab("--print-completion-script=fish").stdout == (FOLDER / "hawser.fish").read_text()
    other = fab("--print-completion-script", "fsh")
    assert other.returncode == 2 and "did you mean fish? one of bash, zsh, fish" in other.stderr
    fab("--list")
    assert not list((tmp_path / "cache").rglob("completion/*")), "nobody has asked for it"
    assert fab("--complete").returncode == 0
    [path] = (tmp_path / "cache/hawser/completion").iterdir()
    before = path.read_text()
    assert "\ntarget\tweb1\tshop\thost\n" in before
    (tmp_path / "hosts/fair.toml").write_text((tmp_path / "hosts/shop.toml").read_text())
    assert fab("-H", "shop", "schema").returncode == 0
    assert "\ntarget\tfair\tfair\tenvironment\n" in path.read_text(), "a run keeps it up to date"

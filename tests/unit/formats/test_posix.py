"""Shell words and environment files against the shells of this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hawser.formats import NotRepresentable, shell, shell_environment, shell_join

from .strategies import any_text, variables

SHELLS = [["/bin/sh"], *([["bash", "--posix"]] if shutil.which("bash") else [])]
each_shell = pytest.mark.parametrize("sh", SHELLS, ids=" ".join)
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(sh: list[str], script: str) -> list[str]:
    """Return the NUL-terminated texts that a script prints."""
    result = subprocess.run(sh, input=script.encode(), capture_output=True, env={"PATH": "/usr/bin:/bin"}, check=True)
    assert result.stderr == b""
    return result.stdout.decode().split("\0")[:-1]


@each_shell
@few
@given(st.lists(any_text, min_size=1, max_size=40))
def test_a_shell_reads_every_word_back(sh: list[str], words: list[str]) -> None:
    assert run(sh, f"printf '%s\\0' {shell_join(words)}") == words


@each_shell
@pytest.mark.parametrize("word", ["if", "time", "function", "A=b", "{", "!", "~", "#", "-n", "a b"])
def test_the_first_word_is_a_program_whatever_it_is_called(tmp_path: Path, sh: list[str], word: str) -> None:
    program = tmp_path / word
    program.write_text("#!/bin/sh\nprintf 'ran\\0'\n")
    program.chmod(0o755)
    assert run(sh, f"PATH={shell(str(tmp_path))}:$PATH; {shell_join([word, '5', '>', 'x'])}") == ["ran"]


@pytest.mark.parametrize("word", ["gunicorn", "/srv/demo/env/bin/python", "--bind=unix:/run/x.sock", "50%", "a@b,c+d"])
def test_plain_words_stay_readable(word: str) -> None:
    assert shell(word) == (f"'{word}'" if "=" in word else word)


def environment(sh: list[str], path: Path, content: str) -> dict[str, str]:
    path.write_text(content, encoding="utf-8", newline="")
    pairs = run(sh, f"set -a; . {shell(str(path))}; exec env -0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def expressible(wanted: Mapping[str, str]) -> dict[str, str]:
    carried = {}
    for name, value in wanted.items():
        try:
            shell_environment({name: value})
        except NotRepresentable:
            continue
        carried[name] = value
    return carried


@each_shell
@few
@given(wanted=variables)
def test_a_shell_sources_the_environment_file_unchanged(tmp_path: Path, sh: list[str], wanted: dict[str, str]) -> None:
    wanted = expressible(wanted)
    received = environment(sh, tmp_path / "env", shell_environment(wanted))
    assert {name: received.get(name) for name in wanted} == wanted


def test_the_environment_file_escapes_what_both_readers_unescape() -> None:
    content = shell_environment({"A": "p#1 \"q\" \\ `id` $HOME ${X} % ; 's' !", "B": "", "C": "two\nlines"})
    assert content == 'A="p#1 \\"q\\" \\\\ \\`id\\` \\$HOME \\${X} % ; \'s\' !"\nB=""\nC="two\nlines"\n'


@pytest.mark.parametrize("value", ["\ufdd0", "\uffff", "a\U0010fffe"])
def test_the_environment_file_refuses_what_systemd_drops(value: str) -> None:
    with pytest.raises(NotRepresentable, match="code point"):
        shell_environment({"KEY": value})


KEPT = (
    "_ OPTIND LINENO PPID UID EUID GROUPS RANDOM SRANDOM SECONDS EPOCHSECONDS EPOCHREALTIME SHLVL SHELLOPTS DIRSTACK "
    "FUNCNAME HISTCMD PIPESTATUS COMP_WORDBREAKS BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 "
    "BASH_CMDS BASH_LINENO BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO"
)


@pytest.mark.skipif(not shutil.which("bash"), reason="most of these are bash's")
def test_variables_that_shells_keep_are_refused_and_would_not_arrive() -> None:
    for name in KEPT.split():
        with pytest.raises(NotRepresentable, match="keep this variable"):
            shell_environment({name: "a b"})
    script = "set -a; " + "".join(f"({name}='a b'; env -0);" for name in KEPT.split())
    result = subprocess.run(["bash", "-c", script], capture_output=True, env={"PATH": "/usr/bin:/bin"}, check=False)
    received = result.stdout.decode().split("\0")
    assert [entry for entry in received if entry.endswith("=a b")] == []


@each_shell
@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "PWD", "MAIL", "PS1", "IFS", "HOSTNAME", "BASH_ENV", "LINES"])
def test_variables_that_shells_only_use_are_carried(tmp_path: Path, sh: list[str], name: str) -> None:
    content = shell_environment({name: "a b"})
    script = f"set -a; . {shell(str(tmp_path / 'env'))}; exec /usr/bin/env -0"
    (tmp_path / "env").write_text(content)
    assert f"{name}=a b" in run(sh, script)

"""Every option of Fabric's core: it does what it says, or is refused with the way to do it."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from hawser.executor import Executor
from hawser.program import OwnProgram, Program, Settings

PROJECT = Path(__file__).parents[2]
FABFILE = """
import json
from invoke import task
from hawser.steps import session_task

@task
def show(c):
    config = c.config
    print(json.dumps([
        {name: config.run[name] for name in ("warn", "echo", "pty", "hide", "dry")},
        config.timeouts.command, config.sudo.password, {**config.connect_kwargs}, config._runtime_ssh_path,
        config.get("mine"), config.tasks.dedupe,
    ]))

@session_task()
def ours(session):
    print("ours ran")

@task
def plain(c, lines=1):
    c.run("true")
"""
SHOP = '[app]\nname = "shop"\nrepo = "."\n[hosts.web1]\naddress = "127.0.0.1"\nport = PORT\n'


class Said(NamedTuple):
    code: int
    output: str
    errors: str

    @property
    def shown(self) -> list[object]:
        """What the task `show` has seen of the settings."""
        return list(json.loads(self.output.splitlines()[-1]))


Typed = Callable[..., Said]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fabfile.py").write_text(FABFILE)
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "shop.toml").write_text(SHOP.replace("PORT", "9"))
    (tmp_path / "ssh.conf").touch()
    (tmp_path / "key").touch()
    (tmp_path / "mine.yaml").write_text("mine: 7\n")
    return tmp_path


@pytest.fixture
def typed(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Return what runs a command line of ours in the project, as if it were typed there."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setenv("HAWSER_OUTPUT", "plain")
    monkeypatch.delenv("HAWSER_HOSTS", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def typed(*words: str, stdin: str = "", kind: type[Program] = Program) -> Said:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.delitem(sys.modules, "fabfile", raising=False)
        code = 0
        try:
            kind(version="x", executor_class=Executor, config_class=Settings).run(["fab", *words])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        return Said(code, *capsys.readouterr())

    return typed


MISTYPED = {
    ("statsu",): ("there is no task 'statsu'", "status"),
    ("db.lst",): ("there is no task 'db.lst'", "db.list"),
    ("deplyo", "--yes"): ("there is no task 'deplyo'", "deploy? All of them: fab --list"),
    ("samples",): ("there is no task 'samples'", "config.samples"),
    ("xyzzy",): ("there is no task 'xyzzy'", "next: fab --list"),
    ("--lst",): ("there is no option '--lst'", "--list"),
    ("--hots=web1", "status"): ("there is no option '--hots'", "--hosts"),
    ("deploy", "--revison", "main"): (
        "there is no option '--revison' of deploy",
        "--revision? All of them: fab --help deploy",
    ),
    ("deploy", "--revision"): ("--revision needs a value", "fab --help deploy"),
    ("status", "web1"): ("there is no task 'web1'", "fab --list"),
    ("run",): ("run needs command", "fab --help run"),
    ("run", "df", "-x"): ("run takes its command as one word", "run 'df -x'"),
    ("run", "df", "-h"): ("run takes its command as one word", "run 'df -h'"),
    ("run", "ls", "/tmp"): ("run takes its command as one word", "run 'ls /tmp'"),
    ("manage", "migrate", "--plan"): ("manage takes its command as one word", "manage 'migrate --plan'"),
    ("--help", "deplyo"): ("there is no task 'deplyo'", "deploy?"),
}


def typed_here(*words: str) -> subprocess.CompletedProcess[str]:
    """Type a command in this project, whose tasks are ours."""
    argv = [sys.executable, "-c", "from hawser.program import main; main()", *words]
    return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", MISTYPED, ids=" ".join)
def test_what_is_mistyped_is_said_with_what_was_meant(words: tuple[str, ...]) -> None:
    result = typed_here(*words)
    what, meant = MISTYPED[words]
    assert (result.returncode, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(what) and second.startswith("  next: ") and meant in second


@pytest.mark.parametrize("words", [("-h", "run"), ("--help", "run"), ("--help=run",), ("-hrun",)], ids=" ".join)
def test_help_is_shown_for_a_task_that_takes_a_command(words: tuple[str, ...]) -> None:
    result = typed_here(*words)
    assert result.returncode == 0 and "Run a command on every host" in result.stdout


def test_what_commands_of_plain_tasks_shall_do_is_passed_on(typed: Typed) -> None:
    run, timeout, *_rest = typed("-w", "-e", "-p", "--hide=err", "-T", "5", "show").shown
    assert run == {"warn": True, "echo": True, "pty": True, "hide": "err", "dry": False}
    assert timeout == 5


@pytest.mark.parametrize("option", ["-w", "-e", "-p", "--hide=out", "-T=5", "--warn-only"])
@pytest.mark.parametrize("behind", [False, True])
def test_the_same_is_refused_for_ours(typed: Typed, option: str, behind: bool) -> None:
    said = typed("ours", option) if behind else typed(option, "show", "ours")
    assert said.code == 2 and "ours ran" not in said.output and "warn" not in said.output
    assert "is for the commands of Fabric's plain tasks; it does nothing for ours" in said.errors
    assert "next: leave it out; " in said.errors


@pytest.mark.parametrize("option", ["-t", "-T", "-D", "--connect-timeout", "--command-timeout"])
@pytest.mark.parametrize("form", [("{} many",), ("{}=many",)])
def test_a_number_that_is_none_is_told_with_its_option(typed: Typed, option: str, form: tuple[str]) -> None:
    said = typed(*form[0].format(option).split(), "show")
    assert (said.code, said.errors) == (2, f"{option} takes a whole number, and 'many' is none\n")


def test_so_is_one_of_a_task(typed: Typed) -> None:
    assert typed("plain", "--lines", "many").errors == "--lines takes a whole number, and 'many' is none\n"


def test_values_that_mean_nothing_are_told_all_at_once(typed: Typed, project: Path) -> None:
    words = "-t 0 -T -1 --hide=some -F tree -S no.conf -f no.yaml -i no-key -i key"
    said = typed(*words.split(), "-H", "web1", "plain")
    assert said.code == 2 and said.output == ""
    assert said.errors == (
        "7 problems, nothing was touched:\n"
        "  -t: 0 is no time to wait (whole seconds, from 1)\n"
        "  -T: -1 is no time to wait (whole seconds, from 1)\n"
        "  --hide: 'some' is none of its values (out, stdout, err, stderr, both)\n"
        "  -F: 'tree' is none of its values (flat, nested, json)\n"
        f"  -S: there is no file no.conf (looked for in {project})\n"
        f"  -f: there is no file no.yaml (looked for in {project})\n"
        f"  -i: there is no file no-key (looked for in {project})\n"
    )


@pytest.mark.parametrize("task", ["plain", "ours"])
def test_the_time_to_connect_is_that_of_the_command_line(typed: Typed, project: Path, task: str) -> None:
    if task == "ours":
        text = FABFILE.replace('print("ours ran")', 'session.connect("web1")')
        (project / "fabfile.py").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (project / "hosts" / "shop.toml").write_text(SHOP.replace("PORT", str(silent.getsockname()[1])))
        said = typed("-t", "1", "-H", "web1", task)
    assert said.code == 1 and "web1 (" in said.errors
    assert "Traceback" not in said.errors and "defect" not in said.errors


def test_keys_and_ssh_files_of_the_command_line_are_passed_on(typed: Typed) -> None:
    _run, _timeout, _sudo, connect, ssh, *_rest = typed("-i", "key", "-S", "ssh.conf", "show").shown
    assert connect == {"key_filename": ["key"]} and ssh == "ssh.conf"


def test_a_settings_file_of_the_command_line_is_read(typed: Typed) -> None:
    assert typed("-f", "mine.yaml", "show").shown[-2] == 7


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mine.yaml", "a: [", "is no YAML: while parsing"),
        ("mine.yaml", "run: 5", "cannot be used: Can't cleanly merge"),
        ("mine.toml", "", "cannot be used: Config files of type 'toml'"),
        ("fabric.yaml", "a: [", "is no YAML: while parsing"),
        ("fabric.yaml", "hawser: x", "`hawser` in fabric.yaml must be a table of texts"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_no_defect(
    typed: Typed, project: Path, name: str, text: str, told: str
) -> None:
    (project / name).write_text(text)
    said = typed(*([] if name == "fabric.yaml" else ["-f", name]), "show")
    assert said.code == 2 and told in said.errors


@pytest.mark.parametrize(
    ("option", "place", "seen"),
    [
        ("--prompt-for-sudo-password", 2, "s3cret"),
        ("--prompt-for-login-password", 3, {"password": "s3cret"}),
        ("--prompt-for-passphrase", 3, {"passphrase": "s3cret"}),
    ],
)
@pytest.mark.filterwarnings("ignore::getpass.GetPassWarning")
def test_a_secret_is_asked_for_and_where_nobody_answers_the_way_is_told(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, option: str, place: int, seen: object
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "s3cret")
    assert typed(option, "show").shown[place] == seen

    def nobody(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    said = typed(option, "show")
    assert said.code == 2 and "nobody is here to answer" in said.errors and "next: leave it out" in said.errors


def test_another_collection_and_another_folder_are_found(typed: Typed, project: Path) -> None:
    (project / "other").mkdir()
    (project / "other" / "fabfile.py").write_text("from invoke import task\n@task\ndef there(c): pass\n")
    (project / "more.py").write_text("from invoke import task\n@task\ndef further(c): pass\n")
    assert "there" in typed("-r", "other", "--list").output
    assert "further" in typed("-c", "more", "--list").output
    assert typed("-r", "no", "--list").errors == f"-r: there is no folder {project}/no\n"
    assert typed("-c", "nothing", "--list").errors == "Can't find any collection named 'nothing'!\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--list-agent-keys",), ""),
        (("--version",), "Hawser "),
        (("-l", "-F", "json"), '"name": "show"'),
        (("-l", "-F", "nested", "-D", "1"), "show"),
        (("-h", "plain"), "Usage: fab [--core-opts] plain"),
        (("--print-completion-script=bash",), "complete"),
        (("--no-dedupe", "--write-pyc", "-R", "show"), '"dry": true'),
        (("--complete", "--", "fab", "-H", "web1", "sh"), ""),
    ],
)
def test_the_rest_does_what_it_says(typed: Typed, words: tuple[str, ...], told: str) -> None:
    said = typed(*words)
    assert (said.code, said.errors) == (0, "") and told in said.output


@pytest.mark.parametrize("words", [("--",), ("-H", "web1", "--"), ("-H", "web1", "plain", "--")])
@pytest.mark.parametrize("kind", [Program, OwnProgram])
def test_a_command_behind_two_dashes_runs_nowhere(typed: Typed, words: tuple[str, ...], kind: type[Program]) -> None:
    said = typed(*words, "touch proof", kind=kind)
    assert said.code == 2 and "task" in said.errors

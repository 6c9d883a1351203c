"""Real programs on a real host say what they received: systemd, the shell, supervisord, cron and nginx.

Every value goes through unchanged or is refused. The ones with a name were trouble somewhere; the others are made of
such pieces by chance, the same ones each time.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pytest

from hawser.formats import (
    NotRepresentable,
    crontab_command,
    nginx_string,
    nginx_word,
    shell_environment,
    shell_join,
    supervisor_command,
    supervisor_environment,
    supervisor_logfile,
    supervisor_value,
    systemd_environment,
    systemd_exec,
    systemd_value,
)

FOLDER = "/srv/formats"
PYTHON = "/usr/bin/python3"
SHOW = f"{FOLDER}/show"
SHOW_PROGRAM = """#!/usr/bin/python3
import json, os, sys
received = {"arguments": sys.argv[2:], "environment": dict(os.environ), "folder": os.getcwd()}
with open(sys.argv[1] + ".new", "w") as out:
    json.dump(received, out)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""

NAMED = {
    "empty": "",
    "plain": "value",
    "spaces": " a  b ",
    "tab": "\ta\tb\t",
    "hash": "p#1",
    "hash_after_space": "p #1",
    "semicolon": "a;b ; c",
    "lone_semicolon": ";",
    "percent": "100% %n %% %(here)s %",
    "dollar": "$HOME ${HOME} $$ $ $1",
    "backslash": "C:\\new\\table\\",
    "backslash_percent": "\\% \\\\% \\\\\\%",
    "single_quote": "it's",
    "double_quote": 'q"d',
    "both_quotes": 'it\'s "so"',
    "quoted": '"quoted"',
    "json": '{"a": [1, "b c"], "d": null}',
    "exclamation": "hi! !! !x",
    "backquote": "`id` $(id)",
    "glob": "* ? [a-z] ~ {a,b} & | < > ( )",
    "url": "https://user:p%40ss@host:5432/?a=b&c=%20d#e",
    "umlauts": "Übermäßig €5 😀 \u2028 \xa0",
    "newlines": "first\nsecond\n\nfourth\n",
    "newline_and_space": "first \n second",
    "newline_and_hash": "first\n#second\n;third",
    "carriage_return": "a\r\nb\r",
    "control": "".join(map(chr, range(1, 32))) + "\x7f\x80\x85\x9f",
    "option": "--option=value",
    "assignment": "A=B,C=D",
    "escapes": "\\n \\t \\x41 \\101 \\u0041 \\s \\' \\\" \\\\",
    "private": "\ue000\ufeff\ufffd",
    "noncharacter": "\ufdd0",
    "long": "x" * 4_000,
    "very_long": "x" * 100_000,
}
_PIECES = [
    *"'\"\\%#;$`!{}()[]<>&|*?~^=:,@+-_. \t\n/",
    *"aZ09nrtxusU",
    *[
        "äß€",
        "\r",
        "\x01",
        "\x1b",
        "\x7f",
        "\x85",
        "\u2003",
        "😀",
        " #",
        " ;",
        "\n#",
        "\\\\",
        "\\%",
        "$$",
        "${A}",
        "%%",
        "%n",
    ],
]


def by_chance(count: int) -> dict[str, str]:
    chance = random.Random(7)
    return {f"chance_{i}": "".join(chance.choices(_PIECES, k=chance.randint(1, 12))) for i in range(count)}


VALUES = {**NAMED, **by_chance(150)}


class Host(Protocol):
    """A throwaway host that tests may change as they like."""

    def run(
        self, argv: list[str], input: bytes | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as root."""

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Write a file as root."""


@dataclass(frozen=True)
class Received:
    """What a process on the host was given."""

    arguments: list[str]
    environment: Mapping[str, str]
    folder: str

    def variables(self, names: Mapping[str, str]) -> dict[str, str | None]:
        return {name: self.environment.get(name) for name in names}


class FormatsHost:
    """A host with the program that writes down what it receives."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, *argv: str, input: bytes | None = None, timeout: float = 60) -> str:
        result = self.host.run(list(argv), input=input, timeout=timeout)
        assert result.returncode == 0, (argv, result.stdout, result.stderr)
        return result.stdout.decode()

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        self.host.write(path, content.encode(), mode)

    def install(self, program: str, package: str) -> None:
        if self.host.run(["sh", "-c", f"command -v {program}"]).returncode:
            command = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends"
            self.run("sh", "-c", f"{command} {package}", timeout=300)

    def read(self, *names: str, within: float = 20) -> list[Received]:
        """Return what each of these files says that a process received, in this order."""
        script = f"import json, sys; print(json.dumps([json.load(open('{FOLDER}/' + name)) for name in sys.argv[1:]]))"
        end = time.monotonic() + within
        while True:
            result = self.host.run([PYTHON, "-c", script, *names])
            if result.returncode == 0:
                return [Received(**received) for received in json.loads(result.stdout)]
            assert time.monotonic() < end, result.stderr.decode()
            time.sleep(1)

    def start_units(self, units: Mapping[str, str]) -> None:
        """Let systemd run these services once, each to its end; nothing in them may be unknown or dropped."""
        for name, service in units.items():
            self.write(f"/run/systemd/system/{name}.service", service)
        self.run("systemctl", "daemon-reload")
        files = [f"{name}.service" for name in units]
        verified = self.host.run(["systemd-analyze", "verify", *(f"/run/systemd/system/{file}" for file in files)])
        assert verified.returncode == 0, verified.stderr.decode()
        self.run("systemctl", "start", *files)


@pytest.fixture
def host(sandbox_host: Host) -> Iterator[FormatsHost]:
    formats_host = FormatsHost(sandbox_host)
    formats_host.run("mkdir", "-p", FOLDER)
    formats_host.write(SHOW, SHOW_PROGRAM, 0o755)
    yield formats_host
    formats_host.run(
        "sh", "-c", f"rm -rf {FOLDER} /run/systemd/system/formats*.service /etc/cron.d/formats; systemctl daemon-reload"
    )


def carried(write: Callable[[str], str], refused: set[str]) -> dict[str, str]:
    """Return the values that a format carries, after a look at which of the named ones it refuses."""
    kept = {}
    for name, value in VALUES.items():
        try:
            write(value)
        except NotRepresentable:
            continue
        kept[name] = value
    assert set(NAMED) - set(kept) == refused
    return kept


def as_variables(values: Mapping[str, str]) -> dict[str, str]:
    return {f"HW_{name}": value for name, value in values.items()}


def test_systemd_and_the_shell_read_the_same_environment_file(host: FormatsHost) -> None:
    wanted = as_variables(carried(lambda value: shell_environment({"A": value}), {"noncharacter"}))
    host.write(f"{FOLDER}/environment", shell_environment(wanted), 0o600)
    service = [
        "[Service]",
        "Type=oneshot",
        f"EnvironmentFile={FOLDER}/environment",
        f"ExecStart={SHOW} {FOLDER}/by-systemd",
    ]
    host.start_units({"formats": "\n".join([*service, ""])})
    host.run("sh", "-c", f"set -a; . {FOLDER}/environment; exec {SHOW} {FOLDER}/by-shell")
    by_systemd, by_shell = host.read("by-systemd", "by-shell")
    assert by_systemd.variables(wanted) == wanted
    assert by_shell.variables(wanted) == wanted


def test_systemd_reads_environment_lines_unchanged(host: FormatsHost) -> None:
    wanted = as_variables(carried(lambda value: systemd_environment("A", value), {"noncharacter"}))
    lines = [systemd_environment(name, value) for name, value in wanted.items()]
    host.start_units(
        {"formats": "\n".join(["[Service]", "Type=oneshot", *lines, f"ExecStart={SHOW} {FOLDER}/received", ""])}
    )
    (received,) = host.read("received")
    assert received.variables(wanted) == wanted


def test_systemd_hands_over_every_argument_unchanged(host: FormatsHost) -> None:
    wanted = carried(lambda value: systemd_exec(["/bin/sh", value]), {"noncharacter", "very_long"})
    program = f"{FOLDER}/my 100% program; #1 ü!"
    host.write(program, SHOW_PROGRAM, 0o755)
    service = ["[Service]", "Type=oneshot", 'Environment="HOME=expanded" "A=expanded"']
    argv = [program, f"{FOLDER}/received", *wanted.values()]
    host.start_units({"formats": "\n".join([*service, f"ExecStart={systemd_exec(argv)}", ""])})
    (received,) = host.read("received")
    assert received.arguments == list(wanted.values())


def test_systemd_takes_plain_values_unchanged(host: FormatsHost) -> None:
    refused = {"spaces", "tab", "backslash", "newlines", "newline_and_space", "newline_and_hash", "carriage_return"}
    wanted = carried(systemd_value, {*refused, "control", "noncharacter"})
    folders = {
        name: f"{FOLDER}/in/{value}"
        for name, value in wanted.items()
        if value not in ("", ".", "..") and "/" not in value and len(value.encode()) < 250
    }
    host.run("xargs", "-0", "mkdir", "-p", input="\0".join(folders.values()).encode())
    units = {}
    for name, folder in folders.items():
        lines = [f"Description={systemd_value(wanted[name])}", "[Service]", "Type=oneshot"]
        lines += [f"WorkingDirectory={systemd_value(folder)}", f"ExecStart={SHOW} {FOLDER}/{name}"]
        units[f"formats-{name}"] = "\n".join(["[Unit]", *lines, ""])
    host.start_units(units)
    received = host.read(*folders)
    assert [process.folder for process in received] == list(folders.values())
    shown = host.run("systemctl", "show", "--value", "-p", "Description", *(f"{unit}.service" for unit in units))
    assert shown.rstrip("\n").split("\n\n") == [wanted[name] for name in folders]


def test_supervisord_hands_over_variables_arguments_and_folders(host: FormatsHost) -> None:
    host.install("supervisord", "supervisor")
    awkward = {"hash_after_space", "semicolon", "percent", "both_quotes", "quoted", "newline_and_space"}
    awkward |= {"newline_and_hash", "carriage_return", "control", "escapes"}
    variables = as_variables(carried(lambda value: supervisor_environment({"A": value}), awkward))
    arguments = list(
        carried(lambda value: supervisor_command(["/bin/sh", value]), {"carriage_return", "control"}).values()
    )
    folder = f"{FOLDER}/100% of no#1;ü 'x'"
    program = f"{FOLDER}/my 100% program; #1 ü!"
    host.write(program, SHOW_PROGRAM, 0o755)
    host.run("mkdir", "-p", folder)
    configuration = [
        "[supervisord]",
        *(f"{name}={FOLDER}/supervisord.{name}" for name in ("logfile", "pidfile")),
        "[program:formats]",
        "startsecs=0",
        "autorestart=false",
        f"environment={supervisor_environment(variables)}",
        f"command={supervisor_command([program, f'{FOLDER}/received', *arguments])}",
        f"directory={supervisor_value(folder)}",
        f"stdout_logfile={supervisor_logfile(f'{folder}/100%.log')}",
        "",
    ]
    host.write(f"{FOLDER}/supervisord.conf", "\n".join(configuration), 0o600)
    host.run("supervisord", "-c", f"{FOLDER}/supervisord.conf")
    try:
        (received,) = host.read("received")
    finally:
        host.run("sh", "-c", f"kill $(cat {FOLDER}/supervisord.pidfile)")
    assert received.variables(variables) == variables
    assert received.arguments == arguments
    assert received.folder == folder
    host.run("test", "-e", f"{folder}/100%.log")


def test_cron_runs_every_command_line_unchanged(host: FormatsHost) -> None:
    host.install("cron", "cron")
    host.run("systemctl", "start", "cron")
    refused = {"newlines", "newline_and_space", "newline_and_hash", "carriage_return", "control", "long", "very_long"}
    wanted = carried(lambda value: crontab_command(shell_join([SHOW, f"{FOLDER}/control_x", value])), refused)
    longest = f"> {FOLDER}/longest : ".ljust(998, "x")
    commands = [shell_join([SHOW, f"{FOLDER}/{name}", value]) for name, value in wanted.items()]
    commands += [r"printf '%s\n' '\a\\b\\\c\\\\' '%d\%d\\%d' > " + f"{FOLDER}/raw", longest]
    lines = [f"* * * * * root {crontab_command(command)}" for command in commands]
    host.write("/etc/cron.d/formats", "\n".join([*lines, ""]))
    received = host.read(*wanted, within=150)
    assert {name: process.arguments for name, process in zip(wanted, received, strict=True)} == {
        name: [value] for name, value in wanted.items()
    }
    assert host.run("cat", f"{FOLDER}/raw") == "\\a\\\\b\\\\\\c\\\\\\\\\n%d\\%d\\\\%d\n"
    host.run("test", "-e", f"{FOLDER}/longest")


FETCH = """
import json, sys, urllib.request
answers = [urllib.request.urlopen(f"http://127.0.0.1:8377/{i}").read().decode() for i in range(int(sys.argv[1]))]
print(json.dumps(answers))
"""


def test_nginx_reads_every_parameter_unchanged(host: FormatsHost) -> None:
    host.install("nginx", "nginx-light")
    strings = carried(nginx_string, {"dollar", "backquote", "very_long"})
    strings["longest"] = "\\" * 2046 + "x"
    words = carried(
        nginx_word,
        {"empty", "tab", "dollar", "backquote", "newlines", "newline_and_space", "newline_and_hash"}
        | {"carriage_return", "control", "very_long"},
    )
    wanted = [*strings.values(), *words.values()]
    parameters = [*map(nginx_string, strings.values()), *map(nginx_word, words.values())]
    locations = [f"location = /{i} {{ return 200 {parameter}; }}" for i, parameter in enumerate(parameters)]
    configuration = [
        f"pid {FOLDER}/nginx.pid;",
        "error_log stderr;",
        "events {}",
        "http {",
        "access_log off;",
        "server {",
        "listen 127.0.0.1:8377;",
        *locations,
        "}}",
    ]
    host.write(f"{FOLDER}/nginx.conf", "\n".join([*configuration, ""]))
    host.run("sh", "-c", f"nginx -t -q -c {FOLDER}/nginx.conf && nginx -c {FOLDER}/nginx.conf 2>/dev/null")
    try:
        answers = json.loads(host.run(PYTHON, "-c", FETCH, str(len(wanted))))
    finally:
        host.run("nginx", "-c", f"{FOLDER}/nginx.conf", "-s", "stop")
    assert answers == wanted

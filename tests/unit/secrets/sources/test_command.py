"""Secrets that a program of this machine prints, in time, in measure, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hawser.errors import InputErrors
from hawser.inventory import Environment
from hawser.secrets import load_secrets, read_secrets, sources_of
from hawser.secrets.sources.command import Command

PROJECT = Path(__file__).resolve().parents[4]


def command(script: str, *words: str, timeout: int = 20, generated: tuple[str, ...] = ()) -> Command:
    return Command(["sh", "-c", script, "sh", *words], timeout, Path("/"), generated)


def script(folder: Path, text: str) -> Command:
    """Return a program whose text is not in its own name."""
    path = folder / "script"
    path.write_text(text)
    return Command(["sh", str(path)], 20, folder, ())


def problem(source: Command, *names: str) -> str:
    found = source.ask(names)
    assert found.failed
    return "\n".join(map(str, found.problems))


class TestAllAtOnce:
    def test_lines_that_a_program_prints_are_secrets(self):
        found = command("echo A=alpha; echo \"B='b e t a'\"; echo '# no'").ask(["A"])
        assert found.values == {"A": "alpha", "B": "b e t a"} and not found.problems

    def test_an_object_of_json_is_secrets(self):
        said = r'{"A": "alpha", "B": "b\u00e9\nta"}'
        found = command(f"printf '%s' {shlex.quote(said)}").ask(["A"])
        assert found.values == {"A": "alpha", "B": "bé\nta"}

    @pytest.mark.parametrize("said", ['{"A": 1}', '{"A": {"B": "x"}}', '{"A": null}', '{"A": "x\\ud800yyyy"}'])
    def test_what_is_no_text_in_an_object_is_refused_by_name(self, said):
        assert "an object of JSON in which A is no text" in problem(command(f"printf '%s' {shlex.quote(said)}"))

    @pytest.mark.parametrize("said", ['{"A": "hunter22"', "{", '{"A": "hunter22"} x'])
    def test_what_is_no_json_is_refused_without_showing_it(self, tmp_path, said):
        said = problem(script(tmp_path, f"echo {shlex.quote(said)}"))
        assert "begins as JSON" in said and "hunter22" not in said

    def test_a_program_is_asked_once(self, tmp_path):
        source = command(f"echo asked >> {tmp_path}/log; echo A=alpha")
        assert source.ask(["A"]).values == source.ask(["A", "B"]).values == {"A": "alpha"}
        assert (tmp_path / "log").read_text() == "asked\n"

    def test_a_program_runs_in_the_folder_of_the_project(self, tmp_path):
        source = Command(["sh", "-c", "echo A=$PWD"], 20, tmp_path, ())
        assert source.ask(["A"]).values == {"A": str(tmp_path)}


class TestOneByOne:
    def test_a_program_prints_the_value_of_each_name(self):
        source = command('printf "%s\\n" "value of $1"', "{name}")
        assert source.ask(["A", "B"]).values == {"A": "value of A", "B": "value of B"}

    def test_a_value_of_several_lines_is_whole(self):
        assert command('printf "one\\ntwo\\n\\n"', "{name}").ask(["A"]).values == {"A": "one\ntwo\n"}

    def test_a_generated_secret_that_is_not_there_yet_is_no_failure(self):
        source = command('[ "$1" = A ] && echo alpha', "{name}", generated=("B",))
        found = source.ask(["A", "B"])
        assert found.values == {"A": "alpha"} and not found.failed

    def test_a_required_secret_that_is_not_there_is_a_failure_that_names_it(self):
        source = command('[ "$1" = A ] && echo alpha || { echo "no such entry" >&2; exit 1; }', "{name}")
        assert "C: ended with status 1; it said: no such entry" in problem(source, "A", "C")

    def test_a_program_that_has_nothing_at_all_is_a_failure(self):
        """Nobody is logged in: then no secret is new."""
        source = command("echo 'not signed in' >&2; exit 1", "{name}", generated=("A", "B"))
        assert "not signed in" in problem(source, "A", "B")

    def test_a_name_is_one_argument(self):
        assert command('printf "%s" "$#"; printf "%s" "$1"', "x {name} y").ask(["A"]).values == {"A": "1x A y"}


class TestAProgramThatFails:
    def test_what_it_has_said_is_shown_and_what_it_has_printed_is_not(self, tmp_path):
        said = problem(script(tmp_path, "echo A=hunter22; echo 'the vault is sealed' >&2; exit 3"))
        assert f"ended with status 3; it said: the vault is sealed (try it: sh {tmp_path}/script > /dev/null)" in said
        assert "hunter22" not in said

    @pytest.mark.parametrize(
        "printed", ["A=hunter22hunter", '{"A": "hunter22hunter"}', "hunter22hunter", "- A: hunter22hunter"]
    )
    def test_a_value_that_it_says_of_its_failure_is_hidden(self, tmp_path, printed):
        text = f"echo {shlex.quote(printed)}\necho 'cannot use hunter22hunter here' >&2\nexit 1\n"
        said = problem(script(tmp_path, text))
        assert "hunter22" not in said and "cannot use ******** here" in said

    def test_a_value_of_another_source_in_what_it_says_is_hidden(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("S_A", "hunter22")
        (tmp_path / "script").write_text("echo 'and hunter22 it is' >&2; exit 1")
        environment = Environment.model_validate(
            {
                "name": "shop",
                "app": {"name": "shop", "repo": "."},
                "env": {"required": ["A", "B"]},
                "secrets": {"sources": ["variables", "command"], "prefix": "S_", "command": ["sh", "script"]},
            }
        )
        with pytest.raises(InputErrors) as caught:
            load_secrets(environment, sources_of(environment, folder.absolute()))
        assert "and ******** it is" in str(caught.value) and "hunter22" not in str(caught.value)

    def test_what_it_says_does_nothing_to_the_terminal_and_is_bounded(self):
        said = problem(
            command("printf '\\033]0;title\\007\\033[2Jred' >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1")
        )
        assert "\033" not in said and len(said) < 1500

    def test_a_program_that_is_not_installed_is_named(self, tmp_path):
        said = problem(Command(["no-such-program", "read"], 20, tmp_path, ()))
        assert said == (
            "`no-such-program read`: cannot be started: no such file or directory (is no-such-program installed here?)"
        )

    def test_a_program_that_was_killed_is_said(self):
        assert "was ended by SIGKILL" in problem(command("kill -9 $$"))

    def test_bytes_that_are_no_text_are_refused(self):
        assert "prints no text: it is not UTF-8 (byte 2)" in problem(command("printf 'A=\\377'"))

    def test_100_megabytes_are_not_kept(self):
        began = time.monotonic()
        said = problem(command("head -c 100000000 /dev/zero"))
        assert "prints more than 1,048,576 bytes" in said and time.monotonic() - began < 10

    def test_an_output_without_an_end_is_cut(self):
        assert "prints more than" in problem(command("yes A=alpha"))


class TestTime:
    def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(self, tmp_path):
        began = time.monotonic()
        text = f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/pid; wait; sleep 600"
        assert "has not ended within 1 s" in problem(command(text, timeout=1))
        left = int((tmp_path / "pid").read_text())
        while alive(left) and time.monotonic() - began < 8:
            time.sleep(0.05)
        assert time.monotonic() - began < 8

    def test_what_a_program_leaves_behind_keeps_nobody(self, tmp_path):
        """gpg and others start an agent that goes on, and may hold the pipes."""
        began = time.monotonic()
        found = command(f"sleep 600 & echo $! > {tmp_path}/pid; echo A=alpha").ask(["A"])
        left = int((tmp_path / "pid").read_text())
        try:
            assert found.values == {"A": "alpha"} and time.monotonic() - began < 5
            assert alive(left)
        finally:
            os.kill(left, signal.SIGKILL)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def in_terminal(program: str, typed: dict[bytes, bytes]) -> tuple[bytes, int]:
    """Run Python in a terminal of its own, type what is asked for, and return what it shows and how it ends."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(PROJECT)
        os.execv(sys.executable, [sys.executable, "-c", textwrap.dedent(program)])
    shown, deadline = b"", time.monotonic() + 120
    left = dict(typed)
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            data = os.read(terminal, 4096) if ready else None
        except OSError:
            break
        if data == b"":
            break
        shown += data or b""
        for prompt in [each for each in left if each in shown]:
            # A shell may pass over what comes between its prompt and the program behind it; nobody types as fast.
            time.sleep(0.5)
            os.write(terminal, left.pop(prompt))
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(status)


class TestInATerminal:
    PROGRAM = """
        import os, sys
        from pathlib import Path
        from hawser.secrets.sources.command import Command
        found = Command(["sh", "-c", {script!r}], 20, Path("/"), ()).ask(["A"])
        print("found", sorted(found.values), len(found.values.get("A", "")), [str(each) for each in found.problems])
        print("mine again", os.tcgetpgrp(0) == os.getpgrp(), input("go on? "))
    """

    @pytest.mark.parametrize("terminal", ["/dev/tty", "/dev/stdin"])
    def test_a_program_may_ask_for_a_pin_and_the_terminal_is_ours_again(self, terminal):
        ask = f"stty -echo < /dev/tty; printf 'PIN: ' > /dev/tty; read pin < {terminal}; stty echo < /dev/tty"
        program = self.PROGRAM.format(script=f"{ask}; echo A=$pin")
        shown, status = in_terminal(program, {b"PIN: ": b"123456\n", b"go on? ": b"yes\n"})
        assert b"found ['A'] 6 []" in shown and b"mine again True yes" in shown and status == 0
        assert b"123456" not in shown

    def test_ctrl_c_ends_the_program_and_the_run(self):
        program = self.PROGRAM.format(script="printf 'PIN: ' > /dev/tty; sleep 60")
        shown, status = in_terminal(program, {b"PIN: ": b"\x03"})
        assert b"KeyboardInterrupt" in shown and b"found" not in shown and status != 0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of the real pass, with a key of its own."""
    program = shutil.which("pass")
    if program is None or shutil.which("gpg") is None:
        pytest.skip("needs Debian's pass and gpg")
    # Its agent listens there, in a path that must be short.
    home = Path("/dev/shm") / f"hawser-gpg-{os.getpid()}"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    monkeypatch.setenv("PASSWORD_STORE_DIR", str(tmp_path / "store"))
    try:
        argv = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "test@example.org", "default"]
        subprocess.run([*argv, "default", "never"], check=True, capture_output=True)
        subprocess.run([program, "init", "test@example.org"], check=True, capture_output=True)
        yield program
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        shutil.rmtree(home)


def inserted(program: str, name: str, text: str) -> None:
    subprocess.run([program, "insert", "--multiline", name], input=text.encode(), check=True, capture_output=True)


class TestWithTheRealPass:
    def test_an_entry_of_lines_holds_all_secrets(self, store, tmp_path):
        inserted(store, "shop/production", "A=alpha\nB='b e t a'\n")
        source = Command([store, "show", "shop/production"], 20, tmp_path, ())
        assert source.ask(["A"]).values == {"A": "alpha", "B": "b e t a"}

    def test_an_entry_for_each_name_holds_one_secret(self, store, tmp_path):
        inserted(store, "shop/A", "alpha\n")
        source = Command([store, "show", "shop/{name}"], 20, tmp_path, ("B",))
        assert source.ask(["A", "B"]).values == {"A": "alpha"}

    def test_an_entry_that_is_not_there_says_so(self, store, tmp_path):
        said = problem(Command([store, "show", "shop/nothing"], 20, tmp_path, ()))
        assert "shop/nothing is not in the password store" in said


class TestAnEnvironment:
    def made(self, **settings: object) -> Environment:
        return Environment.model_validate(
            {
                "name": "shop",
                "app": {"name": "shop", "repo": "."},
                "env": {"required": ["A"], "generated": ["B"], "formats": {"B": "hex"}},
                "secrets": settings,
            }
        )

    def test_what_hawser_would_make_and_cannot_keep_is_said_with_the_way_to_make_it(self, folder):
        environment = self.made(sources=["command"], command=["sh", "-c", "echo A=alpha"])
        secrets, problems = read_secrets(environment, sources_of(environment, folder))
        assert not problems
        with pytest.raises(InputErrors) as caught:
            secrets.generate(["B"])
        place = "`sh -c 'echo A=alpha'`"
        assert str(caught.value.problems[0]) == (
            f"{place}: B: is missing, and Hawser cannot write it there (put it where {place} finds it; make one with: "
            "openssl rand -hex 32; but where hosts were set up with one, root of a host reads it in "
            "/var/lib/hawser/*/secrets.json)"
        )
        with pytest.raises(InputErrors, match=r"HAWSER_SIGNING_KEY: is missing.*token_urlsafe\(32\)"):
            secrets.with_signing_key()

    def test_what_hawser_makes_is_kept_in_the_first_file_of_several_sources(self, folder):
        environment = self.made(sources=["command", "file"], command=["sh", "-c", "echo A=alpha"])
        secrets, _ = read_secrets(environment, sources_of(environment, folder))
        made = secrets.generate(["B"])
        assert (folder / "shop.env").read_text() == f"B={made.values['B']}\n"

    def test_a_program_behind_another_source_is_not_asked_for_what_is_there(self, folder, tmp_path, monkeypatch):
        for name, value in (("A", "alpha"), ("B", "betabeta"), ("HAWSER_SIGNING_KEY", "A" * 43)):
            monkeypatch.setenv(f"S_{name}", value)
        log = tmp_path / "asked"
        settings = {"sources": ["variables", "command"], "prefix": "S_", "command": ["touch", str(log)]}
        environment = self.made(**settings)
        assert load_secrets(environment, sources_of(environment, folder)).values == {"A": "alpha", "B": "betabeta"}
        assert not log.exists()

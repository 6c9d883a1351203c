"""An encrypted file in an editor: plain in memory alone, and gone whatever happens."""

from __future__ import annotations

import os
import pty
import select
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from hawser.errors import HawserError, InputErrors
from hawser.secrets import memory
from hawser.secrets.age.recipients import recipient
from hawser.secrets.editing import edit
from hawser.secrets.sources.age import AgeFile

PROJECT = Path(__file__).resolve().parents[3]
TEXT = "# of the shop\nSTRIPE_KEY=sk_live_1\nOTHER='b e t a'\n"


@pytest.fixture
def filled(source, keys, be):
    be("ada")
    source.with_reader(recipient(keys["ada"].public), TEXT)
    source.with_reader(recipient(keys["ci"].public))
    return source


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Have the editor be a script, whose first argument is the file."""

    def editor(script: str) -> None:
        path = tmp_path / "editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(path))

    return editor


def never(_problems) -> bool:
    return False


def left() -> list[Path]:
    return list(memory.place().glob(f"hawser-secrets-{os.getpid()}-*"))


def read(source: AgeFile) -> str:
    return AgeFile(source.path, "shop").content().text


def test_a_changed_value_is_encrypted_for_the_same_people(filled, environment, editor, be):
    editor('sed -i s/sk_live_1/sk_live_2/ "$1"')
    assert edit(filled, environment, never) == ("STRIPE_KEY",)
    be("ci")
    assert read(filled) == TEXT.replace("sk_live_1", "sk_live_2")
    assert not left()


def test_the_plain_text_lies_in_memory_for_its_owner_alone(filled, environment, editor, tmp_path):
    editor(f'stat -c "%a %n" "$1" "$(dirname "$1")" > {tmp_path}/log; stat -f -c %T "$1" >> {tmp_path}/log')
    assert edit(filled, environment, never) == ()
    file, above, kind = (tmp_path / "log").read_text().splitlines()
    assert file.split()[0] == "600" and file.endswith("/shop.env") and above.split()[0] == "700" and kind == "tmpfs"
    assert not left()


def test_nothing_is_written_where_nothing_was_changed(filled, environment, editor):
    before = filled.path.read_bytes()
    editor("exit 0")
    assert edit(filled, environment, never) == ()
    assert filled.path.read_bytes() == before


def test_an_editor_with_arguments_is_started(filled, environment, monkeypatch):
    monkeypatch.setenv("VISUAL", "sed -i -e s/sk_live_1/sk_live_2/")
    assert edit(filled, environment, never) == ("STRIPE_KEY",)


def test_a_file_that_is_not_there_begins_with_the_names_that_are_required(source, environment, keys, be, editor):
    be("ada")
    source.list_path.write_text(keys["ada"].public + "\n")
    editor('sed -i s/STRIPE_KEY=/STRIPE_KEY=sk_live_1/ "$1"')
    assert edit(source, environment, never) == ("STRIPE_KEY",)
    assert read(source) == "STRIPE_KEY=sk_live_1\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("STRIPE_KEY=", "STRIPE_KEY: is empty"),
        ("STRIPE_KEY=changeme", "STRIPE_KEY: still holds a placeholder"),
        ("STRIPE_KEY=x\nSTRIPE_KEY=y", "STRIPE_KEY: stands here twice"),
        ("'open", "is no line of the form NAME=value"),
        ("HAWSER_SIGNING_KEY=short", "HAWSER_SIGNING_KEY: is no signing key"),
    ],
)
def test_what_cannot_be_used_is_not_kept(filled, environment, editor, line, message):
    before = filled.path.read_bytes()
    editor(f'cat > "$1" <<"END"\n{line}\nEND')
    with pytest.raises(InputErrors, match=message):
        edit(filled, environment, never)
    assert filled.path.read_bytes() == before and not left()


def test_what_cannot_be_used_is_corrected_in_the_same_text(filled, environment, editor):
    told = []

    def again(problems) -> bool:
        told.extend(map(str, problems))
        return True

    corrected = 'sed -i /broken/d "$1"; echo MORE=more >> "$1"'
    editor(f'if grep -q broken "$1"; then {corrected}; else echo "\'broken" >> "$1"; fi')
    assert edit(filled, environment, again) == ("MORE",)
    assert told == ["shop.env:4: is no line of the form NAME=value"]


def test_an_editor_that_fails_changes_nothing(filled, environment, editor):
    before = filled.path.read_bytes()
    editor('echo MORE=more >> "$1"; exit 3')
    with pytest.raises(HawserError, match=r"the editor .* ended with status 3; nothing was changed"):
        edit(filled, environment, never)
    assert filled.path.read_bytes() == before and not left()


def test_an_editor_that_is_not_there_is_named(filled, environment, monkeypatch):
    monkeypatch.setenv("EDITOR", "no-such-editor")
    with pytest.raises(HawserError, match="next: set EDITOR to the name of one that is installed"):
        edit(filled, environment, never)


def test_a_value_that_a_colleague_has_added_meanwhile_stays(filled, environment, editor, tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from pathlib import Path; "
        "from hawser.secrets.sources.age import AgeFile; "
        f"AgeFile(Path({str(filled.path.absolute())!r}), 'shop').add({{'THEIRS': 'of a colleague'}})"
    )
    (tmp_path / "colleague.py").write_text(program)
    editor(f'{sys.executable} {tmp_path}/colleague.py && echo MINE=mine >> "$1"')
    with pytest.raises(HawserError, match=r"was changed by somebody else while you were editing it.*\n.*: MINE"):
        edit(filled, environment, never)
    assert "THEIRS='of a colleague'" in read(filled) and "MINE" not in read(filled)
    assert not left()


def test_nothing_is_decrypted_where_there_is_no_place_in_memory(filled, environment, editor, monkeypatch, tmp_path):
    editor(f"touch {tmp_path}/opened")
    monkeypatch.setattr(memory, "_IN_MEMORY", ())
    with pytest.raises(HawserError, match="there is no place in memory here"):
        edit(filled, environment, never)
    assert not (tmp_path / "opened").exists()


def test_the_runtime_folder_counts_only_in_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/")
    assert memory.place() == Path("/dev/shm")


def test_what_a_killed_run_has_left_goes_with_the_next_one(filled, environment, editor):
    gone = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.waitpid(gone, 0)
    old = memory.place() / f"hawser-secrets-{gone}-abc"
    mine = memory.place() / f"hawser-secrets-{os.getppid()}-abc"
    try:
        for path in (old, mine):
            path.mkdir(mode=0o700)
            (path / "shop.env").write_text("A=alpha")
        editor("exit 0")
        edit(filled, environment, never)
        assert not old.exists() and mine.exists()
    finally:
        for path in (old, mine):
            (path / "shop.env").unlink(missing_ok=True)
            path.rmdir() if path.exists() else None


PROGRAM = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from pathlib import Path
from hawser.executor import ended_by
from hawser.inventory import Environment
from hawser.secrets.editing import edit
from hawser.secrets.sources.age import AgeFile
import signal
environment = Environment.model_validate({{"name": "shop", "app": {{"name": "shop", "repo": "."}}}})
with ended_by(signal.SIGTERM):
    print("changed", edit(AgeFile(Path(sys.argv[1]), "shop"), environment, lambda problems: False))
"""


class TestEnded:
    def begun(self, source: AgeFile) -> tuple[int, int]:
        """Begin to edit in a terminal of its own; returns the process and the terminal when the editor is open."""
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(source.path)])
        shown = b""
        deadline = time.monotonic() + 120
        while b"open" not in shown and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                shown += os.read(terminal, 4096)
        assert b"open" in shown, shown
        assert self.of(child)
        return child, terminal

    def of(self, number: int) -> list[Path]:
        return list(memory.place().glob(f"hawser-secrets-{number}-*"))

    def over(self, child: int, terminal: int) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if select.select([terminal], [], [], 0.5)[0] and not os.read(terminal, 4096):
                    break
            except OSError:
                break
        else:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status)

    def test_ctrl_c_ends_an_editor_that_lets_it_and_nothing_is_left(self, filled, editor):
        before = filled.path.read_bytes()
        editor('echo A=alpha >> "$1"; echo open; exec sleep 60')
        child, terminal = self.begun(filled)
        os.write(terminal, b"\x03")
        assert self.over(child, terminal) != 0
        assert not self.of(child) and filled.path.read_bytes() == before

    def test_ctrl_c_is_the_editors_own_where_it_takes_it(self, filled, editor):
        editor("trap 'echo A=alpha >> \"$1\"; exit 0' INT; echo open; while :; do sleep 0.1; done")
        child, terminal = self.begun(filled)
        os.write(terminal, b"\x03")
        assert self.over(child, terminal) == 0
        assert not self.of(child) and "A=alpha" in read(filled)

    def test_a_signal_to_the_run_leaves_nothing(self, filled, editor):
        before = filled.path.read_bytes()
        editor('echo A=alpha >> "$1"; echo open; exec sleep 60')
        child, terminal = self.begun(filled)
        os.kill(child, signal.SIGTERM)
        assert self.over(child, terminal) != 0
        assert not self.of(child) and filled.path.read_bytes() == before


def test_the_mode_of_the_file_stays(filled, environment, editor):
    filled.path.chmod(0o600)
    editor('echo MORE=more >> "$1"')
    edit(filled, environment, never)
    assert stat.S_IMODE(filled.path.stat().st_mode) == 0o600

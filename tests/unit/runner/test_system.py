"""Programs that the runner starts, and the masks over what they say."""

from __future__ import annotations

import gc
import os
import pwd
import re
import threading
import time
from pathlib import Path

import pytest

from hawser.runner import system as module
from hawser.runner.lock import marked
from hawser.runner.system import Failure, System

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="runs programs as another user")


@pytest.fixture(autouse=True)
def sharp_eyes(monkeypatch):
    monkeypatch.setattr(module, "GLANCE", 0.02)


@pytest.fixture
def quick():
    """Fail a test that has to wait for something that it should not wait for."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 5


def nothing_is_left_of(system):
    """Give what was killed a moment to go."""
    deadline = time.monotonic() + 3
    while marked(system.token):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def open_descriptors():
    """Return the open descriptors, without the one that the listing itself needs."""
    return {each.name for each in list(Path("/proc/self/fd").iterdir()) if each.is_symlink()}


class TestRun:
    def test_the_exit_code_and_the_output_come_back(self, system):
        result = system.run(["sh", "-c", "echo one; echo two >&2; exit 3"], check=False)
        assert (result.code, result.output) == (3, "one\ntwo\n")

    def test_errors_can_be_kept_apart(self, system):
        result = system.run(["sh", "-c", "echo one; echo two >&2"], apart=True)
        assert (result.output, result.errors) == ("one\n", "two\n")

    def test_a_failure_carries_what_the_program_said(self, system):
        with pytest.raises(Failure) as caught:
            system.run(["sh", "-c", "echo no; exit 4"])
        assert (caught.value.message, caught.value.output) == ("sh exited with 4", "no\n")

    @pytest.mark.parametrize(("number", "word"), [(9, "SIGKILL"), (40, "signal 40")])
    def test_a_signal_that_ended_a_program_is_named(self, system, number, word):
        with pytest.raises(Failure, match=f"sh was ended by {word}"):
            system.run(["sh", "-c", f"kill -{number} $$"])

    def test_output_that_is_no_utf_8_does_no_harm(self, system):
        assert system.run(["printf", r"\377\376ä"]).output == "\ufffd\ufffdä"

    def test_large_output_comes_whole(self, system):
        assert len(system.run(["head", "-c", "9000000", "/dev/zero"]).output) == 9_000_000

    def test_the_end_of_endless_output_is_kept(self, system, monkeypatch):
        monkeypatch.setattr(module, "KEPT_OUTPUT", 1000)
        output = system.run(["sh", "-c", "seq 1 100000"]).output
        assert output.endswith("\n100000\n")
        assert len(output) <= 2000

    def test_an_answer_that_could_not_be_kept_whole_is_none(self, system, monkeypatch):
        monkeypatch.setattr(module, "KEPT_OUTPUT", 1 << 20)
        assert len(system.run(["head", "-c", "2097152", "/dev/zero"], whole=True).output) == 2 << 20
        with pytest.raises(Failure, match=r"^head answers with more than 2 MiB; next: see what there is"):
            system.run(["head", "-c", "2097153", "/dev/zero"], whole=True)
        # What it says beside it may be as long as it likes.
        talk = "head -c 3000000 /dev/zero >&2; echo answer"
        assert system.run(["sh", "-c", talk], apart=True, whole=True).output == "answer\n"

    def test_a_program_may_write_while_it_is_still_being_fed(self, system):
        data = os.urandom(3_000_000).hex()
        assert system.run(["cat"], stdin=data).output == data

    def test_a_program_need_not_read_what_it_is_fed(self, system, quick):
        assert system.run(["true"], stdin="x" * 3_000_000).code == 0

    def test_a_program_without_input_meets_its_end(self, system, quick):
        assert system.run(["cat"]).output == ""

    def test_a_program_that_takes_too_long_is_killed_although_it_ignores_sigterm(self, system, quick):
        with pytest.raises(Failure, match=r"sh: not done after 0 s") as caught:
            system.run(["sh", "-c", "trap '' TERM; echo begun; while :; do sleep 60; done"], timeout=0.3)
        assert caught.value.output == "begun\n"
        assert nothing_is_left_of(system)

    def test_a_program_in_the_background_is_not_waited_for(self, system, quick):
        assert system.run(["sh", "-c", "sleep 60 & echo done"]).output == "done\n"

    def test_a_program_in_the_background_is_not_waited_for_after_a_kill_either(self, system, quick):
        with pytest.raises(Failure, match="not done after"):
            system.run(["sh", "-c", "setsid sleep 60 & sleep 60"], timeout=0.3)

    def test_a_background_that_never_stops_talking_is_not_listened_to(self, system, quick):
        assert system.run(["sh", "-c", "yes & echo done"]).code == 0

    def test_a_program_may_close_its_output_long_before_its_end(self, system, quick):
        assert system.run(["sh", "-c", "exec >&- 2>&-; sleep 0.4; exit 7"], check=False).code == 7

    def test_a_program_that_closed_its_output_is_still_timed(self, system, quick):
        with pytest.raises(Failure, match="not done after"):
            system.run(["sh", "-c", "exec >&- 2>&-; sleep 60"], timeout=0.3)

    def test_no_descriptor_of_a_program_is_left_open(self, system):
        system.run(["true"])
        # What earlier tests left to the garbage collector must not close, nor open its number again, in between.
        gc.collect()
        before = open_descriptors()
        for _ in range(2):
            system.run(["cat"], stdin="x")
            system.run(["sh", "-c", "sleep 60 &"])
        assert open_descriptors() - before == set()
        assert system.children == {}

    def test_a_missing_program_is_named(self, system):
        with pytest.raises(Failure, match=r"no-such-program: no such program or folder \(in /\)"):
            system.run(["no-such-program"])

    def test_a_missing_folder_is_named(self, system):
        with pytest.raises(Failure, match=r"no such program or folder \(in /no/such\)"):
            system.run(["true"], cwd="/no/such")

    def test_a_missing_user_is_named(self, system):
        with pytest.raises(Failure, match="there is no user no-such-user on this host"):
            system.run(["true"], user="no-such-user")

    @pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")
    def test_another_user_is_another_user_in_every_respect(self, system):
        output = system.run(["sh", "-c", "id -un; id -gn; pwd; echo $HOME $USER"], user="nobody", cwd="/usr").output
        account = pwd.getpwnam("nobody")
        assert output == f"nobody\nnogroup\n/usr\n{account.pw_dir} nobody\n"

    def test_the_operators_variables_do_not_reach_a_program(self, system, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        monkeypatch.setenv("LC_ALL", "de_DE")
        monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
        lines = system.run(["env"], env={"A": "b c"}).output.splitlines()
        assert {"LC_ALL=C.UTF-8", "A=b c", "https_proxy=http://proxy.test:3128"} <= set(lines)
        assert not [line for line in lines if line.startswith("PYTHON")]

    def test_a_program_reacts_to_signals_as_usual(self, system):
        ignored = system.run(["grep", "SigIgn", "/proc/self/status"]).output.split()[1]
        # Of the standard signals: 32 and 33 are the C library's own, and make(1) passes them on ignored.
        assert int(ignored, 16) & 0x7FFFFFFF == 0


class TestAbort:
    def test_an_abort_ends_a_program_and_all_that_this_one_started(self, system, quick):
        thread = threading.Thread(target=lambda: system.run(["sh", "-c", "sleep 60 & sleep 60; true"], check=False))
        thread.start()
        while len(marked(system.token)) < 3:
            time.sleep(0.01)
        system.abort()
        thread.join()
        assert nothing_is_left_of(system)

    def test_no_program_is_started_after_an_abort(self, system):
        system.abort()
        with pytest.raises(Failure, match="the run was ended"):
            system.run(["true"])

    def test_no_program_escapes_an_abort_that_is_started_at_that_very_moment(self, tmp_path, system):
        for _ in range(10):
            racing = System(str(tmp_path), system.token)

            def start(racing=racing):
                with pytest.raises(Failure, match="the run was ended"):
                    while True:
                        racing.spawn(["sleep", "60"])

            threads = [threading.Thread(target=start) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.005)
            racing.abort()
            for thread in threads:
                thread.join()
            for child in racing.children:
                assert child.wait(5) == -9
                for stream in (child.stdin, child.stdout, child.stderr):
                    stream.close()

    def test_an_abort_does_not_wait_for_ever_for_a_start_that_hangs(self, system, monkeypatch):
        child = system.spawn(["sleep", "60"])
        holder = threading.Event()

        def hold():
            with system.children_lock:
                holder.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        monkeypatch.setattr(module, "HANGING_START", 0.1)
        system.abort()
        assert child.wait(5) == -9
        holder.set()
        thread.join()


class TestMasks:
    def test_every_secret_in_output_is_replaced(self, system):
        system.masks = ("hidden", "secret")
        assert system.mask("a secret, a hidden one, a secret") == "a ********, a ******** one, a ********"

    def test_secrets_that_overlap_leave_nothing_over(self, system):
        system.masks = ("abcdef", "defxyz")
        assert system.mask("-abcdefxyz-") == "-********-"

    def test_a_secret_inside_another_leaves_nothing_over(self, system):
        system.masks = ("def", "abcdefghi")
        assert system.mask("abcdefghi") == "********"

    def test_an_empty_secret_hides_nothing(self, system):
        system.masks = ("",)
        assert system.mask("text") == "text"

    def test_masking_takes_no_longer_for_a_secret_that_repeats_itself(self, system):
        system.masks = ("ab" * 5000,)
        began = time.thread_time()
        assert system.mask("ab" * 500_000) == "********"
        assert time.thread_time() - began < 1

    def test_text_that_no_encoding_can_carry_is_written_as_an_escape(self, system):
        assert system.mask(os.fsdecode(b"\xff.txt")) == r"\udcff.txt"

    def test_a_text_that_is_cut_shows_no_part_of_a_secret(self, system, monkeypatch):
        monkeypatch.setattr(module, "OUTPUT_LIMIT", 20)
        system.masks = ("sesame",)
        for length in range(200):
            for head in (True, False):
                assert "esam" not in system.show("x" * length + "sesame" + "y" * length, head)
        assert system.show("one\n" * 50) == "(...)\n" + "one\n" * 4
        assert system.show("one\n" * 50, head=True) == "one\n" * 4 + "one\n(...)"


@needs_root
class TestVariablesOfAnotherUser:
    """What starts as root, before it is the user, must take nothing from the folders that variables name."""

    @pytest.fixture
    def theirs(self, tmp_path):
        """A folder of the user with programs that say who runs them, reachable for the user."""
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("setpriv", "env", "sh"):
            program = folder / name
            program.write_text(f'#!/bin/bash\nid -u > {tmp_path}/ran-as\nexec /usr/bin/{name} "$@"\n')
            program.chmod(0o755)
        tmp_path.chmod(0o777)
        return folder

    def test_a_program_of_theirs_does_not_run_as_root_by_their_path(self, system, theirs, tmp_path):
        said = system.run(["id", "-u"], "nobody", env={"PATH": f"{theirs}:/usr/bin:/bin"}).output
        assert said == f"{pwd.getpwnam('nobody').pw_uid}\n"
        assert not (tmp_path / "ran-as").exists()

    def test_variables_of_another_user_load_no_library_into_what_still_runs_as_root(self, system, theirs):
        answer = system.run(["id", "-u"], "nobody", env={"LD_DEBUG": "files"})
        # The loader speaks for `id` alone, with the user's rights; not for setpriv.
        assert "id [" in answer.output or "calling init" in answer.output
        assert "setpriv" not in answer.output

    def test_every_value_of_a_variable_of_another_user_arrives(self, system):
        values = {"A": 'it\'s $HOME `id` \\ "x"', "B": "two\nlines", "C": "", "D": "ä"}
        program = 'printf "%s|" "$A" "$B" "$C" "$D"'
        assert system.run(["sh", "-c", program], "nobody", env=values).output == "|".join(values.values()) + "|"


class TestProgress:
    """The last line of a program that takes long."""

    @pytest.fixture
    def told(self, system, monkeypatch):
        monkeypatch.setattr("hawser.runner.system.LONG", 0.2)
        monkeypatch.setattr("hawser.runner.system.PAUSE", 0.3)
        told = []
        system.progress = told.append
        return told

    def test_whole_lines_are_told_while_it_runs_and_not_too_many(self, system, told):
        began = time.monotonic()
        system.run(["sh", "-c", "for n in 1 2 3 4 5 6 7 8 9; do echo line $n; printf begun; sleep 0.1; echo; done"])
        assert 1 <= len(told) <= (time.monotonic() - began) / 0.3 + 1
        assert all(re.fullmatch(r"line \d|begun", each) for each in told)

    def test_a_program_that_is_done_soon_says_nothing(self, system, told):
        system.run(["echo", "done"])
        assert told == []

    def test_secrets_are_masked_and_long_lines_cut(self, system, told):
        system.masks = ("hunter22",)
        system.run(["sh", "-c", "sleep 0.4; echo my hunter22 $(head -c 300 /dev/zero | tr '\\0' x); sleep 0.4; echo"])
        assert told[0].startswith("my ******** xxx") and len(told[0]) == 200

    def test_a_bar_that_is_drawn_over_again_is_a_line_each_time(self, system, told):
        system.run(["sh", "-c", r"sleep 0.4; printf '10%%\r20%%\r30'; sleep 0.1"])
        assert told == ["20%"]

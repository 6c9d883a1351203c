"""Commands that run once in the life of an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.runner.code import once
from hawser.runner.code.once import Once, listing
from hawser.runner.facts import done_once
from hawser.runner.system import Failure

from ..conftest import names, whole


@pytest.fixture
def command(system, tmp_path):
    """Return a command that adds a line to a file each time it runs."""

    def make(script="echo ran >> it", unless="", **changes):
        spec = {
            "name": "admin",
            "argv": ["sh", "-ec", script] if script else [],
            "unless": ["sh", "-ec", unless] if unless else [],
            "cwd": str(tmp_path),
            "timeout": 10,
            "again": False,
            "hint": "  next: think",
            "entry": {"who": "ann", "release": "a-1"},
            **changes,
        }
        return Once(whole("once", spec), system)

    return make


def run(resource):
    """Do what the engine does; return the note."""
    change = resource.check()
    if change is not None:
        resource.apply(change)
    return change.note if change else None


def test_a_command_of_once_runs_one_time(command, tmp_path, system):
    assert run(command()) == "runs sh -ec echo ran >> it"
    assert run(command()) is None
    assert (tmp_path / "it").read_text() == "ran\n"
    assert done_once(system.state) == ["admin"]


def test_the_record_of_a_command_of_once_says_who_and_when(command, system):
    run(command())
    entry = listing(system)["admin"]
    assert (entry["who"], entry["release"], entry["ran"]) == ("ann", "a-1", True)
    assert entry["at"].endswith("Z")
    assert (Path(system.state) / "once" / "admin").stat().st_mode & 0o777 == 0o600


def test_another_command_of_the_same_name_does_not_run(command, tmp_path):
    run(command())
    assert run(command("echo other >> it")) is None
    assert (tmp_path / "it").read_text() == "ran\n"


def test_a_command_of_once_runs_again_when_that_is_asked_for(command, tmp_path):
    run(command())
    run(command(again=True, unless="true"))
    assert (tmp_path / "it").read_text() == "ran\nran\n"


def test_a_command_of_once_that_fails_says_what_to_do_and_runs_next_time(command, tmp_path, system):
    with pytest.raises(Failure, match=r"exited with 3\n  next: think") as caught:
        run(command("echo why; exit 3"))
    assert caught.value.output == "why\n"
    assert done_once(system.state) == []
    run(command())
    assert (tmp_path / "it").read_text() == "ran\n"


def test_a_command_that_a_killed_run_had_done_is_only_noted_where_it_can_be_asked(
    command, tmp_path, system, monkeypatch
):
    def die(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(once, "write_atomically", die)
        with pytest.raises(KeyboardInterrupt):
            run(command(unless="test -e it"))
    assert (tmp_path / "it").read_text() == "ran\n"
    assert run(command(unless="test -e it")) == "was done already, which is noted"
    assert (tmp_path / "it").read_text() == "ran\n"
    assert listing(system)["admin"]["ran"] is False
    assert run(command(unless="exit 1")) is None


def test_an_empty_command_of_once_is_noted_as_done(command, tmp_path, system):
    assert run(command("")) == "was done already, which is noted"
    assert run(command()) is None
    assert "it" not in names(tmp_path)


def test_a_dry_run_before_the_release_is_there_says_that_it_would_run(command, tmp_path):
    resource = command(unless="true", cwd=str(tmp_path / "releases" / "new"))
    assert resource.check().note.startswith("runs ")


def test_variables_of_a_command_of_once_win_over_those_of_the_release(command, tmp_path):
    (tmp_path / "environment").write_text('LEVEL="release"\nOTHER="kept"\n')
    run(command('echo "$LEVEL $OTHER" > it', env_file=str(tmp_path / "environment"), env={"LEVEL": "own"}))
    assert (tmp_path / "it").read_text() == "own kept\n"


def test_a_damaged_record_still_counts(command, system):
    run(command())
    (Path(system.state) / "once" / "admin").write_text("{")
    assert run(command()) is None
    assert listing(system) == {"admin": {}}


@pytest.mark.parametrize(
    "unless", ["no-such-program", "kill -9 $$", "echo 'Traceback (most recent call last):' >&2; exit 1"]
)
def test_a_question_that_fails_is_no_answer_and_nothing_runs(command, tmp_path, unless):
    with pytest.raises(Failure, match="whether it has been done is not known") as caught:
        run(command(unless=unless))
    assert caught.value.message.endswith("next: think")
    assert not (tmp_path / "it").exists()
    assert run(command(unless=unless, again=True)) == "runs sh -ec echo ran >> it"

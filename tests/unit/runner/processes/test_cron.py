from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hawser.runner.processes.cron import last
from hawser.templates.rendering import Templates


@pytest.fixture
def record(tmp_path):
    """The script that cron's lines go through, for entries in a folder with an odd name."""
    folder = tmp_path / "my site" / "cron"
    folder.mkdir(parents=True)
    script = folder / "record"
    script.write_text(Templates().file("cron-record.sh.j2", {"root": str(folder.parent)}))
    script.chmod(0o755)
    return script


def test_a_run_of_cron_is_written_down_with_its_status_and_passes_it_on(system, record):
    argv = [record, "tick", "sh", "-c", "echo said; exit 3"]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (3, "said\n")
    run = last(system, str(record.parent))["tick"]
    assert (run["status"], run["running"]) == (3, False)
    assert 0 <= run["ended"] - run["began"] < 5 and abs(time.time() - run["began"]) < 60


def test_a_cron_line_that_runs_and_one_that_was_killed_are_told_apart(system, record):
    with subprocess.Popen([record, "tick", "sleep", "60"]) as child:
        deadline = time.monotonic() + 10
        while not last(system, str(record.parent)) and time.monotonic() < deadline:
            time.sleep(0.01)
        run = last(system, str(record.parent))["tick"]
        assert (run["status"], run["ended"], run["running"]) == (None, None, True)
        subprocess.run(["pkill", "-P", str(child.pid)], check=True)
        child.kill()
    (record.parent / "tick.last").write_text(f"{int(time.time())} {child.pid}\n")
    assert last(system, str(record.parent))["tick"]["running"] is False


def test_an_entry_that_has_not_run_or_whose_record_is_damaged_has_no_last_run(system, record):
    for name, text in (("new", ""), ("odd", "x y z"), ("half", "1 2 3")):
        (record.parent / f"{name}.last").write_text(text)
    assert last(system, str(record.parent)) == {}
    assert last(system, f"{record.parent}/none") == {}


def test_a_record_that_cannot_be_written_keeps_no_program_from_running(record):
    (record.parent / "tick.last").mkdir()
    result = subprocess.run([record, "tick", "echo", "ran"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "ran\n")
    assert Path(record.parent / "tick.last").is_dir()


@pytest.mark.parametrize(
    "text",
    ["9" * 200, "9" * 5000, "253402300800 1", "-1 1", "1 2 3", "1_0 2", "\u0661 2", "1 9999999999999", "\0"],
)
def test_a_record_of_cron_that_its_user_has_changed_is_not_told(system, record, text):
    (record.parent / "tick.last").write_text(text)
    assert last(system, str(record.parent)) == {}


def test_a_record_that_is_no_file_is_not_waited_for(system, record):
    os.mkfifo(record.parent / "tick.last")
    (record.parent / "tock.last").symlink_to("/dev/zero")
    assert last(system, str(record.parent)) == {}

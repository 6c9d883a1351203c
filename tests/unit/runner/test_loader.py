"""How the runner comes to a host, stays there, and is run from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib

import pytest

from hawser.ssh.loader import UNUSED, WANTED, modules

from .line import Line

OLD = shutil.which("python3", path="/usr/bin") or sys.executable


def ask(line):
    """Tell whether a runner had to be sent, after it has answered and ended."""
    with line:
        assert line.hello()["machine"]
        assert line.request("facts")["ok"]
        line.send({"op": "bye"})
        assert line.end() == 0
    return line.wanted


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "kept"


@pytest.mark.parametrize("interpreter", [sys.executable, OLD], ids=["ours", "the system's"])
def test_a_host_asks_for_the_runner_once(tmp_path, kept, interpreter):
    assert [ask(Line(tmp_path, interpreter, kept=kept)) for _ in range(3)] == [True, False, False]
    [here] = kept.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (kept, here)] == [0o700, 0o700]
    found = {str(path.relative_to(here)): path.read_text() for path in here.rglob("*.py")}
    assert found == dict(modules().values())
    assert len(list(here.rglob("*.pyc"))) == len(found)


def test_another_version_is_asked_for_and_stays_beside(tmp_path, kept):
    asked = [ask(Line(tmp_path, kept=kept, HEARTBEAT=value)) for value in ("2.0", "2.5", "2.0")]
    assert asked == [True, True, False]
    assert len(list(kept.iterdir())) == 2


def test_a_version_that_nobody_has_used_for_long_goes_when_another_comes(tmp_path, kept):
    for value in ("2.0", "2.5"):
        ask(Line(tmp_path, kept=kept, HEARTBEAT=value))
    for here in kept.iterdir():
        os.utime(here, (0, time.time() - UNUSED - 60))
    ask(Line(tmp_path, kept=kept, HEARTBEAT="2.0"))
    ask(Line(tmp_path, kept=kept, HEARTBEAT="3.0"))
    assert len(list(kept.iterdir())) == 2


@pytest.mark.parametrize("mode", [0o770, 0o755, 0o702])
@pytest.mark.parametrize("which", ["folder", "parent"])
def test_what_others_could_have_written_is_not_run(tmp_path, kept, mode, which):
    ask(Line(tmp_path, kept=kept))
    [here] = kept.iterdir()
    (here / "hawser_runner/main.py").write_text("def main(hello): print('mine')")
    (here if which == "folder" else kept).chmod(mode)
    assert ask(Line(tmp_path, kept=kept))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("which", ["folder", "parent"])
def test_what_belongs_to_somebody_else_is_not_run(tmp_path, kept, which):
    ask(Line(tmp_path, kept=kept))
    [here] = kept.iterdir()
    os.chown(here if which == "folder" else kept, 12345, -1)
    assert ask(Line(tmp_path, kept=kept))


@pytest.mark.parametrize("which", ["folder", "parent"])
def test_a_link_is_not_followed(tmp_path, kept, which):
    ask(Line(tmp_path, kept=kept))
    [here] = kept.iterdir()
    linked = here if which == "folder" else kept
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    assert ask(Line(tmp_path, kept=kept))


def test_a_host_that_can_keep_nothing_runs_it_all_the_same(tmp_path, kept):
    kept.write_text("in the way")
    assert [ask(Line(tmp_path, kept=kept)) for _ in range(2)] == [True, True]
    assert kept.read_text() == "in the way"


def test_two_that_bring_it_at_once_both_run(tmp_path, kept):
    lines = [Line(tmp_path, kept=kept) for _ in range(4)]
    assert True in [ask(line) for line in lines]
    assert len(list(kept.iterdir())) == 1


def test_a_runner_that_came_damaged_is_not_run(tmp_path, kept):
    line = Line(tmp_path, kept=kept)
    ask(line)
    shutil.rmtree(kept)
    data = zlib.compress(b"{}")
    argv = [sys.executable, "-IBc", line.source.loader]
    ended = subprocess.run(argv, input=b"{}\n%d\n" % len(data) + data, capture_output=True)
    assert (ended.stdout.decode().strip(), ended.stderr.decode().strip()) == (WANTED, "the runner came damaged")
    assert ended.returncode == 1 and not kept.exists()


def test_a_line_that_breaks_while_it_is_sent_leaves_nothing(tmp_path, kept):
    line = Line(tmp_path, kept=kept)
    ask(line)
    shutil.rmtree(kept)
    argv = [sys.executable, "-IBc", line.source.loader]
    ended = subprocess.run(argv, input=b"{}\n" + line.source.packed[:5000], capture_output=True)
    assert ended.returncode and not kept.exists()

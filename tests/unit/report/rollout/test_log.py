"""The log that a rollout writes while it runs."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from hawser.report.events import Event
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.rollout import folder, log
from hawser.report.rollout.recorded import RecordedReport
from hawser.report.stream import Sink

ACCOUNT = {"command": "deploy", "environment": "mysite", "application": "shop", "hosts": ["web1"]}


class Run:
    """A run whose report is kept below a folder."""

    def __init__(self, base: Path, dry: bool = False) -> None:
        self.stream = io.StringIO()
        self.report = RecordedReport(PlainReport(Sink(self.stream), Settings(dry=dry)), dry)
        self.place = base / "shop" / "mysite"

    @property
    def shown(self) -> str:
        return self.stream.getvalue()

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.place.iterdir()) if self.place.exists() else []

    @property
    def rows(self) -> list[dict[str, Any]]:
        [path] = folder.kept(self.place)
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAWSER_ROLLOUTS", str(tmp_path / "rollouts"))
    return tmp_path / "rollouts"


@pytest.fixture
def run(base: Path) -> Run:
    return Run(base)


def test_a_run_that_changes_hosts_leaves_a_log_and_a_page_and_says_where(run: Run) -> None:
    run.report.note("", "told before anything begins")
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    run.report.event("web1", Event(0, "nginx.install", "file /etc/a", "changed", 12.5, diff="-a\n+b"))
    run.report.finish(True)
    page, kept = run.files
    assert page.endswith("-deploy.html") and kept == page.replace(".html", ".jsonl")
    assert [row["t"] for row in run.rows] == ["begin", "note", "phase", "event", "finish"]
    assert run.rows[0]["format"] == 1 and run.rows[0]["hosts"] == ["web1"]
    assert run.shown.splitlines()[-1] == f"report  {run.place / page}"


def test_log_and_page_are_for_the_user_alone(run: Run) -> None:
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    run.report.finish(True)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in run.place.iterdir()}
    assert modes == {0o600} and stat.S_IMODE(run.place.stat().st_mode) == 0o700


def test_a_run_that_only_looks_leaves_nothing(base: Path) -> None:
    for run, phase in ((Run(base), False), (Run(base, dry=True), True)):
        run.report.begin(lambda: ACCOUNT)
        if phase:
            run.report.keep()
            run.report.phase("prepare", ["web1"])
        run.report.note("", "looked")
        run.report.finish(True)
        assert not base.exists() and "report" not in run.shown


def test_what_only_passes_on_words_of_hosts_keeps_none_of_them(run: Run) -> None:
    run.report.begin(lambda: ACCOUNT)
    for number in range(5000):
        run.report.output("web1", f"line {number}")
        run.report.log("web1", "web", 0.0, f"line {number}")
    run.report.note("", "told")
    assert len(run.report.log_file._waiting) == 1


def test_a_rollout_leaves_a_log_also_where_there_was_nothing_to_do(run: Run) -> None:
    run.report.keep()
    run.report.begin(lambda: ACCOUNT)
    run.report.note("", "serves already; nothing to do")
    run.report.finish(True)
    assert [row["t"] for row in run.rows] == ["begin", "note", "finish"]
    # The page is made when somebody asks for it.
    assert [Path(name).suffix for name in run.files] == [".jsonl"] and "report  " not in run.shown


def test_a_rollout_that_fails_before_its_first_phase_has_a_page(run: Run) -> None:
    run.report.keep()
    run.report.begin(lambda: ACCOUNT)
    run.report.host_failed("web1", "web1: no answer")
    run.report.finish(False, error="not reached: web1", code=1)
    assert [Path(name).suffix for name in run.files] == [".html", ".jsonl"]


def test_every_line_is_in_the_file_at_once_so_that_a_killed_run_leaves_them(run: Run) -> None:
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    run.report.start("web1", "venv.build", "environment")
    assert [row["t"] for row in run.rows] == ["begin", "phase", "start"]


def test_secrets_are_in_no_line_whenever_they_came_and_whatever_hides_them(run: Run) -> None:
    run.report.note("", "early hunter2")
    run.report.begin(lambda: ACCOUNT)
    run.report.set_masks(["hunter2"])
    run.report.phase("prepare hunter2", ["web1"])
    hidden = "hun\x1b[0mter2 and hunter2"
    run.report.event(
        "web1",
        Event(0, "s", hidden, "failed", diff=hidden, note=hidden, output=hidden, error=hidden, facts={"k": hidden}),
    )
    run.report.output("web1", hidden)
    run.report.host_failed("web1", hidden)
    run.report.explained("web1", hidden)
    run.report.commits("a", "b", ["web1"], hidden, [hidden])
    run.report.table(hidden, [hidden], [[hidden]], [{hidden: hidden}])
    run.report.finish(False, error=hidden)
    for path in run.place.iterdir():
        text = path.read_text()
        assert "hunter2" not in text and "ter2" not in text and "\\u001b" not in text, path.name
    assert "********" in json.dumps(run.rows)


def test_a_secret_that_becomes_known_later_is_masked_in_texts_that_came_before(run: Run) -> None:
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    run.report.note("web1", "swordfish")
    run.report.set_masks(["swordfish"])
    run.report.note("web1", "swordfish")
    assert [row["text"] for row in run.rows if row["t"] == "note"] == ["swordfish", "********"]


@pytest.mark.parametrize("trouble", ["file", "readable", "loop"])
def test_a_folder_that_cannot_be_used_is_told_once_and_fails_nothing(base: Path, trouble: str) -> None:
    run = Run(base)
    base.mkdir()
    if trouble == "file":
        (base / "shop").write_text("")
    elif trouble == "loop":
        (base / "shop").symlink_to("shop")
    else:
        run.place.mkdir(parents=True)
        run.place.chmod(0o777)
    run.report.begin(lambda: ACCOUNT)
    for number in range(3):
        run.report.phase(f"phase {number}", ["web1"])
    run.report.finish(True)
    assert run.shown.count("no log of this is kept") == 1 and "report  " not in run.shown
    assert "Traceback" not in run.shown and (trouble != "readable" or run.files == [])


def test_a_disk_that_is_full_in_the_middle_is_told_once_and_fails_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    assert run.report.log_file.file is not None
    # The real device that is always full.
    handle = os.open("/dev/full", os.O_WRONLY)
    os.dup2(handle, run.report.log_file.file._stream.fileno())
    for number in range(3):
        run.report.note("web1", f"note {number}")
    run.report.finish(True)
    told = [line for line in run.shown.splitlines() if "no log of this is kept" in line]
    assert len(told) == 1 and os.strerror(errno.ENOSPC) in told[0] and "note 2" in run.shown
    os.close(handle)


def test_a_page_that_cannot_be_written_leaves_the_log_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder, "write_page", full)
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    run.report.finish(True)
    [name] = run.files
    assert name.endswith(".jsonl")
    assert "no page is made" in run.shown and run.shown.splitlines()[-1] == f"report  {run.place / name}"


def test_a_text_of_megabytes_and_a_log_of_very_many_are_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_BYTES", 1_000_000)
    run.report.begin(lambda: ACCOUNT)
    run.report.phase("prepare", ["web1"])
    for number in range(20):
        run.report.output("web1", f"{number}" + "x" * 3_000_000)
    run.report.host_failed("web1", "gone")
    run.report.finish(False)
    [path] = folder.kept(run.place)
    assert path.stat().st_size < 1_300_000
    assert [row["t"] for row in run.rows][-2:] == ["host_failed", "finish"]
    assert "characters …" in next(row["text"] for row in run.rows if row["t"] == "output")


def test_the_oldest_rollouts_go_with_their_pages_and_the_last_ones_stay(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = base / "shop" / "mysite"
    place.mkdir(parents=True, mode=0o700)
    for day in range(10, 25):
        for ending in (".jsonl", ".html"):
            (place / f"2030-01-{day}T000000Z-deploy{ending}").write_text("x" * 100)
    monkeypatch.setattr(folder, "MOST", 5)
    folder.forget(place)
    assert [path.name[8:10] for path in folder.kept(place)] == ["20", "21", "22", "23", "24"]
    assert len(list(place.iterdir())) == 10
    monkeypatch.setattr(folder, "MOST_BYTES", 50)
    folder.forget(place)
    assert [path.name[8:10] for path in folder.kept(place)] == ["23", "24"]


def test_runs_that_begin_within_a_second_have_logs_of_their_own(base: Path) -> None:
    place = base / "shop" / "mysite"
    made = [folder.create(place, "deploy", 0.0) for _ in range(3)]
    for _path, handle in made:
        os.close(handle)
    assert [path.name for path in folder.kept(place)] == sorted(path.name for path, _handle in made)
    assert len({path for path, _handle in made}) == 3


def test_names_that_a_file_cannot_have_are_written_otherwise() -> None:
    assert [folder.plain(name) for name in ("../x", "bootstrap deploy", "", "…")] == ["x", "bootstrap-deploy", "-", "-"]


def test_the_logs_lie_in_the_users_own_state_and_not_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAWSER_ROLLOUTS")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert folder.folder_of("shop", "mysite") == Path("/state/hawser/rollouts/shop/mysite")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert folder.folder_of("shop", "mysite") == Path("/home/ada/.local/state/hawser/rollouts/shop/mysite")
    monkeypatch.setenv("HAWSER_ROLLOUTS", "none")
    assert folder.folder_of("shop", "mysite") is None

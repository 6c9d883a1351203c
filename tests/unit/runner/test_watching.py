"""What a host finds by itself, and what it tells of that, through a program in the place of apprise."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from hawser.runner import watching
from hawser.runner.databases.offsite import note
from hawser.runner.system import Failure
from hawser.runner.watching import Look, findings, main, message, watch

HOUR, DAY = 3600, 86400
# Keeps what it is given, and is told by a file to fail.
APPRISE = """#!/bin/sh
[ -e "$TOLD.broken" ] && { echo "cannot reach a-token-of-ours"; exit 1; }
{ printf '%s\\n' "$@"; cat; echo ---; } >>"$TOLD"
"""


@pytest.fixture
def job(system, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A job of two entries of cron that were installed a week ago, and nothing else."""
    os.makedirs(system.state, exist_ok=True)  # noqa: PTH103
    program = tmp_path / "bin" / "apprise"
    program.parent.mkdir()
    program.write_text(APPRISE.replace("$TOLD", str(tmp_path / "told")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(system, "run", _with_path(system.run, program.parent))
    (tmp_path / "cron").mkdir()
    (tmp_path / "addresses").write_text("json://127.0.0.1/a-token-of-ours\n")
    (tmp_path / "crontab").touch()
    old(tmp_path / "crontab", 7 * DAY)
    return {
        "application": "shop",
        "tells": True,
        "textfile": "",
        "title": "shop/web1",
        "state": system.state,
        "cron": {"tick": HOUR, "report": DAY},
        "cron_file": str(tmp_path / "crontab"),
        "cron_folder": str(tmp_path / "cron"),
        "certificates": {},
        "backup_hours": 0,
        "addresses": str(tmp_path / "addresses"),
        "masks": ["a-token-of-ours"],
    }


def _with_path(run: Any, folder: Path) -> Any:
    return lambda argv, **more: run([str(folder / argv[0]) if argv[0] == "apprise" else argv[0], *argv[1:]], **more)


def old(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def ran(job: dict[str, Any], name: str, ago: float, status: int | None = 0) -> None:
    began = int(time.time() - ago)
    words = f"{began} 1" if status is None else f"{began} 1 {began + 3} {status}"
    (Path(job["cron_folder"]) / f"{name}.last").write_text(words)


def found(job: dict[str, Any], system: Any) -> dict[str, str]:
    return dict(findings(job, Look(job, system), time.time()))


def told(job: dict[str, Any]) -> list[str]:
    path = Path(job["addresses"]).parent / "told"
    return path.read_text().split("---\n")[:-1] if path.exists() else []


def test_nothing_is_told_while_all_is_well(job, system) -> None:
    ran(job, "tick", 60)
    ran(job, "report", 23 * HOUR)
    watch(job, system)
    assert found(job, system) == {} and told(job) == []


def test_entries_that_failed_were_killed_or_stayed_away_are_found(job, system) -> None:
    ran(job, "tick", 60, status=7)
    ran(job, "report", 2 * DAY)
    assert found(job, system) == {
        "cron tick": "the last run of tick exited with 7",
        "late report": "report has not run, and should have 24 hours ago",
    }
    ran(job, "tick", 60, status=None)
    assert found(job, system)["cron tick"] == "the last run of tick was killed"
    # A little later than its time is no absence.
    ran(job, "tick", HOUR + 600)
    assert "late tick" not in found(job, system)


def test_what_has_never_run_is_missed_only_after_its_time(job, system) -> None:
    assert set(found(job, system)) == {"late tick", "late report"}
    old(Path(job["cron_file"]), 600)
    assert found(job, system) == {}
    # Without cron lines nothing can stay away; one that runs at boot has no time.
    os.unlink(job["cron_file"])  # noqa: PTH108
    assert found(job, system) == {}


def test_a_certificate_is_told_anew_as_its_end_comes_nearer(job, system, monkeypatch: pytest.MonkeyPatch) -> None:
    job["cron"] = {}
    job["certificates"] = {"site": "/etc/ssl/site.pem"}
    names = []
    for days in (40, 14, 10, 7, 2, 0, -1, -9):
        monkeypatch.setattr(watching, "shown", lambda system, path, days=days: {"days": days})
        names += list(found(job, system).items())
    assert names == [
        ("certificate site 14", "the certificate site ends in 14 days"),
        ("certificate site 14", "the certificate site ends in 10 days"),
        ("certificate site 7", "the certificate site ends in 7 days"),
        ("certificate site 3", "the certificate site ends in 2 days"),
        ("certificate site 1", "the certificate site ends in 0 days"),
        ("certificate site -1", "the certificate site is over"),
        ("certificate site -1", "the certificate site is over"),
    ]
    monkeypatch.setattr(watching, "shown", lambda system, path: None)
    assert found(job, system) == {}


def test_backups_that_failed_or_are_old_are_found(job, system) -> None:
    job["cron"], job["backup_hours"] = {}, 26
    assert found(job, system) == {}
    old(Path(job["addresses"]), 3 * DAY)
    assert found(job, system) == {"old backup": "the last backup that has left the host is missing"}
    note(system.state, time=int(time.time() - 2 * DAY), snapshot="0123", size=1, failed="no route", failed_at=1)
    assert found(job, system) == {
        "backup": "the last backup that was to leave the host failed: no route",
        "old backup": "the last backup that has left the host is 48 hours old",
    }


def test_each_thing_is_told_once_and_its_end_too(job, system) -> None:
    ran(job, "report", HOUR)
    ran(job, "tick", 60, status=7)
    watch(job, system)
    watch(job, system)
    (first,) = told(job)
    assert first.splitlines() == [
        *("--config", job["addresses"], "--title", "shop/web1: 1 wrong"),
        *("Wrong now:", "- the last run of tick exited with 7"),
    ]
    ran(job, "report", HOUR, status=1)
    watch(job, system)
    assert told(job)[1].splitlines()[3:] == [
        *("shop/web1: 2 wrong", "Wrong now:", "- the last run of report exited with 1"),
        *("Still wrong:", "- the last run of tick exited with 7"),
    ]
    ran(job, "report", HOUR)
    ran(job, "tick", 60)
    watch(job, system)
    assert "shop/web1: well again" in told(job)[2] and "No longer so:" in told(job)[2]
    watch(job, system)
    assert len(told(job)) == 3


def test_what_nobody_could_be_told_is_told_the_next_time(job, system) -> None:
    ran(job, "report", HOUR)
    ran(job, "tick", 60, status=7)
    broken = Path(job["addresses"]).parent / "told.broken"
    broken.touch()
    with pytest.raises(Failure, match="nobody could be told"):
        watch(job, system)
    broken.unlink()
    watch(job, system)
    assert len(told(job)) == 1


@pytest.mark.parametrize("kept", ["{", "[1]", "7", '{"cron tick": 7}', "\x00"])
def test_what_was_told_and_cannot_be_read_is_told_again(job, system, kept: str) -> None:
    ran(job, "report", HOUR)
    ran(job, "tick", 60, status=7)
    (Path(system.state) / "watch-told.json").write_text(kept)
    watch(job, system)
    assert len(told(job)) == (0 if "tick" in kept else 1)


def test_the_service_ends_with_an_error_without_the_address(job, system, tmp_path: Path) -> None:
    ran(job, "report", HOUR)
    ran(job, "tick", 60, status=7)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job))
    # There is no apprise on the path of a service here, or it refuses the address.
    with pytest.raises(SystemExit) as ended:
        main(str(file))
    assert "a-token-of-ours" not in str(ended.value)


def test_a_message_says_what_is_new_what_is_over_and_what_stays() -> None:
    assert message({}, {}) == [] == message({"a": "A"}, {"a": "A before"})
    assert message({"a": "A", "b": "B"}, {"a": "A", "c": "C"}) == [
        *("Wrong now:", "- B", "No longer so:", "- C", "Still wrong:", "- A"),
    ]


def test_prometheus_gets_the_same_facts(job, system, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(job, "tick", 60, status=7)
    ran(job, "left over", 60)
    note(system.state, time=1_700_000_000, snapshot="0123", size=1, failed="", failed_at=0)
    monkeypatch.setattr(watching, "shown", lambda system, path: {"days": -3} if "site" in path else None)
    job.update(
        textfile=str(tmp_path / "hawser-shop.prom"),
        tells=False,
        certificates={"site": "/site.pem", "ws": "/none.pem"},
        backup_hours=26,
    )
    watch(job, system)
    assert told(job) == []
    file = tmp_path / "hawser-shop.prom"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    text = file.read_text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['hawser_cron_last_status{application="shop",name="tick"}'] == "7"
    assert values['hawser_certificate_days{application="shop",name="site"}'] == "-3"
    assert values['hawser_backup_timestamp_seconds{application="shop"}'] == "1700000000"
    # The entry, the one that never ran, the certificate.
    assert values['hawser_wrong{application="shop"}'] == "3"
    assert abs(int(values['hawser_watch_timestamp_seconds{application="shop"}']) - time.time()) < 60
    assert not [line for line in values if "left over" in line or 'name="ws"' in line]
    assert text.count("# TYPE hawser_cron_last_status gauge") == 1 and text.endswith("\n")

"""Backups that leave the host, with a real restic and a repository in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from hawser.runner.databases import offsite
from hawser.runner.databases.offsite import Repository, outcome_of, run
from hawser.runner.system import Failure
from tests import storage

from ..daemons import until


def snapshots(job) -> list[dict]:
    done = subprocess.run(
        ["restic", "snapshots", "--json"],
        env={**os.environ, **job["env"]},
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout) or []


def test_databases_and_folders_leave_the_host_and_come_back_whole(system, job, tmp_path: Path) -> None:
    run(job, system)
    outcome = outcome_of(system.state)
    (one,) = snapshots(job)
    assert one["id"].startswith(outcome["snapshot"]) and one["tags"] == ["shop"] and one["hostname"] == "web1"
    assert abs(outcome["time"] - time.time()) < 60 and outcome["failed"] == "" and outcome["size"] > 0
    subprocess.run(
        ["restic", "restore", "latest", "--target", f"{tmp_path}/back"],
        env={**os.environ, **job["env"]},
        capture_output=True,
        check=True,
    )
    back = Path(f"{tmp_path}/back{tmp_path}")
    assert (back / "media" / "picture").read_text() == "a picture\n"
    (saved,) = back.glob("backups/site-*.sqlite3")
    with sqlite3.connect(saved) as link:
        assert link.execute("SELECT text FROM entries").fetchall() == [("first",)]
    assert json.loads((saved.parent / f"{saved.name}.json").read_text())["why"] == offsite.WHY


def test_snapshots_are_thinned_out_and_another_hosts_stay(system, job) -> None:
    for host in ("web2", "web1", "web1", "web1"):
        run({**job, "host": host, "keep": {"last": 2}}, system)
    assert sorted(each["hostname"] for each in snapshots(job)) == ["web1", "web1", "web2"]


def test_a_wrong_password_is_told_and_the_last_good_one_stays_known(system, job) -> None:
    run(job, system)
    good = outcome_of(system.state)
    wrong = {**job, "env": {**job["env"], "RESTIC_PASSWORD": "something else"}, "masks": ["something else"]}
    with pytest.raises(Failure, match="of before is not there, or cannot be opened"):
        run(wrong, system)
    now = outcome_of(system.state)
    assert "wrong password" in now["failed"] and now["failed_at"] >= good["time"]
    assert (now["time"], now["snapshot"]) == (good["time"], good["snapshot"])
    assert "something else" not in json.dumps(now)


def test_a_wrong_password_at_the_first_time_makes_no_repository_anew(system, job, tmp_path: Path) -> None:
    run(job, system)
    (Path(system.state) / "offsite-repository").unlink()
    with pytest.raises(Failure) as told:
        run({**job, "env": {**job["env"], "RESTIC_PASSWORD": "something else"}}, system)
    assert "wrong password" in told.value.output
    assert len(snapshots(job)) == 1


def test_a_repository_that_has_vanished_is_not_made_anew(system, job, tmp_path: Path) -> None:
    run(job, system)
    shutil.rmtree(tmp_path / "repository")
    with pytest.raises(Failure, match="of before is not there, or cannot be opened"):
        run(job, system)
    assert not (tmp_path / "repository").exists()
    subprocess.run(["restic", "init"], env={**os.environ, **job["env"]}, capture_output=True, check=True)
    with pytest.raises(Failure, match="another one than before"):
        run(job, system)


def test_another_place_in_the_settings_gets_a_repository_of_its_own(system, job, tmp_path: Path) -> None:
    run(job, system)
    moved = {**job, "env": {**job["env"], "RESTIC_REPOSITORY": f"{tmp_path}/elsewhere"}}
    run(moved, system)
    assert len(snapshots(job)) == len(snapshots(moved)) == 1


def test_what_cannot_be_saved_is_no_backup(system, job, tmp_path: Path) -> None:
    (tmp_path / "site.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(Failure):
        run(job, system)
    assert snapshots(job) == [] and "time" not in outcome_of(system.state)


def test_nothing_to_keep_is_a_failure(system, job) -> None:
    with pytest.raises(Failure, match="nothing yet"):
        run({**job, "databases": [], "folders": []}, system)


def test_a_job_that_was_killed_leaves_nothing_that_the_next_one_minds(system, job, tmp_path: Path) -> None:
    (tmp_path / "media" / "large").write_bytes(os.urandom(40_000_000))
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job))
    program = "import sys; from hawser.runner.databases.offsite import main; main(sys.argv[1])"
    for seconds in (0.4, 1.0, 1.6, 2.2):
        child = subprocess.Popen([sys.executable, "-c", program, str(file)], start_new_session=True)
        time.sleep(seconds)
        # As systemd ends a service: all of it. It starts nothing while that is looked for.
        os.kill(child.pid, signal.SIGSTOP)
        killed = children(child.pid)
        for pid in [*killed, child.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait()
        # Whose lock it is restic asks by the number, which is taken until somebody has waited for it.
        until(lambda killed=killed: not any(Path(f"/proc/{pid}").exists() for pid in killed))
    try:
        run(job, system)
    except Failure as error:
        pytest.fail(f"{error}: {error.output}")
    assert outcome_of(system.state)["failed"] == ""
    assert len(snapshots(job)) >= 1
    Repository(job, system).restic("check")


def children(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("sftp:ann@vault.test:/srv/shop", "-l ann -s -- vault.test sftp"),
        ("sftp:vault.test:shop", "-s -- vault.test sftp"),
        ("sftp://ann@vault.test:2222//srv/shop", "-p 2222 -l ann -s -- vault.test sftp"),
        ("sftp://vault.test/shop", "-s -- vault.test sftp"),
        ("sftp:ann@[2001:db8::1]:/srv", "-l ann -s -- 2001:db8::1 sftp"),
        ("sftp:$(id)@x y:/srv", "-l '$(id)' -s -- 'x y' sftp"),
    ],
)
def test_the_way_to_a_server_of_sftp_is_that_of_the_repository(repository: str, words: str) -> None:
    assert offsite.sftp_of({"RESTIC_REPOSITORY": repository}) == words


def test_a_place_that_is_no_server_of_sftp_is_told() -> None:
    with pytest.raises(Failure, match="no place on an SFTP server"):
        offsite.sftp_of({"RESTIC_REPOSITORY": "/srv/shop"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2030-01-02T03:04:05.678901234+01:00", 1893553445 - 3600),
        ("2030-01-02T03:04:05Z", 1893553445),
        ("2030-01-02T03:04:05.6-02:30", 1893553445 + 9000),
        ("soon", 0),
    ],
)
def test_a_time_of_restics_is_read(text: str, seconds: int) -> None:
    assert offsite.moment_of(text) == seconds


def test_a_database_in_a_folder_that_is_kept_goes_as_its_backup_alone(system, job, tmp_path: Path) -> None:
    odd = tmp_path / "media" / "a[1]*.sqlite3"
    odd.write_text("x")
    (tmp_path / "media" / "a1b.sqlite3").write_text("y")
    run({**job, "without": [str(odd)]}, system)
    assert offsite.snapshots(system, written(tmp_path, job))[0]["paths"][-1] == f"{tmp_path}/media"
    done = subprocess.run(
        ["restic", "ls", "latest"], env={**os.environ, **job["env"]}, capture_output=True, text=True, check=True
    )
    assert "a1b.sqlite3" in done.stdout and "a[1]" not in done.stdout


def written(folder: Path, job) -> str:
    (folder / "job.json").write_text(json.dumps(job))
    return f"{folder}/job.json"


def test_what_has_arrived_is_listed_the_youngest_first(system, job, tmp_path: Path) -> None:
    assert offsite.last(system) == {"time": 0, "size": 0, "failed_at": 0, "snapshot": "", "failed": ""}
    run(job, system)
    time.sleep(1)
    run(job, system)
    found = offsite.snapshots(system, written(tmp_path, job))
    assert len(found) == 2 and found[0]["time"] > found[1]["time"]
    assert offsite.last(system)["snapshot"].startswith(found[0]["name"])


def test_a_link_leaves_the_host_and_not_what_it_leads_to(system, job, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of root's")
    (tmp_path / "media" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "media" / "folder").symlink_to(tmp_path)
    run(job, system)
    done = subprocess.run(
        ["restic", "ls", "latest"], env={**os.environ, **job["env"]}, capture_output=True, text=True, check=True
    )
    assert f"{tmp_path}/media/link" in done.stdout and "secret" not in done.stdout


def test_without_a_rule_everything_stays(system, job) -> None:
    for _ in range(2):
        run({**job, "keep": {}}, system)
    assert len(snapshots(job)) == 2


def variables_of(kind: str, port: int, key: str = storage.KEY) -> dict[str, str]:
    """Return what restic is told of a server of `storage`."""
    if kind == "s3":
        access = {"AWS_ACCESS_KEY_ID": storage.NAME, "AWS_SECRET_ACCESS_KEY": key}
        return {"RESTIC_REPOSITORY": f"s3:http://127.0.0.1:{port}/vault/shop", **access}
    return {"RESTIC_REPOSITORY": f"rest:http://{storage.NAME}:{quote(key)}@127.0.0.1:{port}/shop/"}


@pytest.mark.parametrize("kind", ["s3", "restic"])
def test_a_server_of_storage_takes_them_and_is_told_from_one_that_refuses_or_is_not_there(
    system, job, tmp_path: Path, kind: str
) -> None:
    def sent(port: int, key: str = storage.KEY) -> dict:
        return {**job, "env": {**job["env"], **variables_of(kind, port, key)}, "masks": [key, quote(key)]}

    with storage.serving(kind, tmp_path / "vault") as port:
        with pytest.raises(Failure) as refused:
            run(sent(port, "another key"), system)
        assert "another key" not in refused.value.output and "another%20key" not in refused.value.output
        assert snapshots_of(system) == ("", True)
        run(sent(port), system)
        run(sent(port), system)
        assert len(snapshots(sent(port))) == 2
        name, failed = snapshots_of(system)
        assert name and not failed
        assert b"a picture" not in b"".join(
            each.read_bytes() for each in (tmp_path / "vault").rglob("*") if each.is_file()
        )
    with pytest.raises(Failure):
        run(sent(port), system)
    assert snapshots_of(system) == (name, True)
    with storage.serving(kind, tmp_path / "vault", port=port):
        run(sent(port), system)
        assert snapshots_of(system) not in (("", False), (name, False))


def snapshots_of(system) -> tuple[str, bool]:
    """Return the last good snapshot that is remembered, and whether the last attempt failed."""
    found = offsite.last(system)
    return found["snapshot"], bool(found["failed"])

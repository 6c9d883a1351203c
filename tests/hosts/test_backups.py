"""Backups of the site's database: taken, listed, refused when damaged, and brought back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox
from tests import storage

from .conftest import Fleet, wait_for

FOLDER = "/var/backups/hawser/demo"


def sql(fleet: Fleet, text: str, database: str = "demo") -> str:
    return fleet.inside("data1", "runuser", "-u", "postgres", "--", "psql", "-Atqc", text, database).strip()


def listed(fleet: Fleet) -> dict[str, str]:
    """Return the backups, the youngest first, and what each was made for."""
    table = next(each for each in fleet.events("-H", fleet.name, "db.list") if each["t"] == "table")
    return {row[2]: row[7] for row in table.get("rows", ())}  # type: ignore[attr-defined]


def backups(fleet: Fleet) -> list[str]:
    return list(listed(fleet))


@pytest.fixture
def marked(fleet: Fleet) -> Fleet:
    sql(fleet, "DROP TABLE IF EXISTS mark; CREATE TABLE mark (text text); ALTER TABLE mark OWNER TO demo")
    sql(fleet, "INSERT INTO mark VALUES ('as it was')")
    return fleet


def test_a_database_is_saved_damaged_and_brought_back_while_the_site_runs(marked: Fleet) -> None:
    fleet = marked
    before = backups(fleet)
    fleet.fab("-R", "-H", fleet.name, "db.backup")
    assert backups(fleet) == before
    said = fleet.fab("-H", fleet.name, "db.backup").stdout
    assert "proven" in said
    name = backups(fleet)[0]
    assert fleet.inside("data1", "stat", "-c", "%a %U", f"{FOLDER}/{name}").split() == ["600", "root"]

    sql(fleet, "UPDATE mark SET text = 'damaged'")
    for words, reason in (
        (("latest", "--destroy", "dmo"), "that is not demo; nothing was touched"),
        (("latest",), "nobody is there to confirm it"),
        (("demo-20200101T000000Z.dump", "--destroy", "demo"), "there is no backup"),
    ):
        result = fleet.fab("-H", fleet.name, "db.restore", *words, code=1)
        assert reason in result.stdout + result.stderr
    assert sql(fleet, "SELECT text FROM mark") == "damaged"
    fleet.fab("-H", fleet.name, "db.restore", name, "--destroy", "demo")
    assert sql(fleet, "SELECT text FROM mark") == "as it was"
    # The application reads and writes, as the owner of what was brought back.
    wait_for("the site works", lambda: fleet.visit("web1").status == 200 and fleet.visit("web2").status == 200)
    fleet.fab("-H", f"{fleet.name}/web1", "manage", "tick")
    # What was there before is kept, once as a backup and once beside it.
    former = sql(fleet, "SELECT datname FROM pg_database WHERE datname LIKE 'demo_before_%'", "postgres")
    assert len(former.split()) == 1
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


def test_a_damaged_backup_replaces_nothing(marked: Fleet) -> None:
    fleet = marked
    fleet.fab("-H", "data1", "db.backup", "--database", "demo")
    name = backups(fleet)[0]
    fleet.inside("data1", "sh", "-c", f"printf x | dd of={FOLDER}/{name} bs=1 seek=2000 conv=notrunc status=none")
    sql(fleet, "UPDATE mark SET text = 'later'")
    result = fleet.fab("-H", fleet.name, "db.restore", name, "--destroy", "demo", code=1)
    assert "is damaged" in result.stdout
    assert sql(fleet, "SELECT text FROM mark") == "later"
    fleet.inside("data1", "rm", f"{FOLDER}/{name}", f"{FOLDER}/{name}.json")


def test_a_full_disk_leaves_no_half_backup(marked: Fleet) -> None:
    fleet = marked
    fleet.inside("data1", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", FOLDER)
    try:
        result = fleet.fab("-H", fleet.name, "db.backup", code=1)
        assert "MiB free" in result.stdout
        assert fleet.inside("data1", "ls", "-A", FOLDER).strip() == ""
    finally:
        fleet.inside("data1", "umount", FOLDER)


def test_a_deploy_saves_the_database_before_it_migrates_where_that_is_wanted(marked: Fleet) -> None:
    fleet = marked
    text = fleet.file.read_text()
    before = backups(fleet)
    fleet.file.write_text(text + "\n[backup]\nbefore_migrate = true\nkeep = 2\n")
    try:
        fleet.commit({"saved.py": "1"})
        fleet.fab("-H", fleet.name, "deploy")
        assert set(backups(fleet)) - set(before)
        assert list(listed(fleet).values()).count("before a migration") <= 2
        assert len([why for why in listed(fleet).values() if why != "before a restore"]) <= 2
    finally:
        fleet.file.write_text(text)
    fleet.fab("-H", fleet.name, "deploy")


# Reads the job of the timer, and brings the newest backup back into a folder.
BRING_BACK = """
import json, os, subprocess
job = json.load(open("/var/lib/hawser/demo/offsite/job.json"))
ssh = job["ssh"] + " -l vault -s -- %s sftp"
words = ["restic", "-o", "sftp.command=" + ssh, "restore", "latest", "--target", "/root/back"]
subprocess.run(words, env={**os.environ, **job["env"]}, check=True, stdout=subprocess.DEVNULL)
"""


ACCESS = f'AWS_ACCESS_KEY_ID = "{storage.NAME}", AWS_SECRET_ACCESS_KEY = "{{{{ secrets.S3_KEY }}}}"'


@pytest.fixture
def vaulted(fleet: Fleet) -> Iterator[str]:
    """Have the backups of the database leave its host, for a server of SFTP; returns its address."""
    text, secrets, address = fleet.text, (fleet.hosts / f"{fleet.name}.env").read_text(), fleet.address("web2")
    key = next(each for each in sandbox.listing() if each.name == f"{fleet.name}-web2").host_keys[0]
    changed = text.replace("generated = [", 'generated = ["BACKUP_PASSWORD", ', 1)
    assert changed != text
    offsite = (
        f'repository = "sftp:vault@{address}:/home/vault/demo"\npassword = "BACKUP_PASSWORD"\nhost_key = "{key}"\n'
    )
    question = '[[backup.offsite.drill]]\ndatabase = "demo"\nquery = "SELECT text FROM mark"\nanswer = "as it was"\n'
    offsite += f'schedule = "*-*-* 03:30"\n{question}'
    fleet.file.write_text(f"{changed}\n[backup.offsite]\n{offsite}")
    fleet.inside("web2", "useradd", "--create-home", "vault")
    # A disk that is soon full.
    fleet.inside("web2", "mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", "/home/vault")
    fleet.inside("web2", "chown", "vault", "/home/vault")
    try:
        fleet.fab("-H", f"{fleet.name}/data1", "bootstrap")
        yield address
    finally:
        fleet.file.write_text(text)
        (fleet.hosts / f"{fleet.name}.env").write_text(secrets)
        fleet.fab("-H", f"{fleet.name}/data1", "bootstrap")
        fleet.inside("web2", "umount", "/home/vault", check=False)
        fleet.inside("web2", "userdel", "--remove", "vault", check=False)


def test_backups_leave_the_host_and_come_back(marked: Fleet, vaulted: str, tmp_path: Path) -> None:
    fleet, target = marked, f"{marked.name}/data1"
    assert "no backup has left the host yet" in fleet.fab("-H", target, "check", code=None).stdout
    said = fleet.fab("-H", target, "backup.run", code=1).stdout
    assert "Permission denied" in said
    key = fleet.fab("-H", target, "backup.key").stdout.partition("| ")[2].strip()
    assert key.startswith("ssh-ed25519 ")
    script = 'install -d -o vault /home/vault/.ssh; echo "$1" >/home/vault/.ssh/authorized_keys'
    fleet.inside("web2", "sh", "-c", script, "sh", f'restrict,command="internal-sftp" {key}')
    said = fleet.fab("-H", target, "backup.run").stdout
    assert re.search(r"data1 +[0-9a-f]{8} +\d+ s +.*demo-\d+T\d+Z.dump", said), said
    timers = fleet.inside("data1", "systemctl", "list-timers", "--no-pager", "hawser-backup-demo.timer")
    assert "03:" in timers or "04:" in timers

    fleet.inside("data1", "python3", "-c", BRING_BACK % vaulted)
    (dump,) = fleet.inside("data1", "sh", "-c", "ls /root/back/var/backups/hawser/demo/*.dump").split()
    assert "TABLE DATA public mark" in fleet.inside("data1", "pg_restore", "--list", dump)
    # What it was then, whatever it is now; and nothing stays of it.
    sql(fleet, "UPDATE mark SET text = 'later'")
    fleet.fab("-H", target, "backup.drill")
    assert sql(fleet, "SELECT text FROM mark") == "later"
    assert "drill" not in sql(fleet, "SELECT datname FROM pg_database", "postgres")
    text = fleet.text
    fleet.file.write_text(text.replace('answer = "as it was"', 'answer = "as it will be"'))
    assert "answers 'as it was'" in fleet.fab("-H", target, "backup.drill", code=1).stdout
    fleet.file.write_text(text.replace("FROM mark", "FROM market"))
    said = fleet.fab("-H", target, "backup.drill", code=1).stdout
    assert "demo: it came back, and does not answer 'SELECT text FROM market'" in said
    assert 'relation "market" does not exist' in said and "migrat" not in said
    fleet.file.write_text(text)

    # Nobody reads it there.
    found = fleet.inside("web2", "sh", "-c", "grep -rlE 'PGDMP|as it was' /home/vault/demo || true")
    assert found == ""
    secret = fleet.secrets["BACKUP_PASSWORD"]
    assert secret not in fleet.inside("data1", "sh", "-c", "journalctl -u hawser-backup-demo; ps ax -o args")

    fleet.inside("web2", "sh", "-c", "cat /dev/zero >/home/vault/filler || true", check=False)
    fleet.fab("-H", target, "backup.run", code=1)
    assert "the last one failed" in fleet.fab("-H", target, "status").stdout
    fleet.inside("web2", "rm", "/home/vault/filler")
    fleet.fab("-H", target, "backup.run")
    assert "the last one failed" not in fleet.fab("-H", target, "status").stdout

    fleet.inside("web2", "rm", "/home/vault/.ssh/authorized_keys")
    fleet.fab("-H", target, "backup.run", code=1)
    said = fleet.fab("-H", target, "check", code=1).stdout
    assert "the last backup that was to leave the host failed" in said

    gateway = fleet.inside("data1", "ip", "-4", "route", "show", "default").split()[2]
    with storage.serving("s3", tmp_path / "vault", gateway) as port:
        told = re.sub(r"repository = .*\n", f'repository = "s3:http://{gateway}:{port}/vault/demo"\n', text)
        told = re.sub(r"host_key = .*\n", f"variables = {{ {ACCESS} }}\n", told)
        told = told.replace("generated = [", 'required = ["S3_KEY"]\ngenerated = [', 1)
        fleet.file.write_text(told)
        secrets = fleet.hosts / f"{fleet.name}.env"
        secrets.write_text(f'{secrets.read_text()}S3_KEY="{storage.KEY}"\n')
        fleet.fab("-H", target, "backup.install")
        sql(fleet, "UPDATE mark SET text = 'as it was'")
        fleet.fab("-H", target, "backup.run", "backup.drill")
        assert storage.KEY not in fleet.inside("data1", "journalctl", "-u", "hawser-backup-demo")
    assert any((tmp_path / "vault" / "vault" / "demo" / "snapshots").iterdir())


def test_a_setting_that_has_gone_takes_the_timer_with_it(fleet: Fleet) -> None:
    # Its last backup has failed.
    assert "hawser-backup" not in fleet.inside("data1", "systemctl", "--failed", "--all", "--plain", "--no-legend")
    places = "/etc/systemd/system/hawser-backup-* /var/lib/hawser/demo/offsite"
    assert fleet.inside("data1", "sh", "-c", f"ls -d {places} || true") == ""

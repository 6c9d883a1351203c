"""What leaves a host, and what its timer is told."""

from __future__ import annotations

import json

from hawser.host.offsite import Place, job, leaves

OFFSITE = {
    "repository": "s3:https://storage.test/{{ secrets.BUCKET }}",
    "password": "VAULT",
    "variables": {"AWS_SECRET_ACCESS_KEY": "{{ secrets.S3 }}"},
}
SECRETS = {"VAULT": "vault password", "S3": "storage key", "BUCKET": "shops", "OTHER": "of something else"}
TABLES = {
    "env": {"required": list(SECRETS)},
    "persistent": {"folders": ["media", "data"]},
    "processes": {"web": {"command": "gunicorn --bind unix:{{ socket }}"}},
}


def told(host) -> dict:
    return json.loads(job(host, leaves(host)))


def test_the_leader_keeps_the_folders_and_each_host_its_databases(host) -> None:
    def kept(name: str, **offsite: object) -> list[str]:
        one = host(name, SECRETS, **TABLES, backup={"offsite": {**OFFSITE, **offsite}})
        return told(one)["folders"] if leaves(one) else []

    leader, other = host("web1", SECRETS, **TABLES).environment.leader, "web2"
    assert leader != other
    assert kept(leader) == ["/srv/shop/media", "/srv/shop/data"]
    assert kept(other) == []
    assert kept(leader, folders=["media"]) == ["/srv/shop/media"]
    assert kept(leader, folders=[]) == []


def test_a_job_knows_the_secrets_that_it_needs_and_no_other(host) -> None:
    found = told(host("web1", SECRETS, **TABLES, backup={"offsite": OFFSITE}))
    assert found["env"]["RESTIC_REPOSITORY"] == "s3:https://storage.test/shops"
    assert found["env"]["RESTIC_PASSWORD"] == "vault password"
    assert sorted(found["masks"]) == ["shops", "storage key", "vault password"]
    assert "of something else" not in json.dumps(found)
    assert found["keep"] == {"daily": 7, "weekly": 5, "monthly": 12} and found["ssh"] == ""


def test_a_file_of_sqlite_goes_as_its_backup(host) -> None:
    one = host("web1", SECRETS, **TABLES, backup={"sqlite": ["data/db.sqlite3"], "offsite": OFFSITE})
    found = told(one)
    assert found["without"] == [f"/srv/shop/data/db.sqlite3{end}" for end in ("", "-wal", "-shm")]
    assert [each["database"] for each in found["databases"]] == ["db"]


def test_a_server_of_sftp_is_known_by_its_key_alone(host) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    sftp = {"repository": "sftp:ann@vault.test:shop", "password": "VAULT", "host_key": key}
    one = host("web1", SECRETS, **TABLES, backup={"offsite": sftp})
    words = told(one)["ssh"].split()
    assert "StrictHostKeyChecking=yes" in words and "GlobalKnownHostsFile=/dev/null" in words
    assert Place.of(one).key in words

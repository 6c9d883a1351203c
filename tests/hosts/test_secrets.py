"""No secret shows up in `ps`, logs, events, diffs, or in what a release keeps."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from .conftest import Fleet, wait_for

MARKER = "m4rk3r-'%$#;!\\ü \"x"


class Watcher(threading.Thread):
    """Read the arguments of every process of this machine, those inside the hosts among them, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self.over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue


def test_a_deploy_with_new_secrets_shows_them_nowhere(fleet: Fleet, tmp_path: Path) -> None:
    path = fleet.hosts / f"{fleet.name}.env"
    before = path.read_text()
    quoted = "'" + MARKER.replace("\\", "\\\\").replace("'", "\\'") + "'"
    lines = [
        f"{name}={quoted}" if name in ("DB_PASSWORD", "BROKER_PASSWORD") else f"{name}={value}"
        for name, value in fleet.secrets.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    watcher = Watcher()
    watcher.start()
    try:
        said = ""
        for output in ("json", "plain"):
            kept = {"HAWSER_OUTPUT": output, "HAWSER_DIFF": "1", "HAWSER_ROLLOUTS": str(tmp_path)}
            result = fleet.fab("-H", fleet.name, "bootstrap", "deploy", env=kept)
            said += result.stdout + result.stderr
        said += fleet.fab("-H", fleet.name, "run", "cat /srv/demo/current/environment").stdout
    finally:
        watcher.over.set()
        watcher.join()
    assert "changed" in said
    # The site works with them, so they have arrived unchanged in the database, the broker and the application.
    wait_for("the site is healthy", lambda: fleet.visit("web1", "/health/").status == 200)
    assert not [line for line in watcher.seen if b"m4rk3r" in line]
    assert len(watcher.seen) > 50
    assert "m4rk3r" not in said
    logs = [path.read_text() for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(logs) == 4 and not [text for text in logs if "m4rk3r" in text]
    for host in ("web1", "data1"):
        places = (
            "/var/log /var/lib/hawser /srv/demo/releases/*/release.json /etc/systemd /etc/supervisor /etc/cron.d /root"
        )
        found = fleet.inside(
            host, "sh", "-c", f"grep -rlaF m4rk3r {places} 2>/dev/null; journalctl -q | grep -cF m4rk3r", check=False
        )
        # There, and only for root, so that an operator without them can fetch them.
        assert found.split() == ["/var/lib/hawser/demo/secrets.json", "0"], found
        modes = fleet.inside(
            host, "sh", "-c", "stat -c '%a %U:%G' /srv/demo/current/environment /srv/demo/current/source/.env"
        )
        assert modes.splitlines() == ["640 root:demo", "640 demo:demo"]
    path.write_text(before)
    fleet.fab("-H", fleet.name, "bootstrap", "deploy")


def test_an_operator_without_the_generated_secrets_fetches_them_from_the_hosts(fleet: Fleet) -> None:
    path = fleet.hosts / f"{fleet.name}.env"
    text, before = path.read_text(), fleet.secrets
    kept = [line for line in text.splitlines() if not line.startswith("SECRET_KEY")]
    try:
        path.write_text("\n".join(kept) + "\n")
        for task in ("status", "bootstrap"):
            said = fleet.fab("-H", fleet.name, task, code=2)
            assert "SECRET_KEY" in said.stdout + said.stderr
            assert f"fab -H {fleet.name} secrets.pull" in said.stdout + said.stderr
        said = fleet.fab("-R", "-H", fleet.name, "secrets.pull")
        assert fleet.secrets != before
        said = fleet.fab("-H", fleet.name, "secrets.pull", env={"HAWSER_OUTPUT": "json"})
        assert fleet.secrets == before
        assert not [value for value in before.values() if value in said.stdout + said.stderr]
        assert path.stat().st_mode & 0o777 == 0o600
        assert "nothing to do" in fleet.fab("-H", fleet.name, "secrets.pull", "deploy").stdout
        path.write_text(text.replace(before["SECRET_KEY"], "another-one-than-before"))
        said = fleet.fab("-H", fleet.name, "secrets.pull", code=2)
        assert "SECRET_KEY: is not the one that web1, web2, data1 was set up with" in said.stdout + said.stderr
    finally:
        path.write_text(text)
    assert fleet.inside("web1", "stat", "-c", "%a %U", "/var/lib/hawser/demo/secrets.json").split() == ["600", "root"]


def test_the_same_secrets_from_other_places_change_nothing_and_changed_ones_are_deployed(
    fleet: Fleet, tmp_path: Path
) -> None:
    """First they move into a file that age encrypts, then one is changed there; at last CI has them in variables."""
    plain, text = fleet.hosts / f"{fleet.name}.env", fleet.text
    sealed, listed = fleet.hosts / f"{fleet.name}.env.age", fleet.hosts / f"{fleet.name}.env.recipients"
    before, values = plain.read_text(), fleet.secrets
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    mine = {"HAWSER_AGE_IDENTITY": str(tmp_path / "key")}
    fleet.fab("-H", fleet.name, "deploy")
    try:
        fleet.file.write_text(f'{text}\n[secrets]\nsources = ["age"]\n')
        fleet.fab("-H", fleet.name, "secrets.recipients", "--add", str(tmp_path / "key.pub"), env=mine)
        plain.unlink()
        assert "serves already; nothing to do" in fleet.fab("-H", fleet.name, "deploy", env=mine).stdout
        assert f"{sealed.name} has all of them" in fleet.fab("-H", fleet.name, "secrets.pull", env=mine).stdout
        said = fleet.fab("-H", fleet.name, "deploy", code=2, env={"HAWSER_AGE_IDENTITY": "/nowhere"})
        assert f"{sealed.name}: cannot be read: /nowhere ($HAWSER_AGE_IDENTITY) does not exist" in said.stderr
        edit = {**mine, "EDITOR": f"sed -i s/^SECRET_KEY=.*/SECRET_KEY={'n3w-0ne' * 8}/"}
        said = fleet.fab("-H", fleet.name, "secrets.edit", env=edit)
        assert f"changed in {sealed.name}: SECRET_KEY; commit it" in said.stdout
        fleet.fab("-H", fleet.name, "deploy", env=mine)
        inside = fleet.inside("web1", "cat", "/srv/demo/current/environment")
        assert "n3w-0nen3w-0ne" in inside and "n3w-0ne" not in sealed.read_text()
        # What this machine lacks comes from the hosts, into the encrypted file.
        edit = {**mine, "EDITOR": "sed -i /^SECRET_KEY=/d"}
        fleet.fab("-H", fleet.name, "secrets.edit", env=edit)
        said = fleet.fab("-H", fleet.name, "deploy", code=2, env=mine)
        assert f"{sealed.name}: SECRET_KEY: is generated, and missing here" in said.stderr
        said = fleet.fab("-H", fleet.name, "secrets.pull", env=mine)
        assert f"wrote SECRET_KEY from web1, web2, data1 into {sealed.name}" in said.stdout
        assert "serves already; nothing to do" in fleet.fab("-H", fleet.name, "deploy", env=mine).stdout
        assert not plain.exists()
        # CI.
        fleet.file.write_text(f'{text}\n[secrets]\nsources = ["variables"]\nprefix = "CI_"\n')
        ci = {f"CI_{name}": value for name, value in values.items()}
        said = fleet.fab("-H", fleet.name, "deploy", env=ci)
        assert values["SECRET_KEY"] in fleet.inside("web1", "cat", "/srv/demo/current/environment")
        assert not [value for value in values.values() if value in said.stdout + said.stderr]
        said = fleet.fab("-H", fleet.name, "secrets.pull", code=2, env={**ci, "CI_SECRET_KEY": ""})
        assert "SECRET_KEY: is missing, and Hawser cannot write it there (set the variable CI_SECRET_KEY" in said.stderr
    finally:
        fleet.file.write_text(text)
        plain.write_text(before)
        plain.chmod(0o600)
        for path in (sealed, listed):
            path.unlink(missing_ok=True)
    fleet.fab("-H", fleet.name, "deploy")

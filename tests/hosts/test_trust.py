"""A host in other hands: nothing of what it keeps runs here, or on another host."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import Fleet

HOSTS = ("web1", "web2", "data1")
STATE = "/var/lib/hawser/demo"
# Edits a file of JSON as root on the host, with what is given as Python.
EDIT = "import json,sys; p=sys.argv[1]; d=json.load(open(p)); exec(sys.argv[2]); open(p,'w').write(json.dumps(d))"
LATERAL = {"path": "/etc/cron.d/lateral", "content": "* * * * * root id\n"}


def edit(fleet: Fleet, host: str, path: str, change: str) -> None:
    fleet.inside(host, "python3", "-c", EDIT, path, change)


def runs(proof: Path) -> str:
    """Return a change of what is kept, after which each template would run something on the machine that renders it."""
    payload = f"{{{{ lipsum.__globals__['os'].popen('touch {proof}').read() }}}}"
    return f"d['templates'] = {{name: text + {payload!r} for name, text in d['templates'].items()}}"


def kept(fleet: Fleet, host: str, release: str = "") -> str:
    return f"/srv/demo/releases/{release or fleet.release(host)}/release.json"


def refused(fleet: Fleet, *words: str) -> str:
    result = fleet.fab(*words, code=None)
    assert result.returncode != 0, result.stdout
    return result.stdout + result.stderr


@pytest.mark.parametrize("dry", [True, False])
def test_a_kept_template_runs_nothing_here(fleet: Fleet, tmp_path: Path, dry: bool) -> None:
    path, proof = kept(fleet, "web2"), tmp_path / "ran"
    before = fleet.inside("web2", "cat", path)
    edit(fleet, "web2", path, runs(proof))
    try:
        words = ["-R"] if dry else []
        said = refused(fleet, *words, "-H", f"{fleet.name}/web2", "restart")
        assert f"web2: {path} does not fit its signature" in said and "releases.sign" in said
        # Also when nobody can tell any more that it was signed once.
        edit(fleet, "web2", path, "del d['signature']")
        assert "has no signature" in refused(fleet, *words, "-H", f"{fleet.name}/web2", "restart")
        # And when somebody lets it count.
        if not dry:
            fleet.fab("-H", f"{fleet.name}/web2", "releases.sign", "--yes")
            assert "2 problems" not in refused(fleet, "-H", f"{fleet.name}/web2", "restart")
        assert not proof.exists()
    finally:
        fleet.inside("web2", "sh", "-c", 'printf %s "$1" > "$2"', "sh", before, path)
    fleet.fab("-H", f"{fleet.name}/web2", "restart")


def test_settings_that_root_adds_on_one_host_come_to_no_other_and_run_nothing_here(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.commit({"logbook/later.py": "LATER = 1\n"})
    first = fleet.release("web1")
    fleet.fab("-H", fleet.name, "deploy")
    path = kept(fleet, "web1", first)
    # The first host that is asked, and another one.
    for host in ("web1", "web2"):
        edit(fleet, host, path, f"d['settings']['files'] = [{LATERAL!r}]; {runs(tmp_path / 'ran')}")
    for words in (["-R"], []):
        said = refused(fleet, *words, "-H", f"{fleet.name}/web1,{fleet.name}/web2", "rollback", "--to", first)
        assert f"web1: {path} does not fit its signature" in said, said
        fleet.fab(*words, "-H", fleet.name, "rollback", "--to", first)
    assert fleet.releases() == {first} and not list(tmp_path.iterdir())
    for host in HOSTS:
        assert "lateral" not in fleet.inside(host, "ls", "/etc/cron.d")
    # Nor does a rollout that only this host knows of.
    newest = {"release": first, "by": "eve on web2 at x", "hosts": list(HOSTS), "phase": "switch", "begun": 2**40}
    fleet.inside("web2", "sh", "-c", f"printf %s '{json.dumps(newest)}' > {STATE}/journal.json")
    try:
        assert f"web2: {STATE}/journal.json has no signature" in refused(fleet, "-H", fleet.name, "resume")
    finally:
        fleet.inside("web2", "rm", f"{STATE}/journal.json")
    fleet.fab("-H", fleet.name, "deploy")


def test_a_release_that_an_older_hawser_left_goes_on_once_and_is_signed(fleet: Fleet) -> None:
    secrets = fleet.hosts / f"{fleet.name}.env"
    before = secrets.read_text()
    lines = [line for line in before.splitlines() if not line.startswith("HAWSER_SIGNING_KEY")]
    for host in HOSTS:
        fleet.inside(host, "rm", "-f", f"{STATE}/signing.pub", f"{STATE}/begun")
        for name in fleet.inside(host, "ls", "/srv/demo/releases").split():
            edit(fleet, host, kept(fleet, host, name), "d.pop('signature', None)")
    secrets.write_text("\n".join(lines) + "\n")
    said = fleet.fab("-R", "-H", fleet.name, "restart", "--process", "web").stdout
    assert "would make HAWSER_SIGNING_KEY" in said and "HAWSER_SIGNING_KEY" not in secrets.read_text()
    said = fleet.fab("-H", fleet.name, "restart", "--process", "web").stdout
    assert "made HAWSER_SIGNING_KEY" in said
    assert re.search(rf"web2:[^:]* {fleet.release('web2')}", said), said
    said = fleet.fab("-H", fleet.name, "restart", "--process", "web").stdout
    assert "made HAWSER_SIGNING_KEY" not in said
    # It is on no host, and a colleague without it makes no other one.
    key = next(line for line in secrets.read_text().splitlines() if line.startswith("HAWSER_SIGNING_KEY"))
    assert not fleet.inside("web1", "grep", "-rlF", key.partition("=")[2], "/var/lib/hawser", "/etc", check=False)
    made = secrets.read_text()
    secrets.write_text("\n".join(lines) + "\n")
    assert "lacks HAWSER_SIGNING_KEY" in refused(fleet, "-H", fleet.name, "restart", "--process", "web")
    secrets.write_text(made)

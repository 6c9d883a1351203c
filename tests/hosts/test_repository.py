"""Hosts that fetch the code themselves, over SSH with a deploy key."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox

from .conftest import Fleet
from .test_refusals import changed


@pytest.fixture
def server(fleet: Fleet, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A git server on data1 with the site's repository; yields its address and a private key that may read it."""
    key = tmp_path / "deploy"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(fleet.repository), str(tmp_path / "site.git")], check=True)
    host = f"{fleet.name}-data1"
    sandbox.exec_in(host, ["sh", "-c", "useradd -m -s /usr/bin/git-shell git; mkdir -p /home/git/.ssh"])
    sandbox.copy_in(host, tmp_path / "site.git", "/home/git/site.git", owner="git:git")
    sandbox.copy_in(host, key.with_suffix(".pub"), "/home/git/.ssh/authorized_keys", owner="git:git")
    yield f"ssh://git@{fleet.address('data1')}/home/git/site.git", key.read_text()
    sandbox.exec_in(host, ["userdel", "-r", "git"])


def test_hosts_fetch_with_a_deploy_key_from_a_server_whose_key_is_pinned(fleet: Fleet, server: tuple[str, str]) -> None:
    repository, key = server
    pinned = next(each.host_keys[0] for each in sandbox.listing() if each.name == f"{fleet.name}-data1")
    other = next(each.host_keys[0] for each in sandbox.listing() if each.name == f"{fleet.name}-web1")
    settings = f'repo = "{repository}"\ndeploy_key = "DEPLOY_KEY"\nrepo_host_keys = ["{pinned}"]'
    path = fleet.hosts / f"{fleet.name}.env"
    secrets = path.read_text()
    path.write_text(secrets + f"DEPLOY_KEY={json.dumps(key)}\n")
    old = f"repo = {json.dumps(str(fleet.repository))}"
    try:
        with changed(fleet, {old: settings.replace(pinned, other)}):
            said = fleet.fab("-H", fleet.name, "deploy", code=1)
            assert "host key" in (said.stdout + said.stderr).lower()
        with changed(fleet, {old: settings}):
            head = fleet.git("rev-parse", "HEAD")
            said = fleet.fab("-H", fleet.name, "deploy", "--revision", head[:7])
            assert "looked up on web1" in said.stdout
            assert next(iter(fleet.releases())).startswith(head[:10])
            missing = fleet.fab("-H", fleet.name, "deploy", "--revision", "no-such-branch", code=1)
            assert "no-such-branch" in missing.stdout + missing.stderr
    finally:
        path.write_text(secrets)
    assert fleet.inside("web1", "sh", "-c", "grep -rl 'OPENSSH PRIVATE' /srv/demo /var/lib/hawser /tmp; true") == ""
    fleet.fab("-H", fleet.name, "deploy")

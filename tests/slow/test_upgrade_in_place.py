"""A host whose Debian is upgraded in place, from 12 to 13, under a site that is deployed before and after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, own_environment, wait_for

APPLICATION = """
import sys

from flask import Flask
from markupsafe import _speedups

app = Flask(__name__)


@app.get("/")
def home():
    return "Python %d.%d" % sys.version_info[:2]
"""
SETTINGS = """
[app]
name = "ferry"
repo = "{repository}"

[processes.web]
command = "gunicorn app:app --bind unix:{{{{ socket }}}}"

[cron.tick]
schedule = "* * * * *"
command = "python -c 'import flask'"

[site]
domains = ["ferry.test"]

[hosts.solo]
sandbox = "bookworm"
"""
UPGRADE = """
find /etc/apt/sources.list* -type f -exec sed -i 's/bookworm/trixie/g' {} +
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy -o Dpkg::Options::=--force-confold full-upgrade
apt-get -qy autoremove --purge
"""


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Fleet]:
    """A host that has served a release on Debian 12, and runs Debian 13 since its last boot."""
    with own_environment(
        "upgraded", SETTINGS, {"app.py": APPLICATION, "requirements.txt": "flask==3.1.2\ngunicorn==23.0.0\n"}
    ) as fleet:
        fleet.fab("-H", "upgraded", "bootstrap", "deploy")
        assert fleet.visit("solo", domain="ferry.test").body == "Python 3.11"
        done = sandbox.exec_in("upgraded-solo", ["sh", "-ec", UPGRADE], timeout=1800)
        assert done.returncode == 0, done.stdout[-2000:]
        yield fleet


def test_the_site_serves_until_the_host_boots_again(upgraded: Fleet) -> None:
    assert upgraded.visit("solo", domain="ferry.test").body == "Python 3.11"
    sandbox.reboot("upgraded-solo")
    assert upgraded.inside("solo", "python3", "-V").startswith("Python 3.13")


def test_a_check_says_what_is_wrong_and_what_to_do(upgraded: Fleet) -> None:
    said = upgraded.fab("-H", "upgraded", "check", code=1).stdout
    assert "/usr/bin/python3.11, with which its environment was made, is there no more" in said, said
    assert "fab -H upgraded bootstrap deploy" in said, said


def test_one_command_builds_the_environment_anew_and_the_site_serves(upgraded: Fleet) -> None:
    upgraded.fab("-H", "upgraded", "bootstrap", "deploy")
    wait_for("the site", lambda: upgraded.visit("solo", domain="ferry.test").body == "Python 3.13")
    events = upgraded.events("-H", "upgraded", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}
    wait_for("cron", lambda: "ok" in upgraded.fab("-H", "upgraded", "cron.list").stdout, seconds=130, every=5)


def test_a_rollback_to_a_release_of_the_old_python_builds_its_environment_too(upgraded: Fleet) -> None:
    upgraded.commit({"more.py": "MORE = True\n"})
    upgraded.fab("-H", "upgraded", "deploy")
    upgraded.fab("-H", "upgraded", "rollback")
    assert upgraded.visit("solo", domain="ferry.test").body == "Python 3.13"

"""Hosts whose Debian is upgraded in place, from 12 to 13, one after the other, under a site that visitors use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, own_environment, wait_for
from tests.hosts.visitors import Visitors, visitors

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

[hosts.first]
sandbox = "bookworm"

[hosts.second]
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
def ferry() -> Iterator[Fleet]:
    """Two hosts that serve a release on Debian 12."""
    with own_environment(
        "upgraded", SETTINGS, {"app.py": APPLICATION, "requirements.txt": "flask==3.1.2\ngunicorn==23.0.0\n"}
    ) as fleet:
        fleet.fab("-H", "upgraded", "bootstrap", "deploy")
        assert pages(fleet) == ["Python 3.11", "Python 3.11"]
        yield fleet


def pages(fleet: Fleet) -> list[str]:
    return [fleet.visit(host, domain="ferry.test").body for host in ("first", "second")]


def upgrade(fleet: Fleet, host: str) -> None:
    done = sandbox.exec_in(f"{fleet.name}-{host}", ["sh", "-ec", UPGRADE], timeout=1800)
    assert done.returncode == 0, done.stdout[-2000:]


def under_load(fleet: Fleet) -> AbstractContextManager[Visitors]:
    """Visit both hosts, and insist that every visit succeeds."""
    return visitors(fleet, {host: partial(fleet.visit, host, domain="ferry.test") for host in ("first", "second")})


def test_a_deploy_before_the_boot_builds_the_environment_anew_and_no_visitor_notices(ferry: Fleet) -> None:
    with under_load(ferry):
        upgrade(ferry, "first")
        ferry.fab("-H", "upgraded", "bootstrap", "deploy")
        assert pages(ferry) == ["Python 3.13", "Python 3.11"]
    sandbox.reboot("upgraded-first")
    wait_for("the site after the boot", lambda: pages(ferry) == ["Python 3.13", "Python 3.11"])
    assert "VERSION_CODENAME=trixie" in ferry.inside("first", "cat", "/etc/os-release")


def test_a_fleet_of_both_releases_goes_forward_and_back_and_no_visitor_notices(ferry: Fleet) -> None:
    ferry.commit({"more.py": "MORE = True\n"})
    with under_load(ferry):
        ferry.fab("-H", "upgraded", "deploy")
        ferry.fab("-H", "upgraded", "rollback")
    assert pages(ferry) == ["Python 3.13", "Python 3.11"]


def test_without_it_the_site_serves_until_the_host_boots_and_a_check_says_what_to_do(ferry: Fleet) -> None:
    upgrade(ferry, "second")
    assert pages(ferry) == ["Python 3.13", "Python 3.11"]
    sandbox.reboot("upgraded-second")
    assert ferry.inside("second", "python3", "-V").startswith("Python 3.13")
    said = ferry.fab("-H", "upgraded", "check", code=1).stdout
    assert "/usr/bin/python3.11, with which its environment was made, is there no more" in said, said
    assert "fab -H upgraded bootstrap deploy" in said, said


def test_one_command_builds_the_environment_anew_and_the_site_serves(ferry: Fleet) -> None:
    ferry.fab("-H", "upgraded", "bootstrap", "deploy")
    wait_for("the site", lambda: pages(ferry) == ["Python 3.13", "Python 3.13"])
    events = ferry.events("-H", "upgraded", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}
    wait_for("cron", lambda: "ok" in ferry.fab("-H", "upgraded", "cron.list").stdout, seconds=130, every=5)


def test_a_rollback_to_a_release_of_the_old_python_builds_its_environment_too(ferry: Fleet) -> None:
    ferry.commit({"still_more.py": "MORE = True\n"})
    ferry.fab("-H", "upgraded", "deploy")
    ferry.fab("-H", "upgraded", "rollback")
    assert pages(ferry) == ["Python 3.13", "Python 3.13"]

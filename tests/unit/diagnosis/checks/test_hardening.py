"""What `check` says of processes that systemd keeps from things."""

from __future__ import annotations

import pytest

from hawser.diagnosis.checks import hardening as checks

from .conftest import Runner, told

WORKER = {"groups": ["web"], "command": "work", "hardened": False}
SUPERVISED = {"groups": ["web"], "command": "beat", "manager": "supervisor"}
WEB = {"groups": ["web"], "command": "serve", "writable": ["/data"]}
PROCESSES = {"web": WEB, "worker": WORKER, "beat": SUPERVISED}


@pytest.fixture
def shop(host):
    return host(processes=PROCESSES, site=None)


def test_a_folder_of_the_user_that_no_hardened_process_may_write_to_is_a_warning(shop):
    runner = Runner(hardening__elsewhere=["/var/log/shop"])
    (found,) = checks.hardening(shop, runner)
    assert found.warning and "/var/log/shop belongs to shop" in found.message and "lets web not write" in found.message
    assert 'writable = ["/var/log/shop"] in processes.web of shop.toml' in found.next
    assert runner.asked["hardening.elsewhere"] == {"user": "shop", "folders": ["/data", "/home/shop", "/srv/shop"]}


def test_several_processes_are_named_and_other_users_asked_about_apart(host):
    processes = {"api": {**WEB, "user": "api"}, "web": WEB, "mail": WEB}
    runner = Runner(hardening__elsewhere=["/x"])
    found = list(checks.hardening(host(processes=processes, site=None), runner))
    assert [each.message.partition(",")[0] for each in found] == ["/x belongs to api", "/x belongs to shop"]
    assert "those of processes.mail, web that need it" in found[1].next


@pytest.mark.parametrize("processes", [{"worker": WORKER}, {"beat": SUPERVISED}])
def test_nobody_is_asked_where_nothing_is_hardened(host, processes):
    assert told(checks.hardening(host(processes=processes, site=None), Runner())) == []


def test_before_the_first_release_nobody_is_asked(host):
    before = host(facts={"current": ""}, processes=PROCESSES, site=None)
    assert told(checks.hardening(before, Runner())) == told(checks.exposure(before, Runner())) == []


def test_the_exposure_of_all_is_told_and_a_hardened_process_that_is_open_is_a_warning(shop):
    known, found = checks.exposure(shop, Runner(hardening__exposures={"shop-web": 4.1, "shop-worker": 9.2}))
    assert known.known and known.message.endswith("web 4.1, worker 9.2")
    assert found.warning and found.message == "web is hardened, and has an exposure of 4.1"
    assert "systemd-analyze security shop-web" in found.next
    (known,) = checks.exposure(shop, Runner(hardening__exposures={"shop-web": 4.0, "shop-worker": 9.2}))
    assert known.known

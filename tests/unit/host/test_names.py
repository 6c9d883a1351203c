from __future__ import annotations

import dataclasses

import pytest

from hawser.host.facts import Facts
from hawser.host.names import taken_names, told

UNITS = "/etc/systemd/system"
WORKER = {"worker": {"command": "work"}, "legacy": {"command": "work", "manager": "supervisor"}}
NIGHTLY = {"nightly": {"schedule": "@daily", "command": "clean"}}


def row(wanted, path="", application="clash"):
    return {"wanted": wanted, "path": path or wanted, "application": application}


@pytest.fixture
def found(host):
    """Return what is told of names that are taken."""

    def found(*rows, **tables):
        there = dataclasses.replace(host(**tables), facts=Facts(taken=rows))
        return [told(each) for each in taken_names(there)]

    return found


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_a_unit_of_another_application_is_told_in_either_colour(found, colour):
    path = f"{UNITS}/shop-web-{colour}.service"
    assert found(row(path)) == [f"{path} belongs to the application clash"]


def test_a_unit_that_a_package_brings_is_told_with_its_place(found):
    taken = row(f"{UNITS}/shop-worker.service", "/lib/systemd/system/shop-worker.service", "")
    assert found(taken, processes=WORKER) == [
        "shop-worker.service stands in /lib/systemd/system/shop-worker.service, "
        "which belongs to something that Hawser did not write"
    ]


def test_a_program_of_supervisor_in_another_file_is_told(found):
    taken = row("/etc/supervisor/conf.d/shop-legacy.conf", "/etc/supervisor/conf.d/old.conf", "")
    assert found(taken, processes=WORKER) == [
        "shop-legacy.conf stands in /etc/supervisor/conf.d/old.conf, "
        "which belongs to something that Hawser did not write"
    ]


def test_a_site_and_the_files_of_cron_and_logrotate_are_told(found):
    rows = [
        row(path, application="")
        for path in ("/etc/nginx/sites-enabled/shop.conf", "/etc/cron.d/shop", "/etc/logrotate.d/shop")
    ]
    assert len(found(*rows, cron=NIGHTLY)) == 3
    assert len(found(*rows)) == 2


def test_a_name_in_the_journal_is_told_whoever_writes_under_it(found):
    assert found(row("shop-nightly", "/etc/cron.d/clash"), cron=NIGHTLY) == [
        "shop-nightly stands in /etc/cron.d/clash, which belongs to the application clash"
    ]
    assert len(found(row(f"{UNITS}/shop-nightly.service"), cron=NIGHTLY)) == 1


def test_names_that_the_settings_do_not_need_are_not_told(found):
    assert found(row(f"{UNITS}/shop-other.service"), row(f"{UNITS}/shop-web.service"), row("shop-other")) == []

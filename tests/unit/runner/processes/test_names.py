"""Names of an application that somebody else has on a host are told with the owner, its own are not."""

from __future__ import annotations

import pytest

from hawser.runner.processes import names
from hawser.runner.processes.supervisor import Supervisor
from hawser.runner.processes.systemd import Systemd
from hawser.runner.webservers import TRAITS

UNIT = "# hawser: application={0} process=web release=r1\n[Unit]\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Write files of a host; what is asked are the names of the application clash-api that are taken there."""
    for name in ("systemd", "supervisor", "packages", "sites", "cron.d"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(Systemd.traits, "folder", f"{tmp_path}/systemd")
    monkeypatch.setattr(Systemd.traits, "others", (f"{tmp_path}/packages",))
    monkeypatch.setattr(Supervisor.traits, "folder", f"{tmp_path}/supervisor")
    monkeypatch.setattr(TRAITS["nginx"], "sites", f"{tmp_path}/sites")
    monkeypatch.setattr(names, "CRON", f"{tmp_path}/cron.d")

    def host(path, text):
        (tmp_path / path).write_text(text)
        found = names.taken("clash-api")
        return [[each[key].replace(f"{tmp_path}/", "") for key in ("wanted", "path", "application")] for each in found]

    return host


@pytest.mark.parametrize(
    ("path", "text", "row"),
    [
        ("systemd/clash-api-web-blue.service", UNIT.format("clash"), "clash"),
        ("systemd/clash-api-web.service", "[Service]\nExecStart=/bin/true\n", ""),
        ("supervisor/clash-api-web.conf", UNIT.format("clash").replace("#", ";"), "clash"),
        ("sites/clash-api.conf", "server { listen 80; }\n", ""),
        ("sites/clash-api.conf", "# The site of clash; replaced by a deploy.\n", "clash"),
        ("cron.d/clash-api", "* * * * * root true\n", ""),
    ],
)
def test_a_file_of_somebody_else_is_told_with_its_owner(host, path, text, row):
    assert host(path, text) == [[path, path, row]]


def test_a_unit_of_a_package_counts_until_one_of_ours_stands_before_it(host):
    assert host("packages/clash-api-web.service", "") == [
        ["systemd/clash-api-web.service", "packages/clash-api-web.service", ""]
    ]
    assert host("systemd/clash-api-web.service", UNIT.format("clash-api")) == []


def test_a_program_counts_in_whatever_file_it_stands(host):
    assert host("supervisor/legacy.conf", "[program:other]\ncommand=x\n[program:clash-api-web]\ncommand=x\n") == [
        ["supervisor/clash-api-web.conf", "supervisor/legacy.conf", ""]
    ]


def test_the_name_in_the_journal_of_another_applications_crontab_entry_is_told(host):
    line = "* * * * * u cd / && systemd-cat -t clash-api-web /srv/clash/cron/record api-web x\n"
    assert host("cron.d/clash", f"# The crontab entries of clash; replaced.\n{line}") == [
        ["clash-api-web", "cron.d/clash", "clash"]
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("systemd/clash-api-web.service", UNIT.format("clash-api")),
        ("systemd/clash-web.service", UNIT.format("clash")),
        ("supervisor/other.conf", "[program:clash-apis]\ncommand=x\n"),
        ("sites/clash-api.conf", "# The site of clash-api; replaced by a deploy.\n"),
        ("cron.d/clash-api", "# The crontab entries of clash-api; everything here is replaced by a deploy.\n"),
    ],
)
def test_what_is_its_own_or_called_otherwise_is_not_taken(host, path, text):
    assert host(path, text) == []

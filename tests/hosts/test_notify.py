"""People who are told: of a rollout from here, and by a host of what fails on it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.webhook import Hook, taking

from .conftest import Fleet, wait_for
from .test_refusals import changed


@pytest.fixture
def hook(fleet: Fleet) -> Iterator[Hook]:
    """A webhook that this machine and its hosts reach."""
    gateway = fleet.inside("web1", "ip", "-4", "route", "show", "default").split()[2]
    with taking(gateway) as hook:
        yield hook


def test_rollouts_and_hosts_tell_people(fleet: Fleet, hook: Hook) -> None:
    secrets, target = fleet.hosts / f"{fleet.name}.env", f"{fleet.name}/web1"
    before = secrets.read_text()
    notify = '[notify]\nurls = ["{{ secrets.HOOK }}"]\nwatch = "daily"\n\n[site]'
    try:
        with changed(fleet, {"[site]": notify, "generated = [": 'required = ["HOOK"]\ngenerated = ['}):
            secrets.write_text(f"{before}HOOK={hook.url}\n")
            assert "told 1 addresses" in fleet.fab("-H", fleet.name, "notify.test").stdout
            fleet.fab("-H", fleet.name, "deploy")
            wait_for("the rollout to be told", lambda: hook.got[-1]["title"] == f"{fleet.name}: deploy done")

            fleet.fab("-H", target, "notify.install")
            assert "hawser-watch-demo" in fleet.inside("web1", "systemctl", "list-timers", "--no-pager")
            fleet.inside("web1", "systemctl", "start", "hawser-watch-demo.service")
            count = len(hook.got)

            def told() -> bool:
                # Cron runs it again within a minute, and all is well.
                now = int(time.time())
                fleet.inside("web1", "sh", "-c", f"echo {now} 1 {now} 7 >/srv/demo/cron/tick.last")
                fleet.inside("web1", "systemctl", "start", "hawser-watch-demo.service")
                return len(hook.got) > count

            wait_for("the failure to be told", told)
            assert hook.got[count]["title"] == f"{fleet.name}/web1: 1 wrong"
            assert "the last run of tick exited with 7" in hook.got[count]["message"]
            now = int(time.time())
            fleet.inside("web1", "sh", "-c", f"echo {now} 1 {now} 0 >/srv/demo/cron/tick.last")
            fleet.inside("web1", "systemctl", "start", "hawser-watch-demo.service")
            assert hook.got[-1]["title"] == f"{fleet.name}/web1: well again"
            assert hook.url not in fleet.inside("web1", "journalctl", "-u", "hawser-watch-demo")
    finally:
        secrets.write_text(before)
        fleet.fab("-H", target, "notify.install")
        fleet.fab("-H", fleet.name, "deploy")
    assert "hawser-watch" not in fleet.inside("web1", "ls", "/etc/systemd/system")


MAIL_SERVER = """
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends opensmtpd >/dev/null
printf '%s\\n' 'table aliases file:/etc/aliases' 'listen on 0.0.0.0' 'action here mbox alias <aliases>' \\
  'match from any for domain "mail.test" action here' >/etc/smtpd.conf
id crew 2>/dev/null || useradd --create-home crew
systemctl restart opensmtpd
"""


@pytest.mark.slow
def test_a_rollout_and_a_host_tell_a_mailbox(fleet: Fleet) -> None:
    """Against a mail server that delivers: what the letters say, and that what cannot be delivered fails nothing."""
    fleet.inside("data1", "sh", "-c", MAIL_SERVER)
    secrets, target, box = fleet.hosts / f"{fleet.name}.env", f"{fleet.name}/web1", "/var/mail/crew"
    before = secrets.read_text()
    url = f"mailto://{fleet.address('data1')}:25?from=hawser@mail.test&to=crew@mail.test"

    def letters() -> str:
        return fleet.inside("data1", "sh", "-c", f"cat {box} 2>/dev/null; true")

    try:
        notify = '[notify]\nurls = ["{{ secrets.MAIL }}"]\nwatch = "daily"\n\n[site]'
        with changed(fleet, {"[site]": notify, "generated = [": 'required = ["MAIL"]\ngenerated = ['}):
            secrets.write_text(f"{before}MAIL={url}\n")
            fleet.fab("-H", fleet.name, "notify.test")
            fleet.fab("-H", fleet.name, "deploy")
            wait_for("the letter of the rollout", lambda: f"Subject: {fleet.name}: deploy done" in letters())
            fleet.fab("-H", target, "notify.install")
            now = int(time.time())
            fleet.inside("web1", "sh", "-c", f"echo {now} 1 {now} 7 >/srv/demo/cron/tick.last")
            fleet.inside("web1", "systemctl", "start", "hawser-watch-demo.service")
            wait_for("the letter of the host", lambda: f"Subject: {fleet.name}/web1: 1 wrong" in letters())
            assert "the last run of tick exited with 7" in letters()
            fleet.inside("data1", "systemctl", "stop", "opensmtpd")
            said = fleet.fab("-H", fleet.name, "notify.test", code=1)
            assert "not everybody could be told" in said.stderr
            assert fleet.fab("-H", fleet.name, "deploy").returncode == 0
    finally:
        secrets.write_text(before)
        fleet.fab("-H", target, "notify.install")
        fleet.fab("-H", fleet.name, "deploy")

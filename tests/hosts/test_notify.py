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

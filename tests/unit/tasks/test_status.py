"""What `status` makes of what a host says, without a host."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.errors import HawserError, StepFailed
from hawser.fleet import watching
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.processes import live_processes_of
from hawser.inventory import Environment
from hawser.report import Marked
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.stream import Sink
from hawser.secrets import Secrets, in_file
from hawser.tasks import status as tasks
from hawser.tasks.status import HOSTS, HostStatus, since
from hawser.templates.rendering import Templates

from ..simulated_hosts import World

SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "."},
    "processes": {
        "web": {"command": "gunicorn shop.wsgi --bind unix:{{ socket }}"},
        "api": {"command": "api --port {{ port }}", "port": 8001, "manager": "supervisor"},
    },
    "hosts": {"web1": {}},
}
CURRENT = "1111111111-aaaaaaaa"
NOW = time.time()
SINCE = {"active": True, "state": "active (running)", "since": NOW - 60}
ROW = {"manager": "systemd", "release": CURRENT, "inputs": "", **SINCE}
WEB = {**ROW, "unit": "shop-web-blue", "process": "web", "pid": 10}
API = {**ROW, "unit": "shop-api", "process": "api", "pid": 20, "manager": "supervisor", "state": "running"}
OPEN = {"address": "0.0.0.0", "port": 8001, "pid": 21, "pids": [21, 20], "program": "api", "unit": "supervisor.service"}


@pytest.fixture
def look():
    def look(*rows: dict[str, Any], sockets=(OPEN,), **changes: Any) -> HostStatus:
        environment = Environment.model_validate(SETTINGS)
        facts = Facts(
            current=CURRENT, clock=NOW, live={"web": "blue"}, processes=rows or (WEB, API), disk_free=5, disk_total=9
        )
        host = Host("web1", environment, Secrets("shop", in_file(Path()), {}), Templates(), {"web1": "10.0.0.1"}, facts)
        told = {"health": {"web": "ok", "api": "ok"}, "certificates": {}, "unmounted": [], "offset": 0.0, **changes}
        return HostStatus(host, live_processes_of(host), sockets=sockets, **told)

    return look


def row(look: HostStatus, process: str) -> list[str]:
    return next(row for row in look.processes() if row[1] == process)


def test_a_process_is_shown_with_manager_state_release_health_and_where_it_listens(look):
    web = row(look(), "web")
    assert [*web[:4], *web[5:]] == ["web1", "web", "systemd", "running", CURRENT, "ok", "web-blue.sock"]
    assert web[4].endswith("(1 min)")
    assert list(look().troubles()) == []


def test_a_process_that_listens_on_every_address_stands_out(look):
    listens = row(look(), "api")[7]
    assert listens == "*:8001" and isinstance(listens, Marked) and listens.style == "yellow"
    local = row(look(sockets=({**OPEN, "address": "127.0.0.1"},)), "api")[7]
    assert (local, isinstance(local, Marked)) == ("127.0.0.1:8001", False)


def test_a_process_that_its_manager_does_not_know_is_down(look):
    found = look(WEB)
    assert row(found, "api")[3] == "stopped"
    assert list(found.troubles()) == ["web1: api is stopped; next: fab -H shop/web1 logs --process api"]


def test_a_process_that_is_not_well_is_told_with_its_answer(look):
    (said,) = look(health={"web": "answers 500", "api": "ok"}).troubles()
    assert said.startswith("web1: web is not healthy: answers 500")


def test_a_port_on_which_nobody_listens_is_named(look):
    assert look(sockets=()).row()[4] == "api 8001: nobody listens"
    assert look().row()[4] == "api 8001"
    assert look().record()["ports"] == {8001: "api"}


def test_the_start_of_a_process_is_told_with_its_day_where_it_was_another_one():
    noon = time.mktime((2026, 3, 5, 12, 0, 0, 0, 0, -1))
    assert since(noon - 3600, noon) == "11:00 (1 h)"
    assert since(noon - 3 * 86400, noon) == "Mar 02 (3 d)"
    assert since(0.0, noon) == ""


def test_each_certificate_is_shown_by_name_and_one_that_ends_soon_stands_out(look):
    good = {"days": 90, "names": ["shop.test"], "self_signed": False}
    column = HOSTS.index("certificate")
    assert look(certificates={"site": good}).row()[column] == "90 days"
    shown = look(certificates={"site": good, "ws": {**good, "days": 5, "self_signed": True}}).row()[column]
    assert shown == "site: 90 days\nws: 5 days, self-signed"
    assert isinstance(shown, Marked)


class Watched:
    """A screen that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.stream = io.StringIO()

    def __call__(self, task: str, every: int) -> Watched:
        return self

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def report(self) -> PlainReport:
        self.stream = io.StringIO()
        return PlainReport(Sink(self.stream), Settings())

    def show(self, report: PlainReport, trouble: str = "") -> None:
        self.shown.append((self.stream.getvalue(), trouble))


def test_watching_looks_over_the_same_connections_until_ctrl_c_which_ends_it_without_a_word(
    keepers: World, monkeypatch: pytest.MonkeyPatch, own_time: Callable[..., None]
) -> None:
    fleet, screen, looks = keepers.fleet_of(), Watched(), []

    def look(fleet: Fleet) -> None:
        fleet.reachable()
        looks.append([name for name in fleet.names if name not in fleet.lost])
        fleet.report.note("", f"look {len(looks)}")
        keepers["web2"].answers = len(looks) > 1
        if len(looks) == 3:
            raise KeyboardInterrupt
        raise StepFailed(f"trouble {len(looks)}")

    monkeypatch.setattr(fleet.session, "screen", screen)
    monkeypatch.setattr(tasks, "look", look)
    own_time(watching, sleep=lambda seconds: None)
    before = fleet.report
    with pytest.raises(HawserError) as ended:
        tasks.status.body(fleet, watch=True)
    assert (str(ended.value), ended.value.code) == ("", 130)
    assert [(told.split()[-2:], trouble) for told, trouble in screen.shown] == [
        (["look", "1"], "trouble 1"),
        (["look", "2"], "trouble 2"),
    ]
    # It did not answer in between, and was asked anew; the others were not connected to again.
    assert looks == [["web1", "web2", "web3"], ["web1", "web3"], ["web1", "web2", "web3"]]
    assert sorted(keepers.tried) == ["web1", "web2", "web2", "web3"]
    assert fleet.report is before


def test_watching_without_a_terminal_says_what_to_do_instead(keepers: World) -> None:
    with pytest.raises(HawserError, match=r"there is none\n  next: fab -H pier .* HAWSER_OUTPUT=json") as told:
        tasks.status.body(keepers.fleet_of(command="status"), watch=True)
    assert told.value.code == 2


def test_how_often_is_said_with_watch_alone(keepers: World) -> None:
    with pytest.raises(HawserError, match="--every says how often --watch looks"):
        tasks.status.body(keepers.fleet_of(), every=5)

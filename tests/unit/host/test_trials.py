"""A process in place is tried on another port where that can be moved, and where it takes something away."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.journal import PUT_BACK, Record
from hawser.host.processes import ProcessInstance, processes_of
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.resources import Tried
from hawser.secrets import Secrets, in_file
from hawser.tasks.managers import PROCESS_MANAGERS, tried
from hawser.templates.rendering import Templates

NEW, OLD = "1111111111-aaaaaaaa", "2222222222-bbbbbbbb"
API = {"command": "api --bind 127.0.0.1:{{ port }}", "port": 8001, "health": {"path": "/well", "timeout": 9}}
DEPLOY = Record(NEW, "1" * 40, "deploy", hosts=("web1",))


@pytest.fixture
def process() -> Callable[..., ProcessInstance]:
    def process(setting: dict[str, Any], active: bool = True, serves: str = OLD, **tables: Any) -> ProcessInstance:
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": Path("shop.toml"),
                "app": {"name": "shop", "repo": "."},
                "processes": {"api": setting},
                "hosts": {"web1": {"address": "10.0.0.1"}},
                **tables,
            }
        )
        manager = setting.get("manager", "systemd")
        row = {"process": "api", "unit": "shop-api", "manager": manager, "active": active, "live": True}
        facts = Facts(processes=({**row, "release": serves, "inputs": ""},))
        templates, secrets = Templates(), Secrets("shop", in_file(Path("shop.env")), {})
        release = Release(NEW, "1" * 40, environment, templates)
        host = Host("web1", environment, secrets, templates, {"web1": "10.0.0.1"}, facts, release, rollout=DEPLOY)
        (found,) = processes_of(host)
        return found

    return process


def trial(process: ProcessInstance) -> Tried | None:
    found = list(tried(process))
    assert len(found) < 2 and all(isinstance(each, Tried) for each in found)
    return found[0] if found else None  # type: ignore[return-value]


@pytest.mark.parametrize("manager", ["systemd", "supervisor"])
def test_a_process_that_is_told_its_port_is_tried_under_a_name_and_on_a_port_of_its_own(process, manager):
    api = process({**API, "manager": manager})
    found = trial(api)
    assert found is not None
    assert (found.serves, found.unit, found.port, found.path, found.timeout) == (
        "shop-api",
        "shop-api.trial",
        8001,
        "/well",
        9,
    )
    assert found.path_of_definition.rpartition("/")[2].startswith("shop-api.trial.")
    becomes = PROCESS_MANAGERS[manager].text(api)
    assert found.becomes == hashlib.sha256(becomes.encode()).hexdigest()
    assert found.placeholder not in becomes and f"127.0.0.1:{found.placeholder}" in found.definition
    assert found.address == f"127.0.0.1:{found.placeholder}" and "8001" not in found.definition


@pytest.mark.parametrize(
    "tables",
    [
        {"setting": {"environment": {"PORT": "8001"}}},
        {"setting": {"environment": {"PORT": "{{ 8000 + 1 }}"}}},
        {"env": {"variables": {"PORT": "8001"}}},
    ],
)
def test_a_process_that_reads_its_port_from_a_variable_is_tried_with_another_one(process, tables):
    setting = {**API, "command": "node server.js", **tables.pop("setting", {})}
    found = trial(process(setting, **tables))
    assert found is not None
    line = next(line for line in found.definition.splitlines() if line.startswith("ExecStart="))
    assert [word.strip('"') for word in line.split()[-4:]] == ["env", f"PORT={found.placeholder}", "node", "server.js"]


def test_a_process_of_the_site_without_a_question_of_its_own_is_asked_as_a_visitor_would(process):
    bare = {"command": "api {{ port }}", "port": 8001}
    site = {"domains": ["shop.test"], "proxy": {"/api/": "api"}}
    found = trial(process(bare, site=site))
    assert found is not None and (found.path, found.statuses) == ("/api/", ((100, 499),))
    found = trial(process(bare))
    assert found is not None and found.path == "", "nobody knows that it speaks HTTP"
    found = trial(process({**API, "health": {"status": [204]}}, site=site))
    assert found is not None and (found.path, found.statuses) == ("/", ((204, 204),))


def test_a_command_that_tells_the_health_of_a_trial_asks_on_its_port(process):
    found = trial(process({**API, "health": {"path": "/", "command": "ask {{ port }} {{ process }}"}}))
    assert found is not None and found.command[-1] == f"ask {found.placeholder} api.trial"


@pytest.mark.parametrize(
    "change",
    [
        {"trial": False},
        {"command": "api --port 8001"},
        {"command": "api", "environment": {"PORT": "9000"}},
        {"single": True},
        {"spare_port": 8011},
        {"command": "api {{ port }} --pid /srv/shop/run/api.pid"},
        {"extra": {"RuntimeDirectory": "shop"}},
        {"extra": {"ExecStartPost": "/bin/register"}},
        {"extra": {"Unit.OnFailure": "page-me.service"}},
    ],
)
def test_a_process_of_which_two_cannot_run_is_not_tried(process, change):
    assert trial(process({**API, **change})) is None


@pytest.mark.parametrize(
    "change",
    [{"extra": {"Nice": "5", "Unit.Wants": "redis.service"}}, {"command": "api {{ port }} -p run/{{ process }}.pid"}],
)
def test_a_process_that_shares_nothing_but_its_port_is_tried(process, change):
    assert trial(process({**API, **change})) is not None


def test_a_worker_is_never_tried(process):
    assert trial(process({"command": "celery -A shop worker"})) is None


def test_nothing_is_tried_where_nothing_is_taken_away(process):
    assert trial(process(API, active=False)) is None
    assert trial(process(API, serves=NEW)) is None


@pytest.mark.parametrize("change", [{"phase": PUT_BACK}, {"what": "rollback"}])
def test_a_release_that_goes_back_is_not_tried(process, change):
    api = process(API)
    host = dataclasses.replace(api.host, rollout=dataclasses.replace(DEPLOY, **change))
    assert trial(dataclasses.replace(api, host=host)) is None


@pytest.mark.parametrize(("name", "manager"), [("api", "supervisor"), ("former", "systemd")])
def test_a_process_that_had_another_manager_or_name_is_tried_beside_what_it_replaces(process, name, manager):
    api = process(API)
    row = {**api.host.facts.processes[0], "process": name, "unit": f"shop-{name}", "manager": manager}
    facts = dataclasses.replace(api.host.facts, processes=(row,))
    found = trial(dataclasses.replace(api, host=dataclasses.replace(api.host, facts=facts)))
    assert found is not None and (found.serves, found.serves_under) == (f"shop-{name}", manager)


def test_a_trial_stops_soon(process):
    found = trial(process({**API, "stop_timeout": 600}))
    assert found is not None and "TimeoutStopSec=5\n" in found.definition

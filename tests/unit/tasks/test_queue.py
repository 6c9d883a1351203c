"""What `queue.list` and `queue.purge` make of what brokers say, without a host."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.tasks.queue import empty, queues
from hawser.templates.rendering import Templates

SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "."},
    "services": {
        "rabbitmq": {"groups": ["data"], "users": {"shop": {"password": "x"}, "mail": {"password": "y"}}},
        "redis": {"groups": ["data"], "password": "hunter2"},
    },
    "hosts": {"data1": {"groups": ["data"]}, "web1": {"groups": ["web"]}},
}
ENVIRONMENT = Environment.model_validate(SETTINGS)
ANSWERS = {
    "queues.rabbitmq": {
        "rows": [{"vhost": "shop", "queue": "celery", "waiting": 3, "working": 1, "consumers": 2}],
        "more": 0,
    },
    "queues.redis": {"rows": [{"queue": "celery", "waiting": 5}], "more": 0},
}


def host_of(name: str) -> Host:
    secrets = Secrets("shop", in_file(Path("shop.env")), {})
    return Host(
        name,
        ENVIRONMENT,
        secrets,
        Templates(),
        dict.fromkeys(ENVIRONMENT.hosts, "10.0.0.1"),
        Facts(),
    )


class Fleet(SimpleNamespace):
    """As much of a fleet as the brokers are asked through."""

    def __init__(self, *names: str) -> None:
        super().__init__(names=names, environment=ENVIRONMENT, asked={})

    def subset(self, names: list[str]) -> Fleet:
        self.names = tuple(names)
        return self

    def reachable(self) -> Fleet:
        return self

    def host(self, name: str) -> Host:
        return host_of(name)

    def tell_more(self, name: str, answer: Any, what: str) -> None:
        assert not answer["more"]

    def ask(self, name: str, function: str, arguments: Any) -> Any:
        self.asked[function] = arguments
        return ANSWERS[function]


def test_each_broker_is_asked_for_its_queues_where_it_runs():
    fleet = Fleet("data1", "web1")
    found = queues(fleet, 2)  # type: ignore[arg-type]
    assert [(each.place, each.name, each.waiting, each.consumers) for each in found] == [
        ("shop on data1", "celery", 3, 2),
        ("redis on data1", "celery", 5, ""),
    ]
    assert fleet.asked == {
        "queues.rabbitmq": {"vhosts": ["shop", "mail"], "first": ""},
        "queues.redis": {"port": 6379, "password": "hunter2", "database": 2, "first": ""},
    }


def test_a_host_without_a_broker_is_refused_with_where_one_runs():
    with pytest.raises(HawserError, match="no broker runs on web1; brokers: data1"):
        queues(Fleet("web1"), 0)  # type: ignore[arg-type]


def test_a_queue_is_emptied_by_the_broker_that_holds_it():
    (command,) = empty.given(broker="redis", name="celery", db=2).resources(host_of("data1"))
    assert command.argv == ("redis-cli", "-n", "2", "DEL", "celery")  # type: ignore[attr-defined]
    assert command.env == {"REDISCLI_AUTH": "hunter2"}  # type: ignore[attr-defined]
    (command,) = empty.given(broker="rabbitmq", name="celery", vhost="shop").resources(host_of("data1"))
    assert command.argv[1:] == ("-q", "purge_queue", "-p", "shop", "--", "celery")  # type: ignore[attr-defined]
    assert list(empty.resources(host_of("data1"))) == []

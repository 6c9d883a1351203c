"""The preflight of many hosts: what is looked at for each of them does not grow with their number."""

from __future__ import annotations

import sys
from pathlib import Path

from hawser.host import Host
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.session.preflight import rendering_problems
from hawser.templates.rendering import Templates

PROCESSES = {
    "web": {"groups": ["web"], "command": "gunicorn app:app --bind unix:{{ socket }}"},
    "worker": {"groups": ["data"], "command": "celery -A app worker", "manager": "supervisor"},
}


def rendered(count: int) -> int:
    """Return how many functions are called to render every step for some hosts."""
    hosts = {f"h{number}": {"address": f"10.0.0.{number + 1}", "groups": ["web", "data"]} for number in range(count)}
    environment = Environment.model_validate(
        {
            "name": "shop",
            "path": Path("shop.toml"),
            "app": {"name": "shop", "repo": "."},
            "processes": PROCESSES,
            "site": {"domains": ["shop.test"], "groups": ["web"]},
            "hosts": hosts,
        }
    )
    secrets, templates = Secrets("shop", in_file(Path("shop.env")), {}), Templates()
    addresses = {name: host.address for name, host in environment.hosts.items()}
    calls = 0

    def count_it(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_it)
    try:
        found = rendering_problems(
            environment,
            templates,
            lambda name, release: Host(name, environment, secrets, templates, addresses, release=release),
        )
    finally:
        sys.setprofile(None)
    assert not found
    return calls


def test_what_it_takes_grows_with_the_number_of_hosts_and_not_with_its_square() -> None:
    rendered(1)
    few, some, many = (rendered(count) for count in (10, 20, 40))
    assert (many - some) / (some - few) < 2.3

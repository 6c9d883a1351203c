"""A host as the checks see it, and a runner that answers what a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.diagnosis.checks import Finding
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.templates.rendering import Templates

SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "https://git.example.org/shop.git"},
    "processes": {
        "web": {"groups": ["web"], "command": "gunicorn shop.wsgi --bind unix:{{ socket }}"},
        "api": {"groups": ["web"], "command": "api --port {{ port }}", "port": 8001},
    },
    "site": {"domains": ["shop.example.org"], "proxy": {"/": "web"}},
    "services": {"postgresql": {"groups": ["data"], "databases": {"shop": {"password": "x", "clients": ["web"]}}}},
    "hosts": {"web1": {"groups": ["web"]}, "data1": {"groups": ["data"]}},
}
ADDRESSES = {"web1": "10.0.0.11", "data1": "10.0.0.21"}
SERVES = {"current": "1111111111-aaaaaaaa", "bootstrapped": True, "uid": 0, "python": "3.11.2"}


@pytest.fixture
def host() -> Callable[..., Host]:
    def host(name: str = "web1", facts: dict[str, Any] | None = None, **tables: Any) -> Host:
        environment = Environment.model_validate({**SETTINGS, **tables})
        return Host(
            name,
            environment,
            Secrets("shop", in_file(Path("shop.env")), {}),
            Templates(),
            ADDRESSES,
            Facts(**{"os": {"id": "debian", "version": "12"}, **SERVES, **(facts or {})}),
        )

    return host


def listed(*rows: dict[str, Any], more: int = 0) -> dict[str, Any]:
    """Return an answer of which the runner may leave out a part."""
    return {"rows": list(rows), "more": more}


class Runner:
    """Answers each question with what the test wrote down, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.asked: dict[str, dict[str, Any]] = {}

    def __call__(self, function: str, **arguments: Any) -> Any:
        self.asked[function] = arguments
        return self.answers[function]


def told(findings: Any) -> list[str]:
    """Return what is found, as text; every finding says what to do next."""
    found: list[Finding] = list(findings)
    assert all(each.next for each in found), found
    return [("warning: " if each.warning else "") + each.message for each in found]

"""For tests of a host as steps see it: one of a shop with two web servers and a third host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.templates.rendering import Templates

NEW = "1111111111-aaaaaaaa"
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "."},
    "processes": {"web": {"groups": ["web"], "command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}},
    "site": {"domains": ["shop.test"], "static": {"/static/": "static"}},
    "hosts": {
        "web1": {"groups": ["web"], "vars": {"slots": 4}},
        "web2": {"groups": ["web"]},
        "data1": {"groups": ["data"]},
    },
}
BUILDS = {"lib": {"commands": ["make install"]}}
ADDRESSES = {"web1": "10.0.0.11", "web2": "2001:db8::12", "data1": "10.0.0.21"}


@pytest.fixture
def host() -> Callable[..., Host]:
    def host(name: str = "web1", secrets: dict[str, str] | None = None, **tables: Any) -> Host:
        environment = Environment.model_validate({**SETTINGS, **tables})
        templates = Templates()
        release = Release(NEW, "1" * 40, environment, templates)
        held = Secrets("shop", in_file(Path("shop.env")), secrets or {})
        return Host(name, environment, held, templates, ADDRESSES, Facts(), release)

    return host

"""What processes start with, as a release knows it before any host is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hawser.tasks.collection  # noqa: F401
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.session import texts
from hawser.tasks import config, deploy  # noqa: F401
from hawser.templates.rendering import Templates

SETTINGS = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "."},
    "env": {"required": ["KEY"], "variables": {"KEY": "{{ secrets.KEY }}"}},
    "processes": {
        "web": {"command": "web --bind unix:{{ socket }}"},
        "mail": {"command": "mail", "manager": "supervisor"},
    },
    "files": [{"path": "/etc/shop.json", "content": "{}"}],
    "hosts": {"web1": {"address": "10.0.0.1"}},
}


@pytest.fixture
def host() -> Callable[..., Host]:
    def host(value: str = "k-e-y", **settings: object) -> Host:
        environment = Environment.model_validate({**SETTINGS, **settings})
        release = Release(texts.STAND_IN, "1" * 40, environment, Templates())
        secrets = Secrets("shop", in_file(Path("shop.env")), {"KEY": value})
        return Host("web1", environment, secrets, release.templates, {"web1": "10.0.0.1"}, Facts(), release)

    return host


def test_definitions_variables_the_script_and_listed_files_are_what_processes_start_with(host):
    found = {str(path): str(text) for _host, path, text, *_more in texts.texts([host()])}
    root = f"/srv/shop/releases/{texts.STAND_IN}"
    assert {
        "/etc/systemd/system/shop-web-blue.service",
        "/etc/supervisor/conf.d/shop-mail.conf",
        "/etc/shop.json",
        f"{root}/environment",
        f"{root}/run",
    } == found.keys()
    assert "KEY='k-e-y'" in found[f"{root}/environment"].replace('"', "'")


def test_what_processes_start_with_is_the_same_in_whichever_order_steps_were_loaded(host, monkeypatch):
    before = texts.texts([host()])
    monkeypatch.setattr(texts.Step, "registry", texts.Step.registry[::-1])
    assert texts.texts([host()]) == before


def test_what_cannot_be_rendered_is_what_is_said_of_it(host):
    broken = host(env={"variables": {"KEY": "{{ secrets.GONE }}"}})
    assert any("GONE" in str(each) for each in texts.texts([broken]))
    assert texts.texts([broken]) != texts.texts([host()])

"""Steps take what a command asks for as arguments, and leave nothing behind for the next one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import hawser.tasks.collection  # noqa: F401  (every step is loaded with it)
from hawser.host import Host
from hawser.inventory import Environment
from hawser.resources import LuksVolume
from hawser.secrets import Secrets, in_file
from hawser.steps import Step
from hawser.tasks import volumes
from hawser.templates.rendering import Templates

VOLUME = {"passphrase": "{{ secrets.DISK }}", "filesystem": "ext4"}
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "app": {"name": "shop", "repo": "."},
    "env": {"required": ["DISK"]},
    "volumes": {
        "logs": {**VOLUME, "device": "/dev/xvdc", "mount": "/mnt/logs"},
        "data": {**VOLUME, "device": "/dev/xvdd", "mount": "/mnt/data"},
    },
    "hosts": {"web1": {"address": "10.0.0.1"}},
}


@pytest.fixture
def host() -> Host:
    secrets = Secrets("shop", in_file(Path("shop.env")), {"DISK": "sesame"})
    return Host("web1", Environment.model_validate(SETTINGS), secrets, Templates(), {"web1": "10.0.0.1"})


def opened(step: Any, host: Host) -> dict[str, bool]:
    """Return which volumes a step opens, and whether each may be made where there is none."""
    return {each.mount: each.formats for each in step.resources(host) if isinstance(each, LuksVolume)}


@pytest.mark.parametrize("step", Step.registry, ids=lambda step: step.title)
def test_every_step_can_be_rendered_without_arguments(step: Step) -> None:
    host, *others = inspect.signature(step.body).parameters.values()
    assert host.name == "host"
    assert all(each.default is not inspect.Parameter.empty for each in others)


def test_one_volume_is_made_and_a_bootstrap_after_it_opens_them_all(host: Host) -> None:
    assert opened(volumes.install.given(making="logs"), host) == {"/mnt/logs": True}
    assert opened(volumes.install, host) == {"/mnt/logs": False, "/mnt/data": False}

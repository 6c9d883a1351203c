"""How processes are asked for their health: as a proof in a rollout, and at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from ..inventory.tables.processes import Process
from ..resources import Changed, Healthy, Resources
from .processes import ProcessInstance

# Anything but a failure of the server itself: a page may want a login, or lead elsewhere.
NO_ERROR = ((100, 499),)


class HealthQuestion(TypedDict):
    """How a process is asked for its health; see `hawser.resources.Healthy`."""

    path: str
    host: str
    statuses: tuple[tuple[int, int], ...]
    command: NotRequired[tuple[str, ...]]
    user: NotRequired[str]
    cwd: NotRequired[str]
    tls: NotRequired[bool]
    ca: NotRequired[str]


def questions(processes: Sequence[ProcessInstance]) -> list[dict[str, object]]:
    """Return the runner's questions about the health of processes, for those that can be asked."""
    return [
        {"name": each.name, "address": each.address, **question(each)}
        for each in processes
        if can_be_asked(each.setting)
    ]


def healthy(process: ProcessInstance, when: Changed | None = None) -> Resources:
    """Yield the proof that a process is healthy, where it can be asked; with a trigger, when that is due."""
    if can_be_asked(process.setting):
        health = process.setting.health
        yield Healthy(
            process.address,
            process.unit,
            process.setting.manager,
            timeout=health.timeout if health else 30.0,
            successes=health.successes if health else 1,
            fast=health.fast if health else 1.0,
            log=process.log,
            when=when,
            **question(process),
        )


def can_be_asked(setting: Process) -> bool:
    """Whether there is a way to tell that a process works: it listens, or has a command for that."""
    return setting.listens or bool(setting.health and setting.health.command)


def usual_path(process: ProcessInstance) -> str:
    """Return the URL path that a process is asked for about whose health the settings say nothing.

    It is where its part of the site begins, which the visit asks for too, when visitors have it. Empty where it may not
    speak HTTP: it has no such part, or a template of the team's says how the web server speaks with it.
    """
    site = process.host.environment.site
    parts = [prefix for prefix, name in site.proxy.items() if name == process.setting_name] if site else []
    if site is None or not parts or not process.host.templates.is_ours(f"{site.server}-site.conf.j2"):
        return ""
    return parts[0]


def question(process: ProcessInstance) -> HealthQuestion:
    """Return how a process is asked for its health, as `Healthy` names it."""
    health, site = process.setting.health, process.host.environment.site
    asked: HealthQuestion = {
        "path": health.path if health else usual_path(process),
        "host": site.domains[0] if site else "localhost",
        "statuses": health.ranges if health else NO_ERROR,
    }
    if health and health.name is not None:
        asked["host"] = process.host.text(health.name, f"processes.{process.setting_name}.health.name")
    if health and health.command is not None:
        asked["command"] = process.health_argv
        asked["user"], asked["cwd"] = process.setting.user, process.host.code
    if health and health.tls:
        asked["tls"] = True
        asked["ca"] = process.host.text(health.ca or "", f"processes.{process.setting_name}.health.ca")
    return asked

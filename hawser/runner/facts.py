"""What only the host can know, read in a few milliseconds when the runner starts."""

from __future__ import annotations

import json
import os
import sys
import time

from .managers import manager
from .processes import definitions
from .system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .system import System

# Written last into an environment, with what went into it.
MARKER = ".hawser-complete"


def read_json(state: str, name: str) -> Any:
    """Return a record of this host: of a rollout that is not complete, of a freeze; None when there is none."""
    try:
        with open(os.path.join(state, name), encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def os_release(path: str = "/etc/os-release") -> Dict[str, str]:
    """Return the fields of os-release(5) that steps use; empty ones where there is no such file."""
    fields = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                name, _, value = line.strip().partition("=")
                fields[name] = value.strip("\"'")
    except OSError:
        pass
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
    }


def link(path: str) -> str:
    """Return the last part of a link's target, empty when there is no link."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def commit_of(release: str) -> str:
    """Return the commit of a release, empty when there is none."""
    try:
        with open(os.path.join(release, "release.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def link_time(path: str) -> float:
    """Return when a link was made, 0 when there is none."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def read_secrets(state: str) -> Optional[Dict[str, str]]:
    """Return the generated secrets that this host was set up with; None when it was not set up at all."""
    try:
        with open(os.path.join(state, "secrets.json"), encoding="utf-8") as stream:
            found = json.load(stream)
            return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None


def done_once(state: str) -> List[str]:
    """Return the names of the commands that run once per environment, and have."""
    try:
        return sorted(name for name in os.listdir(os.path.join(state, "once")) if not name.startswith("."))
    except FileNotFoundError:
        return []


def live(root: str) -> Dict[str, str]:
    """Return {process: colour} from the links in the run folder that say which colour serves."""
    colours: Dict[str, str] = {}
    try:
        names = sorted(os.listdir(os.path.join(root, "run")))
    except OSError:
        return colours
    for name in names:
        base, _, suffix = name.rpartition(".")
        target = link(os.path.join(root, "run", name))
        if suffix in ("sock", "live") and target:
            colours[base] = (
                target.rpartition(".")[0].rpartition("-")[2] if suffix == "sock" else target.rpartition("-")[2]
            )
    return colours


def processes(system: System, application: str, root: str) -> List[Dict[str, Any]]:
    """Return one dict per process definition: its unit, manager, release, state, uptime and whether it serves.

    A manager that does not answer must not keep anyone from mending it: its word stands in the state then.
    """
    colours = live(root)
    found = definitions(application)
    for name in ("systemd", "supervisor"):
        mine = [each for each in found if each["manager"] == name]
        for each in mine:
            plain = "%s-%s" % (application, each["process"])
            colour = colours.get(each["process"], "")
            each.update(state="", active=False, seconds=0, since=0.0, pid=0)
            each["live"] = each["unit"] in (plain, "%s-%s" % (plain, colour))
        try:
            states = manager(name, system).states([each["unit"] for each in mine])
        except Failure as failure:
            for each in mine:
                each["state"] = failure.message
            continue
        for each in mine:
            state = states[each["unit"]]
            seconds = max(0, int(time.time() - state.since)) if state.since and state.active else 0
            each.update(state=state.word, active=state.active, seconds=seconds, since=state.since, pid=state.pid)
    return found


def interpreter(root: str) -> str:
    """Say which Python the current release runs on where pip has filled its environment; empty where uv has."""
    made = read_json(os.path.join(root, "current", "env"), MARKER)
    if not isinstance(made, dict) or not made.get("filled_by"):
        return ""
    known = made.get("interpreter")
    return "%s, by pip" % known.get("version", "") if isinstance(known, dict) else ""


def application_facts(system: System, application: str, root: str) -> Dict[str, Any]:
    """Return what this host knows of the application: releases, processes, journal."""
    try:
        releases = sorted(
            name
            for name in os.listdir(os.path.join(root, "releases"))
            if not name.startswith(".") and os.path.exists(os.path.join(root, "releases", name, "release.json"))
        )
    except OSError:
        releases = []
    return {
        "current": link(os.path.join(root, "current")),
        "commit": commit_of(os.path.join(root, "current")),
        "previous": link(os.path.join(root, "previous")),
        "releases": releases,
        "live": live(root),
        "processes": processes(system, application, root),
        "journal": read_json(system.state, "journal.json"),
        "hold": read_json(system.state, "hold.json"),
        "closed": os.path.exists(os.path.join(root, "maintenance.html")),
        "since": link_time(os.path.join(root, "current")),
        "generated": sorted(read_secrets(system.state) or ()),
        "bootstrapped": read_secrets(system.state) is not None,
        "once": done_once(system.state),
        "interpreter": interpreter(root),
    }


def host_facts(root: str) -> Dict[str, Any]:
    """Return what this host is: system, disk, memory, clock."""
    folder = os.path.abspath(root)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    disk, machine = os.statvfs(folder), os.uname()
    return {
        "hostname": machine.nodename,
        "os": os_release(),
        "machine": machine.machine,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "systemd": os.path.isdir("/run/systemd/system"),
        "disk_free": disk.f_bavail * disk.f_frsize,
        "disk_total": disk.f_blocks * disk.f_frsize,
        "clock": time.time(),
        "uid": os.getuid(),
    }

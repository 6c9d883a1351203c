"""What only the host can know, read in a few milliseconds when the runner starts."""

import json
import os
import platform
import shutil
import time

from .managers import manager
from .processes import definitions


def read_journal(state):
    """Return the record of a rollout that has not been completed on this host, or None."""
    try:
        with open(os.path.join(state, "journal.json"), encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def os_release():
    """Return the fields of os-release(5) that steps use."""
    fields = {}
    with open("/etc/os-release", encoding="utf-8") as stream:
        for line in stream:
            name, _, value = line.strip().partition("=")
            fields[name] = value.strip('"')
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
    }


def link(path):
    """Return the last part of a link's target, empty when there is no link."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def commit_of(release):
    """Return the commit of a release, empty when there is none."""
    try:
        with open(os.path.join(release, "release.json"), encoding="utf-8") as stream:
            return json.load(stream)["commit"]
    except (OSError, ValueError, KeyError):
        return ""


def link_time(path):
    """Return when a link was made, 0 when there is none."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def read_lines(path):
    """Return a file's lines, none when there is no file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().split()
    except OSError:
        return []


def live(root):
    """Return {process: colour} from the links in the run folder that say which colour serves."""
    colours = {}
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


def processes(system, application, root):
    """Return one dict per process definition: its unit, manager, release, state, uptime and whether it serves."""
    colours = live(root)
    found = definitions(application)
    for name in ("systemd", "supervisor"):
        mine = [each for each in found if each["manager"] == name]
        states = manager(name, system).states([each["unit"] for each in mine]) if mine else {}
        for each in mine:
            state = states[each["unit"]]
            colour = colours.get(each["process"], "")
            each.update(
                state=state.word,
                active=state.active,
                seconds=int(time.time() - state.since) if state.since and state.active else 0,
                pid=state.pid,
                live=each["unit"] == "%s-%s" % (application, each["process"])
                or each["unit"] == "%s-%s-%s" % (application, each["process"], colour),
            )
    return found


def application_facts(system, application, root):
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
        "journal": read_journal(system.state),
        "since": link_time(os.path.join(root, "current")),
        "generated": read_lines(os.path.join(system.state, "generated")),
    }


def host_facts(root):
    """Return what this host is: system, disk, memory, clock."""
    folder = root
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    disk = shutil.disk_usage(folder)
    return {
        "hostname": platform.node(),
        "os": os_release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "systemd": os.path.isdir("/run/systemd/system"),
        "disk_free": disk.free,
        "disk_total": disk.total,
        "clock": time.time(),
        "uid": os.getuid(),
    }

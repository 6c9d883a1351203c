"""Facts that only the host can know, read in a few milliseconds when the runner starts."""

from __future__ import annotations

import os
import re
import sys
import time

from .databases.restoring import journals
from .files.disk import read
from .files.records import parsed
from .processes.managers import manager
from .processes.names import taken
from .processes.processes import definitions
from .processes.traits import MANAGERS
from .rows import MOST_ROWS
from .system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence

    from .processes.managers import State
    from .specs.answers import ApplicationFacts, DefinedProcess, HostFacts, ProcessFacts, ProcessRow, ProcessState
    from .specs.answers import System as OsRelease
    from .system import System

NGINX = "/usr/sbin/nginx"
# Written last into an environment, with what went into it.
MARKER = ".hawser-complete"
# Bytes.
LONGEST_MARKER = 1 << 20
# Records of this host, each with what it has to say.
RECORDS = {"journal.json": ("release",), "hold.json": (), "secrets.json": ()}
# Of processes of which two may run side by side.
COLOURS = ("blue", "green")
# Of a process whose manager does not answer.
UNKNOWN: ProcessState = {"state": "", "active": False, "enabled": False, "seconds": 0, "since": 0.0, "pid": 0}


def read_json(folder: str, name: str, needed: Sequence[str]) -> Optional[Dict[str, object]]:
    """Return a record in a folder of root's; None when there is none, and when it is damaged.

    :param needed: what it has to say.
    """
    try:
        with open(os.path.join(folder, name), "rb") as stream:
            found = parsed(stream.read(), dict)
    except OSError:
        return None
    return found if found is not None and all(key in found for key in needed) else None


def damaged(state: str, records: Mapping[str, Optional[Dict[str, object]]]) -> List[str]:
    """Return the paths of the records that exist and cannot be read."""
    paths = [os.path.join(state, name) for name, found in records.items() if found is None]
    return [path for path in paths if os.path.lexists(path)]


def read_text(state: str, name: str) -> str:
    """Return a short record of this host, without the white space around it; empty when there is none."""
    try:
        with open(os.path.join(state, name), encoding="utf-8") as stream:
            return stream.read(1000).strip()
    except (OSError, ValueError):
        return ""


def youngest(state: str) -> int:
    """Return the place of the youngest rollout that this host has had a journal of, 0 when there was none."""
    found = read_text(state, "begun")
    if re.fullmatch("[0-9]{1,18}", found):
        return int(found)
    # A damaged one was written in that rollout, and its place is a time: an older one is still known as such.
    return int(link_time(os.path.join(state, "begun")))


def os_release(path: str = "/etc/os-release") -> OsRelease:
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


def link(path: str, whole: bool = False) -> str:
    """Return a link's target, or its last part; empty when there is no link."""
    try:
        target = os.readlink(path)
        return target if whole else os.path.basename(target)
    except OSError:
        return ""


def kept_of(release: str) -> Dict[str, str]:
    """Return the commit of a release, what its processes read, and which Hawser made it; empty where nobody knows."""
    found = read_json(release, "release.json", ("commit",)) or {}
    return {key: str(found.get(key, "")) for key in ("commit", "process_inputs", "hawser", "around")}


def link_time(path: str) -> float:
    """Return when a link was made, or a file written, 0 when there is none."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def done_once(state: str) -> List[str]:
    """Return the names of the commands that run once per environment, and have."""
    try:
        return sorted(name for name in os.listdir(os.path.join(state, "once")) if not name.startswith("."))
    except FileNotFoundError:
        return []


def linked(root: str) -> Dict[str, str]:
    """Return {process: colour} from the links in the run folder, which is the service user's.

    Any of them may be turned; what cannot be one of ours says nothing.
    """
    colours: Dict[str, str] = {}
    try:
        names = sorted(os.listdir(os.path.join(root, "run")))
    except OSError:
        return colours
    for name in names:
        base, _, suffix = name.rpartition(".")
        end = {"sock": ".sock", "live": ""}.get(suffix)
        if base and end is not None:
            target = link(os.path.join(root, "run", name), whole=True)
            for colour in COLOURS:
                if target == "%s-%s%s" % (base, colour, end):
                    colours[base] = colour
    return colours


def live(links: Mapping[str, str], application: str, rows: Sequence[DefinedProcess]) -> Dict[str, str]:
    """Return {process: colour} of the serving processes: the colour that alone starts at boot, as its manager says.

    Both do in the moment in which the traffic moves, and none where it was stopped: then the link counts.

    :param rows: see `processes`.
    """
    known = {row["process"] for row in rows}
    # The service user can make as many links as it likes.
    colours = {name: links[name] for name in sorted(links, key=lambda name: (name not in known, name))[:MOST_ROWS]}
    for name in known:
        units = {"%s-%s-%s" % (application, name, colour): colour for colour in COLOURS}
        enabled = {units[row["unit"]] for row in rows if row["unit"] in units and row["enabled"]}
        if len(enabled) == 1:
            colours[name] = enabled.pop()
    return colours


def processes(system: System, application: str) -> List[DefinedProcess]:
    """Return one dict per process definition: its unit, manager, release, state, uptime and whether it starts at boot.

    A manager that does not answer must not keep anyone from mending it: its word stands in the state then.
    """
    known = definitions(application)
    found: List[DefinedProcess] = []
    for name in MANAGERS:
        mine = [each for each in known if each["manager"] == name]
        if not mine:
            continue
        try:
            states = manager(name, system).states([each["unit"] for each in mine])
        except Failure as failure:
            found += [{**each, **UNKNOWN, "state": failure.message} for each in mine]
            continue
        found += [{**each, **described(states[each["unit"]])} for each in mine]
    return found


def described(state: State) -> ProcessState:
    """Return a process's state as facts."""
    seconds = max(0, int(time.time() - state.since)) if state.since and state.active else 0
    return {
        "state": state.word,
        "active": state.active,
        "enabled": state.enabled,
        "seconds": seconds,
        "since": state.since,
        "pid": state.pid,
    }


def process_facts(system: System, application: str, root: str) -> ProcessFacts:
    """Return the processes, which colour of each serves, and whose links do not lead there."""
    rows, links = processes(system, application), linked(root)
    colours = live(links, application, rows)
    told: List[ProcessRow] = []
    for row in rows:
        plain = "%s-%s" % (application, row["process"])
        told.append({**row, "live": row["unit"] in (plain, "%s-%s" % (plain, colours.get(row["process"], "")))})
    astray = sorted(name for name, colour in colours.items() if links.get(name) != colour)
    return {"processes": told, "live": colours, "astray": astray}


def marker(environment: str) -> Dict[str, object]:
    """Return the marker of an environment, which its user can change; an empty one where it cannot be read."""
    try:
        return parsed(read(os.path.join(environment, MARKER), LONGEST_MARKER), dict) or {}
    except (OSError, Failure):
        return {}


def interpreter(root: str) -> str:
    """Say which Python the current release runs on where pip has filled its environment; empty where uv has."""
    made = marker(os.path.join(root, "current", "env"))
    known = made.get("interpreter")
    if not made.get("filled_by") or not isinstance(known, dict) or not known.get("version"):
        return ""
    return "%s, by pip" % str(known["version"])[:40]


def gone_python(root: str) -> str:
    """Return the Python that the current release's environment was made with, where the host has it no more."""
    program = os.path.join(root, "current", "env", "bin", "python")
    return os.path.realpath(program) if os.path.islink(program) and not os.path.exists(program) else ""


def application_facts(system: System, application: str, root: str) -> ApplicationFacts:
    """Return this host's facts of the application: releases, processes, journal."""
    try:
        releases = sorted(
            name
            for name in os.listdir(os.path.join(root, "releases"))
            if not name.startswith(".") and os.path.exists(os.path.join(root, "releases", name, "release.json"))
        )
    except OSError:
        releases = []
    records = {name: read_json(system.state, name, needed) for name, needed in RECORDS.items()}
    kept = kept_of(os.path.join(root, "current"))
    return {
        "current": link(os.path.join(root, "current")),
        "commit": kept["commit"],
        "process_inputs": kept["process_inputs"],
        "hawser": kept["hawser"],
        "around": kept["around"],
        "previous": link(os.path.join(root, "previous")),
        "releases": releases,
        **process_facts(system, application, root),
        "journal": records["journal.json"],
        "hold": records["hold.json"],
        "restores": journals(system.state),
        "closed": os.path.exists(os.path.join(root, "maintenance.html")),
        "since": link_time(os.path.join(root, "current")),
        "generated": sorted(records["secrets.json"] or ()),
        "bootstrapped": os.path.exists(os.path.join(system.state, "secrets.json")),
        "made_for": read_text(os.path.join(root, "current"), "host"),
        "set_up_for": read_text(system.state, "host"),
        "set_up": str((read_json(system.state, "bootstrap.json", ("id",)) or {}).get("id", "")),
        "damaged": damaged(system.state, records),
        "once": done_once(system.state),
        "signing": read_text(system.state, "signing.pub"),
        "begun": youngest(system.state),
        "interpreter": interpreter(root),
        "gone_python": gone_python(root),
        "taken": taken(application),
    }


def has_ipv6() -> bool:
    """Tell whether a program of this host may listen on an address of IPv6; a kernel may have been booted without."""
    import _socket

    try:
        _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def nginx_version(system: System, program: str = NGINX) -> str:
    """Return the version of this host's nginx; empty where there is none."""
    if not os.path.exists(program):
        return ""
    try:
        said = system.run([program, "-v"], check=False, timeout=10).output
    except Failure:
        return ""
    found = re.search(r"nginx/([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\b", said)
    return found.group(1) if found else ""


def host_facts(system: System, root: str) -> HostFacts:
    """Return the facts of this host itself: system, disk, memory, clock, network, web server."""
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
        "offset": time.localtime().tm_gmtoff,
        "uid": os.getuid(),
        "ipv6": has_ipv6(),
        "nginx": nginx_version(system),
    }

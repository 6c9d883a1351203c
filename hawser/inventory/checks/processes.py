"""Contradictions within and between processes: where they listen, and how many of them there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from ...runner.processes.traits import MANAGERS
from ..base import Loc, SettingError, did_you_mean
from ..schema import Environment
from ..tables.processes import Process
from ..values.jinja import references

# sun_path of unix(7) holds 108 bytes with its NUL; a few more are left for a temporary name.
_SOCKET_PATH = 103
# Keys of definitions that name a file which root opens.
_OPENED = {key for each in MANAGERS.values() for key in each.opens}
# Folders of the application's user under app.root, beside the persistent ones.
_THEIRS = ("home", "run", "current/source", "source", "env", "current/env")
_HOSTS = frozenset({"hosts"})
_PROCESSES = frozenset({"processes"})


def check_named_processes(environment: Environment) -> Iterator[SettingError]:
    """The processes that another one waits for, and those that the site passes requests to, exist."""
    processes = environment.processes
    named: list[tuple[Loc, str]] = [
        (("processes", name, "after", position), before)
        for name, process in processes.items()
        for position, before in enumerate(process.after)
    ]
    if environment.site:
        named += [(("site", "proxy", prefix), name) for prefix, name in environment.site.proxy.items()]
    for at, name in named:
        if name not in processes:
            hint = did_you_mean(name, processes, f"processes: {', '.join(processes) or 'none'}")
            yield SettingError(at, f"there is no process {name!r}", hint, needs=_PROCESSES)


def check_processes(environment: Environment) -> Iterator[SettingError]:
    """A process listens in one way, and is as many as that allows."""
    for kind, entries in (("processes", environment.processes), ("cron", environment.cron)):
        for name, entry in entries.items():
            if entry.user == "root" and environment.app.user != "root":
                # Its PATH begins with a folder of the application's user, who could plant a program there.
                yield SettingError(
                    (kind, name, "user"), "must not be root", "run it as app.user, and use sudo where it must"
                )
    for name, process in environment.processes.items():
        at: Loc = ("processes", name)
        if name.endswith(("-blue", "-green")):
            yield SettingError(
                at, "a name must not end with -blue or -green", "Hawser tells the two colours of a process so"
            )
        stem, _, number = name.rpartition("-")
        if number.isdigit() and stem in environment.processes and environment.processes[stem].count > 1:
            yield SettingError(at, f"a number at the end stands for one of several {stem}", "choose another name")
        try:
            words = shlex.split(process.command)
        except ValueError as error:
            yield SettingError((*at, "command"), f"its quotes do not fit: {str(error).lower()}")
        else:
            if words[:1] == ["cd"] or any(word in ("|", "&&", "||", ";", ">", ">>", "<", "2>&1") for word in words):
                yield SettingError(
                    (*at, "command"), "is started without a shell", "as in sh -c 'exec … | …', and see directory"
                )
        yield from _check_listening(at, process)
        yield from _check_order(name, environment)
        yield from _check_opened_by_root(at, process, environment)
        socket = f"{environment.app.root}/run/{name}-green.sock"
        if process.socket and len(socket.encode()) > _SOCKET_PATH:
            message = f"the path of its socket is too long: {socket} has {len(socket.encode())} of {_SOCKET_PATH} bytes"
            yield SettingError(at, message, "shorten app.root or the name", needs=frozenset({"app"}))


def _check_opened_by_root(at: Loc, process: Process, environment: Environment) -> Iterator[SettingError]:
    """Files that the manager opens as root lie where the application's user cannot put a link in their place."""
    needs = frozenset({"persistent", "app"})
    folder = (process.output or "").rpartition("/")[0]
    if folder in environment.persistent.folders:
        message = f"{folder} is one of persistent.folders, which belong to the application's user"
        yield SettingError((*at, "output"), message, "choose another folder", needs=needs)
    root = environment.app.root
    paths = {(*at, "extra", key): process.extra[key] for key in _OPENED if key in process.extra}
    if process.environment_file is not None:
        paths[(*at, "environment_file")] = process.environment_file
    for where, path in paths.items():
        place = re.sub(r"\{\{ *(app\.)?root *\}\}", root, path.removeprefix("append:").removeprefix("file:"))
        theirs = [each for each in (*environment.persistent.folders, *_THEIRS) if place.startswith(f"{root}/{each}/")]
        if theirs:
            message = f"{theirs[0]} belongs to the application's user, and root opens this file"
            yield SettingError(where, message, f"choose a place that is root's, such as {root}/log", needs=needs)


def _check_order(name: str, environment: Environment) -> Iterator[SettingError]:
    """No process waits for one that waits for it in turn."""
    for position, before in enumerate(environment.processes[name].after):
        if name in environment.all_before(before) or name == before:
            at: Loc = ("processes", name, "after", position)
            yield SettingError(at, f"{before} waits for {name} in turn", "remove one of the two")


def _check_offers(at: Loc, process: Process) -> Iterator[SettingError]:
    """What not all managers see to is left to those that do."""
    given = {"limits": process.limits.model_fields_set, "hardened": process.hardened, "writable": process.writable}
    said = {
        "limits": "knows no limits of a program",
        "hardened": "keeps no program from anything",
        "writable": "lets every program write where its user may",
    }
    for key in (each for each, value in given.items() if value and each in process.model_fields_set):
        if key not in MANAGERS[process.manager].offers:
            able = next(name for name, each in MANAGERS.items() if key in each.offers)
            hint = f'use manager = "{able}"' + ("" if key == "limits" else ", or remove it")
            yield SettingError((*at, key), f"{process.manager} {said[key]}", hint)
    if process.writable and not process.hardened:
        yield SettingError((*at, "writable"), "is for a hardened process", "remove it, or hardened = false")


def _check_listening(at: Loc, process: Process) -> Iterator[SettingError]:
    uses = references(process.command).names
    if process.socket and process.port is not None:
        yield SettingError((*at, "port"), "cannot be used beside socket", "remove one of the two")
    elif "socket" in uses and not process.socket:
        yield SettingError((*at, "command"), "says {{ socket }}, but the process has none", "write socket = true")
    if "port" in uses and process.port is None:
        yield SettingError((*at, "command"), "says {{ port }}, but the process has none", "as in port = 8001")
    if process.listens and process.count > 1:
        message = "must be 1 for a process with a socket or port"
        yield SettingError((*at, "count"), message, "let the program itself start more workers")
    if process.single and process.count > 1:
        yield SettingError((*at, "count"), "must be 1 for a process that is single")
    for name in process.extra:
        head, dot, _key = name.partition(".")
        if dot and head not in MANAGERS[process.manager].sections:
            hint = "Unit.KEY or Install.KEY, with systemd; a key of [Service] stands without a section"
            yield SettingError((*at, "extra", name), "names no section of the manager's file", hint)
    yield from _check_offers(at, process)
    if process.restart_at and process.socket:
        message = "would take a process with a socket away for a moment"
        yield SettingError((*at, "restart_at"), message, "fab restart replaces it without an interruption")
    if process.overlap and (process.single or (process.port is not None and process.spare_port is None)):
        why = "single" if process.single else "on one port"
        hint = "remove it" if process.single else "remove it, or give it a spare_port"
        yield SettingError((*at, "overlap"), f"cannot be: a process that is {why} restarts in place", hint)
    yield from _check_spare_port(at, process)
    if process.health and "fast" in process.health.model_fields_set and process.health.successes == 1:
        yield SettingError((*at, "health", "fast"), "is for several successes", "as in successes = 5, or remove it")
    if process.health and process.health.ca and not process.health.tls:
        yield SettingError((*at, "health", "ca"), "is for a process that speaks TLS", "add tls = true, or remove it")
    if process.health and not process.listens:
        of_answers = process.health.model_fields_set - {"command", "timeout"}
        if not process.health.command or of_answers:
            hint = "without one, command and timeout are all that it may have"
            yield SettingError((*at, "health"), "is for a process with a socket or port", hint)


def _check_spare_port(at: Loc, process: Process) -> Iterator[SettingError]:
    if process.spare_port is None:
        return
    loc: Loc = (*at, "spare_port")
    if process.port is None:
        yield SettingError(loc, "is a second port, and there is no first one", "as in port = 8001")
    elif process.port == process.spare_port:
        yield SettingError(loc, "is the same as port", "choose another one")
    elif "port" not in references(process.command).names:
        yield SettingError(loc, "has no effect: the command does not say {{ port }}", "write {{ port }} for its port")
    if process.single:
        yield SettingError(loc, "cannot be: a process that is single restarts in place", "remove it")
    if process.public:
        yield SettingError(loc, "cannot be: others reach a process that is public by its port alone", "remove it")


def check_spare_ports(environment: Environment) -> Iterator[SettingError]:
    """Whoever passes requests on to a process with a spare port knows which of the two it has."""
    site = environment.site
    for name, process in environment.processes.items():
        if process.spare_port is None or process.port is None:
            continue
        at: Loc = ("processes", name, "spare_port")
        needs = _HOSTS | {"site"}
        if site is None or name not in site.proxy.values():
            hint = "it is for one that the web server passes requests on to"
            yield SettingError(at, "is for a process of site.proxy", hint, needs=needs)
            continue
        running = environment.hosts_running(process)
        far = [host for host in environment.hosts_of(site.groups) if host not in running]
        if far:
            message = f"cannot be: the web server of {', '.join(far)} reaches it by its port alone"
            yield SettingError(at, message, "remove it; of several backends, each is taken out meanwhile", needs=needs)


def check_ports(environment: Environment) -> Iterator[SettingError]:
    """No two things listen on the same port of the same host."""
    taken: dict[tuple[str, int], str] = {}
    for loc, owner, port, hosts in _ports(environment):
        for host in hosts:
            first = taken.setdefault((host, port), owner)
            if first != owner:
                yield SettingError(loc, f"{first} has port {port} on {host} already", needs=_HOSTS | {str(loc[0])})
                break


def _ports(environment: Environment) -> Iterator[tuple[Loc, str, int, tuple[str, ...]]]:
    for name, service in environment.services.installed.items():
        if service.PORT is not None:
            yield ("services", name), f"services.{name}", service.PORT, environment.hosts_of(service.groups)
    if site := environment.site:
        hosts = environment.hosts_of(site.groups)
        yield ("site", "listen"), "site", site.listen, hosts
        if site.tls != "none":
            yield ("site", "tls_port"), "site", site.tls_port, hosts
        for more in site.tls_proxy:
            yield ("site", "tls_proxy", more), "site", int(more), hosts
        for index, port in enumerate(site.extra_ports):
            yield ("site", "extra_ports", index), "site", port, hosts
    for name, process in environment.processes.items():
        for key, number in (("port", process.port), ("spare_port", process.spare_port)):
            if number is not None:
                yield ("processes", name, key), f"processes.{name}", number, environment.hosts_running(process)

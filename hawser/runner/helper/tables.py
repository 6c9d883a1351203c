"""Which rows of a catalog the helper applies, and which questions it answers: deny by default."""

from __future__ import annotations

import os
import re

from ..webservers import ENABLED_MODULES
from .bounds import SERVERS, WORD, Bounds
from .definitions import Excess
from .rules import (
    address,
    addresses,
    anything,
    application,
    commit,
    entry,
    group,
    holds,
    in_release,
    inside,
    inside_or_none,
    log,
    manager,
    mirror,
    mode_of_file,
    mode_of_folder,
    names,
    owner,
    page,
    pattern,
    place,
    reference,
    relative,
    release,
    repository,
    root,
    server,
    unit,
    unit_or_none,
    units,
    user,
    uv,
    validator,
    variables,
    within,
    word,
    words_in,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping, Sequence

    from .rules import Rule

# What root itself may be asked to run.
COMMANDS = {
    ("systemctl", "daemon-reload"),
    *(("systemctl", verb, unit) for verb in ("reload-or-restart", "try-reload-or-restart") for unit in SERVERS),
}
# Validators that read more than a text; what they are given has been read here before.
OF_DEFINITIONS = ("systemd", "supervisor", "cron")

PROGRAM_FIELDS: Dict[str, Rule] = {
    "argv": anything,
    "user": user,
    "cwd": anything,
    "env": anything,
    "env_file": variables,
    "timeout": anything,
    "title": anything,
}
ACCESS: Dict[str, Rule] = {"mode": mode_of_file, "owner": owner, "group": group}
HEALTHY: Dict[str, Rule] = {
    "address": address,
    "unit": unit_or_none,
    "manager": manager,
    "path": anything,
    "host": anything,
    "statuses": anything,
    "timeout": anything,
    "successes": anything,
    "fast": anything,
    "log": log,
    "tls": anything,
    "ca": variables,
    "command": anything,
    "user": lambda bounds, value: not value or bounds.is_user(value),
    "cwd": anything,
}
ENVIRONMENT: Dict[str, Rule] = {
    "link": place,
    "folder": inside,
    "source": inside,
    "user": user,
    "uv": uv,
    "directory": relative,
    "interpreter": anything,
    "requirements": anything,
    "packages": anything,
    "lock": anything,
    "extras": anything,
    "groups": anything,
    "own": anything,
    "detect": anything,
    "resolver": anything,
    "build_constraints": anything,
    "conda": anything,
    "conda_packages": anything,
    "conda_program": anything,
    "kept": lambda bounds, value: not value or in_release(bounds, value),
    "resolved": anything,
    "chosen": anything,
    "mirror": anything,
    "variables": anything,
    "repo": repository,
    "key": anything,
    "token": anything,
    "host_keys": anything,
}
DERIVED: Dict[str, Rule] = {
    **PROGRAM_FIELDS,
    "record": inside,
    "source": inside,
    "inputs": anything,
    "outputs": relative,
    "variables": anything,
    "releases": inside_or_none,
    "again": anything,
}
# Which ones, says `require_database`.
DATABASE: Dict[str, Rule] = dict.fromkeys(("database", "engine", "owner", "folder", "path"), anything)
WORKING_COPY: Dict[str, Rule] = {"path": in_release, "mirror": mirror, "commit": commit}
# By kind, the rule of each of its fields.
KINDS: Dict[str, Dict[str, Rule]] = {
    "backup": {
        **DATABASE,
        "keep": anything,
        "days": anything,
        "entry": anything,
        "may_lack": anything,
        "why": anything,
    },
    "absent": {"path": anything, "recursive": anything},
    "build": {
        "name": word,
        "link": place,
        "folder": inside,
        "mirror": mirror,
        "commit": commit,
        "source": inside,
        "user": user,
        "group": group,
        "commands": anything,
        "inputs": relative,
        "directory": relative,
        "outputs": relative,
        "env": anything,
        "patches": anything,
        "timeout": anything,
    },
    "checkout": {
        **WORKING_COPY,
        "owner": owner,
        "group": group,
        "named": reference,
        "repo": repository,
        "bundle": anything,
        "key": anything,
        "token": anything,
        "host_keys": anything,
        "built": inside_or_none,
        "done": inside_or_none,
    },
    "untouched": {**WORKING_COPY, "besides": anything},
    "command": {
        **PROGRAM_FIELDS,
        "user": anything,
        "unless": anything,
        "creates": inside_or_none,
        "marker": inside_or_none,
        "stdin": anything,
    },
    "derived": DERIVED,
    "directory": {**ACCESS, "path": within, "mode": mode_of_folder},
    "drained": {"addresses": addresses, "server": server, "seconds": anything},
    "environment": ENVIRONMENT,
    "file": {
        **ACCESS,
        "path": anything,
        "parents": anything,
        "content": anything,
        "validate": validator,
        "keep": anything,
        "opaque": anything,
        "code": inside_or_none,
    },
    "files": {"folder": inside, "pattern": pattern, "keep": anything, "recursive": anything},
    "healthy": HEALTHY,
    "history": {"entry": entry},
    "journal": {"release": release, "entry": entry},
    "link": {"path": place, "target": anything, "parents": anything},
    "linked_folder": {"path": place, "target": anything, "aside": place, "owner": user, "group": group},
    "mounted": {"path": anything, "hint": anything},
    "once": {
        **PROGRAM_FIELDS,
        "unless": anything,
        "name": word,
        "again": anything,
        "hint": anything,
        "entry": anything,
    },
    "patch": {"path": in_release, "source": inside, "originals": inside, "edits": anything},
    "prune": {"root": root, "keep": anything},
    "reloaded": {"server": server},
    "retired": {"unit": unit, "manager": manager, "path": anything, "wait": anything},
    "running": {"unit": unit, "manager": manager, "log": log, "again": anything},
    "sealed": WORKING_COPY,
    "settings": {
        **ACCESS,
        "path": inside,
        "parents": anything,
        "sample": inside_or_none,
        "format": anything,
        "source": inside_or_none,
        "originals": inside_or_none,
        "values": anything,
        "content": anything,
        "optional": anything,
        "new_keys": anything,
        "opaque": anything,
    },
    "served": {"server": server, "page": page, "names": anything, "doors": anything, "serves": anything},
    "settled": {"unit": unit, "manager": manager, "seconds": anything, "log": log},
    "tried": {
        **HEALTHY,
        "serves": unit,
        "serves_under": manager,
        "port": anything,
        "path_of_definition": anything,
        "definition": anything,
        "becomes": anything,
        "placeholder": anything,
    },
    "units": {"prefix": application, "keep": anything},
    "vacated": {"port": anything, "unit": unit, "prefix": application, "release": release},
    "versions": ENVIRONMENT,
    "visited": {
        "url": anything,
        "path": anything,
        "domain": anything,
        "port": anything,
        "tls": anything,
        "statuses": anything,
        "timeout": anything,
        "page": lambda bounds, value: not value or bounds.within(value) or page(bounds, value),
        "unit": unit_or_none,
        "manager": manager,
        "log": log,
        "server_log": log,
    },
    "trees": {"folder": inside, "keep": anything},
    "checkouts": {"folder": inside, "keep": anything},
}


def require_own_folder(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    real = bounds.real(fields["path"])
    path, of_code = f"{bounds.root}/{real}", re.fullmatch("releases/[^/]+/source", real)
    if fields["owner"] != "root" and not of_code and not bounds.is_own(path):
        raise Excess("a folder of %s where root reads" % fields["owner"])
    if (
        fields["owner"] == "root"
        and fields["mode"] & 0o022
        and (bounds.among_logs(path) or not fields["mode"] & 0o1000)
    ):
        raise Excess("a folder of root's that others may write to")
    if bounds.among_logs(path) and fields["owner"] != "root":
        raise Excess("a folder of logs that others may write to")


def require_own_file(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    path = fields["path"]
    if bounds.is_definition(path):
        bounds.require_definition(path, fields["content"])
        if (fields["owner"], fields["group"], fields["mode"]) != ("root", "root", 0o644):
            raise Excess("a definition that others may write to")
        return
    if fields["validate"] in OF_DEFINITIONS:
        raise Excess("a definition in a place where nothing reads it")
    # A log may be made, and nothing that is no file is written through.
    found = bounds.within(path) and not os.path.islink(path)
    if not found and path not in bounds.records:
        raise Excess("a path that is not the application's")


def require_own_absence(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    path = fields["path"]
    if not bounds.is_place(path) and not bounds.is_definition(path) and path not in bounds.records:
        raise Excess("a path that is not the application's")


def require_database(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    if {name: fields[name] for name in DATABASE} not in bounds.databases:
        raise Excess("a database that is not the application's")


def require_link(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    if not bounds.target(fields["path"], fields["target"]):
        raise Excess("a link that leads out of the application's folder")


def has_user(fields: Mapping[str, Any]) -> bool:
    # Without one it would run as root.
    return bool(fields.get("user")) or not fields.get("command")


def require_healthy(_bounds: Bounds, fields: Mapping[str, Any]) -> None:
    if not has_user(fields):
        raise Excess("a program that runs as root")


def is_look(argv: Sequence[str]) -> bool:
    """Whether a program only tells whether something is there."""
    if list(argv[:-1]) == ["test", "!", "-e"]:
        return True
    return list(argv[:4]) == ["sh", "-c", ENABLED_MODULES, "sh"] and all(map(WORD.fullmatch, argv[4:]))


def only_looks(bounds: Bounds, fields: Mapping[str, Any]) -> bool:
    """Whether the check of a command only tells whether something is there, and as somebody who may see it."""
    plain = not fields["env"] and not fields["env_file"]
    return is_look(fields["unless"]) and (bounds.is_user(fields["user"]) or (not fields["user"] and plain))


def require_command(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    if fields["user"] and not bounds.is_user(fields["user"]):
        raise Excess("a program that runs as %s" % fields["user"])
    if fields["user"]:
        return
    if tuple(fields["argv"]) not in COMMANDS or (fields["unless"] and not is_look(fields["unless"])):
        raise Excess("a program that runs as root")
    # The linker of root's programs, and many of them, do what these say.
    if fields["env"] or fields["env_file"]:
        raise Excess("variables of a program that runs as root")


def require_linked_folder(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    require_link(bounds, fields)
    # What is copied there keeps its modes.
    there = os.path.normpath(os.path.join(os.path.dirname(fields["path"]), fields["target"]))
    if not bounds.is_own(f"{bounds.root}/{bounds.real(there)}"):
        raise Excess("a folder that is not its user's")


def require_retired(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    if fields["path"] and not bounds.is_definition(fields["path"]):
        raise Excess("a path that is none of its processes'")


def require_tried(bounds: Bounds, fields: Mapping[str, Any]) -> None:
    require_healthy(bounds, fields)
    if not WORD.fullmatch(fields["placeholder"]):
        raise Excess("a placeholder that is no word")
    if not bounds.is_definition(fields["path_of_definition"]):
        raise Excess("a path that is none of its processes'")
    text = fields["definition"].replace(fields["placeholder"], "65535")
    bounds.require_definition(fields["path_of_definition"], text)


FURTHER: Dict[str, Callable[[Bounds, Mapping[str, Any]], None]] = {
    "absent": require_own_absence,
    "backup": require_database,
    "command": require_command,
    "directory": require_own_folder,
    "file": require_own_file,
    "healthy": require_healthy,
    "link": require_link,
    "retired": require_retired,
    "linked_folder": require_linked_folder,
    "tried": require_tried,
}
# Kinds whose check reads only: they may be asked for anywhere, as long as it is there already. Nothing is said of what
# was read. The rule is one of all fields together.
PASSIVE: Dict[str, Rule] = {
    **dict.fromkeys(("absent", "acme_certificate", "acme_link", "block", "directory", "file", "files"), anything),
    **dict.fromkeys(
        ("exports", "http_block", "link", "mount", "mounts", "placed", "restore_settled", "self_signed", "volumes"),
        anything,
    ),
    "bans": words_in("application"),
    "command": only_looks,
    "mariadb_database": words_in("name"),
    "mariadb_role": words_in("name"),
    "packages": words_in("names"),
    "postgres_database": words_in("name", "owner"),
    "postgres_role": words_in("name"),
    "postgres_login": words_in("name", "owner"),
    "rabbit_access": words_in("user"),
    "rabbit_logins": words_in("user"),
    "service": words_in("name"),
    "sshd_settings": words_in("application"),
    "team": words_in("application", "group"),
    "tool": lambda bounds, fields: bounds.is_roots(fields["path"]),
    "user": words_in("name"),
}
STREAM: Dict[str, Rule] = {
    "argv": anything,
    "user": user,
    "cwd": anything,
    "env_file": variables,
    "env": anything,
    "stdin": anything,
}


def same_rules(rules: Mapping[str, Rule]) -> Rule:
    """Return the rule of a list of tables that have these rules each."""
    return lambda bounds, value: all(holds(rules, bounds, each) for each in value)


def health_checks(bounds: Bounds, value: Any) -> bool:
    return all(holds({**HEALTHY, "name": anything}, bounds, each) and has_user(each) for each in value)


PLAN: Dict[str, Rule] = {
    "argv": anything,
    "user": user,
    "cwd": anything,
    "env": anything,
    "plain": anything,
    "otherwise": anything,
}
# What may be asked, by function, and the rule of each argument.
QUESTIONS: Dict[str, Dict[str, Rule]] = {
    "backups.listing": {"folder": lambda bounds, value: value in [each["folder"] for each in bounds.databases]},
    "bans.state": {},
    "certificates.shown": {"path": anything},
    "checkout.resolve": {
        "repo": repository,
        "mirror": mirror,
        "revision": reference,
        "key": anything,
        "token": anything,
        "host_keys": anything,
    },
    "checkout.tips": {"mirror": mirror},
    "commands.variables": {"paths": lambda bounds, value: all(variables(bounds, each) for each in value)},
    "commits.between": {"mirror": mirror, "former": commit, "commit": commit, "most": anything},
    "cron.last": {"folder": inside},
    "derived.unchanged": {"commands": same_rules(DERIVED)},
    "delivery.measured": {
        "name": anything,
        "port": anything,
        "tls": anything,
        "folders": lambda bounds, value: all(bounds.within(each[1]) for each in value),
    },
    "hardening.elsewhere": {"user": user, "folders": anything},
    "hardening.exposures": {"units": units},
    "looks.clock": {},
    "looks.failed_units": {},
    "looks.memory": {},
    "looks.pending": {},
    "looks.reach": {"places": anything},
    "looks.refused": {"server": server},
    "looks.resolve": {"names": anything},
    "looks.rooms": {"paths": anything},
    "looks.unbootable": {"units": names},
    "looks.unmounted": {"needed": anything},
    "migrations.plans": {"questions": same_rules(PLAN)},
    "offsite.last": {},
    "once.listing": {},
    "ports.listening": {},
    "releases.before": {"root": root},
    "releases.history": {"lines": anything, "mirror": mirror},
    "releases.listing": {"root": root},
    "releases.stuck": {"root": root, "keep": anything},
    "queues.rabbitmq": {"vhosts": lambda bounds, value: set(value) <= bounds.vhosts, "first": anything},
    "queues.redis": dict.fromkeys(("port", "password", "database", "first"), anything),
    "restores.left": {"databases": lambda bounds, value: all(map(bounds.has_database, value))},
    "samples.listing": {"source": inside, "made": anything},
    "scripts.deeper": {"source": inside, "name": anything},
    "sites.state": {"server": server, "page": page, "names": anything, "doors": anything},
    "sshd.state": {
        "application": application,
        "path": lambda _bounds, value: os.path.dirname(value) == "/etc/ssh/sshd_config.d",
        "keywords": anything,
    },
    "strays.listing": {"user": user},
    "survey.health": {"checks": health_checks},
    "team.state": {},
    "trees.held": {"folder": inside},
    "upgrades.boot": {},
    "upgrades.outdated": {},
    "upgrades.pending": {},
    "usage.usage": {"processes": anything},
}

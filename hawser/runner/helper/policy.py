"""What a deploy user may have done as root: what its application needs, and nothing that leads to more.

Whoever has both the deploy user's login and the key that requests are signed with may deploy, and so run programs as
the users of the application. Nothing here lets them become another user, root least of all. What no rule names is
refused.
"""

from __future__ import annotations

import os
import re
import stat

from ..files.definitions import HEADER, RELEASE
from ..files.disk import beginning
from ..webservers import ENABLED_MODULES
from .definitions import Excess, require_crontab, require_program, require_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping, Optional, Sequence

    from ..specs.base import Row

    Rule = Callable[["Policy", Any], bool]

SERVERS = ("nginx", "apache2", "caddy")
# What root itself may be asked to run.
COMMANDS = {
    ("systemctl", "daemon-reload"),
    *(("systemctl", verb, unit) for verb in ("reload-or-restart", "try-reload-or-restart") for unit in SERVERS),
}
# git does what these say, as root: nobody but git itself writes there.
GITS_OWN = re.compile(r"(?:^|/)\.git", re.I)
UNIT = re.compile(r"/etc/systemd/system/([\w.@-]+)\.service", re.ASCII)
PROGRAM = re.compile(r"/etc/supervisor/conf\.d/([\w.@-]+)\.conf", re.ASCII)
WORD = re.compile(r"[A-Za-z0-9_][\w.+@-]*", re.ASCII)
PATH = re.compile(r"/[\w./@+:-]+", re.ASCII)
PAGE = re.compile(r"/etc/(?:nginx|apache2|caddy)/[\w./-]+", re.ASCII)
REPOSITORY = re.compile(r"(?:https?|ssh|git)://[^\s-]\S*|[\w.-]+@[\w.-]+:[^\s-]\S*", re.ASCII)


class Policy:
    """The limits of one application's helper.

    :param rules: what `bootstrap` has written down, as JSON has it: application, environment, root, state, users and
        groups (its own, without root), own (folders that its user owns), logs (folders of logs), databases, vhosts (of
        RabbitMQ), lines (of units, that an administrator has let through), key.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.application: str = rules["application"]
        self.root: str = rules["root"]
        self.state: str = rules["state"]
        self.users = frozenset(rules["users"])
        self.groups = frozenset(rules["groups"])
        self.records = {self.state + "/rollout.json", self.state + "/hold.json"}
        self.lines = frozenset(rules["lines"])
        self.vhosts = frozenset(rules["vhosts"])
        self.databases = list(rules["databases"])
        self.own = tuple(rules["own"])
        self.logs = tuple(rules["logs"])

    # What is asked for.

    def why_no_request(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return why a request is not taken; empty: it is."""
        try:
            self.require_request(operation, arguments)
        except (Excess, LookupError, TypeError, ValueError, AttributeError) as error:
            return str(error) if isinstance(error, Excess) else "the request `%s`" % operation
        return ""

    def require_request(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Require that a request is one of those that the helper takes.

        :raises Excess: it is not; why.
        """
        if operation in ("apply", "facts", "lock", "holder"):
            return
        if operation == "read" and self.is_record(arguments["path"]):
            return
        if operation == "ask_all":
            for function, given in arguments["questions"]:
                self.require_question(function, given)
            return
        if operation == "ask":
            self.require_question(arguments["function"], arguments["arguments"])
            return
        if operation == "stream" and self.holds(STREAM, arguments):
            return
        if operation == "logs" and all(self.is_own_log(each) for each in arguments["sources"]):
            return
        raise Excess("the request `%s`" % operation)

    def is_record(self, path: Any) -> bool:
        """Whether a path is a record of Hawser's own, which no user can have put there."""
        own = isinstance(path, str) and path.startswith(self.state + "/") and os.path.realpath(path) == path
        return own or (self.inside(path) and is_roots(os.path.dirname(path)) and not os.path.islink(path))

    def require_question(self, function: str, arguments: Mapping[str, Any]) -> None:
        rules = QUESTIONS.get(function)
        if rules is None or not self.holds(rules, arguments):
            raise Excess("the question %s" % function)

    def why_not(self, row: Row) -> str:
        """Return why a row of a catalog may not be applied; empty: it may."""
        rules = KINDS.get(row["kind"])
        if rules is None:
            return "it is of a kind that is not the application's own"
        fields = {name: value for name, value in row.items() if name not in ("kind", "step", "label", "when", "held")}
        if not rules.keys() <= fields.keys():
            return "it is not of the form that this helper knows"
        try:
            for name, value in fields.items():
                rule = rules.get(name)
                if rule is None or not rule(self, value):
                    return "its %s is none that the application has" % name.replace("_", " ")
            more = FURTHER.get(row["kind"])
            if more is not None:
                more(self, fields)
        except Excess as excess:
            return "it has more than the application's own rights: %s" % excess
        except (LookupError, TypeError, ValueError, AttributeError):
            return "it is not of the form that this helper knows"
        return ""

    def may_look(self, row: Row) -> bool:
        """Whether a row that may not be applied may be compared with what is there."""
        fields: Mapping[str, Any] = {**row}
        if row["kind"] == "command":
            return is_look(fields["unless"])
        rule = PASSIVE.get(row["kind"])
        return rule is not None and rule(self, fields)

    def holds(self, rules: Mapping[str, Rule], arguments: Mapping[str, Any]) -> bool:
        # Without one it would run as root.
        if rules.get("user") is user and "user" not in arguments:
            return False
        return all(name in rules and rules[name](self, value) for name, value in arguments.items())

    # Rules of single values.

    def is_below_root(self, path: Any) -> bool:
        """Whether a path is one of the application's folder, as far as its text says."""
        return isinstance(path, str) and path.startswith(self.root + "/") and os.path.normpath(path) == path

    def real(self, path: Any) -> str:
        """Return where a path of the application's folder leads to, from that folder on; empty: out of it."""
        if not self.is_below_root(path):
            return ""
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        return real[len(root) + 1 :] if real.startswith(root + "/") else ""

    def within(self, path: Any) -> bool:
        """Whether a path leads to a place in the application's folder, whatever links there are on the way.

        Those of git and of certificates are not: root's programs do what is said there.
        """
        real = self.real(path)
        return bool(real) and not GITS_OWN.search(real) and real.split("/")[0] not in ("repository.git", "ssl")

    def among_logs(self, path: str) -> bool:
        """Whether a path leads into a folder of logs, where a web server and managers open files as root."""
        return is_below(self.root + "/" + self.real(path), self.logs)

    def inside(self, path: Any) -> bool:
        """Whether a path is `within`, and not among logs."""
        return self.within(path) and not self.among_logs(path)

    def is_place(self, path: Any) -> bool:
        """Whether something may lie at a path, a link as well: its folder is `inside`, or the application's."""
        if not self.is_below_root(path):
            return False
        folder, name = os.path.split(path)
        if folder == self.root:
            return not GITS_OWN.search(name) and not self.among_logs(path) and name not in ("repository.git", "ssl")
        return self.inside(folder) and not GITS_OWN.search(name) and path not in self.logs

    def target(self, path: str, target: Any) -> bool:
        """Whether what a link leads to is within the application's folder."""
        if not isinstance(target, str):
            return False
        to = os.path.normpath(os.path.join(os.path.dirname(path), target))
        return self.is_place(to)

    def is_log(self, path: Any) -> bool:
        """Whether a path is a log that root writes to: in a folder that nobody else can write to."""
        if not isinstance(path, str) or not PATH.fullmatch(path) or os.path.normpath(path) != path:
            return False
        folder = os.path.dirname(path)
        return folder in self.logs and is_roots(folder) and not os.path.islink(path)

    def is_user(self, name: Any) -> bool:
        return name in self.users

    def is_unit(self, name: Any) -> bool:
        """Whether a unit is one of the application's, by its name and by whoever has defined it."""
        if not isinstance(name, str) or not WORD.fullmatch(name) or not name.startswith(self.application + "-"):
            return False
        return self.is_free("/etc/systemd/system/%s.service" % name) and self.is_free(
            "/etc/supervisor/conf.d/%s.conf" % name
        )

    def is_own_log(self, source: Mapping[str, Any]) -> bool:
        """Whether a log is one of the application's processes and entries, or of the server of its site."""
        path, tags = source.get("path"), source.get("tags", ())
        units = [each[: -len(".service")] if each.endswith(".service") else each for each in source.get("units", ())]
        return (
            not source.get("pattern")
            and all(each in SERVERS or self.is_unit(each) for each in units)
            and all(map(self.is_unit, tags))
            and (not path or self.is_log(path))
        )

    def is_definition(self, path: str) -> bool:
        """Whether a path is that of a definition of one of the application's processes, or of its crontab."""
        if path == "/etc/cron.d/" + self.application:
            return True
        found = UNIT.fullmatch(path) or PROGRAM.fullmatch(path)
        return found is not None and self.is_unit(found.group(1))

    def is_free(self, path: str) -> bool:
        """Whether there is no definition that somebody else has put there."""
        if not os.path.lexists(path):
            return True
        former = HEADER.match(beginning(path, 4096))
        return former is not None and former.group(1) == self.application

    def definition(self, path: str, text: Any) -> Optional[str]:
        """Return why a definition of a process, or a crontab, may not be placed; None: the path is that of none."""
        unit, program = UNIT.fullmatch(path), PROGRAM.fullmatch(path)
        if path == "/etc/cron.d/" + self.application:
            require_crontab(text, self.users)
            return ""
        found = unit or program
        if found is None:
            return None
        name = found.group(1)
        header = HEADER.match(text)
        if not self.is_unit(name) or header is None or header.group(1) != self.application:
            return "a definition of another application"
        if unit:
            require_unit(text, self.users, self.groups, self.lines, self.is_log)
        else:
            require_program(text, name, self.users, self.is_log)
        return ""


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of some folders, or within one."""
    return any(f"{path}/".startswith(each + "/") for each in folders)


def is_look(argv: Sequence[str]) -> bool:
    """Whether a program only tells whether something is there."""
    if list(argv[:-1]) == ["test", "!", "-e"]:
        return True
    return list(argv[:4]) == ["sh", "-c", ENABLED_MODULES, "sh"] and all(map(WORD.fullmatch, argv[4:]))


def is_roots(folder: str) -> bool:
    """Whether nobody but root can put anything into a folder, nor change the way to it."""
    while True:
        try:
            found = os.lstat(folder)
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid or found.st_mode & 0o022:
            return False
        if folder == "/":
            return True
        folder = os.path.dirname(folder)


# Rules by the names of fields.


def anything(_policy: Policy, _value: Any) -> bool:
    return True


def inside(policy: Policy, value: Any) -> bool:
    return policy.inside(value)


def within(policy: Policy, value: Any) -> bool:
    return policy.within(value)


def in_release(policy: Policy, value: Any) -> bool:
    return policy.inside(value) and value.startswith((policy.root + "/releases/", policy.root + "/checkouts/"))


def inside_or_none(policy: Policy, value: Any) -> bool:
    return not value or policy.inside(value)


def place(policy: Policy, value: Any) -> bool:
    return policy.is_place(value)


def variables(policy: Policy, value: Any) -> bool:
    # Root reads it for the program: no user may put a link there.
    return not value or (policy.inside(value) and is_roots(os.path.dirname(value)))


def release(_policy: Policy, value: Any) -> bool:
    return not value or (isinstance(value, str) and bool(RELEASE.fullmatch(value)))


def entry(policy: Policy, value: Any) -> bool:
    # Paths are made of its name.
    return isinstance(value, dict) and release(policy, value.get("release", ""))


def pattern(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and "/" not in value


def names(_policy: Policy, value: Any) -> bool:
    return all(map(WORD.fullmatch, value))


def words_in(*fields: str) -> Rule:
    """Return the rule of a row in which these fields hold words alone, or nothing."""

    def rule(_policy: Policy, row: Any) -> bool:
        found = [each for name in fields for each in (row[name] if isinstance(row[name], list) else [row[name]])]
        return all(each == "" or WORD.fullmatch(each) for each in found)

    return rule


def user(policy: Policy, value: Any) -> bool:
    return policy.is_user(value)


def owner(policy: Policy, value: Any) -> bool:
    return value == "root" or policy.is_user(value)


def group(policy: Policy, value: Any) -> bool:
    return value in ("root", "www-data") or value in policy.groups


def mode_of_file(_policy: Policy, value: Any) -> bool:
    # A file of root's that takes its user's rights along would give them to everybody.
    return isinstance(value, int) and not value & ~0o777


def mode_of_folder(_policy: Policy, value: Any) -> bool:
    return isinstance(value, int) and not value & ~0o3777


def unit(policy: Policy, value: Any) -> bool:
    return policy.is_unit(value)


def unit_or_none(policy: Policy, value: Any) -> bool:
    return not value or policy.is_unit(value)


def units(policy: Policy, value: Any) -> bool:
    return all(map(policy.is_unit, value))


def log(policy: Policy, value: Any) -> bool:
    return not value or policy.is_log(value)


def manager(_policy: Policy, value: Any) -> bool:
    return value in ("systemd", "supervisor")


def server(_policy: Policy, value: Any) -> bool:
    return value in ("", "nginx", "apache", "caddy")


def root(policy: Policy, value: Any) -> bool:
    return bool(value == policy.root)


def application(policy: Policy, value: Any) -> bool:
    return bool(value == policy.application)


def mirror(policy: Policy, value: Any) -> bool:
    return not value or value == policy.root + "/repository.git"


def repository(_policy: Policy, value: Any) -> bool:
    return not value or bool(REPOSITORY.fullmatch(value))


def word(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and bool(WORD.fullmatch(value))


def address(policy: Policy, value: Any) -> bool:
    return not value or not value.startswith("/") or policy.inside(value)


def addresses(policy: Policy, value: Any) -> bool:
    return all(address(policy, each) for each in value)


def validator(_policy: Policy, value: Any) -> bool:
    return value in ("", "json", "python", "yaml", "systemd", "supervisor", "cron")


def page(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and bool(PAGE.fullmatch(value)) and os.path.normpath(value) == value


def uv(_policy: Policy, value: Any) -> bool:
    # A program that root has installed, and that runs as the application's user.
    return isinstance(value, str) and is_roots(os.path.dirname(os.path.realpath(value)))


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
    "user": lambda policy, value: not value or policy.is_user(value),
    "cwd": anything,
}
ENVIRONMENT: Dict[str, Rule] = {
    "link": place,
    "folder": inside,
    "source": inside,
    "user": user,
    "uv": uv,
    "directory": anything,
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
    "kept": lambda policy, value: not value or in_release(policy, value),
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
    "outputs": anything,
    "variables": anything,
    "releases": inside_or_none,
    "again": anything,
}
# Which ones, says `require_database`.
DATABASE: Dict[str, Rule] = dict.fromkeys(("database", "engine", "owner", "folder", "path"), anything)
WORKING_COPY: Dict[str, Rule] = {"path": in_release, "mirror": mirror, "commit": anything}
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
        "commit": anything,
        "source": inside,
        "user": user,
        "group": group,
        "commands": anything,
        "inputs": anything,
        "directory": anything,
        "outputs": anything,
        "env": anything,
        "patches": anything,
        "timeout": anything,
    },
    "checkout": {
        **WORKING_COPY,
        "owner": owner,
        "group": group,
        "named": anything,
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
        "page": lambda policy, value: not value or policy.within(value) or page(policy, value),
        "unit": unit_or_none,
        "manager": manager,
        "log": log,
        "server_log": log,
    },
    "trees": {"folder": inside, "keep": anything},
    "checkouts": {"folder": inside, "keep": anything},
}


def require_own_folder(policy: Policy, fields: Mapping[str, Any]) -> None:
    real = policy.real(fields["path"])
    path, of_code = f"{policy.root}/{real}", re.fullmatch("releases/[^/]+/source", real)
    if fields["owner"] != "root" and not of_code and not is_below(path, policy.own):
        raise Excess("a folder of %s where root reads" % fields["owner"])
    if (
        fields["owner"] == "root"
        and fields["mode"] & 0o022
        and (policy.among_logs(path) or not fields["mode"] & 0o1000)
    ):
        raise Excess("a folder of root's that others may write to")
    if policy.among_logs(path) and fields["owner"] != "root":
        raise Excess("a folder of logs that others may write to")


def require_own_file(policy: Policy, fields: Mapping[str, Any]) -> None:
    refused = policy.definition(fields["path"], fields["content"])
    if refused:
        raise Excess(refused)
    if refused == "" and (fields["owner"], fields["group"], fields["mode"]) != ("root", "root", 0o644):
        raise Excess("a definition that others may write to")
    # A log may be made, and nothing that is no file is written through.
    found = policy.within(fields["path"]) and not os.path.islink(fields["path"])
    if refused is None and not found and fields["path"] not in policy.records:
        raise Excess("a path that is not the application's")


def require_own_absence(policy: Policy, fields: Mapping[str, Any]) -> None:
    path = fields["path"]
    if not policy.is_place(path) and not policy.is_definition(path) and path not in policy.records:
        raise Excess("a path that is not the application's")


def require_database(policy: Policy, fields: Mapping[str, Any]) -> None:
    if {name: fields[name] for name in DATABASE} not in policy.databases:
        raise Excess("a database that is not the application's")


def require_link(policy: Policy, fields: Mapping[str, Any]) -> None:
    if not policy.target(fields["path"], fields["target"]):
        raise Excess("a link that leads out of the application's folder")


def has_user(fields: Mapping[str, Any]) -> bool:
    # Without one it would run as root.
    return bool(fields.get("user")) or not fields.get("command")


def require_healthy(_policy: Policy, fields: Mapping[str, Any]) -> None:
    if not has_user(fields):
        raise Excess("a program that runs as root")


def require_command(policy: Policy, fields: Mapping[str, Any]) -> None:
    if fields["user"] and not policy.is_user(fields["user"]):
        raise Excess("a program that runs as %s" % fields["user"])
    if fields["user"]:
        return
    if tuple(fields["argv"]) not in COMMANDS or (fields["unless"] and not is_look(fields["unless"])):
        raise Excess("a program that runs as root")


def require_linked_folder(policy: Policy, fields: Mapping[str, Any]) -> None:
    require_link(policy, fields)
    # What is copied there keeps its modes.
    there = os.path.normpath(os.path.join(os.path.dirname(fields["path"]), fields["target"]))
    if not is_below(f"{policy.root}/{policy.real(there)}", policy.own):
        raise Excess("a folder that is not its user's")


def require_retired(policy: Policy, fields: Mapping[str, Any]) -> None:
    if fields["path"] and not policy.is_definition(fields["path"]):
        raise Excess("a path that is none of its processes'")


def require_tried(policy: Policy, fields: Mapping[str, Any]) -> None:
    require_healthy(policy, fields)
    if not WORD.fullmatch(fields["placeholder"]):
        raise Excess("a placeholder that is no word")
    text = fields["definition"].replace(fields["placeholder"], "65535")
    refused = policy.definition(fields["path_of_definition"], text)
    if refused or refused is None:
        raise Excess(refused or "a path that is none of its processes'")


FURTHER: Dict[str, Callable[[Policy, Mapping[str, Any]], None]] = {
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
    "tool": lambda _policy, fields: is_roots(fields["path"]),
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
    return lambda policy, value: all(policy.holds(rules, each) for each in value)


def health_checks(policy: Policy, value: Any) -> bool:
    return all(policy.holds({**HEALTHY, "name": anything}, each) and has_user(each) for each in value)


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
    "backups.listing": {"folder": lambda policy, value: value in [each["folder"] for each in policy.databases]},
    "bans.state": {},
    "certificates.shown": {"path": anything},
    "checkout.resolve": {
        "repo": repository,
        "mirror": mirror,
        "revision": anything,
        "key": anything,
        "token": anything,
        "host_keys": anything,
    },
    "checkout.tips": {"mirror": mirror},
    "commands.variables": {"paths": lambda policy, value: all(variables(policy, each) for each in value)},
    "commits.between": {"mirror": mirror, "former": anything, "commit": anything, "most": anything},
    "cron.last": {"folder": inside},
    "derived.unchanged": {"commands": same_rules(DERIVED)},
    "delivery.measured": {
        "name": anything,
        "port": anything,
        "tls": anything,
        "folders": lambda policy, value: all(policy.within(each[1]) for each in value),
    },
    "hardening.elsewhere": {"user": user, "folders": anything},
    "hardening.exposures": {"units": units},
    "holders.holding": {"root": root, "release": release, "values": anything},
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
    "queues.rabbitmq": {"vhosts": lambda policy, value: set(value) <= policy.vhosts, "first": anything},
    "queues.redis": dict.fromkeys(("port", "password", "database", "first"), anything),
    "restores.left": {"databases": anything},
    "samples.listing": {"source": inside, "made": anything},
    "scripts.deeper": {"source": inside, "name": anything},
    "sites.state": {"server": server, "page": page, "names": anything, "doors": anything},
    "sshd.state": {
        "application": lambda policy, value: value == policy.application,
        "path": lambda _policy, value: os.path.dirname(value) == "/etc/ssh/sshd_config.d",
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

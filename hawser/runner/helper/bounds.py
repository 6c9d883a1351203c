"""What belongs to one application on a host, by paths, users and names."""

from __future__ import annotations

import os
import re
import stat

from ..files.definitions import HEADER
from ..files.disk import beginning
from .definitions import Excess, require_crontab, require_program, require_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, List, Mapping, Sequence

SERVERS = ("nginx", "apache2", "caddy")
WORD = re.compile(r"[A-Za-z0-9_][\w.+@-]*", re.ASCII)
# git does what these say, as root: nobody but git itself writes there.
GITS_OWN = re.compile(r"(?:^|/)\.git", re.I)
UNIT = re.compile(r"/etc/systemd/system/([\w.@-]+)\.service", re.ASCII)
PROGRAM = re.compile(r"/etc/supervisor/conf\.d/([\w.@-]+)\.conf", re.ASCII)
# Where packages have their units.
PACKAGED = ("/usr/lib/systemd/system/%s.service", "/lib/systemd/system/%s.service", "/etc/init.d/%s")
PATH = re.compile(r"/[\w./@+:-]+", re.ASCII)


class Bounds:
    """The bounds of one application's helper.

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
        self.vhosts: FrozenSet[str] = frozenset(rules["vhosts"])
        self.databases: List[Dict[str, Any]] = list(rules["databases"])
        self.own = tuple(rules["own"])
        self.logs = tuple(rules["logs"])

    def is_record(self, path: Any) -> bool:
        """Whether a path is a record of Hawser's own, which no user can have put there."""
        own = isinstance(path, str) and path.startswith(self.state + "/") and os.path.realpath(path) == path
        return own or (self.inside(path) and self.is_roots(os.path.dirname(path)) and not os.path.islink(path))

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
        return folder in self.logs and self.is_roots(folder) and not os.path.islink(path)

    def is_user(self, name: Any) -> bool:
        return name in self.users

    def has_database(self, asked: Mapping[str, Any]) -> bool:
        """Whether a database and its engine are the application's."""
        return any(
            (each["database"], each["engine"]) == (asked["database"], asked["engine"]) for each in self.databases
        )

    def is_unit(self, name: Any) -> bool:
        """Whether a unit is one of the application's, by its name and by whoever has defined it."""
        if not isinstance(name, str) or not WORD.fullmatch(name) or not name.startswith(self.application + "-"):
            return False
        ours = ("/etc/systemd/system/%s.service" % name, "/etc/supervisor/conf.d/%s.conf" % name)
        # An application may be called as a package is.
        packaged = [pattern % name for pattern in PACKAGED]
        return all(map(self.is_free, ours)) and not any(map(os.path.lexists, packaged))

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

    def require_definition(self, path: str, text: Any) -> None:
        """Require that a definition of a process, or a crontab, gives nobody more than the application's users have.

        :param path: one that `is_definition`.
        :raises Excess: it does; what.
        """
        unit, program = UNIT.fullmatch(path), PROGRAM.fullmatch(path)
        if not unit and not program:
            require_crontab(text, self.users)
            return
        header = HEADER.match(text)
        if header is None or header.group(1) != self.application:
            raise Excess("a definition of another application")
        if unit:
            require_unit(text, self.users, self.groups, self.lines, self.is_log)
        elif program:
            require_program(text, program.group(1), self.users, self.is_log)

    def is_own(self, path: str) -> bool:
        """Whether a path is one of the folders that the application's user owns, or within one."""
        return is_below(path, self.own)

    @staticmethod
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


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of some folders, or within one."""
    return any(f"{path}/".startswith(each + "/") for each in folders)

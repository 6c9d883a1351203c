"""The recipe of an application's environment, and the commands of uv that follow it."""

from __future__ import annotations

import codecs
import hashlib
import os
import re

from ..files.disk import read_beneath
from ..system import Failure
from .locks import FOREIGN, advice, deeper, foreign, limits, require_same
from .origins import decode, folders_of_settings, is_local, is_local_lock, is_local_toml, servers, uv_tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from ..specs.code import PythonEnvironmentSpec
    from .conda import CondaInputs

# Bytes that a file of requirements or a lock file may have, and how many files may include each other.
LONGEST = 16 << 20
MOST_FILES = 500
DETECTED = ("uv.lock", "pylock.toml", "requirements.lock", "requirements.txt", "pyproject.toml")
INCLUDE = re.compile(r"^(?:-r|--requirements?|-c|--constraints?)(?:\s*=\s*|\s+|(?<=^-[rc]))(?P<file>\S.*)$")
URL = re.compile(r"^[a-z+]+://")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Recipe:
    """The files and settings that decide about the contents of an environment.

    :param conda: what decides about conda's part, see `CondaFile.inputs`.
    :ivar inputs: all of them, as JSON can carry it; equal inputs make equal environments.
    :ivar own: whether the release itself is part of it, so that no other release may share it.
    :raises Failure: a file is missing, or there is nothing to install from.
    """

    def __init__(self, spec: PythonEnvironmentSpec, conda: Optional[CondaInputs] = None) -> None:
        self.spec = spec
        self.source = spec["source"]
        self.own = bool(spec["own"])
        # Of the application: the environments lie in it.
        self.root = os.path.dirname(spec["folder"])
        self.files: Dict[str, str] = {}
        self.lock = spec["lock"]
        self.requirements = list(spec["requirements"])
        self.project = ""
        # The folder of a workspace's member, where the lock is for all of them.
        self.member = ""
        # Requirements in the files, without options and what they include.
        self.lines: List[str] = []
        # Servers of repositories from which packages come.
        self.servers = {server for line in spec["packages"] for server in servers(line)}
        # Versions that the lock file names.
        self.locked: List[str] = []
        if not os.path.isdir(self.source):
            raise Failure("there is no checkout at %s" % self.source)
        if not os.path.isdir(os.path.join(self.source, spec["directory"])):
            raise Failure("the code has no folder %s; next: correct app.directory, and deploy" % spec["directory"])
        detected = not self.lock and not self.requirements and not spec["conda"] and spec["detect"]
        if detected:
            self.detect()
        if self.lock:
            self.add_lock()
        for name in self.requirements:
            self.add_requirements(self.locate(name))
        if self.project:
            self.add_file(self.locate(self.project))
            self.own = True
        if detected and not self.lock:
            chosen = "".join(self.requirements) or self.project
            folder = os.path.dirname(self.locate(chosen)) if chosen else self.source
            require_same(folder, os.path.basename(chosen), self.lines)
        listed = [*spec["packages"], *spec["build_constraints"]]
        self.own = self.own or any(is_local(line, self.root) for line in listed)
        settings = self.settings()
        self.inputs: Dict[str, object] = {
            "files": dict(sorted(self.files.items())),
            "lock": self.lock,
            "requirements": self.requirements,
            "project": self.project,
            "packages": list(spec["packages"]),
            "extras": list(spec["extras"]),
            "groups": list(spec["groups"]),
            "own": self.release() if self.own else "",
        }
        # Only where they are given: the environments that are there keep their names.
        if conda is not None:
            self.inputs["conda"] = conda
        if spec["resolver"]:
            self.inputs["resolver"] = spec["resolver"]
        if spec["build_constraints"]:
            self.inputs["build_constraints"] = spec["build_constraints"]
        if settings:
            self.inputs["settings"] = digest(settings.encode())
        if self.member:
            self.inputs["member"] = self.member

    def keep_to_release(self) -> None:
        """Share the environment with no other release."""
        self.own = True
        self.inputs["own"] = self.release()

    def detect(self) -> None:
        """Take the first of the usual files; listed packages alone will do as well."""
        present = next(filter(None, map(self.present, folders_upwards(self.spec["directory"]))), [])
        if not present:
            if self.spec["packages"]:
                return
            self.nothing_found()
        name = os.path.basename(present[0])
        if name in ("uv.lock", "pylock.toml"):
            self.lock = present[0]
        elif name in ("requirements.lock", "requirements.txt"):
            self.requirements = [present[0]]
        elif self.workspace():
            self.lock, self.member = self.workspace(), self.spec["directory"]
        else:
            if (read_beneath(self.source, present[0], LONGEST) or b"").startswith(codecs.BOM_UTF8):
                raise Failure(
                    "%s begins with a byte order mark, which the builders of packages refuse; next: save it as UTF-8 "
                    "without one" % self.locate(present[0])
                )
            self.project = present[0]

    def present(self, folder: str) -> List[str]:
        """Return the usual files in a folder of the checkout, the one that counts first."""
        places = [os.path.join(folder, name) for name in DETECTED]
        present = [path for path in places if os.path.isfile(os.path.join(self.source, path))]
        described = os.path.join(folder, "pyproject.toml")
        if described in present and not is_project(decode(read_beneath(self.source, described, LONGEST) or b"")):
            present.remove(described)
        return present

    def workspace(self) -> str:
        """Return the uv.lock above the application's folder that has it in its workspace; empty for none."""
        directory = self.spec["directory"]
        for folder in folders_upwards(directory)[1:]:
            lock = os.path.join(folder, "uv.lock")
            text = decode(read_beneath(self.source, lock, LONGEST) or b"") if self.is_file(lock) else ""
            inside = re.escape(os.path.relpath(directory, folder or "."))
            if re.search(r'^source = \{ (editable|virtual) = "%s" \}' % inside, text, re.M):
                return lock
        return ""

    def is_file(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self.source, name))

    def nothing_found(self) -> None:
        """Stop, with the files of a project that lies deeper in the code.

        :raises Failure: always.
        """
        others = foreign(self.source)
        if others:
            raise Failure("%s is not read; next: %s" % (others[0], advice(others[0])))
        said = "no %s at the top of the code" % ", ".join(DETECTED)
        inner = deeper(self.source, (*DETECTED, *FOREIGN))
        if not inner:
            raise Failure(said + "; next: name the files under [python] requirements, or list packages")
        first, name = inner[0], os.path.basename(inner[0])
        if name in FOREIGN:
            move = advice(name)
        elif name in ("uv.lock", "pylock.toml"):
            move = 'lock = "%s" under [python]' % first
        elif name == "pyproject.toml":
            move = 'packages = ["./%s"] under [python]' % os.path.dirname(first)
        else:
            move = 'requirements = ["%s"] under [python]' % first
        raise Failure("%s; deeper in it: %s; next: %s" % (said, ", ".join(inner[:5]), move))

    def passed_over(self) -> List[str]:
        """Return the lock files at the top of the code that do not count, for something else is installed."""
        own = [name for name in ("uv.lock", "pylock.toml") if os.path.isfile(os.path.join(self.source, name))]
        return foreign(self.source) + ([] if self.lock else own)

    def locate(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.source, name))

    def add_file(self, path: str, included_by: str = "") -> str:
        """Note a file's content under its place in the checkout; return the text."""
        named = " (named in %s)" % included_by if included_by else ""
        if not (path + "/").startswith(self.source.rstrip("/") + "/"):
            raise Failure("%s%s lies outside of the code" % (path, named))
        if len(self.files) >= MOST_FILES:
            raise Failure("%s%s is one of more than %d files that include each other" % (path, named, MOST_FILES))
        data = read_beneath(self.source, path, LONGEST)
        if data is None:
            raise Failure("there is no %s%s" % (path, named))
        self.files[os.path.relpath(path, self.source)] = digest(data)
        text = decode(data)
        self.servers.update(servers(text))
        return text

    def add_requirements(self, path: str) -> None:
        """Note a requirement file and all that it includes, each relative to the file that names it."""
        waiting = [(path, "")]
        while waiting:
            path, included_by = waiting.pop()
            if os.path.relpath(path, self.source) in self.files:
                continue
            text = self.add_file(path, included_by)
            if os.path.basename(path) in ("setup.py", "setup.cfg", "pyproject.toml"):
                # What a program works out may come from any file.
                self.own = self.own or not path.endswith("pyproject.toml") or is_local_toml(text)
                continue
            for line in re.sub(r"\\\r?\n", " ", text).splitlines():
                line = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
                include = INCLUDE.match(line)
                if include:
                    name = include.group("file").strip("\"'")
                    if not URL.match(name):
                        waiting.append((os.path.normpath(os.path.join(os.path.dirname(path), name)), path))
                    continue
                if line and not line.startswith("-"):
                    self.lines.append(line)
                if is_local(line, self.root):
                    self.own = True

    def add_lock(self) -> None:
        path = self.locate(self.lock)
        text = self.add_file(path)
        self.locked = limits(text)
        if os.path.basename(path) == "uv.lock":
            self.add_file(os.path.join(os.path.dirname(path), "pyproject.toml"), self.lock)
            self.own = self.own or is_local_lock(text)
        elif re.match(r"pylock(\..+)?\.toml$", os.path.basename(path)):
            self.own = self.own or is_local_toml(text)
        else:
            known = "%s is no lock file that is read (uv.lock, pylock.toml)" % self.lock
            name = os.path.basename(path)
            raise Failure("%s; next: %s" % (known, advice(name)) if name in FOREIGN else known)

    def settings(self) -> str:
        """Return the settings for uv that the code brings along, and note whether they name places in it."""
        found = ""
        for folder in folders_of_settings(self.source, os.path.dirname(self.locate(self.lock or "lock"))):
            own = decode(read_beneath(self.source, os.path.join(folder, "uv.toml"), LONGEST) or b"")
            project = decode(read_beneath(self.source, os.path.join(folder, "pyproject.toml"), LONGEST) or b"")
            found += own + uv_tables(project)
        self.own = self.own or is_local_toml(found)
        return found

    def release(self) -> str:
        """Return a name that no other release has. Its commit is none: an editable package leads into one checkout."""
        return self.spec["own"] or os.path.realpath(self.source)

    def title(self) -> str:
        """Return a short name of all that is installed."""
        names = [name for name in (self.spec["conda"], self.lock, *self.requirements, self.project) if name]
        count = len(self.spec["packages"])
        if count:
            names.append("1 package" if count == 1 else "%d packages" % count)
        return " and ".join(names) or "nothing"

    def commands(self, environment: str) -> List[List[str]]:
        """Return uv's arguments for each command that fills a new environment."""
        choice = [word for name in self.spec["extras"] for word in ("--extra", name)]
        choice += [word for name in self.spec["groups"] for word in ("--group", name)]
        python = ["--python", os.path.join(environment, "bin", "python")]
        found = []
        if os.path.basename(self.lock) == "uv.lock":
            project = self.locate(self.member or os.path.dirname(self.lock))
            found.append(["sync", "--frozen", "--no-dev", "--no-editable", "--project", project, *python, *choice])
        elif self.lock:
            found.append(["pip", "sync", *python, *choice, "--", self.locate(self.lock)])
        files, words = self.asked()
        install = [word for path in files for word in ("-r", path)]
        if self.project:
            install += [word for name in self.spec["groups"] for word in ("--group", name)]
        if install or words:
            found.append(["pip", "install", *python, *install, "--", *words])
        return found

    def asked(self) -> Tuple[List[str], List[str]]:
        """Return the requirement files, by their paths, and the requirements that are installed beside a lock."""
        words = list(self.spec["packages"])
        if self.project:
            extras = "[%s]" % ",".join(self.spec["extras"]) if self.spec["extras"] else ""
            words.append(os.path.dirname(self.locate(self.project)) + extras)
        return [self.locate(name) for name in self.requirements], words


def folders_upwards(folder: str) -> List[str]:
    """Return a folder of a checkout and those above it, the top last."""
    parts = [part for part in folder.split("/") if part]
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def is_project(text: str) -> bool:
    """Tell whether a pyproject.toml describes something to install, not just settings of tools."""
    return bool(re.search(r"^\[(project|build-system)\]", text, re.M))

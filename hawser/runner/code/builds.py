"""Builds from source: made once for each state of their source, and used by every release that has the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import stat

from ..facts import os_release
from ..files.deletion import refuse_mounts
from ..files.disk import read, remove, write_atomically
from ..files.files import Link
from ..system import Change, Failure, Kind, group_id, user_id
from .mirror import Mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Match, Optional

    from ..specs.code import BuildSpec
    from ..specs.files import LinkSpec

MARKER = "complete"
# Raised when builds are made in another way, so that all are made anew.
FORMAT = 1


class Build(Kind):
    """See `hawser.resources.Build`.

    ``FOLDER/NAME-KEY/`` is root's and holds ``prefix`` and ``outputs``, which the service user builds, and the marker,
    which is written last.
    """

    spec: BuildSpec

    def check(self) -> Optional[Change]:
        path = self.place()
        if not complete(path):
            return Change("new build " + os.path.basename(path))
        missing = [each for each in self.spec["outputs"] if not os.path.lexists(self.in_code(each))]
        if missing:
            return Change("brings %s into the code" % ", ".join(missing))
        return self.link(path).check()

    def apply(self, change: Change) -> None:
        path = self.place()
        if not complete(path):
            self.build(path)
        if self.spec["outputs"]:
            # A link that is there says that they are complete.
            remove(self.spec["link"])
            self.make_way(os.path.join(path, "outputs"))
            self.copy(os.path.join(path, "outputs"), self.spec["source"], self.spec["outputs"])
        difference = self.link(path).check()
        if difference is not None:
            self.link(path).apply(difference)

    def place(self) -> str:
        """Return the folder of the build: named by the hash of all that goes into it."""
        digest = hashlib.sha256(json.dumps(self.recipe(), sort_keys=True).encode()).hexdigest()
        return os.path.join(self.spec["folder"], "%s-%s" % (self.spec["name"], digest[:16]))

    def recipe(self) -> Dict[str, object]:
        spec = self.spec
        return {
            "format": FORMAT,
            "source": self.trees(),
            "commands": [self.real(line, "@prefix@") for line in spec["commands"]],
            "environment": {name: self.real(value, "@prefix@") for name, value in spec["env"].items()},
            "rest": [spec["directory"], spec["outputs"], spec["patches"], spec["user"]],
            # What was compiled for one system need not run on the next.
            "system": [platform.machine(), os_release()],
        }

    def trees(self) -> List[str]:
        """Return git's hash of every input: of a file, a folder, or the commit that a submodule is at."""
        spec = self.spec
        mirror = Mirror(self.system, spec["mirror"])
        if not mirror.has(spec["commit"]):
            raise Failure("commit %s is not on this host" % spec["commit"])
        if not spec["inputs"]:
            return [mirror.git("rev-parse", spec["commit"] + "^{tree}").output.strip()]
        rows = [
            mirror.git("rev-parse", "--verify", "--quiet", "%s:%s" % (spec["commit"], each), check=False).output.strip()
            for each in spec["inputs"]
        ]
        missing = [name for name, row in zip(spec["inputs"], rows) if not row]
        if missing:
            raise Failure("the build %s: the code has no %s" % (spec["name"], " and no ".join(missing)))
        return rows

    def real(self, text: str, own: str) -> str:
        """Replace the links of this release by their targets: the same for every release with the same builds.

        :param own: what stands for the folder of this build itself.
        """
        folder, name = os.path.split(self.spec["link"])

        def lead(found: Match[str]) -> str:
            return own if found.group(1) == name else os.path.realpath(found.group(0))

        return re.sub(re.escape(folder) + "/([a-z][a-z0-9_-]*)", lead, text)

    def in_code(self, path: str) -> str:
        return os.path.join(self.spec["source"], path)

    def link(self, path: str) -> Link:
        target = os.path.relpath(os.path.join(path, "prefix"), os.path.dirname(self.spec["link"]))
        link: LinkSpec = {"path": self.spec["link"], "target": target, "parents": False}
        return Link(link, self.system)

    def build(self, path: str) -> None:
        """Run the commands in a copy of the source, keep their outputs, and mark it complete."""
        spec = self.spec
        work, prefix = os.path.join(path, "work"), os.path.join(path, "prefix")
        refuse_mounts(path)
        remove(os.path.join(path, MARKER))
        remove(path, recursive=True)
        os.mkdir(path, 0o755)
        for each in (work, prefix, *([os.path.join(path, "outputs")] if spec["outputs"] else [])):
            os.mkdir(each, 0o755)
            os.chown(each, user_id(spec["user"]), group_id(spec["group"]))
        # Only what git tracks, with what patches have made of it: nothing that an earlier attempt has left.
        inputs = spec["inputs"] or ["."]
        script = 'git ls-files -z --recurse-submodules -- "$@" | xargs -0r cp -a --parents -t "$WORK" --'
        argv = ["sh", "-ec", script, "sh", *inputs]
        result = self.system.run(argv, spec["user"], spec["source"], {"WORK": work}, "", 600, False, scoped=True)
        if result.code:
            raise Failure("the build %s: its source cannot be copied" % spec["name"], result.output)
        for line in spec["commands"]:
            self.command(self.real(line, prefix), os.path.join(work, spec["directory"]), prefix)
        if spec["outputs"]:
            left = [each for each in spec["outputs"] if not os.path.lexists(os.path.join(work, each))]
            if left:
                raise Failure("the build %s left no %s" % (spec["name"], " and no ".join(left)))
            self.copy(work, os.path.join(path, "outputs"), spec["outputs"])
        elif not os.listdir(prefix):
            raise Failure("the build %s installed nothing into its prefix ({{ prefix }}, $PREFIX)" % spec["name"])
        remove(work, recursive=True)
        self.system.run(["sync", "-f", path])
        write_atomically(os.path.join(path, MARKER), (json.dumps(self.recipe(), indent=1) + "\n").encode(), 0o644)

    def command(self, line: str, folder: str, prefix: str) -> None:
        spec = self.spec
        env = {name: self.real(value, prefix) for name, value in spec["env"].items()}
        env.setdefault("PREFIX", prefix)
        try:
            self.system.run(["sh", "-c", line], spec["user"], folder, env, timeout=spec["timeout"], scoped=True)
        except Failure as failure:
            message = "the build %s: %s: %s" % (spec["name"], line, failure.message)
            raise Failure(message, failure.output) from None

    def make_way(self, outputs: str) -> None:
        """Remove from the code what is a folder where an output is none, or the other way round: cp refuses these."""
        for each in self.spec["outputs"]:
            with contextlib.suppress(FileNotFoundError):
                wanted, there = (os.lstat(os.path.join(place, each)) for place in (outputs, self.spec["source"]))
                if stat.S_ISDIR(wanted.st_mode) != stat.S_ISDIR(there.st_mode):
                    remove(self.in_code(each), recursive=True)

    def copy(self, here: str, there: str, paths: List[str]) -> None:
        """Copy some paths from a folder into another, as the service user, who owns both."""
        argv = ["cp", "-a", "--parents", "--remove-destination", "-t", there, "--", *paths]
        self.system.run(argv, self.spec["user"], here)


def complete(path: str) -> bool:
    """Tell whether a build was made to its end."""
    return read(os.path.join(path, MARKER)) is not None

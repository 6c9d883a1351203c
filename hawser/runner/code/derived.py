"""Commands that need not run again while what they read is the same."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re

from ..files.disk import opened, read, write_atomically
from ..files.records import parsed
from ..files.walk import walk
from ..machine.commands import Program
from ..system import Change, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Sequence, Tuple

    from ..specs.code import DerivedSpec
    from ..system import System

# Raised when digests are made of something else, so that all commands run again.
FORMAT = 1
# They name the release itself.
OWN_VARIABLES = re.compile(rb"^HAWSER_(?:RELEASE|COMMIT)=.*\n", re.M)
DONE = "done"


def unchanged(system: System, commands: Sequence[DerivedSpec]) -> bool:
    """Tell whether none of some commands would run now."""
    return all(Derived(each, system).check() is None for each in commands)


class Derived(Program):
    """See `hawser.resources.Derived`.

    Its record is root's alone: the digest in it is one of secrets, too.
    """

    spec: DerivedSpec
    _digest = ""

    def check(self) -> Optional[Change]:
        if self.spec["again"]:
            return Change()
        record = recorded(self.spec["record"])
        if self.spec["releases"]:
            if record is not None:
                return None
            former = self.former()
            return Change("as in %s, for what it reads is the same" % former[0]) if former else Change()
        return None if record is not None and record.get("inputs") == self.digest() else Change()

    def apply(self, change: Change) -> None:
        digest = self.digest()
        former = None if self.spec["again"] else self.former()
        if former is not None and self.bring(*former):
            left = former[1]
        else:
            self.run_itself()
            left = self.left(self.spec["source"])
        entry = {"inputs": digest, "outputs": left}
        write_atomically(self.spec["record"], (json.dumps(entry) + "\n").encode(), 0o600)

    def former(self) -> Optional[Tuple[str, str]]:
        """Return the youngest release for which it ran with the same inputs, and the digest of what it left there."""
        if not self.spec["releases"]:
            return None
        own, found = self.digest(), []
        name = os.path.basename(self.spec["record"])
        for path in glob.glob(os.path.join(glob.escape(self.spec["releases"]), "*", DONE, name)):
            record = recorded(path)
            if record is not None and record.get("inputs") == own:
                release = os.path.basename(os.path.dirname(os.path.dirname(path)))
                found.append((os.stat(path).st_mtime, release, str(record.get("outputs"))))
        return max(found)[1:] if found else None

    def bring(self, release: str, digest: str) -> bool:
        """Copy what it left for another release into this one, as the service user.

        :param digest: that of what it left there. Whoever owns it may have altered it since.
        :returns: whether it is what the command would leave here.
        """
        outputs, here = self.spec["outputs"], self.spec["source"]
        there = os.path.join(self.spec["releases"], release, os.path.basename(here))
        try:
            if self.left(there) != digest:
                return False
            if outputs:
                self.system.run(["rm", "-rf", "--", *outputs], self.spec["user"], here)
                copy = ["cp", "-a", "--parents", "--reflink=auto", "-t", here, "--"]
                self.system.run([*copy, *outputs], self.spec["user"], there)
        except Failure:
            # It was pruned a moment ago, or the disk is full, which the command will say itself.
            return False
        return True

    def digest(self) -> str:
        """Return a digest of all that the command may read before it runs: its words, files, packages and variables.

        What git has where it leaves something counts as well, for a copy would take its place.
        """
        if not self._digest:
            self._digest = self.digest_now()
        return self._digest

    def digest_now(self) -> str:
        spec = self.spec
        release = os.path.dirname(spec["source"])
        words = [word.replace(release, "") for word in spec["argv"]]
        texts = [(read(path) or b"").replace(os.fsencode(release), b"") for path in spec["variables"]]
        variables = [hashed(OWN_VARIABLES.sub(b"", text)) for text in texts]
        packages = os.path.realpath(os.path.join(release, "env"))
        tracked = self.git(spec["source"], "--stage", spec["outputs"])
        parts = [FORMAT, words, variables, packages, tracked, list(self.files(spec["source"], spec["inputs"]))]
        return hashed(json.dumps(parts).encode())

    def left(self, source: str) -> str:
        """Return a digest of what the command has left in a checkout.

        :raises Failure: something is missing.
        """
        outputs = self.spec["outputs"]
        missing = [each for each in outputs if not os.path.lexists(os.path.join(source, each))]
        if missing:
            raise Failure("%s left no %s" % (self.title(), " and no ".join(missing)))
        return hashed(json.dumps(list(self.files(source, outputs))).encode())

    def files(self, source: str, patterns: Sequence[str]) -> Iterator[List[str]]:
        """Yield each file of a checkout that fits one of some patterns of git, with a digest of its contents."""
        for name in self.git(source, "--others", patterns):
            path = os.path.join(source, name)
            if "\ufffd" in name:
                # A name that is no UTF-8 leads nowhere, and what it holds is never known to be the same.
                yield [name, os.urandom(8).hex()]
            elif os.path.islink(path):
                yield [name, "link", os.readlink(path)]
            elif os.path.isfile(path):
                yield contents_of(name, path)
            else:
                # A submodule, or what somebody has removed.
                for folder, names, files in walk(path):
                    names[:] = [each for each in names if each != ".git"]
                    for each in files:
                        inner = os.path.join(folder, each)
                        yield contents_of(os.path.relpath(inner, source), inner)

    def git(self, source: str, kind: str, patterns: Sequence[str]) -> List[str]:
        """Return what git lists of a checkout, of its own files and of those of a kind; nothing for no patterns."""
        if not patterns:
            return []
        asked = [":(top,glob)%s" % each for pattern in patterns for each in (pattern, pattern + "/**")]
        argv = ["git", "ls-files", "-z", "--cached", kind, "--", *asked]
        said = self.system.run(argv, self.spec["user"], source, whole=True, apart=True).output
        return sorted(set(filter(None, said.split("\0"))))


def contents_of(name: str, path: str) -> List[str]:
    """Return the name of a file, whether it is a program, and a digest of it."""
    digest = hashlib.sha256()
    with opened(path, links=False) as stream:
        runs = os.fstat(stream.fileno()).st_mode & 0o100
        for part in iter(lambda: stream.read(1 << 20), b""):
            digest.update(part)
    return [name, "x" if runs else "", digest.hexdigest()]


def recorded(path: str) -> Optional[Dict[str, object]]:
    """Return the record of a command that has run; None where there is none."""
    found: Optional[Dict[str, object]] = parsed(read(path), dict)
    return found


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

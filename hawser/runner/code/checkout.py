"""Commits of a repository, and working copies of them that borrow the objects of a bare mirror on the host.

Git runs as root and only inside folders that root owns; a working copy is given away when it is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat

from ..files.disk import open_folder, read, remove, write_atomically
from ..files.records import parsed
from ..files.walk import walk
from ..rows import some
from ..system import Change, Failure, Kind, group_id, user_id
from .filters import refuse_failed, refuse_missing
from .git import KEYS, NO_KEYS, Remote, explain
from .mirror import FETCH_TIMEOUT, Mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence, Set

    from ..specs.code import CheckoutSpec, SealedSpec, WorkingCopySpec
    from ..system import System

HASH = re.compile(r"[0-9a-f]{40}\Z")
SHORT_HASH = re.compile(r"[0-9a-f]{4,40}\Z")
# How git says where a symbolic reference leads, and how that is told from its hash here (git-ls-remote(1), --symref).
LEADS, SYMBOLIC = "ref: refs/heads/", "-> "
BACK_TIMEOUT = 120
# What follows the path of a working copy in that of the record of what builds have removed from it.
REMOVED = ".removed"


def resolve(
    system: System,
    repo: str,
    mirror: str,
    revision: str,
    key: str = "",
    token: str = "",
    host_keys: Sequence[str] = (),
) -> str:
    """Return the full hash of the commit that a branch, a tag or a (short) hash stands for.

    :param revision: empty: the repository's default branch.
    :raises Failure: nothing or more than one commit fits, or the repository cannot be read.
    """
    remote, copy = Remote(repo, key, token, host_keys), Mirror(system, mirror)
    if not HASH.match(revision):
        commit = resolve_name(system, remote, revision)
        if commit:
            return commit
    if not SHORT_HASH.match(revision):
        raise Failure("%s has no branch or tag %r%s" % (remote.url, revision, similar(system, remote, revision)))
    if HASH.match(revision) and copy.has(revision):
        return revision
    with copy.exclusively():
        if HASH.match(revision):
            copy.fetch_commit(remote, revision, revision)
            return revision
        copy.fetch_all(remote)
    result = copy.git("rev-parse", "--disambiguate=" + revision)
    kinds = copy.git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=result.output).output
    commits = [row.split()[0] for row in kinds.splitlines() if row.endswith(" commit")]
    if not commits:
        raise Failure("%s has no branch, tag or commit %r" % (remote.url, revision))
    if len(commits) > 1:
        raise Failure("%r is short for several commits: %s" % (revision, ", ".join(sorted(commits))))
    return commits[0]


def list_remote(system: System, remote: Remote, *arguments: str) -> Dict[str, str]:
    """Return the references of a repository elsewhere, name to hash; with ``--symref`` also where they lead."""
    with remote.environment() as variables:
        argv = ["git", "ls-remote", "--quiet", *arguments]
        result = system.run(argv, env=variables, timeout=120, check=False, apart=True, whole=True)
    if result.code:
        raise Failure(explain(remote.url, result.errors), result.errors)
    rows = (row.split("\t") for row in result.output.split("\n")[:-1])
    # With --symref, a row before that of HEAD says what it leads to.
    return {SYMBOLIC + name if value.startswith(LEADS) else name: value for value, name in rows}


def resolve_name(system: System, remote: Remote, revision: str) -> str:
    """Ask the repository once for the commit of a name; empty when it knows no such branch or tag."""
    if not revision:
        names = ["HEAD"]
    elif revision.startswith("refs/"):
        names = [revision]
    elif revision.startswith(("heads/", "tags/")):
        names = ["refs/" + revision]
    else:
        names = ["refs/heads/" + revision, "refs/tags/" + revision]
    found = list_remote(system, remote, remote.url, *[each for name in names for each in (name, name + "^{}")])
    if not revision and "HEAD" not in found:
        raise Failure("%s is empty: it has no commit yet" % remote.url)
    # An annotated tag is an object of its own; the row with ^{} names the commit behind it.
    commits = {name: found.get(name + "^{}", found[name]) for name in names if name in found}
    if len(set(commits.values())) > 1:
        raise Failure("%r is both a branch and a tag; next: say heads/%s or tags/%s" % ((revision,) * 3))
    return next(iter(commits.values()), "")


def similar(system: System, remote: Remote, revision: str) -> str:
    """Return a suggestion for a mistyped name, as the end of a sentence."""
    import difflib

    names = [name.split("/", 2)[2] for name in list_remote(system, remote, "--heads", "--tags", "--refs", remote.url)]
    close = difflib.get_close_matches(revision, names, 3, 0.5)
    if close:
        return " (did you mean %s?)" % " or ".join(close)
    head = list_remote(system, remote, "--symref", remote.url, "HEAD").get(SYMBOLIC + "HEAD", "")
    return " (its default branch is %s)" % head[len(LEADS) :] if head else ""


class Checkout(Kind):
    """See `hawser.resources.Checkout`."""

    spec: CheckoutSpec

    def marker(self) -> str:
        return self.spec["path"] + ".complete"

    def check(self) -> Optional[Change]:
        path, commit = self.spec["path"], self.spec["commit"]
        if not HASH.match(commit):
            raise Failure("%r is no full hash of a commit" % commit)
        if not os.path.isdir(path):
            return Change("new")
        found = (read(self.marker()) or b"").decode("utf-8", "replace").strip()
        if found == commit:
            gone = self.gone()
            return Change("brings back " + some(gone)) if gone else None
        return Change("%s -> %s" % (found[:8], commit[:8]) if found else "incomplete, made anew")

    def gone(self) -> List[str]:
        """Return the files of the commit that are files no more, and that no build of ours has removed.

        :returns: nothing for a release of a Hawser that did not write down what its builds removed.
        """
        built = self.spec["built"]
        if not built:
            return []
        noted = removed(self.spec["path"])
        if noted is None and os.path.exists(built):
            return []
        return sorted(absent(self.system, self.spec) - set(noted or ()))

    def apply(self, change: Change) -> None:
        if (read(self.marker()) or b"").decode("utf-8", "replace").strip() == self.spec["commit"] and self.bring_back():
            return
        self.make()

    def bring_back(self) -> bool:
        """Restore the missing files in the code of a built release; tell whether that was possible.

        Beside it, processes may be running. One that was not built to its end is made anew.
        """
        if removed(self.spec["path"]) is None:
            return False
        argv = ["git", "-c", "core.fsmonitor=false", "checkout-index", "-f", "-z", "--stdin"]
        names = "".join(name + "\0" for name in self.gone())
        path, owner = self.spec["path"], self.spec["owner"]
        # The user's git, with the user's settings: whatever it does, we can do without it.
        with contextlib.suppress(Failure):
            self.system.run(argv, owner, path, stdin=names.encode("utf-8"), timeout=BACK_TIMEOUT)
        return not self.gone()

    def make(self) -> None:
        uid, gid = user_id(self.spec["owner"]), group_id(self.spec["group"])
        mirror = Mirror(self.system, self.spec["mirror"], self.spec["group"])
        remote = Remote(self.spec["repo"], self.spec["key"], self.spec["token"], self.spec["host_keys"])
        with mirror.exclusively():
            if not mirror.has(self.spec["commit"]):
                self.bring(mirror, remote)
            mirror.keep(self.spec["commit"])
        remove(self.marker())
        remove(self.spec["path"] + REMOVED)
        for built in (self.spec["built"], self.spec["done"]):
            if built:
                remove(built, recursive=True)
        remove(self.spec["path"], recursive=True)
        self.build(remote)
        give_away(self.spec["path"], uid, gid)
        self.system.run(["sync", "-f", self.spec["path"]])
        write_atomically(self.marker(), (self.spec["commit"] + "\n").encode(), 0o644)

    def bring(self, mirror: Mirror, remote: Remote) -> None:
        if self.spec["bundle"]:
            try:
                bundle = self.system.blobs[self.spec["bundle"]]
            except KeyError:
                raise Failure("commit %s was announced, but not sent" % self.spec["commit"]) from None
            mirror.unbundle(bundle, self.spec["commit"])
        elif remote.url:
            mirror.fetch_commit(remote, self.spec["commit"], self.spec["named"])
        else:
            raise Failure("commit %s is not on this host, and no repository is named" % self.spec["commit"])

    def build(self, remote: Remote) -> None:
        """Make the working copy as root, in a folder that is closed to everybody else until it is complete."""
        path = self.spec["path"]
        folder = open_folder(os.path.dirname(path))
        try:
            os.mkdir(os.path.basename(path), 0o700, dir_fd=folder)
        finally:
            os.close(folder)
        if os.path.exists(Mirror(self.system, self.spec["mirror"]).shallow()):
            self.borrow()
        else:
            clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", "--template=", self.spec["mirror"], path]
            self.git(clone)
        if remote.url:
            # Relative addresses of submodules, and large files (git-lfs), are looked up from here.
            self.git(["git", "-C", path, "remote", "set-url", "origin", remote.url])
        else:
            self.git(["git", "-C", path, "remote", "remove", "origin"])
        with remote.environment() as variables:
            argv = ["git", "-C", path, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach"]
            self.git([*argv, self.spec["commit"]], variables, filters=True)
            if os.path.exists(os.path.join(path, ".gitmodules")):
                argv = ["git", "-C", path, "submodule", "--quiet", "update", "--init", "--recursive"]
                # Addresses that the repository chose: none of this host, and none that is a command (gitprotocol(5)).
                variables["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:git"
                self.git(argv, variables, "a submodule of " + (remote.url or "the repository"), filters=True)
        refuse_missing(self.system, path)

    def borrow(self) -> None:
        """Make a working copy that borrows the objects of a mirror with a shallow history: git clones no such thing."""
        path, mirror = self.spec["path"], Mirror(self.system, self.spec["mirror"])
        self.git(["git", "-c", "init.defaultBranch=main", "init", "--quiet", "--template=", path])
        inner = os.path.join(path, ".git")
        os.makedirs(os.path.join(inner, "objects", "info"), exist_ok=True)
        objects = os.path.join(mirror.path, "objects") + "\n"
        write_atomically(os.path.join(inner, "objects", "info", "alternates"), objects.encode(), 0o644)
        write_atomically(os.path.join(inner, "shallow"), read(mirror.shallow()) or b"", 0o644)
        self.git(["git", "-C", path, "remote", "add", "origin", mirror.path])
        places = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        self.git(["git", "-C", path, "fetch", "--quiet", "--no-tags", "origin", *places])

    def git(
        self, argv: Sequence[str], env: Optional[Mapping[str, str]] = None, what: str = "", filters: bool = False
    ) -> None:
        result = self.system.run(argv, env=env, timeout=FETCH_TIMEOUT, check=False)
        if filters:
            refuse_failed(result.output, pushed=bool(self.spec["bundle"]))
        if result.code:
            keys = NO_KEYS if self.spec["bundle"] else KEYS
            raise Failure(explain(what or self.spec["mirror"], result.output, keys), result.output)


class Sealed(Kind):
    """See `hawser.resources.Sealed`."""

    spec: SealedSpec

    def check(self) -> Optional[Change]:
        noted = removed(self.spec["path"])
        return Change("notes what builds have removed from the code") if noted is None else None

    def apply(self, change: Change) -> None:
        gone = sorted(absent(self.system, self.spec))
        write_atomically(self.spec["path"] + REMOVED, (json.dumps(gone) + "\n").encode(), 0o644)


def removed(path: str) -> Optional[List[str]]:
    """Return which files builds have removed from a working copy; None where it is not written down, or damaged."""
    found = parsed(read(path + REMOVED), list)
    return None if found is None else [str(name) for name in found]


def absent(system: System, spec: WorkingCopySpec) -> Set[str]:
    """Return the files of a commit that are no files in its working copy; links and submodules are left out."""
    path = spec["path"]
    rows = Mirror(system, spec["mirror"]).git("ls-tree", "-r", "-z", spec["commit"]).output.split("\0")
    # A name that is no UTF-8 cannot be told apart.
    wanted = {row.partition("\t")[2] for row in rows if row.startswith("100") and "\ufffd" not in row}
    for folder, names, files in walk(path):
        names[:] = [name for name in names if name != ".git"]
        inner = os.path.relpath(folder, path)
        wanted.difference_update(files if inner == "." else ("%s/%s" % (inner, name) for name in files))
    return wanted


def part(name: str, folder: int, mode: int) -> None:
    """Replace a file in an open folder, which is closed to everybody else, by a copy of itself."""
    import shutil

    copy = name + ".copy~"
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as source:
        handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
        with open(handle, "wb") as target:
            shutil.copyfileobj(source, target)
    os.rename(copy, name, src_dir_fd=folder, dst_dir_fd=folder)


def give_away(path: str, uid: int, gid: int) -> None:
    """Give a folder with everything in it to a user, the folder itself last, so that nobody can interfere before.

    A file that has a name elsewhere, too, is somebody else's there; the user gets a copy.
    """
    for _folder, names, files, handle in os.fwalk(path, topdown=False, follow_symlinks=False):
        for name in [*names, *files]:
            status = os.lstat(name, dir_fd=handle)
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                part(name, handle, stat.S_IMODE(status.st_mode))
            os.chown(name, uid, gid, dir_fd=handle, follow_symlinks=False)
    os.chmod(path, 0o755)
    os.chown(path, uid, gid, follow_symlinks=False)

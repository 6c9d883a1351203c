"""The bare repository of an application on its host, from which working copies borrow objects.

Git runs as root and only inside folders that root owns. It refuses a repository of somebody else by itself
(git-config(1), safe.directory), and nothing here lifts that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat

from ..files.disk import read, remove, write_atomically
from ..system import Failure, group_id
from .git import Remote, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set

    from ..specs.answers import Between
    from ..system import Finished, System

BRANCHES_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
# One reference a deployed commit: whatever is pushed over upstream, no clean-up here removes a release's objects.
KEPT = "refs/hawser/"
# References of a bundle that name the ends of a shallow history, see `hawser.fleet.repository.bundle`.
SHALLOW = "refs/shallow/"
TAGS = "refs/tags/"
# Commits that a bundle may build on: any of them are right, and a repository has as many references as it likes.
MOST_TIPS = 10_000
FETCH_TIMEOUT = 1800
COMMIT = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")
# Characters of the first line of a commit's message that are told.
LONGEST_SUBJECT = 200
# Commits of which a command line asks at once.
MOST_SUBJECTS = 1000
MIRROR_SETTINGS = {
    "gc.pruneExpire": "never",
    # A process that git leaves behind would outlive our lock.
    "gc.autoDetach": "false",
    # Small fetches would otherwise unpack objects one by one, and a kill could leave a commit without its files.
    "fetch.unpackLimit": "1",
    "core.sharedRepository": "0640",
}


class Mirror:
    """The bare repository of an application on this host.

    :param group: whose members may read it; empty: as it is.
    """

    def __init__(self, system: System, path: str, group: str = "") -> None:
        self.system = system
        self.path = path
        self.group = group

    def git(
        self, *arguments: str, env: Optional[Mapping[str, str]] = None, stdin: str = "", check: bool = True
    ) -> Finished:
        argv = ["git", "-C", self.path, *arguments]
        return self.system.run(argv, env=env, stdin=stdin, timeout=FETCH_TIMEOUT, check=check, apart=True, whole=True)

    def exists(self) -> bool:
        return os.path.isdir(self.path)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Make the mirror and hold its lock; the leftovers of a killed git are cleared first."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        handle = os.open(self.path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not self.exists():
                self.make()
            if os.lstat(self.path).st_uid != os.getuid():
                raise Failure("%s does not belong to root; next: move it away" % self.path)
            self.clear_leftovers()
            yield
            self.share()
        finally:
            os.close(handle)

    def make(self) -> None:
        """Make an empty mirror beside its place, and rename it there: in its place it is always whole."""
        new = self.path + ".new"
        remove(new, recursive=True)
        argv = ["git", "-c", "init.defaultBranch=main", "init", "--quiet", "--bare", "--template=", new]
        self.system.run(argv)
        for name, value in MIRROR_SETTINGS.items():
            self.system.run(["git", "-C", new, "config", name, value])
        os.chmod(new, 0o700)
        os.rename(new, self.path)

    def clear_leftovers(self) -> None:
        for folder, names, files in os.walk(self.path):
            if folder == os.path.join(self.path, "objects"):
                names[:] = ["pack"]
            for name in files:
                if name.endswith(".lock") or name.startswith(("tmp_pack_", "tmp_idx_")):
                    os.unlink(os.path.join(folder, name))

    def share(self) -> None:
        """Let the group read everything: its git reads objects here through a working copy's alternates."""
        if not self.group:
            return
        gid = group_id(self.group)
        for folder, _names, files in os.walk(self.path):
            for name in [".", *files]:
                path = os.path.join(folder, name) if name != "." else folder
                status = os.lstat(path)
                wanted = 0o2750 if name == "." else 0o440 | (status.st_mode & 0o200)
                if status.st_gid != gid:
                    os.chown(path, -1, gid)
                    status = os.lstat(path)
                if stat.S_IMODE(status.st_mode) != wanted:
                    os.chmod(path, wanted)

    def has(self, commit: str) -> bool:
        return self.exists() and self.git("cat-file", "-e", commit + "^{commit}", check=False).code == 0

    def fetch(self, remote: Remote, *refspecs: str) -> Finished:
        """Fetch; the result of git, whose failure the caller judges."""
        with remote.environment() as variables:
            argv = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote.url, *refspecs]
            return self.git(*argv, env=variables, check=False)

    def fetch_all(self, remote: Remote) -> None:
        result = self.fetch(remote, *BRANCHES_AND_TAGS)
        if result.code and "cannot lock ref" in result.errors:
            # A branch `a` upstream became `a/b`: git cannot hold both names, so the old ones have to go first.
            self.forget("refs/heads", "refs/tags")
            result = self.fetch(remote, *BRANCHES_AND_TAGS)
        if result.code:
            raise Failure(explain(remote.url, result.errors), result.errors)

    def fetch_commit(self, remote: Remote, commit: str, named: str) -> None:
        """Bring one commit: from all branches and tags, else, where the server allows it, by a name that somebody gave.

        :param named: the hash itself, or a reference; empty: a commit that no branch and no tag has is refused.
        """
        self.fetch_all(remote)
        if self.has(commit):
            return
        if not named:
            raise Failure(
                "commit %s is on no branch or tag of %s; next: find out where it comes from, and if it is meant all "
                "the same, name all 40 digits of it with --revision" % (commit, remote.url)
            )
        result = self.fetch(remote, named)
        if result.code or not self.has(commit):
            raise Failure("commit %s does not exist in %s" % (commit, remote.url), result.errors)

    def unbundle(self, bundle: str, commit: str) -> None:
        """Take a commit from a git bundle.

        :raises Failure: the bundle builds on commits that are missing here, or does not hold the commit.
        """
        heads = [
            row.partition(" ") for row in self.git("bundle", "list-heads", bundle, check=False).output.splitlines()
        ]
        ends = [each for each, _blank, name in heads if name.startswith(SHALLOW)]
        listed = (read(self.shallow()) or b"").decode().split()
        if ends:
            # Before the commits come: without it, git takes them for damaged.
            self.end_at([*listed, *ends])
        result = self.git("bundle", "unbundle", bundle, check=False)
        if result.code:
            raise Failure(explain("the bundle that was sent", result.errors), result.errors)
        if not self.has(commit):
            raise Failure("commit %s is not in the bundle that was sent" % commit)
        if ends or listed:
            self.end_at([each for each in dict.fromkeys([*listed, *ends]) if not self.has_parents(each)])
        self.take_tags(["update %s %s\n" % (name, each) for each, _blank, name in heads if name.startswith(TAGS)])

    def shallow(self) -> str:
        """Return the path of the list of commits at which history ends here, although they have parents (git-clone(1),
        ``--depth``).
        """
        return os.path.join(self.path, "shallow")

    def end_at(self, commits: Sequence[str]) -> None:
        """Have history end at these commits; without any, it goes on to its beginning."""
        if commits:
            write_atomically(self.shallow(), "".join(each + "\n" for each in commits).encode(), 0o640)
        else:
            remove(self.shallow())

    def has_parents(self, commit: str) -> bool:
        """Tell whether the parents are here that a commit itself names, whatever the list of ends says."""
        head = self.git("cat-file", "commit", commit).output.partition("\n\n")[0]
        parents = [line[7:] for line in head.splitlines() if line.startswith("parent ")]
        return all(self.has(each) for each in parents)

    def take_tags(self, updates: Sequence[str]) -> None:
        """Have tags as they were sent."""
        if updates and self.git("update-ref", "--stdin", stdin="".join(updates), check=False).code:
            # A tag `a` became `a/b`: git cannot hold both names, so the old ones have to go first.
            self.forget(TAGS)
            self.git("update-ref", "--stdin", stdin="".join(updates))

    def forget(self, *places: str) -> None:
        """Remove the references in some places."""
        listing = self.git("for-each-ref", "--format=delete %(refname)", *places).output
        self.git("update-ref", "--stdin", stdin=listing)

    def keep(self, commit: str) -> None:
        """Bind a commit to a name of ours, after git has seen that nothing of it is missing."""
        if self.git("show-ref", "--verify", "--quiet", KEPT + commit, check=False).code:
            self.git("rev-list", "--objects", "--quiet", commit, "--not", "--all")
            self.git("update-ref", KEPT + commit, commit)

    def tips(self) -> List[str]:
        if not self.exists() or os.path.exists(self.shallow()):
            # Of a commit whose history is cut off here, an older one may be missing that a bundle would build on.
            return []
        rows = self.git("for-each-ref", "--format=%(objectname) %(objecttype) %(*objectname)").output.splitlines()
        found: Set[str] = set()
        for name, kind, *peeled in (row.split() for row in rows):
            found.update([name] if kind == "commit" else peeled)
        return sorted(found)[:MOST_TIPS]


def tips(system: System, mirror: str) -> List[str]:
    """Return the commits that a mirror's references name, on which an incremental bundle may build."""
    return Mirror(system, mirror).tips()


def between(system: System, mirror: str, former: str, commit: str, most: int) -> Optional[Between]:
    """Return what a commit brings beside a former one, and what it takes back; None where one of them is not here.

    :param most: how many subjects are told.
    """
    copy = Mirror(system, mirror)
    if not (copy.has(former) and copy.has(commit)):
        return None
    takes, brings = map(int, copy.git("rev-list", "--count", "--left-right", former + "..." + commit).output.split())
    away, towards = (former, commit) if brings else (commit, former)
    words = ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=%s"]
    rows = copy.git(*words, "--max-count=%d" % most, "^" + away, towards).output.split("\0")
    return {"brings": brings, "takes": takes, "subjects": [system.show(row)[:LONGEST_SUBJECT] for row in rows if row]}


def subjects(system: System, mirror: str, commits: Sequence[str]) -> Dict[str, str]:
    """Return the first lines of the messages of commits, as far as they are here.

    :param commits: whatever somebody has written down as such.
    """
    copy = Mirror(system, mirror)
    wanted = [each for each in dict.fromkeys(commits) if COMMIT.fullmatch(each)][-MOST_SUBJECTS:]
    if not (wanted and copy.exists()):
        return {}
    words = ["log", "-z", "--no-walk=unsorted", "--ignore-missing", "--no-show-signature", "--no-color"]
    told = copy.git(*words, "--encoding=UTF-8", "--format=%H %s", *wanted, "--", check=False).output
    pairs = (row.partition(" ") for row in told.split("\0"))
    return {commit: system.show(subject)[:LONGEST_SUBJECT] for commit, _, subject in pairs if commit in wanted}

"""What is kept of former releases: their folders and environments, the journal and the history."""

from __future__ import annotations

import json
import os
import time

from .disk import open_folder, read, remove, write_atomically
from .facts import youngest
from .system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

    from .system import System

DOOMED = ".hawser-removed-"
HISTORY_LINES = 500


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def folders(path: str) -> List[str]:
    """Return the names of the folders in a folder that may not exist, without hidden ones."""
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return []
    return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]


def links(path: str) -> List[str]:
    """Return the paths of the links in a folder that may not exist."""
    try:
        return [entry.path for entry in os.scandir(path) if entry.is_symlink()]
    except FileNotFoundError:
        return []


def doom(path: str) -> None:
    """Rename a folder so that no half of it can be taken for a whole one, then remove it."""
    parent, name = os.path.split(path)
    folder = open_folder(parent)
    try:
        os.rename(name, DOOMED + name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        return
    finally:
        os.close(folder)
    remove(os.path.join(parent, DOOMED + name), recursive=True)


class Prune(Kind):
    """See `hawser.resources.Prune`.

    A release is complete once it holds its ``release.json``; of these the youngest stay. One that was never completed
    goes, unless a rollout of it is under way.
    """

    def check(self) -> Optional[Change]:
        found = self.extra()
        if not found:
            return None
        return Change("removes " + ", ".join(os.path.relpath(path, self.spec["root"]) for path in found))

    def apply(self, change: Change) -> None:
        for path in self.extra():
            if os.path.basename(path).startswith(DOOMED):
                remove(path, recursive=True)
            else:
                doom(path)

    def extra(self) -> List[str]:
        """Return the paths of what is to go."""
        releases, envs = (os.path.join(self.spec["root"], name) for name in ("releases", "envs"))
        stay = self.staying(releases)
        found = [os.path.join(releases, name) for name in sorted(folders(releases)) if name not in stay]
        used = {os.path.basename(os.path.realpath(os.path.join(releases, name, "env"))) for name in stay}
        found += [os.path.join(envs, name) for name in sorted(folders(envs)) if name not in used]
        builds = os.path.join(self.spec["root"], "builds")
        linked = [path for name in stay for path in links(os.path.join(releases, name, "builds"))]
        used = {os.path.basename(os.path.dirname(os.path.realpath(path))) for path in linked}
        found += [os.path.join(builds, name) for name in sorted(folders(builds)) if name not in used]
        for folder in (releases, envs, builds):
            if os.path.isdir(folder):
                found += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith(DOOMED)]
        return found

    def staying(self, releases: str) -> Set[str]:
        """Return the ids of the releases that stay: what is in use, filled up with the youngest."""
        present = set(folders(releases))
        journal = read_journal(self.system.state)
        stay = {self.linked("current"), self.linked("previous")} & present
        stay |= {str(journal.get(name)) for name in ("release", "before", "previous")} & present
        complete = []
        for name in present:
            try:
                complete.append((os.stat(os.path.join(releases, name, "release.json")).st_mtime_ns, name))
            except FileNotFoundError:
                pass
        for _age, name in sorted(complete, reverse=True):
            if len(stay) < self.spec["keep"]:
                stay.add(name)
        return stay

    def linked(self, name: str) -> str:
        path = os.path.join(self.spec["root"], name)
        return os.path.basename(os.path.realpath(path)) if os.path.islink(path) else ""


def journal_path(state: str) -> str:
    return os.path.join(state, "journal.json")


def read_journal(state: str) -> Dict[str, Any]:
    """Return the record of the rollout that is under way or was broken off; an empty one when there is none."""
    data = read(journal_path(state))
    if data is None:
        return {}
    try:
        entry: Dict[str, Any] = json.loads(data.decode())
        entry["release"]
        return entry
    except (ValueError, KeyError, TypeError):
        raise Failure("%s is damaged; remove it and deploy again" % journal_path(state)) from None


class Journal(Kind):
    """See `hawser.resources.Journal`."""

    def entry(self) -> Dict[str, Any]:
        return dict(self.spec.get("entry") or {}, release=self.spec["release"])

    def check(self) -> Optional[Change]:
        found, wanted = read_journal(self.system.state), self.spec["release"]
        found.pop("since", None)
        if not wanted:
            return Change("rollout of %s is complete" % found["release"]) if found else None
        if found == self.entry():
            return None
        phase = self.entry().get("phase", "")
        return Change("rollout of %s%s" % (wanted, ": " + phase if phase else " begins"))

    def apply(self, change: Change) -> None:
        path = journal_path(self.system.state)
        if not self.spec["release"]:
            remove(path)
            return
        entry = dict(self.entry(), since=now())
        write_atomically(path, (json.dumps(entry) + "\n").encode(), 0o600)
        # Afterwards: a host with a journal takes part in a rollout that is resumed, whatever it has seen.
        begun = int(self.entry().get("begun", 0))
        if begun > youngest(self.system.state):
            write_atomically(os.path.join(self.system.state, "begun"), b"%d\n" % begun, 0o600)


def before(system: System, root: str) -> str:
    """Return the release that a rollback goes to, empty when there is none.

    The history is read as a stack: a deploy puts its release on top, a rollback takes off what lies above its own. So a
    second rollback goes one further back, not forward again to what the first one fled from.
    """
    served: List[str] = []
    for line in (read(history_path(system.state)) or b"").splitlines():
        try:
            entry = json.loads(line.decode())
            release, what = str(entry["release"]), str(entry["what"]).split()
        except (ValueError, KeyError, TypeError):
            continue
        if entry.get("result", "ok") != "ok":
            continue
        if "rollback" in what and release in served:
            del served[len(served) - served[::-1].index(release) :]
        elif served[-1:] != [release]:
            served.append(release)
    current = os.path.basename(os.path.realpath(os.path.join(root, "current")))
    kept = [each for each in served if os.path.exists(os.path.join(root, "releases", each, "release.json"))]
    # Cut at the release that serves: a rollout that failed and was put back wrote no line.
    below = kept[: len(kept) - 1 - kept[::-1].index(current)] if current in kept else []
    return next((each for each in reversed(below) if each != current), "")


def listing(system: System, root: str) -> List[Dict[str, Any]]:
    """Return what is known of each complete release, the youngest first."""
    releases = os.path.join(root, "releases")
    links = {name: os.path.basename(os.path.realpath(os.path.join(root, name))) for name in ("current", "previous")}
    back = before(system, root)
    found = []
    for name in folders(releases):
        try:
            with open(os.path.join(releases, name, "release.json"), encoding="utf-8") as stream:
                commit = str(json.load(stream)["commit"])
            built = os.stat(stream.name).st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            continue
        state = "serves" if name == links["current"] else "rollback goes here" if name == back else ""
        size = size_of(os.path.join(releases, name))
        found.append({"id": name, "commit": commit, "built": built, "size": size, "state": state})
    return sorted(found, key=lambda each: -float(str(each["built"])))


def size_of(folder: str) -> int:
    """Return how many bytes a folder takes on the disk, without what its links lead to."""
    total = 0
    for path, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def history(system: System, lines: int) -> List[Dict[str, Any]]:
    """Return the last entries of this host's history, the oldest first; a line that a crash cut is left out."""
    found = []
    for line in (read(history_path(system.state)) or b"").splitlines()[-lines:]:
        try:
            entry = json.loads(line.decode())
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def history_path(state: str) -> str:
    return os.path.join(state, "history.jsonl")


class History(Kind):
    """See `hawser.resources.History`."""

    def check(self) -> Optional[Change]:
        return Change("one more line")

    def apply(self, change: Change) -> None:
        path = history_path(self.system.state)
        old = read(path) or b""
        line = (json.dumps({**self.spec["entry"], "at": now()}) + "\n").encode()
        if old and not old.endswith(b"\n"):
            # The line before was cut by a crash: what it says is lost, this one shall not be.
            line = b"\n" + line
        lines = old.splitlines(keepends=True)
        if len(lines) >= HISTORY_LINES:
            write_atomically(path, b"".join(lines[1 - HISTORY_LINES :]) + line, 0o600)
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)

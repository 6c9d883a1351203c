"""The remains of former releases: their folders and environments, the journal and the history."""

from __future__ import annotations

import json
import os
import time
from functools import partial

from ..facts import kept_of, link_time, youngest
from ..files.deletion import Tidying, mounted, refuse_mounts, unremovable, within
from ..files.disk import open_folder, read, remove, write_atomically
from ..files.records import number, parsed
from ..files.walk import walk
from ..kernel.mountinfo import mount_points
from ..processes.processes import definitions
from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Set

    from ..specs.answers import Kept
    from ..specs.code import HistorySpec, JournalSpec, PruneSpec
    from ..system import System

DOOMED = ".hawser-removed-"
HISTORY_LINES = 500


def now() -> str:
    return moment(time.time())


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as the records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


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
    """Rename a folder so that no half of it can be taken for a whole one, then remove it.

    :raises Failure: something is mounted in it, and it is as before; or a part of it cannot be removed.
    """
    refuse_mounts(path)
    parent, name = os.path.split(path)
    folder = open_folder(parent)
    try:
        os.rename(name, DOOMED + name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unremovable(path, error) from None
    finally:
        os.close(folder)
    remove(os.path.join(parent, DOOMED + name), recursive=True)


class Prune(Tidying):
    """See `hawser.resources.Prune`."""

    spec: PruneSpec

    def check(self) -> Optional[Change]:
        found, mounts = [], mount_points()
        for path in superfluous(self.system, self.spec["root"], self.spec["keep"]):
            held = within(path, mounts)
            if held:
                self.refused.append(mounted(path, held))
            else:
                found.append(os.path.relpath(path, self.spec["root"]))
        return Change("removes " + ", ".join(found)) if found else None

    def apply(self, change: Change) -> None:
        self.refused = []
        for path in superfluous(self.system, self.spec["root"], self.spec["keep"]):
            doomed = os.path.basename(path).startswith(DOOMED)
            self.try_to(partial(remove, path, True) if doomed else partial(doom, path))


def stuck(system: System, root: str, keep: int) -> List[str]:
    """Say of everything that is to go, and that pruning could not remove, why it is still there."""
    found, mounts = [], mount_points()
    for path in superfluous(system, root, keep):
        held = within(path, mounts)
        if held:
            found.append(mounted(path, held))
        elif os.path.basename(path).startswith(DOOMED):
            found.append("%s is left of something that could not be removed" % path)
    return found


def superfluous(system: System, root: str, keep: int) -> List[str]:
    """Return the paths of the releases, environments, builds and brought Pythons that are to go.

    :param keep: how many releases that have served stay; see `staying`.
    """
    releases, envs, builds = (os.path.join(root, name) for name in ("releases", "envs", "builds"))
    stay = staying(system, root, keep)
    found = [os.path.join(releases, name) for name in sorted(folders(releases)) if name not in stay]
    used = {os.path.basename(os.path.realpath(os.path.join(releases, name, "env"))) for name in stay}
    found += [os.path.join(envs, name) for name in sorted(folders(envs)) if name not in used]
    linked = [path for name in stay for path in links(os.path.join(releases, name, "builds"))]
    used = {os.path.basename(os.path.dirname(os.path.realpath(path))) for path in linked}
    found += [os.path.join(builds, name) for name in sorted(folders(builds)) if name not in used]
    found += [path for path in pythons(root) if path not in {own_python(root, name) for name in stay}]
    for folder in (releases, envs, builds):
        if os.path.isdir(folder):
            found += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith(DOOMED)]
    return found


def pythons(root: str) -> List[str]:
    """Return the paths of the Pythons that were brought from the operator's machine, unfinished ones too."""
    folder = os.path.join(root, "pythons")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []


def own_python(root: str, release: str) -> str:
    """Return the path of the Python that was brought for a release; of none, a path that is no Python's."""
    return os.path.join(
        root, "pythons", os.path.basename(os.path.realpath(os.path.join(root, "releases", release, "python")))
    )


def staying(system: System, root: str, keep: int) -> Set[str]:
    """Return the ids of the releases that stay.

    These are the one that serves, the one before, those that an open rollout needs; and of the others that have served
    the youngest, until there are ``keep`` that have. One that has never served takes nobody's place. And those in whose
    folders processes of any of these go on running, which read nothing that is new in it.
    """
    present = set(folders(os.path.join(root, "releases")))
    journal = read_journal(system.state)
    current = linked(root, "current")
    needed = ["release", "before"]
    if journal.get("release") != current:
        # Until the host has switched, what it served before the last release is part of the way back.
        needed.append("previous")
    stay = ({current, linked(root, "previous")} | {str(journal.get(name)) for name in needed}) & present
    served = have_served(system, root)
    for name in served:
        if len(stay.intersection(served)) < keep:
            stay.add(name)
    read = {kept_of(os.path.join(root, "releases", name))["process_inputs"] for name in stay} - {""}
    rows = definitions(os.path.basename(system.state))
    return stay | ({each["release"] for each in rows if each["inputs"] in read} & present)


def have_served(system: System, root: str) -> List[str]:
    """Return the ids of the complete releases that have served here, the latest first.

    The history tells, and its lines are in their order, whatever clocks and copies have made of the times of files.
    What is older than the history, and not in it, counts as well, for nobody knows; what serves and what served before
    are among them in any case.
    """
    entries = history(system, HISTORY_LINES)
    turns = {str(each.get("release")): turn for turn, each in enumerate(entries) if each.get("result", "ok") == "ok"}
    told = {*turns, linked(root, "current"), linked(root, "previous")}
    failed = {str(each.get("release")) for each in entries} - told
    begins = min((str(each.get("at", "")) for each in entries), default="~")
    found = []
    for name in folders(os.path.join(root, "releases")):
        try:
            built = os.stat(os.path.join(root, "releases", name, "release.json")).st_mtime_ns
        except FileNotFoundError:
            continue
        if name in told or (name not in failed and moment(built // 10**9) < begins):
            found.append((turns.get(name, -1), built, name))
    return [name for _turn, _built, name in sorted(found, reverse=True)]


def linked(root: str, name: str) -> str:
    """Return the id of the release that a link of the application leads to; empty when there is no such link."""
    path = os.path.join(root, name)
    return os.path.basename(os.path.realpath(path)) if os.path.islink(path) else ""


def journal_path(state: str) -> str:
    return os.path.join(state, "journal.json")


def read_journal(state: str) -> Dict[str, object]:
    """Return the record of the rollout that is under way or was broken off; an empty one when there is none."""
    data = read(journal_path(state))
    if data is None:
        return {}
    entry = parsed(data, dict)
    if entry is None or "release" not in entry:
        raise Failure("%s is damaged; next: remove it, then deploy" % journal_path(state))
    return entry


class Journal(Kind):
    """See `hawser.resources.Journal`."""

    spec: JournalSpec

    def entry(self) -> Dict[str, object]:
        return dict(self.spec["entry"], release=self.spec["release"])

    def check(self) -> Optional[Change]:
        found, wanted = read_journal(self.system.state), self.spec["release"]
        found.pop("since", None)
        if not wanted:
            return Change("rollout of %s is complete" % found["release"]) if found else None
        if found == self.entry():
            return None
        phase = str(self.entry().get("phase", ""))
        return Change("rollout of %s%s" % (wanted, ": " + phase if phase else " begins"))

    def apply(self, change: Change) -> None:
        path = journal_path(self.system.state)
        if not self.spec["release"]:
            remove(path)
            return
        entry = dict(self.entry(), since=now())
        write_atomically(path, (json.dumps(entry) + "\n").encode(), 0o600)
        # Afterwards: a host with a journal takes part in a rollout that is resumed, whatever it has seen.
        begun = number(self.entry(), "begun")
        if begun > youngest(self.system.state):
            write_atomically(os.path.join(self.system.state, "begun"), b"%d\n" % begun, 0o600)


def before(system: System, root: str) -> str:
    """Return the release that a rollback goes to, empty when there is none.

    The history is read as a stack: a deploy puts its release on top, a rollback takes off what lies above its own. So a
    second rollback goes one further back, not forward again to what the first one fled from.
    """
    served: List[str] = []
    for entry in history(system, HISTORY_LINES):
        release, what = str(entry.get("release", "")), str(entry.get("what", "")).split()
        if not release or not what or entry.get("result", "ok") != "ok":
            continue
        if "rollback" in what and release in served:
            del served[len(served) - served[::-1].index(release) :]
        elif served[-1:] != [release]:
            served.append(release)
    current = linked(root, "current")
    kept = [each for each in served if os.path.exists(os.path.join(root, "releases", each, "release.json"))]
    # Cut at the release that serves: a rollout that failed and was put back wrote no line.
    below = kept[: len(kept) - 1 - kept[::-1].index(current)] if current in kept else []
    return next((each for each in reversed(below) if each != current), "")


def listing(system: System, root: str) -> List[Kept]:
    """Return a row for each complete release, the youngest first."""
    releases = os.path.join(root, "releases")
    current, back, served = linked(root, "current"), before(system, root), have_served(system, root)
    found: List[Kept] = []
    for name in folders(releases):
        commit = kept_of(os.path.join(releases, name))["commit"]
        if not commit:
            continue
        built = link_time(os.path.join(releases, name, "release.json"))
        state = "serves" if name == current else "rollback goes here" if name == back else ""
        state = state or ("served" if name in served else "never served")
        failure = failure_path(system.state, name)
        failure = failure if state == "never served" and os.path.exists(failure) else ""
        size = size_of(os.path.join(releases, name))
        row: Kept = {"id": name, "commit": commit, "built": built, "size": size, "state": state, "failure": failure}
        found.append(row)
    return sorted(found, key=lambda each: -each["built"])


def size_of(folder: str) -> int:
    """Return how many bytes a folder takes on the disk, without the targets of its links."""
    total = 0
    for path, _folders, files in walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def history(system: System, lines: int, mirror: str = "") -> List[Dict[str, object]]:
    """Return the last entries of this host's history, the oldest first; a line that a crash cut is left out.

    :param mirror: where the subjects of their commits are looked up; empty: they are not.
    """
    rows = (parsed(line, dict) for line in (read(history_path(system.state)) or b"").splitlines()[-lines:])
    entries: List[Dict[str, object]] = [entry for entry in rows if entry is not None]
    if mirror:
        from .mirror import subjects

        told = subjects(system, mirror, [str(entry.get("commit", "")) for entry in entries])
        for entry in entries:
            # One that somebody has written into the record is none.
            entry.pop("subject", None)
            if told.get(str(entry.get("commit", ""))):
                entry["subject"] = told[str(entry["commit"])]
    return entries


def failure_path(state: str, release: str) -> str:
    """Return the file in which `failures.keep` writes down how rollouts of a release have failed."""
    return os.path.join(state, "failures", release + ".log")


def history_path(state: str) -> str:
    return os.path.join(state, "history.jsonl")


class History(Kind):
    """See `hawser.resources.History`."""

    spec: HistorySpec

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

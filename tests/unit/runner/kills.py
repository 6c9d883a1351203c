"""Kill a run at every moment, run again, and see that all is as if nothing had happened.

Usage: ``python kills.py FOLDER FIRST STEP``. A program of its own, for every Python that the runner supports, from 3.8
on. It applies a catalog of most kinds that need neither root nor a manager of processes, in children that kill
themselves before each call that touches the disk, and before and after each start of a program. It prints how many such
moments a run has, how many it tried, and what was wrong.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

# Some of these here only so that not every child has to load them.
import hashlib  # noqa: F401

from hawser.runner.engine import Engine
from hawser.runner.files import disk
from hawser.runner.files.validate import VALIDATORS, Validator
from hawser.runner.lock import Lock
from hawser.runner.system import Failure, System

ACCESS = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
# What the resources have that say nothing else; their classes are for the Python of the controlling machine.
DEFAULTS = {
    "file": {"mode": 0o644, "validate": "", "keep": False, "opaque": False, "parents": False, "code": ""},
    "block": {"top": False},
    "files": {"recursive": False},
    "link": {"parents": False},
    "command": {
        "creates": "", "marker": "", "unless": [], "user": "", "env": {}, "env_file": "", "stdin": "", "title": "",
    },
}  # fmt: skip
WATCHED = ("rename", "unlink", "mkdir", "rmdir", "symlink", "fchmod", "ftruncate", "pwrite")


def judge(system, copy, path):
    """Stand for a program that can only judge a file in its place."""
    if Path(path).read_text() not in ("old server\n", "new server\n"):
        raise Failure("refused")


VALIDATORS["nginx"] = Validator(judge, in_place=True)


def before(root):
    """Make what is there before the first run."""
    for folder in ("conf/old.d/deep", "sites", "releases"):
        (root / folder).mkdir(parents=True)
    for path in ("conf/old.d/deep/a", "conf/old.d/b", "sites/demo-a", "sites/demo-b", "sites/demo-c", "sites/other"):
        (root / path).write_text("theirs\n")
    (root / "conf/app.ini").write_text("old\n")
    (root / "conf/keep.ini").write_text("theirs\n")
    (root / "hosts").write_text("theirs\n# BEGIN hawser demo\nold\n# END hawser demo\ntheirs too")
    (root / "server.conf").write_text("old server\n")
    (root / "current").symlink_to("releases/old")


def catalog(root):
    """What shall hold; every trigger copies what made it due, so that one that was lost shows in the result."""
    rows = []

    def row(kind, **spec):
        rows.append({**DEFAULTS.get(kind, {}), **spec, "kind": kind, "step": "kills", "label": kind})
        return len(rows) - 1

    def path(name):
        return str(root / name)

    def command(script, **spec):
        return row("command", argv=["sh", "-ec", script], cwd=str(root), timeout=20, **spec)

    row("directory", path=path("made/deep"), mode=0o750, **ACCESS)
    settings = row("file", path=path("conf/app.ini"), content="new\n", mode=0o640, **ACCESS)
    command("cat conf/app.ini > served.ini", when=[settings])
    row("file", path=path("conf/keep.ini"), content="ours\n", mode=0o600, keep=True, **ACCESS)
    row("file", path=path("conf/key"), content='"secret"', mode=0o600, opaque=True, validate="json", **ACCESS)
    hosts = row("block", path=path("hosts"), name="demo", content="one\ntwo")
    command("cat hosts > served.hosts", when=[hosts])
    gone = row("absent", path=path("conf/old.d"), recursive=True)
    rest = row("files", folder=path("sites"), pattern="demo-*", keep=["demo-a"])
    command("ls conf sites > served.names", when=[gone, rest])
    command("cat conf/app.ini > built", marker=path("made/deep/built"))
    server = row("file", path=path("server.conf"), content="new server\n", mode=0o644, validate="nginx", **ACCESS)
    first = command("cat server.conf > served.first", when=[server])
    second = command("cat served.first > served.second", when=[first])
    link = row("link", path=path("current"), target="releases/new")
    command("cat served.second > served.third; readlink current >> served.third", when=[second, link])
    return rows


class Moments:
    """Counts the moments of a run, and kills it at one of them.

    :param deadly: the number of the moment; 0: none.
    """

    def __init__(self, deadly):
        self.deadly = deadly
        self.count = 0

    def tick(self):
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self):
        for name in WATCHED:
            setattr(os, name, self.watched(getattr(os, name)))
        os.open = self.watched(os.open, lambda path, flags, *more: flags & (os.O_WRONLY | os.O_RDWR))
        subprocess.Popen = self.watched(subprocess.Popen, after=True)
        disk.note = self.watched(disk.note)
        # A kill loses nothing that has been written, and waiting for the disk would take most of the time.
        os.fsync = lambda handle: None

    def watched(self, call, counts=lambda *arguments: True, after=False):
        def watched(*arguments, **options):
            if counts(*arguments):
                self.tick()
            result = call(*arguments, **options)
            if after:
                self.tick()
            return result

        return watched


def apply(root, deadly):
    """Do in this process what the runner does from the lock on; return the number of moments and each row's status."""
    moments, said = Moments(deadly), []
    moments.watch()
    system = System(str(root / "state"), f"kills-{os.getpid()}")
    lock = Lock(str(root / "state" / "lock"))
    if lock.acquire({"who": "test", "token": system.token}) is not None:
        raise Failure("the lock is taken")
    disk.clear_up(system.state)
    Engine(system, said.append, lambda point, position: moments.tick()).apply(catalog(root))
    lock.release()
    return moments.count, [event["status"] + event.get("error", "") for event in said if event["t"] == "event"]


def run(root, deadly=0):
    """Apply in a child; return how it ended, its number of moments and each row's status."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, json.dumps(apply(root, deadly)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    end = os.waitpid(child, 0)[1]
    count, statuses = json.loads(said.decode()) if said else (0, [])
    return end, count, statuses


def snapshot(root):
    """Return all that lies under a folder: paths with modes, contents and targets."""
    found = {}
    for path in root.rglob("*"):
        inside = str(path.relative_to(root))
        if path.is_symlink():
            found[inside] = os.readlink(str(path))  # noqa: PTH115  (Path.readlink came with Python 3.9)
        elif path.is_dir():
            # Only a run that has judged a file has needed one; what is in it counts.
            if inside != "state/scratch":
                found[inside] = f"folder {path.stat().st_mode:o}"
        elif inside not in ("state/lock", "state/unfinished"):
            found[inside] = f"{path.stat().st_mode:o} {path.read_text()}"
    return found


def fresh(folder):
    root = folder / "host"
    shutil.rmtree(str(root), ignore_errors=True)
    before(root)
    return root


def faults(folder, moment, wanted):
    """Kill a run at one moment, run twice more, and yield what is not as it should be."""
    root = fresh(folder)
    if run(root, moment)[0] != signal.SIGKILL:
        yield "was not killed"
    statuses = run(root)[2]
    if not statuses or not set(statuses) <= {"ok", "changed"}:
        yield f"the next run said {statuses}"
    found = snapshot(root)
    if found != wanted:
        yield f"not as after an undisturbed run: {sorted(set(found.items()) ^ set(wanted.items()))}"
    # Equal states make equal runs: it is enough to see now and then that nothing is left to do.
    statuses = run(root)[2] if moment % 5 == 0 else ["ok"]
    if set(statuses) != {"ok"}:
        yield f"a third run still said {statuses}"


def main(folder, first, step):
    root = fresh(folder)
    _end, count, statuses = run(root)
    assert set(statuses) == {"changed"}, statuses
    wanted = snapshot(root)
    tried = range(first, count + 1, step)
    problems = [f"moment {moment}: {fault}" for moment in tried for fault in faults(folder, moment, wanted)]
    print(json.dumps({"moments": count, "tried": len(tried), "problems": problems}))


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

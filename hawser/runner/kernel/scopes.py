"""Where a command runs so that nothing of it goes on after its end: a control group of its own.

A program that leaves its session, changes its parent or its name stays in its group, and the kernel tells who is in it.
The groups lie in the one that the runner was started in. Where none can be made (no root, or a file system of groups
that is read-only, as in some containers), what belongs to a command is told by its session and by a mark in its
environment: a program that both leaves the session and overwrites its environment is not found there.

Source: cgroups(7), https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time

from .mountinfo import TABLE, unescape
from .procstat import stat_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence

# Seconds during which what is still there may end by itself: helpers often end just after their parent.
SETTLE = 0.3
# Seconds that a program has to end when it is asked to.
PATIENCE = 5.0
# Seconds until what was killed must be gone; a hanging disk may keep it.
LAST = 10.0
# Seconds between two looks.
GLANCE = 0.02
MARK = "HAWSER_SCOPE"
# Enters a group, then becomes the command.
ENTER = ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"']
# Outlives a runner that is killed: waits for the end of its standard input, then ends all groups of the run.
JANITOR = """
cat >/dev/null
for _ in $(seq 500); do
    [ -d "$0" ] || exit 0
    echo 1 2>/dev/null >"$0/cgroup.kill" || kill -9 $(cat "$0"/cgroup.procs "$0"/*/cgroup.procs 2>/dev/null) 2>/dev/null
    rmdir "$0"/*/ "$0" 2>/dev/null
    sleep 0.02
done
"""


def own_group(table: str = TABLE, own: str = "/proc/self/cgroup") -> str:
    """Return the folder of the control group that we are in; empty where there is none that we could use.

    :returns: a folder of version 2 where that is mounted, else of systemd's own hierarchy of version 1.
    """
    found = {}
    try:
        with open(own, encoding="utf-8", errors="surrogateescape") as stream:
            groups = {kind: path for _, kind, path in (line.rstrip("\n").split(":", 2) for line in stream)}
        with open(table, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                fields, _, rest = line.rstrip("\n").partition(" - ")
                root, place = (unescape(each) for each in fields.split(" ")[3:5])
                kind = "" if rest.startswith("cgroup2 ") else "name=systemd" if "name=systemd" in rest else None
                if kind is None or kind not in groups:
                    continue
                # A group above the root of our namespace begins with dots.
                below = os.path.relpath(groups[kind], root)
                if ".." not in groups[kind].split("/") and not below.startswith(".."):
                    found[kind] = os.path.normpath(os.path.join(place, below))
    except (OSError, ValueError):
        return ""
    return found.get("", found.get("name=systemd", ""))


class Scopes:
    """The control groups of the commands of one run.

    :param token: of the run, and of no other one.
    """

    def __init__(self, token: str) -> None:
        self.count = 0
        self.token = token

    @functools.cached_property
    def folder(self) -> str:
        """The group that theirs lie in; empty where none can be made."""
        group = own_group() if os.getuid() == 0 else ""
        return os.path.join(group, "hawser-" + self.token) if group else ""

    def make(self) -> Scope:
        """Return a scope for the next command."""
        self.count += 1
        folder = os.path.join(self.folder, str(self.count)) if self.folder else ""
        if folder:
            try:
                if not os.path.isdir(self.folder):
                    os.mkdir(self.folder)
                    self.watch()
                os.mkdir(folder)
            except OSError:
                folder = ""
        return Scope(folder, "%s.%d" % (self.token, self.count))

    def watch(self) -> None:
        """Start the janitor, which ends the groups when the runner is killed: its pipe is ours, and closes then."""
        self.janitor = subprocess.Popen(
            ["sh", "-c", JANITOR, self.folder],
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill all that is in any of them."""
        if self.count and self.folder:
            kill(self.folder)


class Scope:
    """The processes of one command.

    :param folder: its control group; empty: there is none, and `MARK` tells.
    :param mark: the value of `MARK` in the environment of the command.
    """

    def __init__(self, folder: str, mark: str) -> None:
        self.folder = folder
        self.mark = mark
        self.session = 0

    def enter(self, argv: Sequence[str]) -> List[str]:
        """Return the command that enters the scope and becomes another one."""
        return [*ENTER, os.path.join(self.folder, "cgroup.procs"), *argv] if self.folder else list(argv)

    def members(self) -> List[int]:
        """Return the processes in it."""
        if self.folder:
            return members(self.folder)
        return [pid for pid in processes() if in_session(pid, self.session) or marked(pid, MARK, self.mark)]

    def rest(self) -> List[int]:
        """Return the processes that are still there after the command's end, and that do not end by themselves."""
        deadline = time.monotonic() + SETTLE
        while True:
            found = self.members()
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(GLANCE)

    def end(self) -> None:
        """End its processes: they are asked to, then killed."""
        for pid in self.members():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
        if not self.empties(PATIENCE):
            self.kill()

    def kill(self) -> None:
        """Kill its processes, and wait until they are gone."""
        deadline = time.monotonic() + LAST
        while self.members() and time.monotonic() < deadline:
            if self.folder:
                kill(self.folder)
            else:
                for pid in self.members():
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            self.empties(GLANCE)

    def empties(self, seconds: float) -> bool:
        """Wait until it is empty, at most for some seconds."""
        deadline = time.monotonic() + seconds
        while self.members():
            if time.monotonic() > deadline:
                return False
            time.sleep(GLANCE)
        return True

    def close(self) -> None:
        """Remove the group; the kernel may need a moment after its last process."""
        for _attempt in range(20 if self.folder else 0):
            for path, _folders, _files in os.walk(self.folder, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            if not os.path.isdir(self.folder):
                return
            time.sleep(GLANCE / 10)


def members(folder: str) -> List[int]:
    """Return the processes of a control group and of its descendants; none when it is gone."""
    found = []
    for path, _folders, _files in os.walk(folder):
        with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs"), encoding="ascii") as stream:
            # Those of another namespace are 0.
            found += [int(line) for line in stream if int(line)]
    return found


def kill(folder: str) -> None:
    """Kill all processes of a control group and of its descendants."""
    try:
        with open(os.path.join(folder, "cgroup.kill"), "r+", encoding="ascii") as stream:
            stream.write("1")
    except OSError:
        # Before Linux 5.14, and in version 1.
        for pid in members(folder):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def processes() -> List[int]:
    """Return all processes but this one."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def marked(pid: int, name: str, value: str) -> bool:
    """Tell whether a process was started with this variable."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            return ("%s=%s" % (name, value)).encode() in stream.read().split(b"\0")
    except OSError:
        return False


def in_session(pid: int, session: int) -> bool:
    """Tell whether a process that has not ended belongs to a session."""
    _name, fields = stat_of(pid)
    return bool(fields) and fields[0] != "Z" and int(fields[3]) == session

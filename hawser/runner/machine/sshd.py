"""Settings of sshd: where they stand, which of them hold, and a change that takes itself back.

A change is tried first. Its file says no more than `Include` of a file in memory, before what it said until then; so a
boot takes the change back, and before one does, a timer of systemd's. What confirms it writes it to disk.

Sources: sshd_config(5), of each keyword the first value counts, and a `Match` goes before what stands outside of any;
sshd(8) for `-T` and `-t`.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
import time

from ..files.disk import read, remove, write_atomically
from ..files.files import unified
from ..processes.restarts import begun_anew
from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Tuple

    from ..specs.access import SshdConfirmedSpec, SshdSettingsSpec
    from ..specs.answers import SshdLine, SshdState
    from ..system import System

PROGRAM = "/usr/sbin/sshd"
MAIN = "/etc/ssh/sshd_config"
TRIALS = "/run/hawser-sshd"
UNITS = ("ssh.service", "sshd.service")
# Files that include each other in a circle are sshd's own error.
DEEPEST = 16
# Former names of keywords, and of values.
KEYWORDS = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
VALUES = {"without-password": "prohibit-password"}
# Seconds that it may take to take a change back.
LONGEST_REVERT = 30.0
MOST_LINES = 200

# Takes a change back: the file of before, and sshd reads it.
REVERT = """\
rm -f %(trial)s
if [ -e %(former)s ]; then cp %(former)s %(path)s.former && mv %(path)s.former %(path)s; else rm -f %(path)s; fi
for unit in %(units)s; do systemctl is-active --quiet "$unit" && systemctl reload "$unit" && break; done
rm -f %(former)s %(script)s
"""


class Line:
    """A setting, where it stands.

    :param match: the condition under which it counts; empty: always.
    """

    def __init__(self, path: str, number: int, keyword: str, value: str, match: str) -> None:
        self.path = path
        self.number = number
        self.keyword = keyword
        self.value = value
        self.match = match


class Written:
    """What the files of sshd say, in the order in which it reads them.

    :ivar patterns: what is included in any case.
    """

    def __init__(self, main: str) -> None:
        self.lines: List[Line] = []
        self.patterns: List[str] = []
        self._folder = os.path.dirname(main)
        self._read(main, "", 0)

    def _read(self, path: str, match: str, depth: int) -> None:
        text = (read(path) or b"").decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r"\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*)$", line)
            if not found:
                continue
            keyword, value = found.group(1).lower(), found.group(2).strip()
            if keyword == "match":
                match = "" if value.lower() == "all" else value
            elif keyword == "include":
                for pattern in words(value) if depth < DEEPEST else ():
                    pattern = os.path.join(self._folder, pattern)
                    if not match:
                        self.patterns.append(pattern)
                    for each in sorted(glob.glob(pattern)):
                        self._read(each, match, depth + 1)
            else:
                keyword = KEYWORDS.get(keyword, keyword)
                self.lines.append(Line(path, number, keyword, " ".join(words(value)), match))

    def includes(self, path: str) -> bool:
        """Tell whether a file is read, or will be when it is there."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)

    def first(self, keyword: str, but: str = "") -> Optional[Line]:
        """Return the line that says a setting which always counts.

        :param but: a file that does not count.
        """
        fitting = (each for each in self.lines if each.keyword == keyword and not each.match and each.path != but)
        return next(fitting, None)


def words(value: str) -> List[str]:
    try:
        return shlex.split(value, comments=True)
    except ValueError:
        return value.split()


def require(written: Written, path: str) -> None:
    """Stop where sshd would not read a file.

    :raises Failure: what to do.
    """
    if not os.path.exists(PROGRAM):
        raise Failure("there is no %s; next: install openssh-server" % PROGRAM)
    if not written.includes(path):
        pattern = os.path.join(os.path.dirname(path), "*.conf")
        raise Failure("%s does not include %s; next: write `Include %s` at its top" % (MAIN, path, pattern))


def judge(system: System) -> None:
    """Have sshd judge its files.

    :raises Failure: it would not start with them.
    """
    result = system.run([PROGRAM, "-t"], check=False, timeout=30)
    if result.code:
        raise Failure("sshd refuses its settings", result.output)


def effective(system: System, user: str = "") -> Dict[str, str]:
    """Return the settings that hold, by keyword in small letters; of several values of one, the first.

    :param user: for whom, from this host itself; empty: for whoever fits no `Match`.
    """
    whom = ["-C", "user=%s,host=localhost,addr=127.0.0.1" % user] if user else []
    result = system.run([PROGRAM, "-T", *whom], check=False, apart=True, timeout=30)
    if result.code:
        raise Failure("sshd does not tell its settings", result.errors + result.output)
    found: Dict[str, str] = {}
    for line in result.output.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), VALUES.get(value, value))
    return found


def reload(system: System) -> None:
    """Have sshd read its settings; open connections go on.

    :raises Failure: it cannot be told.
    """
    for unit in UNITS:
        if system.run(["systemctl", "is-active", "--quiet", unit], check=False).code == 0:
            main = system.run(["systemctl", "show", "--value", "-p", "MainPID", "--", unit]).output
            # Until it has, it lets in as it did before.
            with begun_anew(int(main)):
                system.run(["systemctl", "reload", unit])
            return
    # One that starts for each connection reads them each time.
    if system.run(["systemctl", "is-active", "--quiet", "ssh.socket"], check=False).code:
        raise Failure("none of %s runs, so nobody can be told to read the settings" % ", ".join(UNITS))


class Trial:
    """A change that takes itself back."""

    def __init__(self, system: System, application: str, path: str) -> None:
        self.system = system
        self.path = path
        self.unit = "hawser-sshd-%s" % application
        self.place, self.kept, self.script = (
            os.path.join(TRIALS, application + end) for end in (".conf", ".former", ".sh")
        )

    @property
    def line(self) -> bytes:
        return b"Include %s\n" % os.fsencode(self.place)

    def open(self) -> bool:
        """Tell whether it is neither confirmed nor taken back."""
        return os.path.exists(self.place)

    def former(self) -> Optional[bytes]:
        """Return what the file says but for a trial."""
        now = read(self.path)
        if now is None or not now.startswith(self.line):
            return now
        return now[len(self.line) :] or None

    def begin(self, content: bytes, seconds: int) -> None:
        """Set the timer, then make the change; sshd is not told yet."""
        former = self.former()
        self.forget()
        os.makedirs(TRIALS, mode=0o700, exist_ok=True)
        if former is not None:
            write_atomically(self.kept, former, 0o600)
        names = {"trial": self.place, "former": self.kept, "path": self.path, "script": self.script}
        quoted = {name: shlex.quote(value) for name, value in names.items()}
        script = REVERT % {**quoted, "units": " ".join(UNITS)}
        write_atomically(self.script, script.encode(), 0o600)
        timer = ["--on-active=%d" % seconds, "--timer-property=AccuracySec=1s"]
        self.system.run(["systemd-run", "--quiet", "--collect", "--unit=" + self.unit, *timer, "/bin/sh", self.script])
        write_atomically(self.place, content, 0o600)
        write_atomically(self.path, self.line + (former or b""), 0o644)

    def revert(self) -> None:
        """Take the change back at once."""
        self.stop()
        self.system.run(["/bin/sh", self.script], check=False)
        self.forget()

    def confirm(self) -> None:
        """Keep the change.

        :raises Failure: it was taken back meanwhile.
        """
        self.stop()
        content = read(self.place)
        if content is None or not (read(self.path) or b"").startswith(self.line):
            raise Failure("the change of %s was taken back: nobody had confirmed it in time" % self.path)
        write_atomically(self.path, content, 0o644)
        self.forget()

    def stop(self) -> None:
        """Have nothing take it back from here on; what has begun to do so is waited for."""
        self.system.run(["systemctl", "stop", self.unit + ".timer"], check=False)
        deadline = time.monotonic() + LONGEST_REVERT
        while self.system.run(["systemctl", "is-active", "--quiet", self.unit + ".service"], check=False).code == 0:
            if time.monotonic() > deadline:
                raise Failure("%s.service does not end; next: journalctl --unit=%s" % (self.unit, self.unit))
            time.sleep(0.1)

    def forget(self) -> None:
        """Have nothing of it left but the file itself."""
        self.stop()
        for path in (self.place, self.kept, self.script):
            remove(path)


class SshdSettings(Kind):
    """See `hawser.resources.SshdSettings`."""

    spec: SshdSettingsSpec

    def trial(self) -> Trial:
        return Trial(self.system, self.spec["application"], self.spec["path"])

    def wanted(self, written: Written) -> List[Tuple[str, str]]:
        """Return the settings to write: not those of which somebody else says something stricter."""
        found = []
        for keyword, value in self.spec["settings"]:
            other = written.first(keyword.lower(), but=self.spec["path"])
            if other is None or other.value.lower() not in self.spec["stricter"].get(keyword, ()):
                found.append((keyword, value))
        return found

    def content(self, settings: Sequence[Tuple[str, str]]) -> bytes:
        head = "# [sshd] of %s; replaced by `sshd.install`.\n" % self.spec["application"]
        return (head + "".join("%s %s\n" % each for each in settings)).encode()

    def wrong(self, settings: Sequence[Tuple[str, str]]) -> str:
        """Say which settings do not hold, and who says otherwise; empty where all do."""
        found, told = effective(self.system), []
        written = Written(MAIN)
        for keyword, value in settings:
            holds = found.get(keyword.lower(), "")
            if holds != value:
                line = written.first(keyword.lower())
                where = "" if line is None else ": %s, line %d, comes first" % (line.path, line.number)
                told.append("%s is %r and not %s%s" % (keyword, holds, value, where))
        return "; ".join(told)

    def check(self) -> Optional[Change]:
        path = self.spec["path"]
        now = read(path)
        if not self.spec["settings"]:
            return None if now is None else Change("", unified(path, now, b""))
        written = Written(MAIN)
        require(written, path)
        settings = self.wanted(written)
        content = self.content(settings)
        if now != content:
            shown = self.trial().former() or b""
            note = "" if shown != content else "nobody has confirmed it yet"
            return Change(note, unified(path, shown, content))
        wrong = self.wrong(settings)
        if wrong:
            raise Failure("%s; next: take that line away, or write it below `Include`" % wrong)
        return None

    def apply(self, change: Change) -> None:
        path, trial = self.spec["path"], self.trial()
        if not self.spec["settings"]:
            trial.forget()
            remove(path)
            reload(self.system)
            return
        settings = self.wanted(Written(MAIN))
        trial.begin(self.content(settings), self.spec["seconds"])
        try:
            judge(self.system)
            reload(self.system)
            wrong = self.wrong(settings)
            if wrong:
                raise Failure("%s; next: take that line away, or write it below `Include`; it is as it was" % wrong)
        except BaseException:
            trial.revert()
            raise


class SshdConfirmed(Kind):
    """See `hawser.resources.SshdConfirmed`."""

    spec: SshdConfirmedSpec

    def trial(self) -> Trial:
        return Trial(self.system, self.spec["application"], self.spec["path"])

    def check(self) -> Optional[Change]:
        trial = self.trial()
        now = read(self.spec["path"]) or b""
        return Change("a new login has worked") if trial.open() or now.startswith(trial.line) else None

    def apply(self, change: Change) -> None:
        self.trial().confirm()
        judge(self.system)


def state(system: System, application: str, path: str, keywords: Sequence[str]) -> SshdState:
    """Return how the host lets people log in.

    :param path: the file of the application's own settings.
    :param keywords: settings that are asked about.
    :returns: whether a change is tried, what holds, and all lines that say something of it.
    """
    trial = Trial(system, application, path)
    names = [each.lower() for each in keywords]
    if not os.path.exists(PROGRAM):
        return {"trial": False, "holds": {}, "lines": [], "trouble": "there is no %s" % PROGRAM}
    lines: List[SshdLine] = [
        {"path": each.path, "number": each.number, "keyword": each.keyword, "value": each.value, "match": each.match}
        for each in Written(MAIN).lines
        if each.keyword in names
    ]
    holds, trouble = {}, ""
    try:
        holds = effective(system)
    except Failure as failure:
        trouble = system.show("%s: %s" % (failure.message, failure.output.strip()))
    return {
        "trial": trial.open(),
        "holds": {name: holds[name] for name in names if name in holds},
        "lines": lines[:MOST_LINES],
        "trouble": trouble,
    }

"""Backups that leave the host: made by a timer without anybody, encrypted, and kept by restic somewhere else."""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import re
import shlex
import time

from ..files.disk import write_atomically
from ..files.records import number, parsed
from ..jobs import do
from ..lock import Lock
from ..system import Failure, System
from .backups import Backup, Saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence, Tuple

    from ..specs.answers import Offsite as OffsiteRow
    from ..specs.answers import Snapshot as SnapshotRow
    from ..specs.offsite import Job, Outcome

WHY = "off site"
# Seconds that somebody else may be at work on the host before the job gives up, and that restic may take.
PATIENCE, LONGEST = 1800.0, 12 * 3600
# restic has made a snapshot, and could not read all (restic(1), exit status).
NOT_ALL = 3


class Repository:
    """A repository of restic.

    :param job: what `hawser.host.offsite` has written.
    """

    def __init__(self, job: Job, system: System) -> None:
        self.job = job
        self.system = system

    def restic(self, *words: str, timeout: float = 600, allowed: Sequence[int] = (0,)) -> Tuple[int, str]:
        """Run restic; return its exit status and its output.

        :raises Failure: it ended otherwise than allowed; with what it said.
        """
        options = ["-o", "sftp.command=%s %s" % (self.job["ssh"], sftp_of(self.job["env"]))] if self.job["ssh"] else []
        argv = ["restic", "--cleanup-cache", *options, *words]
        done = self.system.run(argv, env=self.job["env"], timeout=timeout, check=False, apart=True)
        if done.code not in allowed:
            raise Failure("restic %s failed" % words[0], self.system.show(done.errors or done.output))
        return done.code, done.output

    def prepare(self) -> None:
        """Make the repository where none has ever been, and see that it is the one of before.

        :raises Failure: it is not, or it cannot be reached, or the password is another one.
        """
        place = os.path.join(self.system.state, "offsite-repository")
        # What leads there may hold a password.
        mark = hashlib.sha256(self.job["env"]["RESTIC_REPOSITORY"].encode()).hexdigest()[:16]
        mine, _, known = read_text(place).partition(" ")
        if mine == mark:
            try:
                found = self.identity()
            except Failure as error:
                raise Failure("the repository of before is not there, or cannot be opened", error.output) from None
            if found != known:
                raise Failure(
                    "the repository is another one than before (%s, not %s); next: bring the old one back, or remove %s"
                    " for a new one" % (found, known, place)
                )
            # Locks whose restic has died.
            self.restic("unlock")
            return
        try:
            found = self.identity()
        except Failure as there_is_none:
            try:
                self.restic("init")
            except Failure as error:
                # It may be there, and closed to us: then the first answer says why.
                raise Failure("the repository cannot be made", there_is_none.output + error.output) from None
            found = self.identity()
        write_atomically(place, ("%s %s" % (mark, found)).encode(), 0o600)

    def identity(self) -> str:
        """Return the repository's id."""
        # Without a lock: one that a killed run has left, to thin out, would keep it from being read.
        config = parsed(self.restic("cat", "--no-lock", "config")[1].encode(), dict) or {}
        return str(config.get("id", ""))

    def keep(self, paths: Sequence[str]) -> Tuple[str, int]:
        """Make a snapshot of some files and folders; return its id, and how many bytes they have.

        :raises Failure: not all of them could be read.
        """
        words = ["backup", "--json", "--tag", self.job["application"], "--host", self.job["host"]]
        # A database in a folder that is kept is saved by itself: as a file it may be half written.
        words += [word for path in self.job["without"] for word in ("--exclude", literal(path))]
        words += ["--", *paths]
        code, output = self.restic(*words, timeout=LONGEST, allowed=(0, NOT_ALL))
        summary: Mapping[str, object] = {}
        for line in output.splitlines():
            found = parsed(line.encode(), dict) or {}
            if found.get("message_type") == "summary":
                summary = found
        if code == NOT_ALL or not summary.get("snapshot_id"):
            raise Failure("restic has not read all that is to be kept", self.system.show(output))
        size = summary.get("total_bytes_processed")
        return str(summary["snapshot_id"]), size if isinstance(size, int) else 0

    def thin_out(self) -> None:
        """Forget the snapshots that the settings do not keep, and what nothing else needs of them.

        Without a rule all of them stay: the server may be one that lets nobody remove anything.
        """
        if not self.job["keep"]:
            return
        rules = [word for name, count in self.job["keep"].items() for word in ("--keep-%s" % name, str(count))]
        which = ["--tag", self.job["application"], "--host", self.job["host"], "--group-by", "host"]
        self.restic("forget", "--prune", *which, *rules, timeout=LONGEST)


def sftp_of(env: Mapping[str, str]) -> str:
    """Return the words of ssh(1) that lead to the SFTP server of a repository: its port, its user, its subsystem."""
    place = env["RESTIC_REPOSITORY"]
    found = re.match(r"sftp://(?:([^@/]+)@)?(\[[^]]+\]|[^:/]+)(?::(\d+))?/", place)
    if found:
        user, server, port = found.groups()
    else:
        found = re.match(r"sftp:(?:([^@:]+)@)?(\[[^]]+\]|[^:]+):", place)
        if not found:
            raise Failure("%s is no place on an SFTP server: sftp:USER@HOST:/PATH" % place)
        (user, server), port = found.groups(), None
    words = [*(["-p", port] if port else []), *(["-l", user] if user else []), "-s", "--", server.strip("[]"), "sftp"]
    return " ".join(map(shlex.quote, words))


def literal(path: str) -> str:
    """Return a pattern of restic's that a path alone fits."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def read_text(path: str) -> str:
    """Return a short text of ours; nothing where there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(4096)
    except FileNotFoundError:
        return ""


def saved(job: Job, system: System) -> List[str]:
    """Back up the databases of the host, proven readable; return the files, each with its record.

    :raises Failure: somebody else is at work for too long, or one cannot be saved.
    """
    lock = Lock(os.path.join(system.state, "lock"))
    info: Dict[str, object] = {"who": "the timer", "from": job["host"], "what": WHY, "since": time.time()}
    other = lock.acquire({**info, "token": system.token}, PATIENCE)
    if other is not None:
        raise Failure("%s is at work on this host" % other.get("who"))
    try:
        found: List[str] = []
        for spec in job["databases"]:
            backup = Backup(spec, system)
            if backup.check() is None:
                continue
            name = Saving(spec, system).make(WHY)
            backup.thin_out(name)
            path = os.path.join(spec["folder"], name)
            found += [path, path + ".json"]
        return found
    finally:
        lock.release()


def outcome_of(state: str) -> Optional[Outcome]:
    """Return how the last backups have ended; None where none was ever begun."""
    try:
        with open(os.path.join(state, "offsite-last.json"), "rb") as stream:
            return parsed(stream.read(65536), dict)  # type: ignore[return-value]
    except FileNotFoundError:
        return None


def last(system: System) -> OffsiteRow:
    """Return how the backups of this host have ended; see `Outcome`."""
    found = outcome_of(system.state) or {}
    return {
        "time": number(found, "time"),
        "size": number(found, "size"),
        "failed_at": number(found, "failed_at"),
        "snapshot": str(found.get("snapshot", "")),
        "failed": str(found.get("failed", "")),
    }


def snapshots(system: System, job: str) -> List[SnapshotRow]:
    """Return the snapshots of this host that the repository keeps, the youngest first.

    :param job: the file with the job.
    """
    with open(job, encoding="utf-8") as stream:
        repository = Repository(json.load(stream), system)
    which = ["--tag", repository.job["application"], "--host", repository.job["host"]]
    found = json.loads(repository.restic("snapshots", "--json", *which)[1]) or []
    rows: List[SnapshotRow] = [
        {
            "name": str(each["short_id"]),
            "time": moment_of(str(each["time"])),
            "paths": [str(path) for path in each["paths"]],
        }
        for each in found
    ]
    return sorted(rows, key=lambda row: -row["time"])


def moment_of(text: str) -> int:
    """Return a time as restic writes it, such as 2030-01-02T03:04:05.678901234+01:00, in seconds since 1970."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)\Z", text)
    if not found:
        return 0
    zone = found.group(2)
    ahead = 0 if zone == "Z" else (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[4:]) * 60)
    return calendar.timegm(time.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S")) - ahead


def note(state: str, **changes: object) -> None:
    """Write down how a backup has ended, beside what is known of the last good one."""
    before = outcome_of(state) or {}
    text = json.dumps({**before, **changes}).encode()
    write_atomically(os.path.join(state, "offsite-last.json"), text, 0o600)


def run(job: Job, system: System) -> None:
    """Make one backup, have it leave the host, and write down how that has ended.

    :raises Failure: it did not succeed; the ones of before are as they were.
    """
    try:
        repository = Repository(job, system)
        repository.prepare()
        paths = [*saved(job, system), *(each for each in job["folders"] if os.path.lexists(each))]
        if not paths:
            raise Failure("there is nothing yet that could be kept")
        snapshot, size = repository.keep(paths)
        note(system.state, time=int(time.time()), snapshot=snapshot, size=size, failed="", failed_at=0)
        repository.thin_out()
    except Failure as error:
        said = "\n".join(filter(None, (error.message, *error.output.strip().splitlines()[-1:])))
        note(system.state, failed=system.mask(said), failed_at=int(time.time()))
        raise


def main(path: str) -> None:
    """Do the job that a file says; the timer's service calls this."""
    do(path, run)

"""Apply a catalog: check each resource, apply differences, serve triggers, and report one event a resource."""

from __future__ import annotations

import importlib
import json
import os
import time

from .files.disk import remove, write_atomically
from .system import Change, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

    from .specs.base import Row
    from .specs.limits import Limits
    from .specs.messages import Details, Event, Message
    from .system import Kind, System

# kind -> (module, class); modules are imported when a catalog needs them, which keeps the start short.
KINDS = {
    "file": ("files.files", "File"),
    "block": ("files.files", "Block"),
    "http_block": ("files.nginx", "HttpBlock"),
    "directory": ("files.files", "Directory"),
    "link": ("files.files", "Link"),
    "linked_folder": ("files.linked", "LinkedFolder"),
    "absent": ("files.files", "Absent"),
    "files": ("files.files", "OnlyFiles"),
    "command": ("machine.commands", "Command"),
    "once": ("code.once", "Once"),
    "derived": ("code.derived", "Derived"),
    "build": ("code.builds", "Build"),
    "exports": ("machine.mounts", "Exports"),
    "mount": ("machine.mounts", "Mount"),
    "mounts": ("machine.mounts", "OnlyMounts"),
    "mounted": ("machine.mounts", "Mounted"),
    "packages": ("machine.packages", "Packages"),
    "user": ("machine.users", "User"),
    "team": ("machine.team", "Team"),
    "sshd_settings": ("machine.sshd", "SshdSettings"),
    "sshd_confirmed": ("machine.sshd", "SshdConfirmed"),
    "bans": ("machine.bans", "Bans"),
    "tool": ("python.environments", "Tool"),
    "uploaded_python": ("python.uploads", "UploadedPython"),
    "environment": ("python.environments", "PythonEnvironment"),
    "versions": ("python.environments", "PythonVersions"),
    "checkout": ("code.checkout", "Checkout"),
    "sealed": ("code.checkout", "Sealed"),
    "untouched": ("code.edits", "Untouched"),
    "trees": ("code.worktrees", "OnlyWorktrees"),
    "checkouts": ("code.worktrees", "OnlyCheckouts"),
    "settings": ("files.samples", "Settings"),
    "patch": ("files.patches", "Patch"),
    "service": ("processes.processes", "Service"),
    "running": ("processes.processes", "Running"),
    "settled": ("processes.processes", "Settled"),
    "retired": ("processes.processes", "Retired"),
    "drained": ("processes.handover", "Drained"),
    "reloaded": ("processes.handover", "Reloaded"),
    "vacated": ("processes.processes", "Vacated"),
    "units": ("processes.processes", "OnlyUnits"),
    "healthy": ("processes.health", "Healthy"),
    "tried": ("processes.trials", "Tried"),
    "served": ("processes.sites", "Served"),
    "visited": ("processes.visit", "Visited"),
    "postgres_role": ("databases.postgres", "Role"),
    "postgres_login": ("databases.postgres", "Login"),
    "postgres_database": ("databases.postgres", "Database"),
    "mariadb_role": ("databases.mariadb", "Role"),
    "mariadb_database": ("databases.mariadb", "Database"),
    "rabbit_access": ("databases.rabbitmq", "Access"),
    "rabbit_logins": ("databases.rabbitmq", "Logins"),
    "backup": ("databases.backups", "Backup"),
    "restore": ("databases.restores", "Restore"),
    "drill": ("databases.drill", "Drill"),
    "restore_settled": ("databases.restores", "NoOpenRestore"),
    "acme_certificate": ("certificates.acme", "Certificate"),
    "acme_link": ("certificates.acme", "Link"),
    "self_signed": ("certificates.certificates", "SelfSigned"),
    "placed": ("files.manifest", "OnlyPlaced"),
    "luks_volume": ("machine.volumes", "LuksVolume"),
    "volumes": ("machine.volumes", "OnlyVolumes"),
    "package_lists": ("machine.upgrades", "PackageLists"),
    "upgraded": ("machine.upgrades", "Upgraded"),
    "rebooted": ("machine.upgrades", "Rebooted"),
    "prune": ("code.releases", "Prune"),
    "journal": ("code.releases", "Journal"),
    "history": ("code.releases", "History"),
    "database_gone": ("databases.removal", "DatabaseGone"),
    "rabbit_gone": ("databases.removal", "RabbitGone"),
    "folders_gone": ("databases.removal", "FoldersGone"),
    "user_gone": ("databases.removal", "UserGone"),
}
# What a trigger does is told by the rest: where it stands, how it is called and how long it may take do not matter.
NO_IDENTITY = ("when", "held", "step", "label", "title", "env", "env_file", "stdin", "timeout", "log")


def make(spec: Row, system: System) -> Kind:
    """Return the kind's object for one row of a catalog."""
    try:
        module, name = KINDS[spec["kind"]]
    except KeyError:
        raise Failure("this runner knows no resource of kind %r" % spec["kind"]) from None
    kind: Kind = getattr(importlib.import_module("." + module, __package__), name)(spec, system)
    return kind


class Pending:
    """Triggers whose cause has changed and that have not succeeded since, kept on disk over crashes.

    :param folder: one empty file per trigger, named by what the trigger does.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def path(self, spec: Row) -> str:
        import hashlib

        identity = {name: value for name, value in spec.items() if name not in NO_IDENTITY}
        text = json.dumps(identity, sort_keys=True)
        return os.path.join(self.folder, hashlib.sha256(text.encode()).hexdigest()[:32])

    def add(self, spec: Row) -> None:
        path = self.path(spec)
        if not os.path.exists(path):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            write_atomically(path, b"", 0o600)

    def has(self, spec: Row) -> bool:
        return os.path.exists(self.path(spec))

    def clear(self, spec: Row) -> None:
        remove(self.path(spec))


class Engine:
    """Bring one catalog's resources to their wanted state.

    :param system: what the kinds act through (`System`).
    :param emit: called with each message.
    :param at: called with ``(point, position)`` before and after each act; tests kill the process there.
    :param limits: what may be asked for; None: anything.
    """

    def __init__(
        self,
        system: System,
        emit: Callable[[Message], None],
        at: Callable[[str, int], None] = lambda point, position: None,
        limits: Optional[Limits] = None,
    ) -> None:
        self.limits = limits
        self.system = system
        self.emit = emit
        self.at = at
        self.pending = Pending(os.path.join(system.state, "pending"))

    def apply(self, catalog: Sequence[Row], dry: bool = False) -> bool:
        """Apply every row in order; after a failure the rest is skipped.

        :returns: whether nothing failed.
        """
        followers: Dict[int, List[Row]] = {}
        for spec in catalog:
            for source in spec.get("when") or ():
                followers.setdefault(source, []).append(spec)
        done: Dict[str, Set[int]] = {"changed": set(), "would_change": set()}
        failed = False
        for position, spec in enumerate(catalog):
            if failed and not dry:
                self.report(position, spec, "skipped", 0, dry, {})
                continue
            started = time.monotonic()
            status, details = self.one(position, spec, followers.get(position, ()), done, dry)
            left, warnings = self.system.take_left(), self.system.take_warnings()
            if left:
                warnings.append("%s %s" % (spec["label"], left))
            if warnings:
                warnings = [self.system.show(each) for each in warnings]
                details["warning"] = "\n".join(filter(None, (details.get("warning", ""), *warnings)))
            done.setdefault(status, set()).add(position)
            failed = failed or status == "failed"
            self.report(position, spec, status, (time.monotonic() - started) * 1000, dry, details)
        return not failed

    def one(
        self, position: int, spec: Row, followers: Sequence[Row], done: Dict[str, Set[int]], dry: bool
    ) -> Tuple[str, Details]:
        """Check and, when needed, apply one row; return its status and the other details of the event."""
        since = time.time()
        try:
            kind = make(spec, self.system)
            sources = set(spec.get("when") or ())
            overdue = spec.get("when") is not None and self.pending.has(spec)
            kind.due = bool(sources & (done["changed"] | done["would_change"])) or overdue
            refused = self.limits.why_not(spec) if self.limits else ""
            change = self.glance(kind, spec) if refused else kind.check()
            if change is None:
                if overdue and not dry:
                    self.pending.clear(spec)
                return "ok", kind.facts()
            if refused:
                note = "needs an administrator (--as-admin): %s" % refused
                if dry:
                    # Where it could not even be looked at, nobody knows.
                    status = "would_change" if self.limits and self.limits.may_look(spec) else "unknown"
                    return status, {"note": self.system.show(note, head=True)}
                raise Failure(note)
            details: Details = {"diff": self.system.show(change.diff, head=True)}
            details["note"] = self.system.show(change.note, head=True)
            if dry:
                return "would_change", details
            if spec.get("held"):
                raise Failure("it differs, and the plan does not change it; it stays as it is", kind.output)
            label = self.system.mask(spec["label"])
            self.emit({"t": "start", "position": position, "step": spec["step"], "label": label})
            for follower in followers:
                self.pending.add(follower)
            self.at("before", position)
            kind.apply(change)
            self.at("after", position)
            if spec.get("when") is not None:
                self.pending.clear(spec)
            details.update(kind.facts())
            details["output"] = self.system.show(kind.output)
            return "changed", details
        except Exception as error:
            if dry and (done["would_change"] or done.get("unknown")):
                return "unknown", {"note": self.system.show(str(error))}
            if isinstance(error, Failure):
                from .processes.referred import with_last_words

                error.output = with_last_words(self.system, error.output, since)
            return "failed", self.explain(error)

    def glance(self, kind: Kind, spec: Row) -> Optional[Change]:
        """Tell whether a row that may not be applied differs, as far as it may be looked at; how stays here."""
        assert self.limits is not None
        if spec.get("when") is not None and not kind.due:
            return None
        if not self.limits.may_look(spec):
            return Change()
        try:
            return Change() if kind.check() else None
        except (Failure, OSError):
            return Change()

    def explain(self, error: Exception) -> Details:
        """Turn an exception into details of an event: a user's cause, or our own bug with its traceback."""
        if isinstance(error, Failure):
            return {"error": self.system.show(error.message), "output": self.system.show(error.output)}
        if isinstance(error, OSError):
            return {"error": self.system.show(str(error))}
        import traceback

        return {"error": self.system.show(repr(error)), "traceback": self.system.show(traceback.format_exc())}

    def report(self, position: int, spec: Row, status: str, milliseconds: float, dry: bool, details: Details) -> None:
        event: Event = {
            "t": "event",
            "position": position,
            "step": spec["step"],
            "label": self.system.mask(spec["label"]),
            "status": status,
            "ms": round(milliseconds, 1),
        }
        for name, value in details.items():
            if value:
                event[name] = value  # type: ignore[literal-required]
        self.emit(event)
        if status == "failed" and not dry:
            from .code.failures import keep

            keep(self.system, event)

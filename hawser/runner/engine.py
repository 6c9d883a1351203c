"""Apply a catalog: check each resource, apply what differs, serve triggers, and report one event a resource."""

import hashlib
import importlib
import json
import os
import time
import traceback

from .system import Failure, write_atomically

# kind -> (module, class); modules are imported when a catalog needs them, which keeps the start short.
KINDS = {
    "file": ("files", "File"),
    "block": ("files", "Block"),
    "directory": ("files", "Directory"),
    "link": ("files", "Link"),
    "absent": ("files", "Absent"),
    "files": ("files", "Files"),
    "command": ("commands", "Command"),
    "packages": ("packages", "Packages"),
    "user": ("users", "User"),
    "tool": ("environments", "Tool"),
    "environment": ("environments", "PythonEnvironment"),
    "checkout": ("checkout", "Checkout"),
    "service": ("processes", "Service"),
    "running": ("processes", "Running"),
    "retired": ("processes", "Retired"),
    "units": ("processes", "Units"),
    "healthy": ("health", "Healthy"),
    "postgres_role": ("postgres", "Role"),
    "postgres_database": ("postgres", "Database"),
    "rabbit_access": ("rabbitmq", "Access"),
    "self_signed": ("certificates", "SelfSigned"),
    "prune": ("releases", "Prune"),
    "journal": ("releases", "Journal"),
    "history": ("releases", "History"),
}


def make(spec, system):
    """Return the kind's object for one row of a catalog."""
    try:
        module, name = KINDS[spec["kind"]]
    except KeyError:
        raise Failure("this runner knows no resource of kind %r" % spec["kind"]) from None
    return getattr(importlib.import_module("." + module, __package__), name)(spec, system)


class Pending:
    """Triggers whose cause has changed and that have not succeeded since, kept on disk over crashes.

    :param folder: one empty file per trigger, named by what the trigger does.
    """

    def __init__(self, folder):
        self.folder = folder

    def path(self, spec):
        identity = {k: v for k, v in spec.items() if k not in ("when", "step", "label", "env", "stdin")}
        text = json.dumps(identity, sort_keys=True)
        return os.path.join(self.folder, hashlib.sha256(text.encode()).hexdigest()[:32])

    def add(self, spec):
        path = self.path(spec)
        if not os.path.exists(path):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            write_atomically(path, b"", 0o600)

    def has(self, spec):
        return os.path.exists(self.path(spec))

    def clear(self, spec):
        try:
            os.unlink(self.path(spec))
        except FileNotFoundError:
            pass


class Engine:
    """Bring one catalog's resources to their wanted state.

    :param system: what the kinds act through (`System`).
    :param emit: called with each event (a dict that JSON can carry).
    :param at: called with ``(point, position)`` before and after each act; tests kill the process there.
    """

    def __init__(self, system, emit, at=lambda point, position: None):
        self.system = system
        self.emit = emit
        self.at = at
        self.pending = Pending(os.path.join(system.state, "pending"))

    def apply(self, catalog, dry=False):
        """Apply every row in order; after a failure the rest is skipped.

        :returns: whether nothing failed.
        """
        followers = {}
        for spec in catalog:
            for source in spec.get("when") or ():
                followers.setdefault(source, []).append(spec)
        done = {"changed": set(), "would_change": set()}
        failed = False
        for position, spec in enumerate(catalog):
            if failed and not dry:
                self.report(position, spec, "skipped", 0)
                continue
            started = time.monotonic()
            status, extra = self.one(position, spec, followers.get(position, ()), done, dry)
            done.setdefault(status, set()).add(position)
            failed = failed or status == "failed"
            self.report(position, spec, status, (time.monotonic() - started) * 1000, **extra)
        return not failed

    def one(self, position, spec, followers, done, dry):
        """Check and, when needed, apply one row; return its status and what else the event says."""
        try:
            kind = make(spec, self.system)
            sources = set(spec.get("when") or ())
            overdue = spec.get("when") is not None and self.pending.has(spec)
            kind.due = bool(sources & done["changed"]) or overdue or bool(sources & done["would_change"])
            change = kind.check()
            if change is None:
                if overdue and not dry:
                    self.pending.clear(spec)
                return "ok", kind.facts()
            said = {"diff": self.system.mask(change.diff), "note": self.system.mask(change.note)}
            if dry:
                return "would_change", said
            self.emit({"t": "start", "position": position, "step": spec["step"], "label": spec["label"]})
            for follower in followers:
                self.pending.add(follower)
            self.at("before", position)
            kind.apply(change)
            self.at("after", position)
            if spec.get("when") is not None:
                self.pending.clear(spec)
            said.update(kind.facts())
            said["output"] = self.system.mask(kind.output)
            return "changed", said
        except Exception as error:
            if dry and done["would_change"]:
                return "unknown", {"note": self.system.mask(str(error))}
            return "failed", self.explain(error)

    def explain(self, error):
        """Turn an exception into what the event says of it: a user's cause, or our own bug with its traceback."""
        if isinstance(error, Failure):
            return {"error": self.system.mask(error.message), "output": self.system.mask(error.output)}
        if isinstance(error, OSError):
            return {"error": self.system.mask(str(error))}
        return {"error": self.system.mask(repr(error)), "traceback": self.system.mask(traceback.format_exc())}

    def report(self, position, spec, status, milliseconds, **extra):
        event = {
            "t": "event",
            "position": position,
            "step": spec["step"],
            "label": self.system.mask(spec["label"]),
            "status": status,
            "ms": round(milliseconds, 1),
        }
        event.update((key, value) for key, value in extra.items() if value)
        self.emit(event)

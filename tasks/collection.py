"""The namespace of all tasks, as `--list` shows it; `from hawser import namespace` loads it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Invoke turns the bytecode cache off; compiling our modules anew is the largest part of a start.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

import fabric.main  # noqa: E402
from invoke.collection import Collection  # noqa: E402

from hawser.named import Named  # noqa: E402
from hawser.program import make_executor  # noqa: E402
from hawser.runner.webservers import TRAITS  # noqa: E402

# What is typed, and where it stands.
PLACES = {
    "new": "new.new",
    "bootstrap": "bootstrap.bootstrap",
    "deploy": "deploy.deploy",
    "rollback": "deploy.rollback",
    "repair": "repair.repair",
    "resume": "deploy.resume",
    "remove": "remove.remove",
    "plan": "plans.plan",
    "apply": "plans.apply",
    "status": "status.status",
    "top": "top.top",
    "upgrade": "upgrade.upgrade",
    "check": "check.check",
    "drift": "drift.drift",
    "schema": "schema.schema",
    "restart": "processes.restart",
    "stop": "processes.stop",
    "start": "processes.start",
    "trust": "trust.trust",
    "run": "adhoc.run",
    "manage": "adhoc.manage",
    "logs": "logs.logs",
    "printenv": "adhoc.printenv",
    "shell": "shells.shell",
    "put": "files.put",
    "get": "files.get",
    "dbshell": "shells.dbshell",
    "history": "releases.history",
    "report.page": "report.page",
    "report.list": "report.listing",
    "report.junit": "report.junit",
    "report.annotations": "report.annotated",
    "backup.install": "backup.install",
    "backup.run": "backup.run",
    "backup.list": "backup.listing",
    "backup.drill": "backup.drill",
    "backup.key": "backup.key",
    "builds.make": "builds.make",
    "certs.install": "certs.install",
    "certs.request": "certs.request",
    "certs.issue": "acme.issue",
    "checkouts.update": "checkouts.update",
    "code.pull": "code.pull",
    "config.install": "config.install",
    "config.place": "config.place",
    "config.samples": "config.samples",
    "config.render": "config.render",
    "cron.install": "cron.install",
    "cron.list": "cron.list_entries",
    "db.migrate": "db.migrate",
    "db.backup": "db.backup",
    "db.list": "db.listing",
    "db.restore": "db.restore",
    "firewall.install": "firewall.install",
    "lock.status": "lock.status",
    "lock.hold": "lock.hold",
    "lock.release": "lock.release",
    "maintenance.on": "maintenance.on",
    "maintenance.off": "maintenance.off",
    "notify.install": "notify.install",
    "notify.test": "notify.test",
    "once.run": "once.run_now",
    "once.done": "once.done",
    "once.list": "once.listing",
    "queue.list": "queue.listing",
    "queue.purge": "queue.purge",
    "release.build": "release.build",
    "release.activate": "release.activate",
    "releases.list": "releases.listing",
    "releases.prune": "releases.prune",
    "releases.sign": "releases.sign",
    "sandbox.up": "sandbox.up",
    "sandbox.down": "sandbox.down",
    "sandbox.reset": "sandbox.reset",
    "sandbox.list": "sandbox.listing",
    "sandbox.shell": "sandbox.shell",
    "secrets.check": "secrets.check",
    "secrets.edit": "secrets.edit",
    "secrets.recipients": "secrets.recipients",
    "secrets.pull": "secrets.pull",
    "secrets.new-key": "secrets.new_key",
    "secrets.rotate": "rotation.rotate",
    "sshd.install": "sshd.install",
    "sudoers": "helper.sudoers",
    "supervisor.reload": "managers.supervisor.reload",
    "systemd.reload": "managers.systemd.reload",
    "team.install": "team.install",
    "updates.install": "updates.install",
    "venv.python": "venv.python",
    "venv.build": "venv.build",
    "volumes.open": "volumes.open_all",
    "volumes.format": "volumes.make",
    **{f"{server}.install": f"webservers.{server}.install" for server in TRAITS},
}
# The subjects under which they are listed; a test says that each task has one.
MEMBERS = {
    "Begin": ("new", "schema", "trust", "check", "bootstrap", "sudoers", "secrets.*", "notify.*", "sandbox.*"),
    "Deploy": (
        "deploy",
        "rollback",
        "repair",
        "resume",
        "upgrade",
        "remove",
        "plan",
        "apply",
        "lock.*",
        "maintenance.*",
        "releases.*",
    ),
    "Look": (
        "status",
        "top",
        "drift",
        "logs",
        "history",
        "report.*",
        "printenv",
        "config.render",
        "config.samples",
        "cron.list",
    ),
    "Work on hosts": ("run", "manage", "shell", "dbshell", "put", "get", "restart", "stop", "start"),
    "Data": ("db.backup", "db.list", "db.restore", "backup.*", "queue.*", "once.*", "volumes.*"),
    "Certificates": ("certs.*",),
    "Parts of a deploy, one by one": (
        *("code.*", "checkouts.*", "builds.*", "venv.*", "config.install", "config.place", "release.*", "db.migrate"),
        *("systemd.*", "supervisor.*", *(f"{server}.*" for server in TRAITS)),
        *("cron.install", "firewall.*", "sshd.*", "team.*", "updates.*"),
    ),
}
# The tasks that the names of their groups stand for.
DEFAULTS = {"lock.status", "report.page"}
# Of those, the ones whose modules hold all steps, with what these load; a test says that no others do.
STEPS = {"deploy", "upgrade", "lock.hold", "queue.purge", "releases.prune"}
# Written by `tests/unit/test_collection.py`, out of what stands there.
DOCSTRINGS = json.loads((Path(__file__).parent / "docstrings.json").read_text(encoding="utf-8"))


def place_of(typed: str) -> str:
    """Return module and name of a task."""
    return f"{__package__}.{PLACES[typed]}"


def subjects(typed: str) -> list[str]:
    """Return the subjects that name a task: one."""
    group = f"{typed.partition('.')[0]}.*"
    return [subject for subject, members in MEMBERS.items() if typed in members or group in members]


def collected() -> Collection:
    """Return the namespace."""
    root = Collection()
    for typed in PLACES:
        group, _, name = typed.rpartition(".")
        if group and group not in root.collections:
            root.add_collection(Collection(group))
        there = root.collections[group] if group else root
        (subject,) = subjects(typed)
        named = Named(name, place_of(typed), DOCSTRINGS.get(typed, ""), subject, brings_steps=typed in STEPS)
        there.add_task(named, default=typed in DEFAULTS)
    return root


namespace = collected()

# The `fab` that Fabric brings may have been typed; with it, too, the keys of hosts are to be checked.
fabric.main.program.executor_class = make_executor

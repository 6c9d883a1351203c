"""The namespace of all tasks, as `--list` shows it; `from hawser import namespace` loads it."""

from __future__ import annotations

import sys

# Invoke turns the bytecode cache off; compiling our modules anew is the largest part of a start.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

import fabric.main  # noqa: E402
from invoke.collection import Collection  # noqa: E402

from hawser.executor import Executor  # noqa: E402

from . import (  # noqa: E402
    acme,
    adhoc,
    bootstrap,
    builds,
    certs,
    check,
    checkouts,
    code,
    config,
    cron,
    db,
    deploy,
    files,
    firewall,
    lock,
    logs,
    maintenance,
    once,
    processes,
    queue,
    release,
    releases,
    remove,
    sandbox,
    secrets,
    shells,
    status,
    trust,
    venv,
    volumes,
)
from .managers import supervisor, systemd  # noqa: E402
from .webservers import WEB_SERVERS  # noqa: E402

# The `fab` that Fabric brings may have been typed; with it, too, the keys of hosts are to be checked.
fabric.main.program.executor_class = Executor

namespace = Collection(
    bootstrap.bootstrap,
    deploy.deploy,
    deploy.rollback,
    deploy.resume,
    remove.remove,
    status.status,
    check.check,
    processes.restart,
    processes.stop,
    processes.start,
    trust.trust,
    adhoc.run,
    adhoc.manage,
    logs.logs,
    adhoc.printenv,
    shells.shell,
    files.put,
    files.get,
    shells.dbshell,
    Collection("builds", builds.make),
    Collection("certs", certs.install, certs.request, acme.issue),
    Collection("checkouts", checkouts.update),
    Collection("code", code.pull),
    Collection("config", config.install, config.place, config.samples, config.render),
    Collection("cron", cron.install, cron.list_entries),
    Collection("db", db.migrate, db.backup, db.listing, db.restore),
    Collection("firewall", firewall.install),
    Collection("lock", lock.status, lock.hold, lock.release),
    Collection("maintenance", maintenance.on, maintenance.off),
    Collection("once", once.run_now, once.done, once.listing),
    Collection("queue", queue.listing, queue.purge),
    Collection("release", release.build, release.activate),
    releases.history,
    Collection("releases", releases.listing, releases.prune, releases.sign),
    Collection("sandbox", sandbox.up, sandbox.down, sandbox.reset, sandbox.listing, sandbox.shell),
    Collection("secrets", secrets.pull, secrets.new_key),
    Collection("supervisor", supervisor.reload),
    Collection("systemd", systemd.reload),
    Collection("venv", venv.python, venv.build),
    Collection("volumes", volumes.open_all, volumes.make),
    *(Collection(name, each.install) for name, each in WEB_SERVERS.items()),
)

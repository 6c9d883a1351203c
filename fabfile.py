"""The namespace that `fab --list` shows."""

import sys

from invoke import Collection

# Invoke turns the bytecode cache off; compiling our modules anew is the largest part of a start.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from tasks import (  # noqa: E402
    adhoc,
    bootstrap,
    certs,
    check,
    code,
    config,
    cron,
    db,
    deploy,
    files,
    firewall,
    maintenance,
    nginx,
    once,
    processes,
    release,
    releases,
    sandbox,
    secrets,
    shells,
    status,
    supervisor,
    systemd,
    trust,
    venv,
)

namespace = Collection(
    bootstrap.bootstrap,
    deploy.deploy,
    deploy.rollback,
    status.status,
    check.check,
    processes.restart,
    processes.stop,
    processes.start,
    trust.trust,
    adhoc.run,
    adhoc.manage,
    adhoc.logs,
    adhoc.printenv,
    shells.shell,
    files.put,
    files.get,
    shells.dbshell,
    Collection("certs", certs.install),
    Collection("code", code.pull),
    Collection("config", config.install, config.place, config.samples),
    Collection("cron", cron.install, cron.list_entries),
    Collection("db", db.migrate, db.backup, db.listing, db.restore),
    Collection("firewall", firewall.install),
    Collection("maintenance", maintenance.on, maintenance.off),
    Collection("nginx", nginx.install),
    Collection("once", once.run_now, once.done, once.listing),
    Collection("release", release.build, release.activate),
    releases.history,
    Collection("releases", releases.listing, releases.prune),
    Collection("sandbox", sandbox.up, sandbox.down, sandbox.reset, sandbox.listing, sandbox.shell),
    Collection("secrets", secrets.pull),
    Collection("supervisor", supervisor.reload),
    Collection("systemd", systemd.reload),
    Collection("venv", venv.build),
)

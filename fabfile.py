"""The namespace that `fab --list` shows."""

from invoke import Collection

from tasks import (
    adhoc,
    bootstrap,
    certs,
    code,
    config,
    cron,
    db,
    deploy,
    nginx,
    release,
    sandbox,
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
    trust.trust,
    adhoc.run,
    adhoc.manage,
    adhoc.logs,
    Collection("certs", certs.install),
    Collection("code", code.pull),
    Collection("config", config.install, config.place),
    Collection("cron", cron.install, cron.list_entries),
    Collection("db", db.migrate),
    Collection("nginx", nginx.install),
    Collection("release", release.build, release.activate),
    Collection("sandbox", sandbox.up, sandbox.down, sandbox.reset, sandbox.listing, sandbox.shell),
    Collection("supervisor", supervisor.reload),
    Collection("systemd", systemd.reload),
    Collection("venv", venv.build),
)

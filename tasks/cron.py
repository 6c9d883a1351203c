"""crontab entries."""

from __future__ import annotations

from hawser.fleet import Fleet
from hawser.formats import shell, shell_join
from hawser.host import Host
from hawser.inventory.processes import CronEntry
from hawser.resources import Absent, File, Resources
from hawser.steps import rollout, step


@step()
def install(host: Host) -> Resources:
    """Install this host's crontab entries, leaving every other entry alone."""
    path = f"/etc/cron.d/{host.app.name}"
    entries = [
        {"name": name, "schedule": entry.schedule, "user": entry.user, "line": line(host, name, entry)}
        for name, entry in host.cron_entries().items()
    ]
    if not entries:
        yield Absent(path)
        return
    for entry in host.cron_entries().values():
        if entry.output:
            path_of_output = output(host, entry)
            yield File(path_of_output, "", mode=0o640, owner=entry.user, group=host.app.group, keep=True, parents=True)
    yield File(path, host.render("cron.j2", entries=entries), validate="cron")


def output(host: Host, entry: CronEntry) -> str:
    """Return the file that takes an entry's output."""
    return entry.output if (entry.output or "").startswith("/") else f"{host.root}/{entry.output}"  # type: ignore[return-value]


def line(host: Host, name: str, entry: CronEntry) -> str:
    """Return the command of a crontab line: in the code of the release that serves, in its environment."""
    command = host.command_text(entry.command, f"cron.{name}.command")
    own = [f"@cron.{name}"] if entry.environment else []
    words = shell_join([f"{host.root}/current/run", *own, "sh", "-c", command])
    if entry.output:
        words = f"{words} >> {shell(output(host, entry))} 2>&1"
    else:
        words = f"systemd-cat -t {host.app.name}-{name} {words}"
    return f"cd {host.root}/current/source && {words}"


@rollout(name="list")
def list_entries(fleet: Fleet) -> None:
    """Show the crontab entries of each host."""
    rows = [
        [name, each, entry.schedule, entry.command]
        for name in fleet.names
        for each, entry in fleet.host(name).cron_entries().items()
    ]
    fleet.report.table("cron", ["host", "entry", "schedule", "command"], rows)

"""crontab entries."""

from __future__ import annotations

from hawser.fleet import Fleet
from hawser.formats import shell, shell_join
from hawser.host import Host
from hawser.inventory.processes import CronEntry, Process
from hawser.processes import instances, overlaps, own_environment
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
    entries += [
        {
            "name": f"restart of {each}",
            "schedule": setting.restart_at,
            "user": "root",
            "line": restart(host, each, setting),
        }
        for name, setting in host.process_settings().items()
        if setting.restart_at
        for each in instances(name, setting)
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
    own = own_environment(entry, f"cron.{name}")
    words = shell_join([f"{host.root}/current/run", *own, "sh", "-c", command])
    if entry.output:
        words = f"{words} >> {shell(output(host, entry))} 2>&1"
    else:
        words = f"systemd-cat -t {host.app.name}-{name} {words}"
    return f"cd {host.root}/current/source && {words}"


def restart(host: Host, name: str, setting: Process) -> str:
    """Return the line that has a process's manager restart it, unless somebody is changing the application just then.

    One that has been stopped on purpose stays so: supervisor does not know it any more, and systemd only tries.

    :param name: the process, numbered when there are several.
    """
    unit = f"{host.app.name}-{name}"
    if overlaps(setting):
        # The link says which of the two colours serves.
        unit = f'{host.app.name}-"$(readlink {host.run}/{name}.live)"'
    how = "systemctl try-restart" if setting.manager == "systemd" else "supervisorctl restart"
    unchanged = f"flock --shared --nonblock {host.state}/lock true"
    return f"{unchanged} && systemd-cat -t {host.app.name}-restart {how} {unit}"


@rollout(name="list")
def list_entries(fleet: Fleet) -> None:
    """Show the crontab entries of each host."""
    rows = [
        [name, each, entry.schedule, entry.command]
        for name in fleet.names
        for each, entry in fleet.host(name).cron_entries().items()
    ]
    rows += [
        [name, each, setting.restart_at, f"restart of {each}"]
        for name in fleet.names
        for each, setting in fleet.host(name).process_settings().items()
        if setting.restart_at
    ]
    fleet.report.table("cron", ["host", "entry", "schedule", "command"], rows)

"""crontab entries."""

from __future__ import annotations

from datetime import UTC, datetime

from hawser.answers import reading
from hawser.answers.messages import COLOURS
from hawser.answers.rows import CronRun
from hawser.fleet.fleet import Fleet
from hawser.formats import shell, shell_join
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.processes import ProcessInstance, instances, overlaps, own_environment
from hawser.inventory.tables.processes import CronEntry, Process
from hawser.inventory.values.schedule import NICKNAMES
from hawser.report import Marked
from hawser.resources import Absent, Directory, File, OnlyFiles, Resources
from hawser.runner.processes.traits import MANAGERS
from hawser.steps import fleet_task, removal, step

from .status import since, span


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
            "schedule": str(setting.restart_at),
            "user": "root",
            "line": restart(host, each, setting),
        }
        for each, (name, setting) in restarts(host).items()
    ]
    folder = f"{host.root}/cron"
    if not entries:
        yield Absent(path)
        yield Absent(folder, recursive=True)
        return
    yield Directory(folder)
    yield File(f"{folder}/record", host.render("cron-record.sh.j2"), mode=0o755)
    users = {name: str(entry.user) for name, entry in host.cron_entries().items()}
    users |= {f"restart-{each}": "root" for each in restarts(host)}
    for name, user in users.items():
        yield File(f"{folder}/{name}.last", "", mode=0o640, owner=user, group=host.app.group, keep=True)
    yield OnlyFiles(folder, "*.last", tuple(f"{name}.last" for name in users))
    for entry in host.cron_entries().values():
        if entry.output:
            path_of_output = output(host, entry)
            yield File(path_of_output, "", mode=0o640, owner=entry.user, group=host.app.group, keep=True, parents=True)
    yield File(path, host.render("cron.j2", entries=entries), validate="cron")


def restarts(host: Host) -> dict[str, tuple[str, Process]]:
    """Return the processes of a host that cron restarts, numbered when there are several, with name and setting."""
    settings = host.process_settings().items()
    return {
        each: (name, setting) for name, setting in settings if setting.restart_at for each in instances(name, setting)
    }


def recorded(host: Host, name: str) -> list[str]:
    """Return the words that start a program so that its last run is written down."""
    return [f"{host.root}/cron/record", name]


def output(host: Host, entry: CronEntry) -> str:
    """Return the file that takes an entry's output."""
    return entry.output if (entry.output or "").startswith("/") else f"{host.root}/{entry.output}"  # type: ignore[return-value]


def line(host: Host, name: str, entry: CronEntry) -> str:
    """Return the command of a crontab line: in the code of the release that serves, in its environment."""
    command = host.command_text(entry.command, f"cron.{name}.command")
    own = own_environment(entry, f"cron.{name}")
    words = shell_join([*recorded(host, name), f"{host.root}/current/run", *own, "sh", "-c", command])
    if entry.output:
        words = f"{words} >> {shell(output(host, entry))} 2>&1"
    else:
        words = f"systemd-cat -t {host.app.name}-{name} {words}"
    return f"cd {host.serving_code} && {words}"


def restart(host: Host, name: str, setting: Process) -> str:
    """Return the line that has a process's manager restart it, unless somebody is changing the application just then.

    One that has been stopped on purpose stays so: supervisor does not know it any more, and systemd only tries.

    :param name: the process, numbered when there are several.
    """
    unit = f"{host.app.name}-{name}"
    manager = MANAGERS[setting.manager]
    again = f"systemd-cat -t {host.app.name}-restart {manager.restart}"
    line = f"{again} {unit}"
    if overlaps(setting):
        # Of the two colours, the one that serves starts at boot.
        colours = (ProcessInstance(host, name, setting, each) for each in COLOURS)
        line = "; ".join(
            f"if {manager.serves} {shell(getattr(each, manager.asked_by))}; then {again} {each.unit}; fi"
            for each in colours
        )
    unchanged = f"flock --shared --nonblock {host.state}/lock true"
    line = f"{{ {line}; }}" if overlaps(setting) else line
    return shell_join([*recorded(host, f"restart-{name}"), "sh", "-c", f"{unchanged} && {line}"])


@fleet_task(name="list")
def list_entries(fleet: Fleet) -> None:
    """Show the crontab entries of each host, when each ran last, how that ended, and when it runs next."""
    rows, records = [], []
    for name, last in fleet.ask_all(reading.CRON_RUNS, {"folder": f"{fleet.environment.app.root}/cron"}).items():
        host = fleet.host(name)
        wanted = [(each, entry.schedule, entry.command, each) for each, entry in host.cron_entries().items()]
        wanted += [
            (each, str(setting.restart_at), f"restart of {each}", f"restart-{each}")
            for each, (_name, setting) in restarts(host).items()
        ]
        for entry, schedule, command, key in wanted:
            run = last.get(key)
            due = next_run(schedule, host.facts)
            rows.append([name, entry, schedule, command, *last_run(run, host.facts.clock), due])
            what = {"host": name, "entry": entry, "schedule": schedule, "command": command}
            records.append({**what, **(run or {"began": None, "ended": None, "status": None, "running": False})})
    columns = ["host", "entry", "schedule", "command", "last run", "took", "result", "next run"]
    none = f"{fleet.environment.path.name} gives these hosts no cron entry; next: a table [cron.NAME]"
    fleet.report.table("cron", columns, rows, records, empty=none)


def last_run(run: CronRun | None, now: float) -> list[str]:
    """Say when an entry ran last, how long it took, and how it ended."""
    if run is None:
        return ["never", "", ""]
    began = since(run["began"], now)
    if run["status"] is not None and run["ended"] is not None:
        result = Marked.good("ok") if run["status"] == 0 else Marked.bad(f"exited with {run['status']}")
        return [began, span(run["ended"] - run["began"]), result]
    return [began, "", "is running" if run["running"] else Marked.bad("was killed")]


def next_run(schedule: str, facts: Facts) -> str:
    """Say when an entry runs next, by the clock of its host."""
    # It is needed for nothing else.
    from cronsim import CronSim, CronSimError

    if schedule == "@reboot":
        return "at boot"
    try:
        now = datetime.fromtimestamp(facts.clock + facts.offset, UTC).replace(tzinfo=None)
        due = next(CronSim(NICKNAMES.get(schedule, schedule), now))
    except (CronSimError, OverflowError, StopIteration, ValueError):
        # No schedule of ours: what a host says of its clock may lie at the end of all calendars.
        return "not known"
    return f"{due:%H:%M}" if due.date() == now.date() else f"{due:%b %d, %H:%M}"


@removal()
def remove(host: Host) -> Resources:
    """Take the crontab entries away; their records go with the folder of the application."""
    yield Absent(f"/etc/cron.d/{host.app.name}")

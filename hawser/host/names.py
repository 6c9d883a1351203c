"""The names under which a host knows an application's parts, and who else has one of them."""

from __future__ import annotations

from ..answers.messages import COLOURS, TakenName
from ..runner.processes.traits import MANAGERS
from .host import Host
from .processes import ProcessInstance, instances, overlaps


def taken_names(host: Host) -> list[TakenName]:
    """Return the names among those that the settings need on a host which somebody else has there."""
    # What a process or a crontab entry says goes into the journal under such a name.
    tags = {f"{host.app.name}-{name}" for name, entry in host.cron_entries().items() if not entry.output}
    wanted = {f"/etc/logrotate.d/{host.app.name}"}
    for name, setting in host.process_settings().items():
        for each in instances(name, setting):
            colours = COLOURS if overlaps(setting) else ("",)
            processes = [ProcessInstance(host, each, setting, colour) for colour in colours]
            wanted |= {process.definition for process in processes}
            tags |= {process.unit for process in processes if not process.manager.log}
    if host.cron_entries() or any(each.restart_at for each in host.process_settings().values()):
        wanted.add(f"/etc/cron.d/{host.app.name}")
    if host.web_server is not None:
        wanted.add(host.web_server.page(host.app.name))
    return [row for row in host.facts.taken if row["wanted"] in wanted or logged_as(row) in tags]


def logged_as(row: TakenName) -> str:
    """Return the name in the journal that goes with a taken name, where it is another application's."""
    name = row["wanted"].rpartition("/")[2]
    return name.removesuffix(MANAGERS["systemd"].suffix) if row["application"] else ""


def told(row: TakenName) -> str:
    """Say who has a name of the application."""
    owner = f"the application {row['application']}" if row["application"] else "something that Hawser did not write"
    if row["path"] == row["wanted"]:
        return f"{row['path']} belongs to {owner}"
    return f"{row['wanted'].rpartition('/')[2]} stands in {row['path']}, which belongs to {owner}"

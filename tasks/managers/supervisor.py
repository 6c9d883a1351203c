"""Processes under supervisor."""

from __future__ import annotations

from hawser.formats import supervisor_value
from hawser.host import Host
from hawser.host.processes import ProcessInstance, processes_of
from hawser.host.starts import brought_up, definition
from hawser.resources import Resources
from hawser.steps import step


@step(for_processes=True)
def reload(host: Host) -> Resources:
    """Write a program per process that supervisor manages, have it taken up, and wait until it is healthy."""
    if host.release is None:
        return
    yield from brought_up(processes_of(host, manager="supervisor"), defined)


def defined(process: ProcessInstance) -> Resources:
    """Yield one process's program file, and its start."""
    yield from definition(process, text(process), validate="supervisor")


def text(process: ProcessInstance) -> str:
    """Render the program file of a process."""
    inputs = process.host.release.process_inputs if process.host.release else ""
    return process.host.render("supervisor.conf.j2", process=process, inputs=inputs, keys=keys(process))


def keys(process: ProcessInstance) -> dict[str, str]:
    """Return the program keys of a process; what its settings say in `extra` wins."""
    setting = process.setting
    found = {
        "directory": supervisor_value(process.directory),
        "user": setting.user,
        "autostart": "true",
        "autorestart": "true",
        "startsecs": "1",
        "stopsignal": setting.stop_signal,
        "stopwaitsecs": str(setting.stop_timeout),
        "stopasgroup": "true",
        "killasgroup": "true",
        "stdout_logfile": process.log,
        "stdout_logfile_maxbytes": "0",
        "redirect_stderr": "true",
    }
    if process.is_private:
        found["umask"] = "027"
    if process.changes_user:
        found.pop("user")
    rank = process.host.environment.rank(process.setting_name)
    if rank:
        # Its own default is 999; lower ones start first.
        found["priority"] = str(999 + rank)
    return {**found, **process.extra}

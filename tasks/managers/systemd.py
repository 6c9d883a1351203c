"""Processes under systemd."""

from __future__ import annotations

from hawser.formats import systemd_value
from hawser.host import Host
from hawser.host.hardening import ADDED, hardening
from hawser.host.processes import ProcessInstance, both_of, processes_of
from hawser.host.shares import units
from hawser.host.starts import brought_up, definition
from hawser.host.volumes import mount_units
from hawser.resources import OnlyFiles, Resources
from hawser.steps import step


@step(for_processes=True)
def reload(host: Host) -> Resources:
    """Write a unit per process that systemd manages, have it run, and wait until it is healthy."""
    if host.release is None:
        return
    yield from brought_up(processes_of(host, manager="systemd"), defined)


# Where systemd looks for files that change a unit, beside the package's own.
LAYERS = ("/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control")


@step()
def only_ours(host: Host) -> Resources:
    """Have no file of others change how the processes run that systemd manages."""
    if host.release is None:
        return
    ours = tuple(f"hawser-{host.app.name}-{name}.conf" for name in ("shares", "volumes"))
    for process in processes_of(host, manager="systemd"):
        for each in both_of(process):
            for layer in LAYERS:
                yield OnlyFiles(f"{layer}/{each.unit}.service.d", "*.conf", ours)


def defined(process: ProcessInstance) -> Resources:
    """Yield one process's unit, and its start."""
    yield from definition(process, text(process), validate="systemd")


def text(process: ProcessInstance) -> str:
    """Render the unit of a process."""
    host = process.host
    inputs = host.release.process_inputs if host.release else ""
    more = {"inputs": inputs, "keys": keys(process), "mounts": units(host), "volumes": mount_units(host)}
    sections = {"unit_keys": section(process, "Unit."), "install_keys": section(process, "Install.")}
    return host.render("systemd.service.j2", process=process, **more, **sections)


def keys(process: ProcessInstance) -> dict[str, str]:
    """Return the `[Service]` keys of a process; what its settings say in `extra` wins."""
    setting = process.setting
    found = {
        "Type": "exec",
        "User": setting.user,
        "Group": process.host.app.group,
        "WorkingDirectory": process.directory,
        "Restart": "always",
        "RestartSec": "2",
        "KillMode": "mixed",
        "KillSignal": f"SIG{setting.stop_signal}",
        "TimeoutStopSec": str(setting.stop_timeout),
        "SyslogIdentifier": process.unit,
    }
    if process.is_private:
        found["UMask"] = "0027"
    if process.log:
        # systemd opens it, as root, before it becomes the process's user.
        found["StandardOutput"] = found["StandardError"] = f"append:{process.log}"
    if setting.environment_file is not None:
        found["EnvironmentFile"] = systemd_value(setting.environment_file)
    if setting.limits.files is not None:
        found["LimitNOFILE"] = str(setting.limits.files)
    if setting.limits.processes is not None:
        found["LimitNPROC"] = str(setting.limits.processes)
    hardened = hardening(process)
    # Some are among ours already; of everything else the last word is the settings'.
    added = [key for key in ADDED if key in hardened]
    own = {key: value for key, value in process.extra.items() if "." not in key and key not in added}
    return {**found, **hardened, **own}


def section(process: ProcessInstance, name: str) -> dict[str, str]:
    """Return the keys of `extra` for another section than `[Service]`, as in ``Unit.After``."""
    return {key.removeprefix(name): value for key, value in process.extra.items() if key.startswith(name)}

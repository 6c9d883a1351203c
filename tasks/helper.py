"""Deploy users with as little power as possible: a helper of root's, which does this application's work and no more."""

from __future__ import annotations

from collections.abc import Iterator

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.formats import json_text, systemd_value
from hawser.host import Host
from hawser.host.access import deployers
from hawser.host.databases import databases_of, folder_of
from hawser.host.hardening import BEFORE, guard
from hawser.host.places import helper_path, log_folders
from hawser.resources import Absent, Directory, File, Resources
from hawser.ssh.loader import source
from hawser.steps import fleet_task, removal, step


@step()
def install(host: Host) -> Resources:
    """Put the helper in its place, and the rules for it, where `ssh.admin` says that deploy users get no more."""
    if host.environment.ssh.admin is None or host.secrets.signer is None:
        yield from gone(host)
        return
    runner, rules = f"{host.state}/helper/runner", f"{host.state}/helper/rules.json"
    yield Directory(f"{host.state}/helper", mode=0o700)
    yield File(rules, json_text(rules_of(host)) + "\n", mode=0o600)
    yield File(runner, source().compressed, mode=0o600)
    yield File(helper_path(host.app.name), source().helper(host.app.name, runner, rules), mode=0o755)
    yield File(sudoers_path(host), sudoers_text(host), mode=0o440, validate="sudoers")


@removal()
def remove(host: Host) -> Resources:
    """Take the helper away, and what lets deploy users start it."""
    yield from gone(host)


def gone(host: Host) -> Resources:
    """Yield that there is no helper: first nobody may start it."""
    yield Absent(sudoers_path(host))
    yield Absent(helper_path(host.app.name))
    yield Absent(f"{host.state}/helper", recursive=True)


@fleet_task()
def sudoers(fleet: Fleet) -> None:
    """Show the sudoers file that `bootstrap` writes for the deploy users of each host."""
    if fleet.environment.ssh.admin is None:
        raise HawserError("there is no helper without `ssh.admin`, so `user` needs all of sudo", code=2)
    for name in fleet.names:
        host = fleet.host(name)
        fleet.report.note(name, f"{sudoers_path(host)}\n{sudoers_text(host)}")


def sudoers_path(host: Host) -> str:
    return f"/etc/sudoers.d/hawser-{host.app.name}"


def sudoers_text(host: Host) -> str:
    """Return the lines that let a host's deploy users start the helper, with no argument, and nothing else."""
    helper = helper_path(host.app.name)
    who = [host.environment.hosts[host.name].user or "", f"%{deployers(host)}"]
    lines = [f'{each} ALL=(root) NOPASSWD: {helper} ""' for each in who if each]
    return "\n".join(
        [
            f"# hawser: application={host.app.name}: who deploys may start its helper as root, and nothing else.",
            *lines,
            "",
        ]
    )


def rules_of(host: Host) -> dict[str, object]:
    """Return what the helper of a host goes by; see `hawser.runner.helper.policy`."""
    assert host.secrets.signer is not None
    rabbitmq = host.environment.services.rabbitmq
    folders = ["home", "run", *host.environment.persistent.folders]
    return {
        "application": host.app.name,
        "environment": host.environment.name,
        "host": host.name,
        "root": host.root,
        "state": host.state,
        "key": host.secrets.signer.public,
        "users": sorted({host.app.user, *host.users} - {"root"}),
        "groups": [host.app.group],
        "own": [f"{host.root}/{folder}" for folder in folders],
        "vhosts": sorted({each.vhost for each in rabbitmq.users.values()}) if rabbitmq else [],
        "lines": sorted(lines_of_units(host)),
        "databases": [
            {
                "database": each.name,
                "engine": each.engine,
                "owner": each.owner,
                "folder": folder_of(host),
                "path": each.path,
            }
            for each in databases_of(host)
        ],
        "logs": [f"{host.root}/log", *log_folders(host)],
    }


def lines_of_units(host: Host) -> Iterator[str]:
    """Yield the lines of units of systemd that the settings add, so that deploys may write them.

    Not those that start a program as root: the program may be one of the application's, which deploys change.
    """
    for setting in host.process_settings().values():
        for name, value in setting.extra.items():
            key = name.rpartition(".")[2]
            rooted = value.startswith(("+", "!")) or " ; " in value
            if setting.manager == "systemd" and key not in ("User", "Group") and not rooted:
                yield f"{key}={value}"
        file = setting.environment_file
        if file and "{{" not in file and not file.startswith(f"{host.root}/"):
            yield f"EnvironmentFile={systemd_value(file)}"
    if first := guard(host):
        yield f"{BEFORE}={first}"

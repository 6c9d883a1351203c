"""The variables with which programs of the application start on a host."""

from __future__ import annotations

from ..formats import shell_environment
from .host import Host
from .views import instance_value


def instance_environment(name: str) -> str:
    """Return the name, after ``@``, of the variables of an instance."""
    return f"instance.{name}"


def full_environment(host: Host) -> str:
    """Return the file that every process, command and cron line of a release is started with."""
    assert host.release is not None
    environment = f"{host.release_path}/env"
    path = f"{environment}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ours = {
        "PATH": path,
        "VIRTUAL_ENV": environment,
        "PYTHONUNBUFFERED": "1",
        "HAWSER_RELEASE": host.release.id,
        "HAWSER_COMMIT": host.release.commit,
    }
    return shell_environment({**ours, **host.variables})


def instance_variables(host: Host, name: str | None) -> dict[str, str]:
    """Return the variables that an instance has for itself; none for no instance."""
    if not name:
        return {}
    variables, instance = host.environment.env.of_instances, instance_value(host.environment, name)
    return {each: host.text(value, f"env.variables.{each}", instance=instance) for each, value in variables.items()}


def own_environments(host: Host) -> dict[str, dict[str, str]]:
    """Return the variables of the instances, and of the processes and cron entries that have some of their own.

    :returns: them by the name that follows ``@`` in a command line of the release's `run`.
    """
    found = {instance_environment(name): instance_variables(host, name) for name in host.environment.instances}
    for kind, prefix, settings in (
        ("processes", "", host.process_settings()),
        ("cron", "cron.", host.cron_entries()),
    ):
        for name, setting in settings.items():
            if setting.environment:
                keys = setting.environment.items()
                own = {each: host.text(value, f"{kind}.{name}.environment.{each}") for each, value in keys}
                found[prefix + name] = {**instance_variables(host, setting.instance), **own}
    return found


def dotenv_variables(host: Host) -> dict[str, str]:
    """Return the contents of the dotenv file: variables and secrets that `dotenv_keys` names, else all variables."""
    keys = host.environment.env.dotenv_keys
    if keys is None:
        return host.variables
    known = {**host.secrets.values, **host.variables}
    return {key: known[key] for key in keys}

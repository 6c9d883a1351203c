"""Places on a host that few ask for."""

from __future__ import annotations

from .host import Host

UV = "uv==0.13.9"
# The folder of the tool that builds environments.
UV_FOLDER = "/opt/hawser/" + UV.replace("==", "-")
# The folder in a release with its copies of what builds have put into persistent folders.
COLLECTED = "collected"


def uploaded_python(host: Host, digest: str) -> str:
    """Return the folder of a Python that was brought from the operator's machine."""
    return f"{host.root}/pythons/{digest[:16]}"


def maintenance_page(host: Host) -> str:
    """Return the page that closes the site while it is there."""
    return f"{host.root}/maintenance.html"


def log_folders(host: Host) -> list[str]:
    """Return the folders within `log` that take the output of this host's processes."""
    outputs = [setting.output for setting in host.process_settings().values() if setting.output]
    folders = {output.rpartition("/")[0] for output in outputs} - {"log"}
    return [f"{host.root}/{folder}" for folder in sorted(folders)]


def hold_file(host: Host) -> str:
    """Return the file that says who has frozen this host."""
    return f"{host.state}/hold.json"


def rollout_inputs(host: Host) -> str:
    """Return the file that keeps the inputs of the release of an open rollout."""
    return f"{host.state}/rollout.json"


def site_logs(host: Host) -> dict[str, str]:
    """Return where the web server writes about the site, by the kind of log."""
    site, server = host.environment.site, host.web_server
    if site is None or server is None:
        return {}
    return {kind: f"{host.root}/log/{site.server}-{kind}.log" for kind in server.logs}


def served_path(host: Host, path: str) -> str:
    """Return where the web server finds a folder: a persistent one, or one of the release that serves.

    Of a persistent one that builds fill, this release has a copy.
    """
    if host.release is not None and path.startswith(f"{host.release_path}/"):
        return f"{host.root}/current{path.removeprefix(host.release_path)}"
    if path.startswith("/"):
        return path
    if any(f"{path}/".startswith(f"{folder}/") for folder in host.environment.persistent.collected):
        return f"{host.root}/current/{COLLECTED}/{path}"
    if any(f"{path}/".startswith(f"{folder}/") for folder in host.environment.persistent.folders):
        return f"{host.root}/{path}"
    return f"{host.serving_code}/{path}"


def helper_path(application: str) -> str:
    """Return the program that does as root what an application's deploy users may have done."""
    return f"/usr/local/sbin/hawser-{application}"

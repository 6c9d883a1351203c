"""The site as visitors reach it."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.health import NO_ERROR
from hawser.host.places import maintenance_page, site_logs
from hawser.host.processes import processes_of
from hawser.inventory.schema import Environment
from hawser.resources import Resources, Visited
from hawser.steps import step

# A door that is closed to the host itself is no failure of the release: the process has proved its health already.
CLOSED_DOORS = ((401, 401), (403, 403))


@step()
def visit(host: Host) -> Resources:
    """Ask the site for the health of this host's processes as visitors reach them: through its web server."""
    yield from visits(host, beside=True)


@step()
def through(host: Host) -> Resources:
    """Ask the site for the health of processes on other hosts, which may have switched later than this one."""
    yield from visits(host, beside=False)


def visits(host: Host, beside: bool) -> Resources:
    """Yield the visits of the site on a host, with its domain's name.

    :param beside: those that end at processes of this host; else those that end elsewhere.
    """
    site = host.environment.site
    if site is None or not host.serves_site or host.release is None:
        return
    tls = site.tls != "none"
    port = site.tls_port if tls else site.listen
    domain = site.domains[0].replace("*.", "www.", 1)
    usual = port == (443 if tls else 80)
    place = f"{'https' if tls else 'http'}://{domain}{'' if usual else f':{port}'}"
    here = {each.setting_name: each for each in processes_of(host)}
    for path, name in paths(host.environment).items():
        process, health = here.get(name), host.environment.processes[name].health
        if beside != (process is not None):
            continue
        asked = health is not None and health.path == path
        yield Visited(
            place + path,
            path,
            domain,
            port,
            tls,
            statuses=(*health.ranges, *CLOSED_DOORS) if health and asked else NO_ERROR,
            timeout=health.timeout if health else 30.0,
            page=maintenance_page(host),
            unit=process.unit if process else "",
            manager=process.setting.manager if process else "",
            log=process.log if process else "",
            server_log=site_logs(host).get("error", ""),
        )


def paths(environment: Environment) -> dict[str, str]:
    """Return the URL paths that tell whether the processes behind the site are reached, and which process each is for.

    The path of its health check, where the site passes that on to it; else where its part of the site begins.
    """
    site = environment.site
    found: dict[str, str] = {}
    for prefix, name in site.proxy.items() if site else ():
        health = environment.processes[name].health
        path = health.path if health and behind(environment, health.path) == name else prefix
        found.setdefault(path, name)
    return found


def behind(environment: Environment, path: str) -> str:
    """Return the process that answers a URL path of the site; nothing where the web server itself does."""
    site = environment.site
    assert site is not None
    parts = [prefix for prefix in (*site.proxy, *site.static) if path.startswith(prefix)]
    return site.proxy.get(max(parts, key=len, default=""), "")

"""The site, as any web server needs it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TypedDict

from hawser.errors import Problem
from hawser.host import Host, journal
from hawser.host.addresses import bracketed
from hawser.host.certificates import challenged, site_certificate
from hawser.host.delivery import Delivery, StaticFolder, delivery, static_folders
from hawser.host.places import maintenance_page
from hawser.host.processes import instances, processes_of
from hawser.resources import Absent, Command, Resources, SelfSigned, Served, changed
from hawser.templates.rendering import TemplateError

SIZES = {"k": 1024, "m": 1024**2, "g": 1024**3}


def serves(host: Host, server: str) -> bool:
    """Whether a web server serves this application's site on a host.

    :param server: its name in the settings.
    """
    site = host.environment.site
    return site is not None and host.serves_site and site.server == server


def reload_after_leaving(gone: Absent, unit: str, sites: tuple[str, ...], last: str) -> Command:
    """Have a web server take up that a site has gone.

    :param sites: the folders of its sites, also of those that others have put there.
    :param last: what systemd does with it when that was its last one.
    """
    script = (
        'unit=$1 last=$2; shift 2; for folder; do for each in "$folder"/*; do '
        'if [ -e "$each" ]; then exec systemctl try-reload-or-restart "$unit"; fi; done; done; '
        'exec systemctl $last "$unit"'
    )
    argv = ("sh", "-c", script, "sh", unit, last, *sites)
    return Command(argv, when=changed(gone), title=f"{unit} without this site")


# What stands for the mark of a configuration until it is known.
UNMARKED = "0" * 16


def marked(page: str) -> str:
    """Put into the configuration of a site its mark, by which it proves that it is the one that answers."""
    return page.replace(f"/.hawser-site/{UNMARKED}", f"/.hawser-site/{hashlib.sha256(page.encode()).hexdigest()[:16]}")


def served(host: Host, page: str) -> Served:
    """Return that the names of the site lead to its configuration.

    :param page: where that lies.
    """
    site = host.environment.site
    assert site is not None
    # What is put back, and what serves already, is not what is tried.
    back = host.rollout is not None and host.rollout.phase == journal.PUT_BACK
    serves = back or host.release is None or host.release.id == host.facts.current
    return Served(page, site.server, site.domains, site.doors, serves=serves)


def unclaimed_certificate(host: Host) -> Resources:
    """Yield the certificate that those get who ask with TLS for a name that no site claims: it tells them none."""
    site, server = host.environment.site, host.web_server
    if site is not None and server is not None and site.tls != "none":
        certificate, key = unclaimed(host)
        yield SelfSigned(certificate, key, ("unclaimed.invalid",), server.user)


def unclaimed(host: Host) -> tuple[str, str]:
    """Return where that certificate and its key lie."""
    return f"{host.root}/ssl/unclaimed.crt", f"{host.root}/ssl/unclaimed.key"


class Upstream(TypedDict):
    """The servers of a process.

    :param down: those that get nothing now.
    :param spares: those that a process has by turns with its `servers`: workers that a reload has not reached yet go on
        there when what served before has ended.
    """

    name: str
    servers: list[str]
    down: list[str]
    spares: list[str]


class ProxiedPath(TypedDict):
    """Paths whose requests go to an upstream.

    :param socket: it trusts the web server alone, so what visitors say of themselves is not passed on to it.
    """

    prefix: str
    upstream: str
    socket: bool


class SiteParts(Delivery):
    """A site, as templates of web servers need it.

    :param challenges: where the answer to an ACME server lies that is not here: the other hosts of the site.
    """

    variable: str
    upstreams: list[Upstream]
    statics: list[StaticFolder]
    certificate: tuple[str, str]
    tls_proxies: dict[str, str]
    proxies: list[ProxiedPath]
    extra: str
    page: str
    health_paths: list[str]
    mark: str
    unclaimed: tuple[str, str]
    challenges: list[str]


def parts(host: Host) -> SiteParts:
    """Return the values of the template: upstreams, static folders and proxied paths, in their final form."""
    site = host.environment.site
    assert site is not None
    variable = host.app.name.replace("-", "_")
    upstreams: list[Upstream] = []
    here = processes_of(host)
    for name in dict.fromkeys(site.proxy.values()):
        process = host.environment.processes[name]
        runs_here = host.environment.runs_on(process, host.name)
        down: list[str] = []
        spares: list[str] = []
        if process.socket:
            servers = [f"unix:{host.run}/{each}.sock" for each in instances(name, process)]
        elif runs_here:
            beside = [each for each in here if each.setting_name == name]
            servers = [f"127.0.0.1:{each.port}" for each in beside]
            spares = [f"127.0.0.1:{each.other.port}" for each in beside if each.setting.spare_port is not None]
        else:
            out = host.drained
            backends = host.environment.hosts_running(process)
            servers = [f"{bracketed(host.addresses[each])}:{process.port}" for each in backends]
            down = [server for server, each in zip(servers, backends, strict=True) if each in out]
        upstreams.append({"name": upstream_name(host, name), "servers": servers, "down": down, "spares": spares})
    tls_proxies = {port: host.text(address, f"site.tls_proxy.{port}") for port, address in site.tls_proxy.items()}
    extra = host.text(site.extra, "site.extra")
    refuse_ports_by_turns(host, {"extra": extra, **{f"tls_proxy.{port}": each for port, each in tls_proxies.items()}})
    proxies: list[ProxiedPath] = [
        {
            "prefix": prefix,
            "upstream": upstream_name(host, name),
            "socket": host.environment.processes[name].socket,
        }
        for prefix, name in site.proxy.items()
    ]
    behind = [host.environment.processes[name] for name in site.proxy.values()]
    return {
        **delivery(site, extra),
        "variable": variable,
        "upstreams": upstreams,
        "statics": static_folders(host),
        "certificate": site_certificate(host),
        "tls_proxies": tls_proxies,
        "proxies": proxies,
        "extra": extra,
        "page": maintenance_page(host),
        # The start page is for visitors, even where it serves as a health check as well.
        "health_paths": sorted({each.health.path for each in behind if each.health} - {"/"}),
        "mark": UNMARKED,
        "unclaimed": unclaimed(host),
        "challenges": [f"{bracketed(host.addresses[each])}:{site.listen}" for each in challenged(host)],
    }


def refuse_ports_by_turns(host: Host, texts: Mapping[str, str]) -> None:
    """Refuse parts of the site that name a port which its process has by turns with another one.

    :param texts: by their keys in ``site``.
    :raises TemplateError: names the port and what to write.
    """
    for name, process in host.environment.processes.items():
        ports = f"{process.port}|{process.spare_port}"
        for key, text in texts.items() if process.spare_port is not None else ():
            if found := re.search(rf":(?:{ports})\b", text):
                message = f"names the port {found[0][1:]}, which {name} has by turns with another one"
                hint = f"with nginx, http://{upstream_name(host, name)} is the one that serves; else remove spare_port"
                raise TemplateError(Problem(host.environment.path.name, f"site.{key}", message, hint))


def upstream_name(host: Host, process: str) -> str:
    """Return the name of a process's servers, which no other application has: its own name holds no ``_``."""
    return f"{host.app.name}_{process}"


def in_bytes(size: str) -> int:
    """Return a size such as ``10m`` in bytes; 0 stands for no limit, here as in nginx."""
    return int(size.rstrip("kKmMgG")) * SIZES.get(size[-1].lower(), 1)

"""Apache httpd: the site that visitors reach, where `site.server` says so."""

from __future__ import annotations

import re

from hawser.host import Host
from hawser.resources import Absent, Changed, Command, File, Reloaded, Resources, Service, changed
from hawser.runner.webservers import ENABLED_MODULES, TRAITS
from hawser.steps import removal, step

from .site import SiteParts, in_bytes, marked, parts, reload_after_leaving, served, serves, unclaimed_certificate

ETC = "/etc/apache2"
MODULES = ("proxy_http", "rewrite", "headers")
DELIVERY = ("env", "setenvif", "filter", "deflate")
BALANCER = ("proxy_balancer", "lbmethod_byrequests")
PORTS = """\
# Every site names its own ports.
"""


def path(host: Host) -> str:
    """Return where the site's virtual hosts are."""
    return TRAITS["apache"].page(host.app.name)


def prepared(host: Host) -> Resources:
    """Yield nothing: Apache's package starts on every host."""
    yield from ()


def ready() -> Resources:
    """Yield what Apache needs once on a host; it starts with its first site, for without a port it cannot."""
    yield Absent(f"{ETC}/sites-enabled/000-default.conf")
    yield File(f"{ETC}/ports.conf", PORTS)


def reloaded(host: Host, when: Changed) -> Command:
    """Return the reload for another certificate, where Apache has the site already."""
    # Without a site it has no port, and cannot run; its first one may come later.
    without = ("test", "!", "-e", path(host))
    return Command(("systemctl", "reload-or-restart", "apache2"), unless=without, when=when)


@step()
def leave(host: Host) -> Resources:
    """Take the site away from Apache where another server has it, before that one needs the ports."""
    if not serves(host, "apache"):
        yield Absent(f"{ETC}/conf-enabled/{host.app.name}-ports.conf")
        gone = Absent(path(host))
        yield gone
        yield reload_after_leaving(gone, "apache2", (TRAITS["apache"].sites,), "disable --now")


@step()
def install(host: Host) -> Resources:
    """Install the site's virtual host and reload Apache; one that Apache refuses never stays."""
    if not serves(host, "apache"):
        return
    site = host.environment.site
    assert site is not None
    found = parts(host)
    modules = [*MODULES]
    if site.tls != "none":
        modules += ["ssl", "http2"] if site.http2 else ["ssl"]
    if found["kept"] or found["compression"]:
        modules += DELIVERY
    if any(len(each["servers"]) > 1 for each in found["upstreams"]):
        modules += BALANCER
    enabled = Command(("a2enmod", "-q", *modules), unless=("sh", "-c", ENABLED_MODULES, "sh", *modules))
    yield enabled
    tls = [site.tls_port] if site.tls != "none" else []
    # Apart from the site, for Apache lets go of a port, or takes one, only when it starts.
    ports = File(
        f"{ETC}/conf-enabled/{host.app.name}-ports.conf",
        host.render("apache-ports.conf.j2", ports=[site.listen, *tls, *site.extra_ports]),
        validate="apache",
    )
    yield ports
    yield from unclaimed_certificate(host)
    page = File(
        path(host),
        marked(host.render("apache-site.conf.j2", **found, **places(host, found), max_body=in_bytes(site.max_body))),
        validate="apache",
    )
    yield page
    yield Service("apache2")
    yield Command(("systemctl", "restart", "apache2"), when=changed(ports))
    yield Reloaded("apache", when=changed(enabled, page))
    yield served(host, page.path)


def places(host: Host, found: SiteParts) -> dict[str, object]:
    """Return the names of the site, and its paths in Apache's order: of those that begin alike, the longest first."""
    site = host.environment.site
    assert site is not None
    plain = [domain for domain in site.domains if not domain.startswith("*.")]
    first = plain[0] if plain else site.domains[0].removeprefix("*.")
    upstreams = {each["name"]: each for each in found["upstreams"]}
    rows: list[tuple[str, dict[str, object]]] = [
        (each["prefix"], {"prefix": each["prefix"], "static": each, "servers": []}) for each in found["statics"]
    ]
    for proxied in found["proxies"]:
        name = proxied["upstream"]
        upstream = upstreams[name]
        servers, down = ([address(each, name) for each in some] for some in (upstream["servers"], upstream["down"]))
        row = {"static": None, "servers": servers, "down": down, "upstream": name, "socket": proxied["socket"]}
        rows.append((proxied["prefix"], {"prefix": proxied["prefix"], **row}))
    rows.sort(key=lambda row: -len(row[0]))
    return {
        "first": first,
        "others": [domain for domain in site.domains if domain != first],
        "rows": [{**row, "pattern": re.escape(prefix)} for prefix, row in rows],
    }


def address(server: str, name: str) -> str:
    """Write where a process listens as Apache has it.

    :param name: tells apart what listens on different sockets, for Apache goes by the address behind the bar.
    """
    return f"{server}|http://{name}" if server.startswith("unix:") else f"http://{server}"


@removal()
def remove(host: Host) -> Resources:
    """Take the site away from Apache, which ends with its last one."""
    yield Absent(f"{ETC}/conf-enabled/{host.app.name}-ports.conf")
    gone = Absent(path(host))
    yield gone
    yield reload_after_leaving(gone, "apache2", (TRAITS["apache"].sites,), "disable --now")

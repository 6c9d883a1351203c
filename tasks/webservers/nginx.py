"""nginx: the site that visitors reach."""

from __future__ import annotations

import re

from hawser.host import Host
from hawser.host.delivery import http2_form
from hawser.resources import Absent, Changed, Command, File, HttpBlock, Reloaded, Resources, Service, changed
from hawser.runner.webservers import TRAITS
from hawser.steps import removal, step

from .site import marked, parts, reload_after_leaving, served, unclaimed_certificate

HTTP = "/etc/nginx/conf.d/hawser.conf"
# Room for every name that DNS allows, and for thousands of them: what is there by itself ends at 46 characters.
HASHES = {"server_names_hash_bucket_size": "512", "server_names_hash_max_size": "4096"}
SITES = (TRAITS["nginx"].sites, "/etc/nginx/conf.d")


def path(host: Host) -> str:
    """Return where the site's server blocks are."""
    return TRAITS["nginx"].page(host.app.name)


def prepared(host: Host) -> Resources:
    """Yield that Debian's site does not come with the package where nginx could not start with it: it wants IPv6."""
    if not host.facts.ipv6:
        script = 'mkdir -p "${1%/*}" && rm -f "$1" && : >"$1"'
        installed = "dpkg-query -W -f '${db:Status-Status}' nginx 2>/dev/null | grep -qx installed"
        default = f"{TRAITS['nginx'].sites}/default"
        yield Command(("sh", "-c", script, "sh", default), unless=("sh", "-c", installed), title="no site of Debian's")


def ready() -> Resources:
    """Yield what nginx needs once on a host."""
    # Its server would answer for every name that no site claims.
    yield Absent("/etc/nginx/sites-enabled/default")
    yield Service("nginx")


def reloaded(host: Host, when: Changed) -> Command:
    """Return the reload for another certificate."""
    return Command(("systemctl", "reload-or-restart", "nginx"), when=when)


@step()
def install(host: Host) -> Resources:
    """Install the site's server block and reload nginx; a block that nginx refuses never stays."""
    site = host.environment.site
    if site is not None and host.serves_site and site.server != "nginx":
        gone = Absent(path(host))
        yield gone
        # A reload gives its ports away some time later, and the other web server needs them at once.
        yield reload_after_leaving(gone, "nginx", SITES, "stop")
        return
    if site is None or not host.serves_site:
        gone = Absent(path(host))
        yield gone
        yield Command(("systemctl", "try-reload-or-restart", "nginx"), when=changed(gone))
        return
    yield from unclaimed_certificate(host)
    http = HttpBlock(HTTP, HASHES, TRAITS["nginx"].sites)
    yield http
    page = File(path(host), marked(host.render("nginx-site.conf.j2", **places(host))), validate="nginx")
    yield page
    yield Reloaded("nginx", when=changed(http, page))
    yield served(host, page.path)


def places(host: Host) -> dict[str, object]:
    """Return the values of the template: with the patterns of nginx's own for files that are kept for long."""
    site, found = host.environment.site, parts(host)
    assert site is not None
    released = [path for each in found["statics"] if each["released"] for path in (each["folder"], each["previous"])]
    folders = "|".join(re.escape(f"{each}/") for each in released)
    kept = [(f"^(?={folders}).*{pattern}", hashed) for pattern, hashed in found["hashed"]]
    return {
        **found,
        "kept_files": kept if found["kept"] and released else [],
        "first_name": re.escape(site.domains[0]),
        "http2": http2_form(host, found["extra"]),
    }


# The first of all web servers may give its ports away in one step with what brings its site.
leave = install


@removal()
def remove(host: Host) -> Resources:
    """Take the site away from nginx."""
    gone = Absent(path(host))
    yield gone
    yield Command(("systemctl", "try-reload-or-restart", "nginx"), when=changed(gone))

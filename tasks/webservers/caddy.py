"""Caddy: the site that visitors reach, where `site.server` says so."""

from __future__ import annotations

from collections.abc import Sequence

from hawser.host import Host
from hawser.host.certificates import local_file
from hawser.host.delivery import StaticFolder
from hawser.resources import Absent, Changed, Command, Directory, File, Reloaded, Resources, Service, changed
from hawser.runner.webservers import TRAITS
from hawser.steps import removal, step

from .site import ProxiedPath, in_bytes, marked, parts, reload_after_leaving, served, serves

# Whoever reaches its door for orders may have it serve anything: that is on a socket of its own user. Requests that
# take longer than a change of its configuration are given half a minute.
CADDYFILE = """\
# Every site has a file of its own; this one is replaced.
{
	admin unix//run/caddy/admin.sock
	auto_https disable_redirects
	skip_install_trust
	grace_period 30s
}

import sites-enabled/*.conf
import unclaimed*.conf
"""
# Caddy answers a name that no site claims with an empty page. One block a port refuses it, for all sites of the host
# together: two of the same address would contradict each other, so none is made where somebody has one, and the path
# tells it from one that a new configuration brings.
UNCLAIMED = r"""#!/bin/sh
# Names that no site claims are refused on each port where one listens; run before Caddy reads its configuration.
cd /etc/caddy || exit 1
addresses() { grep -hE '^(https?:|:[0-9])' sites-enabled/*.conf 2>/dev/null; }
for scheme in http https; do
	for port in $(addresses | grep -oE "$scheme://[^ ,:]+:[0-9]+" | grep -oE '[0-9]+$' | sort -un); do
		addresses | grep -qE "(^|[ ,])(($scheme://)?:$port|$scheme://)([ ,{]|\$)" ||
			printf '%s://:%s/* {\n\tabort\n}\n' "$scheme" "$port"
	done
done > unclaimed.conf.new
# An empty file is none that Caddy reads.
if [ -s unclaimed.conf.new ]; then exec mv unclaimed.conf.new unclaimed.conf; fi
exec rm -f unclaimed.conf unclaimed.conf.new
"""
UNIT = """\
# The folder of the socket over which Caddy is told to reload, and what it does with names that no site claims.
[Service]
RuntimeDirectory=caddy
RuntimeDirectoryMode=0700
ExecStartPre=+/etc/caddy/hawser-unclaimed
ExecReload=
ExecReload=+/etc/caddy/hawser-unclaimed
ExecReload=/usr/bin/caddy reload --config /etc/caddy/Caddyfile --force
"""


def path(host: Host) -> str:
    """Return where the site's blocks are."""
    return TRAITS["caddy"].page(host.app.name)


def prepared(host: Host) -> Resources:
    """Yield nothing: Caddy's package starts on every host."""
    yield from ()


def ready() -> Resources:
    """Yield what Caddy needs once on a host; it runs before its first site, and listens nowhere."""
    yield Directory(TRAITS["caddy"].sites)
    script = File("/etc/caddy/hawser-unclaimed", UNCLAIMED, mode=0o755)
    yield script
    unit = File("/etc/systemd/system/caddy.service.d/hawser.conf", UNIT, parents=True)
    yield unit
    yield Command(("systemctl", "daemon-reload"), when=changed(unit))
    settings = File("/etc/caddy/Caddyfile", CADDYFILE, validate="caddy")
    yield settings
    yield Service("caddy")
    # Not a reload: that would look for the socket that there has not been before.
    yield Command(("systemctl", "restart", "caddy"), when=changed(script, unit, settings))


def reloaded(host: Host, when: Changed) -> Command:
    """Return the reload for another certificate."""
    return Command(("systemctl", "reload-or-restart", "caddy"), when=when)


@step()
def leave(host: Host) -> Resources:
    """Take the site away from Caddy where another server has it, before that one needs the ports."""
    if not serves(host, "caddy"):
        yield from gone(host)


@step()
def install(host: Host) -> Resources:
    """Install the site's blocks and reload Caddy; what Caddy refuses never stays."""
    site = host.environment.site
    if site is None or not serves(host, "caddy"):
        return
    authority = f"{host.root}/ssl/acme-ca.crt" if site.tls == "acme" and site.acme.ca else ""
    if authority:
        yield File(authority, local_file(host, "site.acme.ca"))
    values = {**places(host), "authority": authority, "max_body": in_bytes(site.max_body)}
    page = File(path(host), marked(host.render("caddy-site.conf.j2", **values)), validate="caddy")
    yield page
    yield Service("caddy")
    yield Reloaded("caddy", when=changed(page))
    yield served(host, page.path)


def places(host: Host) -> dict[str, object]:
    """Return the values of the template: of paths that begin alike, the longest first."""
    found = parts(host)
    upstreams = {
        each["name"]: [address(server) for server in each["servers"] if server not in each["down"]]
        for each in found["upstreams"]
    }
    rows: list[StaticFolder | ProxiedPath] = [*found["statics"], *found["proxies"]]
    rows.sort(key=lambda row: -len(row["prefix"]))
    return {**found, "rows": rows, "upstreams": upstreams, "kept_files": kept_files(found["hashed"])}


def kept_files(hashed: Sequence[tuple[str, bool]]) -> list[tuple[str, list[str]]]:
    """Return patterns of files that are kept for long, each with those of which none may fit beside it."""
    found: list[tuple[str, list[str]]] = []
    others: list[str] = []
    for pattern, one in hashed:
        if one:
            found.append((pattern, list(others)))
        else:
            others.append(pattern)
    return found


def address(server: str) -> str:
    """Write where a process listens as Caddy has it."""
    return server.replace("unix:", "unix/", 1)


@removal()
def remove(host: Host) -> Resources:
    """Take the site away from Caddy, which ends with its last one."""
    yield from gone(host)


def gone(host: Host) -> Resources:
    """Yield that the site is no longer Caddy's."""
    page = Absent(path(host))
    yield page
    yield reload_after_leaving(page, "caddy", (TRAITS["caddy"].sites,), "disable --now")

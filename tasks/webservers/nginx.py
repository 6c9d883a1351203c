"""nginx: the site that visitors reach."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Absent, Changed, Command, File, Resources, Service, changed
from hawser.runner.webservers import TRAITS
from hawser.steps import removal, step

from .site import parts, reload_after_leaving

SITES = ("/etc/nginx/sites-enabled", "/etc/nginx/conf.d")


def path(host: Host) -> str:
    """Return where the site's server blocks are."""
    return TRAITS["nginx"].site.format(host.app.name)


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
    page = File(
        path(host),
        host.render("nginx-site.conf.j2", **parts(host)),
        validate="nginx",
    )
    yield page
    yield Command(("systemctl", "reload-or-restart", "nginx"), when=changed(page))


# The first of all web servers may give its ports away in one step with what brings its site.
leave = install


@removal()
def remove(host: Host) -> Resources:
    """Take the site away from nginx."""
    gone = Absent(path(host))
    yield gone
    yield Command(("systemctl", "try-reload-or-restart", "nginx"), when=changed(gone))

"""A page that says that the site is being worked on."""

from __future__ import annotations

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.places import maintenance_page
from hawser.resources import Absent, File, Resources
from hawser.steps import fleet_task, step


@fleet_task(help={"message": "a sentence for the page"})
def on(fleet: Fleet, message: str = "") -> None:
    """Answer every visitor with 503 and a page that says so; health checks and `site.maintenance.allow` pass."""
    sites(fleet).apply([close.given(message=message)], phase="maintenance on")


@fleet_task()
def off(fleet: Fleet) -> None:
    """Let visitors in again."""
    sites(fleet).apply([reopen], phase="maintenance off")


def sites(fleet: Fleet) -> Fleet:
    """Return the hosts that serve the site.

    :raises HawserError: none of them does.
    """
    names = [name for name in fleet.names if fleet.host(name).serves_site]
    if not names:
        raise HawserError(f"none of {', '.join(fleet.names)} serves a site", code=2)
    return fleet.subset(names)


@step()
def close(host: Host, message: str = "") -> Resources:
    """Put the page where the web server looks for it before anything else."""
    if host.serves_site:
        text = host.render("maintenance.html.j2", message=message)
        yield File(maintenance_page(host), text)


@step()
def reopen(host: Host) -> Resources:
    """Take the page away."""
    if host.serves_site:
        yield Absent(maintenance_page(host))

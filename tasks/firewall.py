"""The firewall: ports that are open to all, to some hosts only, or redirected."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.firewall import Place, rules_of
from hawser.resources import Absent, Command, Directory, File, Packages, Resources, Service, changed, without_units
from hawser.steps import removal, step


@step()
def install(host: Host) -> Resources:
    """Load this host's rules into a table of their own, now and at every boot; without rules, take it away."""
    place = Place(host.app.name)
    rules = rules_of(host)
    if rules is None:
        yield from gone(place)
        return
    yield Packages(("nftables",))
    yield Directory(place.folder)
    text = host.render("firewall.nft.j2", table=place.table, **rules)
    wanted = File(place.rules, text, mode=0o640, validate="nft -c -f {}")
    yield wanted
    service = File(place.service, host.render("firewall.service.j2", path=place.rules, table=place.table))
    yield service
    yield Command(("systemctl", "daemon-reload"), when=changed(service))
    yield Service(place.unit)
    yield Command(("systemctl", "reload", place.unit), when=changed(wanted))
    yield Command(("systemctl", "reload-or-restart", place.unit), unless=("nft", "list", "table", "inet", place.table))


def gone(place: Place) -> Resources:
    """Yield that there is no firewall of the application."""
    yield from without_units(place.service)
    yield Absent(place.rules)


@removal()
def remove(host: Host) -> Resources:
    """Take the application's table away from the firewall."""
    yield from gone(Place(host.app.name))

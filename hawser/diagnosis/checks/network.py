"""Names, ports, and the ways between the hosts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.host import Host
from hawser.host.ports import belongs, exposed, promised

from ...host.addresses import bracketed
from ...host.certificates import challenged
from ...host.code import index_question, repository_access
from .registry import Ask, Finding, Findings, more, on_host, once

# Names that no name server knows, by agreement (RFC 2606, RFC 6761).
RESERVED = ("test", "example", "invalid", "localhost", "local")


@once
def names(hosts: Sequence[Host]) -> Findings:
    """The names of the site lead to hosts that serve it."""
    environment = hosts[0].environment
    if environment.site is None:
        return
    addresses = {hosts[0].addresses[name] for name in environment.hosts_of(environment.site.groups)}
    domains = [domain.removeprefix("*.") for domain in environment.site.domains]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = dict(zip(domains, pool.map(addresses_of, domains), strict=True))
        known = {each for address in pool.map(addresses_of, sorted(addresses)) for each in address}
    for domain, there in found.items():
        if not there and domain.rpartition(".")[2] in RESERVED:
            next_move = "for trying it out, a line in your /etc/hosts"
            yield Finding(f"{domain} is a name that no name server knows, by agreement", next_move, warning=True)
        elif not there:
            target = ", ".join(sorted(known)) or "the hosts of the site"
            yield Finding(f"{domain} does not resolve", f"have its name server answer with {target}")
        elif not there & known:
            told, want = ", ".join(sorted(there)), ", ".join(sorted(known))
            next_move = f"have it lead to {want}, unless a load balancer or another network stands in between"
            yield Finding(f"{domain} leads to {told}, which is no host of the site", next_move, warning=True)


def addresses_of(name: str) -> set[str]:
    """Return the addresses of a name as this machine sees them; none when it does not resolve."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return set()


@on_host
def web_server(host: Host, ask: Ask) -> Findings:
    """The web server would start with the configuration that is there now, and leads the site's names to the site."""
    site = host.environment.site
    if site is None or host.web_server is None or not host.facts.current:
        return
    why = ask(reading.REFUSED_CONFIGURATION, server=site.server)
    if why:
        message = f"{site.server} refuses its configuration, and would not come up after a boot:\n{why}"
        yield Finding(message, f'fab -H {host.target} run "{host.web_server.typed}"')
        return
    page = host.web_server.page(host.app.name)
    found = ask(reading.SITE, server=site.server, page=page, names=list(site.domains), doors=site.doors)
    if found["astray"]:
        yield Finding(found["astray"], f"put that right, then: fab -H {host.target} check")
    for remark in found["remarks"]:
        yield Finding(remark, "take the name out there, or out of site.domains", warning=True)


@on_host
def ports(host: Host, ask: Ask) -> Findings:
    """No port that the settings give somebody is taken by somebody else, and nothing is open by mistake."""
    listed = ask(reading.LISTENERS)
    sockets = listed["rows"]
    for port in promised(host):
        for listener in sockets:
            if listener["port"] == port.number and not belongs(host, port, listener):
                who = f"{listener['program'] or 'the kernel'} (pid {listener['pid']}, {listener['unit'] or 'no unit'})"
                stop = (
                    f"systemctl disable --now -- {listener['unit']}" if listener["unit"] else f"kill {listener['pid']}"
                )
                # No number of a program that could be ended: the kernel's own, or the first one's.
                ends = bool(listener["unit"]) or listener["pid"] > 1
                next_move = (
                    f'fab -H {host.target} run "{stop}", or ' if ends else ""
                ) + f"give {port.owner} another port"
                yield Finding(f"port {port.number} of {port.owner} is taken by {who}", next_move)
                break
    for owner, number in exposed(host, sockets):
        process = host.environment.processes.get(owner)
        said = "" if process is None or process.public else "say `public = true`, or "
        next_move = f"have it listen on 127.0.0.1, or {said}have a rule of the firewall for it"
        yield Finding(f"{owner} listens on port {number} on every address", next_move, warning=True)
    yield from more(listed, "sockets that listen")


@on_host
def services(host: Host, ask: Ask) -> Findings:
    """A host reaches the databases and brokers that it is a client of."""
    places: dict[str, tuple[str, str]] = {}
    for name, service in host.environment.services.installed.items():
        if service.PORT is None or not host.facts.bootstrapped:
            continue
        groups = {group for access in service.access() for group in access.clients}
        for server in host.environment.hosts_of(service.groups):
            if server == host.name:
                places[f"127.0.0.1 {service.PORT}"] = (name, server)
            elif groups and host.is_in(sorted(groups)):
                places[f"{host.addresses[server]} {service.PORT}"] = (name, server)
    for place, why in ask(reading.UNREACHABLE, places=list(places)).items():
        if why:
            name, server = places[place]
            target = host.environment.target(server)
            next_move = f"fab -H {target} status; fab -H {host.environment.name} bootstrap; is a firewall in between?"
            yield Finding(f"cannot reach {name} on {server} at {place.replace(' ', ':')}: {why}", next_move)


@on_host
def challenges(host: Host, ask: Ask) -> Findings:
    """A host reaches the others of the site, which may have the answer that an ACME server looks for here."""
    site, others = host.environment.site, challenged(host)
    if site is None or not others or not host.facts.current:
        return
    places = {f"{host.addresses[each]} {site.listen}": each for each in others}
    for place, why in ask(reading.UNREACHABLE, places=list(places)).items():
        if why:
            at = f"{places[place]} at {bracketed(host.addresses[places[place]])}:{site.listen}"
            message = f"cannot reach {at}, where the answer to the ACME server may lie: {why}"
            target = host.environment.target(places[place])
            yield Finding(message, f"fab -H {target} status; is a firewall in between?")


@on_host
def repository(host: Host, ask: Ask) -> Findings:
    """A host that fetches the code itself finds the repository, may read it, and there is such a branch or version."""
    app = host.app
    if app.push or not host.runs_code:
        return
    if app.package:
        yield from index(host, ask)
        return
    address = app.repo or ""
    server = urlsplit(address).hostname or address.partition(":")[0].rpartition("@")[2]
    for name, why in ask(reading.UNRESOLVED, names=[server]).items():
        if why:
            yield Finding(f"cannot resolve {name}, where the code is: {why}", "mend /etc/resolv.conf on the host")
            return
    if not host.facts.bootstrapped:
        return
    try:
        ask(reading.COMMIT, **repository_access(host), revision=app.branch)
    except HawserError as error:
        finding = Finding.of_error(error)
        yield Finding(finding.message, finding.next or "check app.repo, app.branch, app.deploy_key and app.token")


def index(host: Host, ask: Ask) -> Findings:
    """A host whose application comes as a package finds its version in the package index."""
    if not host.facts.bootstrapped or not host.app.version:
        return
    try:
        ask(reading.PACKAGE_VERSION, **index_question(host, host.app.version))
    except HawserError as error:
        finding = Finding.of_error(error)
        yield Finding(finding.message, finding.next or "correct app.package or app.version")

"""The ports of a host: those that the settings promise, their owners, and their listeners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..answers.rows import Listener
from ..runner.kernel.ports import EVERYWHERE
from .host import Host
from .processes import live_processes_of
from .services import services_of


@dataclass(frozen=True)
class Port:
    """A port that the settings give somebody on a host.

    :param owner: the process's name, or that of a service.
    :param programs: the programs that may listen there; none: the process itself.
    :param public: other machines are meant to reach it.
    """

    number: int
    owner: str
    programs: tuple[str, ...] = ()
    public: bool = True


def promised(host: Host) -> list[Port]:
    """Return the ports on which something shall listen on a host."""
    return [*_of_processes(host), *_of_site(host), *_of_services(host)]


def _of_processes(host: Host) -> Iterator[Port]:
    for process in live_processes_of(host):
        if process.port is not None:
            name = process.setting_name
            yield Port(process.port, name, public=_public(host, name, process.port))


def _public(host: Host, process: str, port: int) -> bool:
    """Whether the settings send others to a port: they say so, or by the firewall, or a web server elsewhere."""
    environment = host.environment
    setting = environment.processes.get(process)
    # Of a process that has a port, it is this one that is meant, and none that it opens beside.
    if setting is not None and setting.public and setting.port in (None, port):
        return True
    rules = environment.firewall.rules if environment.firewall else ()
    for rule in rules:
        if rule.protocol == "tcp" and host.is_in(rule.groups) and (rule.to == port or _within(port, rule.ports)):
            return True
    site = environment.site
    if site is None or process not in site.proxy.values():
        return False
    running = environment.hosts_running(environment.processes[process])
    return any(name not in running for name in environment.hosts_of(site.groups))


def _within(port: int, ports: Sequence[int | str]) -> bool:
    ranges = (str(each).partition("-") for each in ports)
    return any(int(first) <= port <= int(last or first) for first, _, last in ranges)


def _of_site(host: Host) -> Iterator[Port]:
    site = host.environment.site
    if site is not None and host.web_server is not None:
        ports = [site.listen, *([site.tls_port] if site.tls != "none" else []), *site.extra_ports]
        ports += [int(port) for port in site.tls_proxy]
        program = host.web_server.program
        for number in dict.fromkeys(ports):
            yield Port(number, program, (program,))


def _of_services(host: Host) -> Iterator[Port]:
    for name, service in services_of(host).items():
        if service.PORT is not None:
            yield Port(service.PORT, name, (service.PROGRAM,), public=any(each.clients for each in service.access()))


def process_of(host: Host, socket: Listener) -> str:
    """Return the process of the application that a listening socket belongs to, by its name in the settings.

    :param socket: as `hawser.runner.kernel.ports` lists it.
    """
    for row in host.facts.processes:
        if row.get("pid") in socket["pids"] or socket["unit"] == f"{row['unit']}.service":
            name = str(row["process"])
            return name if name in host.environment.processes else name.rpartition("-")[0]
    return ""


def belongs(host: Host, port: Port, socket: Listener) -> bool:
    """Whether it is the owner of a port who listens on it."""
    if port.programs:
        return socket["program"] in port.programs
    return process_of(host, socket) == port.owner


def exposed(host: Host, sockets: Sequence[Listener]) -> list[tuple[str, int]]:
    """Return who of the application and its services listens on every address without having been asked to."""
    ports = {(port.number, port.owner): port for port in promised(host)}
    found = []
    for socket in sockets:
        if socket["address"] not in EVERYWHERE:
            continue
        owner = process_of(host, socket) or next(
            (port.owner for port in ports.values() if port.number == socket["port"] and belongs(host, port, socket)), ""
        )
        asked = ports.get((socket["port"], owner))
        public = asked.public if asked else _public(host, owner, socket["port"])
        if owner and not public and (owner, socket["port"]) not in found:
            found.append((owner, socket["port"]))
    return found

"""The way to a host, as a worker goes it: what is read here of files, logins and trusted keys travels with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import HawserError
from ...ssh.connect import OF_LOGINS, Address, Connector
from ...ssh.hostkeys import Trust
from ...ssh.known_lines import Line
from ...ssh.options import Options
from ...ssh.signed import public_key
from .keys import Lent, Ring

# Bytes of a file of revoked keys that is sent along.
LONGEST_REVOKED = 1 << 20
# Of what `-t` and others give Paramiko, what is the same on every machine.
PLAIN = (bool, int, float, str)


@dataclass(frozen=True)
class Hop:
    """A host, or a jump host on the way to one.

    :param address: as its line is opened.
    :param trust: which keys it may show; its `revoked` is no path, but
    :param revoked: the bytes of that file.
    :param ring: the number of the keys of its login, among those of the line.
    """

    address: Address
    options: Options
    trust: Trust
    revoked: bytes
    keys: tuple[Lent, ...]
    locked: tuple[str, ...]
    password: str | None
    ring: int


@dataclass(frozen=True)
class Route:
    """The way to a host: jump hosts, the first one first, and the host.

    :param hello: what its runner is told first.
    :param given: what the command line gives Paramiko.
    """

    hops: tuple[Hop, ...]
    hello: Mapping[str, str]
    given: Mapping[str, object]

    @property
    def host(self) -> Hop:
        return self.hops[-1]


def plan(
    connector: Connector, address: Address, hello: Mapping[str, str], ring: Callable[[Address], Ring]
) -> tuple[Route, list[Ring]]:
    """Return the way to a host, and the keys that its login, and those on the way, ask for.

    :param ring: returns the keys of an address.
    :raises HawserError: a worker cannot go it.
    """
    rings: list[Ring] = []
    hops = []
    for each in (*connector.way(address), address):
        own = ring(each)
        hops.append(_hop(connector, each, own, len(rings)))
        rings.append(own)
    plain = {name: value for name, value in connector.given.items() if isinstance(value, PLAIN)}
    given = {name: value for name, value in plain.items() if name not in OF_LOGINS}
    return Route(tuple(hops), hello, given), rings


def _hop(connector: Connector, address: Address, ring: Ring, number: int) -> Hop:
    options, trust = connector.options(address), connector.trust(address)
    alone = "without HAWSER_ENGINE"
    if options.command:
        raise HawserError(
            f"the ssh files reach {address.host} by a ProxyCommand, which is a program of this machine",
            host=address.name,
            next=f"a jump host (`jump`, ProxyJump), or the same command {alone}",
        )
    if address.helper:
        # Each message is signed in its turn, and the worker has some of its own: signs of life.
        raise HawserError(
            "who is no administrator speaks with its helper from the machine that signs, and by no worker;",
            host=address.name,
            next=f"the same command {alone}, or with --as-admin, if you are one",
        )
    if address.forward_agent:
        raise HawserError(
            "`app.agent` hands hosts the agent of this machine, which a worker has not got;",
            host=address.name,
            next=f"a deploy key in place of it, or the same command {alone}",
        )
    revoked = Path(trust.revoked).read_bytes() if trust.revoked and Path(trust.revoked).is_file() else b""
    if len(revoked) > LONGEST_REVOKED:
        raise HawserError(
            f"{trust.revoked} has more than {LONGEST_REVOKED >> 20} MiB, too much for every worker;",
            host=address.name,
            next=f"the same command {alone}",
        )
    return Hop(
        Address(
            address.name,
            address.host,
            address.port,
            address.user,
            host_key=address.host_key,
            sudo_password=address.sudo_password,
            connect_timeout=connector.patience(address),
            target=address.target,
        ),
        Options(options.name, options.host, options.port, options.user, alias=options.alias, family=options.family),
        trust,
        revoked,
        tuple(map(Lent.of, ring.keys)),
        ring.locked,
        ring.password,
        number,
    )


def to_bytes(route: Route) -> bytes:
    """Return a way as it travels."""
    hops = [_hop_to_json(hop) for hop in route.hops]
    return json.dumps({"hops": hops, "hello": dict(route.hello), "given": dict(route.given)}).encode()


def _hop_to_json(hop: Hop) -> dict[str, object]:
    options, trust = hop.options, hop.trust
    return {
        "address": asdict(hop.address),
        "options": [options.name, options.host, options.port, options.user, options.alias, options.family],
        "trust": [trust.name, trust.entry, trust.host, trust.next_move, trust.revoked],
        "lines": [[line.marker, line.hosts, line.key.get_base64(), line.place] for line in trust.lines],
        "revoked": base64.b64encode(hop.revoked).decode(),
        "keys": [lent.to_json() for lent in hop.keys],
        "locked": hop.locked,
        "password": hop.password,
        "ring": hop.ring,
    }


def from_bytes(data: bytes) -> Route:
    """Return the way that has travelled."""
    said = json.loads(data)
    return Route(tuple(map(_hop_from_json, said["hops"])), said["hello"], said["given"])


def _hop_from_json(said: Mapping[str, Any]) -> Hop:
    name, host, port, user, alias, family = said["options"]
    own, entry, bare, next_move, revoked = said["trust"]
    return Hop(
        Address(**said["address"]),
        Options(name, host, port, user, alias=alias, family=family),
        Trust(own, entry, bare, tuple(map(_line, said["lines"])), next_move, revoked),
        base64.b64decode(said["revoked"]),
        tuple(map(_lent, said["keys"])),
        tuple(said["locked"]),
        said["password"],
        said["ring"],
    )


def _line(said: Sequence[str]) -> Line:
    marker, hosts, blob, place = said
    return Line(marker, hosts, public_key(base64.b64decode(blob)), place)


def _lent(said: Mapping[str, Any]) -> Lent:
    certificate = said["certificate"] and (said["certificate"][0], base64.b64decode(said["certificate"][1]))
    return Lent(said["kind"], base64.b64decode(said["blob"]), certificate)

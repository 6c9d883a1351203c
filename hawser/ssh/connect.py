"""Connections: who is reached how, and that it is really them."""

from __future__ import annotations

import functools
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import paramiko
from fabric import Connection
from fabric.config import Config
from fabric.runners import Remote

from ..errors import HawserError, Unreachable
from ..report.text import clean, hearsay, reason
from ..signatures import Signer
from .hostkeys import Check, KnownHosts, Trust, read_key
from .login import Login
from .options import Options, UserFiles, in_a_circle
from .transport import ProgramSocket, open_socket

# What Fabric is given about logins (-i, --prompt-for-passphrase …), which is for ours.
OF_LOGINS = ("allow_agent", "key_filename", "look_for_keys", "passphrase", "password", "pkey")
# And what `-t` sets, which is an address's.
NOT_PARAMIKOS = (*OF_LOGINS, "timeout")
# Jump hosts behind each other: nobody has as many.
MOST_JUMPS = 16

# What goes wrong on a connection is said by the error that it ends in; without a handler of ours, Paramiko's own words
# (tracebacks, and what the far side said) would go to standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Address:
    """Where and how one host is reached.

    :param name: the host's name in the inventory.
    :param port: 0: as `ssh` would, and
    :param user: empty: the same.
    :param key: a private key's path; empty: the agent and the user's own keys.
    :param jump: ``[user@]host[:port]`` of a bastion; empty: none; None: as `ssh` would.
    :param host_key: a pinned key, ``TYPE BASE64``; empty: known_hosts counts.
    :param sudo_password: for a user that is not root; empty: sudo must not ask.
    :param connect_timeout: seconds.
    :param target: what to name after ``-H`` for it; of a jump host, a host behind it.
    :param throwaway: a host of this machine, of which the user's ssh files know nothing.
    :param helper: the program that does as root what is signed; empty: the user may do anything as root.
    :param signer: signs for it; None: there is no key.
    """

    name: str
    host: str
    port: int = 0
    user: str = ""
    key: str = ""
    jump: str | None = None
    host_key: str = ""
    sudo_password: str = ""
    connect_timeout: int = 10
    forward_agent: bool = False
    target: str = field(default="", compare=False)
    throwaway: bool = False
    helper: str = ""
    signer: Signer | None = field(default=None, compare=False)


class CleanRemote(Remote):  # type: ignore[misc]
    """A command of a plain task, whose output does nothing to this terminal unless it was given one of its own."""

    def write_our_output(self, stream: IO[str], string: str) -> None:
        """Pass on the command's output; see Invoke."""
        super().write_our_output(stream, string if self.using_pty else clean(string, colours=True))


class HostConnection(Connection):  # type: ignore[misc]
    """A connection that leaves the shared configuration alone; in a dry run it moves no file, nor runs a command."""

    # Fabric has forgotten to declare this one. What is not declared is written into the configuration, which is empty
    # for a moment each time, and another thread that reads it then finds nothing.
    inline_ssh_env: bool | None = None

    def put(self, *args: object, **kwargs: object) -> object:
        """Upload a file; see Fabric."""
        return None if self.only_shows("put", args, kwargs) else super().put(*args, **kwargs)

    def get(self, *args: object, **kwargs: object) -> object:
        """Download a file; see Fabric."""
        return None if self.only_shows("get", args, kwargs) else super().get(*args, **kwargs)

    def _remote_runner(self) -> Remote:
        return CleanRemote(context=self, inline_env=self.inline_ssh_env)

    def only_shows(self, name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
        if self.config.run.dry:
            print(f"{name} {' '.join(map(str, [*args, *kwargs.values()]))}")
        return bool(self.config.run.dry)


# More at once gain nothing (measured on 100 hosts), for they compute; whoever waits for an answer takes no such place.
HANDSHAKES = 32
# The jump hosts on the way to a host, the first one first.
Way: TypeAlias = "tuple[Address, ...]"


class Gateway:
    """A connection to a bastion, which all hosts behind it share: sshd drops starts above its MaxStartups."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None
        # Why it was not to be had, and when, on the monotonic clock.
        self.failure: HawserError | None = None
        self.failed = 0.0

    def open(self, connect: Callable[[], Connection]) -> Connection:
        """Return the connection; whoever waits while somebody else tries in vain hears the same."""
        asked = time.monotonic()
        with self.lock:
            if self.failure is not None and self.failed >= asked:
                raise self.failure
            if self.connection is None or not self.connection.is_connected:
                try:
                    self.connection = connect()
                except HawserError as error:
                    self.failure, self.failed = error, time.monotonic()
                    raise
            return self.connection


class Connector:
    """Open checked connections.

    :param config: Fabric's configuration (ssh_config, timeouts).
    """

    def __init__(self, config: Config, known_hosts: KnownHosts) -> None:
        self.config = config
        self.known_hosts = known_hosts
        self.user_files = UserFiles(config)
        self.gateways: dict[Way, Gateway] = {}
        self.lock = threading.Lock()
        self.handshakes = threading.BoundedSemaphore(HANDSHAKES)

    def options(self, address: Address) -> Options:
        """Return what counts for a host beyond the environment file."""
        if address.throwaway:
            return Options(address.host, address.host, address.port, address.user)
        return self.user_files.options(address.host, address.user, address.port)

    def way(self, address: Address, behind: Way = ()) -> Way:
        """Return the jump hosts on the way to a host: those of the environment file, else those of the ssh files.

        As for ssh, only the first one of several may be behind others still.

        :param behind: those on whose way this one is.
        :raises HawserError: the way leads in a circle.
        """
        jumps = self.options(address).jumps if address.jump is None else (address.jump,) if address.jump else ()
        hops = tuple(bastion(jump, address.target) for jump in jumps)
        if not hops:
            return ()
        for hop in hops:
            if hop in behind or len(behind) > MOST_JUMPS:
                raise in_a_circle(hop.host)
        return (*self.way(hops[0], (*behind, hops[0])), *hops)

    def trust(self, address: Address) -> Trust:
        """Return which keys a host may show."""
        next_move = f"fab -H {address.target} trust"
        return self.known_hosts.trust(address.name, self.options(address), address.host_key, next_move)

    def show_key(self, address: Address) -> paramiko.PKey:
        """Ask a host for its key, through its jump hosts where it has some, without logging in.

        :raises HawserError: it does not answer.
        """
        options = self.options(address)
        where = f"{options.host}:{options.port}"
        try:
            link = self.link(address, options, self.way(address))
        except (OSError, paramiko.SSHException) as error:
            raise HawserError(f"{where}: {reason(error)}") from None
        return read_key(where, link, self.patience(address), self.trust(address).transport)

    @property
    def identities(self) -> tuple[Path, ...]:
        """The keys of `-i`."""
        return tuple(self.config._overrides.get("authentication", {}).get("identities", ()))

    @functools.cached_property
    def given(self) -> dict[str, Any]:
        """What Fabric's configuration gives Paramiko for every host; the configuration itself is slow to ask."""
        return dict(self.config.connect_kwargs)

    def patience(self, address: Address) -> int:
        """Return how many seconds a connection may take: as `-t` says, else as the settings say."""
        return int(self.given.get("timeout") or address.connect_timeout)

    def login(self, address: Address) -> Login:
        """Return the keys of a host's login.

        :raises HawserError: the one that is named cannot be used.
        """
        login = Login(self.options(address), address.key, self.given, self.identities)
        login.require_key()
        return login

    def connection(self, address: Address) -> HostConnection:
        """Return a Fabric connection to a host, not opened yet, that checks the host's key.

        :raises HawserError: the key to log in with cannot be used.
        """
        login = self.login(address)
        connection = HostConnection(
            login.options.host,
            user=login.options.user,
            port=login.options.port,
            config=self.config,
            # The way is ours: Fabric would not check the keys of bastions.
            gateway=False,
            connect_timeout=self.patience(address),
            forward_agent=address.forward_agent,
        )
        trust = self.trust(address)
        connection.connect_kwargs = {
            **{name: value for name, value in self.given.items() if name not in NOT_PARAMIKOS},
            "auth_strategy": login,
            "channel_timeout": self.patience(address),
            "transport_factory": trust.transport,
        }
        connection.client.set_missing_host_key_policy(Check(trust))
        return connection

    def link(self, address: Address, options: Options, way: Way) -> socket.socket | paramiko.Channel:
        """Return the way to a host: through its jump hosts, a program, or straight."""
        if way:
            with self.lock:
                gateway = self.gateways.setdefault(way, Gateway())
            transport = gateway.open(lambda: self.open_behind(way[-1], way[:-1])).transport
            channel: paramiko.Channel = transport.open_channel("direct-tcpip", (options.host, options.port), ("", 0))
            return channel
        if options.command:
            return ProgramSocket(options.command)
        return open_socket(options.host, options.port, self.patience(address), options.family, options.source)

    def open(self, address: Address) -> Connection:
        """Connect and log in.

        :raises Unreachable: no connection, or the login was refused.
        :raises HostKeyRefused: the host's key is unknown or has changed.
        """
        return self.open_behind(address, self.way(address))

    def open_behind(self, address: Address, way: Way) -> Connection:
        """Connect and log in through these jump hosts; see `open`."""
        connection = self.connection(address)
        where = f"{address.name} ({connection.user}@{connection.host}:{connection.port})"
        login: Login = connection.connect_kwargs["auth_strategy"]
        link = None
        try:
            link = connection.connect_kwargs["sock"] = self.link(address, login.options, way)
            # Never while somebody waits for a jump host, whose own handshake comes before.
            with self.handshakes:
                connection.open()
        except paramiko.AuthenticationException as error:
            by_hand = " ".join(["ssh", *(["-J", ",".join(hop.name for hop in way)] if way else [])])
            by_hand += f" -p {connection.port} {connection.user}@{connection.host}"
            next_move = login.advice() + by_hand
            raise Unreachable(f"the login was refused ({reason(error)});", host=where, next=next_move) from None
        except socket.gaierror:
            raise Unreachable("the name does not resolve;", host=where, next="give the host an `address`") from None
        except TimeoutError:
            next_move = f"is it up, and do firewalls let you to port {connection.port}? -t waits for longer"
            raise Unreachable(f"no answer within {self.patience(address)} s;", host=where, next=next_move) from None
        except ConnectionRefusedError as error:
            next_move = "is sshd running there, and on this port? `port` of the host says which it is"
            raise Unreachable(f"{reason(error)};", host=where, next=next_move) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            said = f"; its ProxyCommand: {link.last_words()}" if isinstance(link, ProgramSocket) else ""
            why = cut_short(connection.client.get_transport(), str(error), self.patience(address)) or reason(error)
            raise Unreachable(why + hearsay(said), host=where) from None
        finally:
            if not connection.is_connected:
                connection.client.close()
        return connection

    def close(self) -> None:
        # Those behind others first.
        for way in sorted(self.gateways, key=len, reverse=True):
            gateway = self.gateways[way]
            if gateway.connection is not None:
                gateway.connection.close()


def cut_short(transport: paramiko.Transport | None, said: str, patience: int) -> str:
    """Say how far a greeting came, of which Paramiko's words tell nothing; empty where they tell enough.

    :param said: Paramiko's words.
    :param patience: seconds that were waited for.
    """
    # The kernel's word for a connection that was reset may stand right behind it.
    said = said.partition("[Errno")[0]
    if transport is None or said not in ("No existing session", "Error reading SSH protocol banner"):
        return ""
    if transport.remote_version:
        return f"an SSH server greets, and exchanges no keys within {patience} s"
    if said == "No existing session":
        return f"something listens there, and no SSH server greets within {patience} s"
    return "what listens there closes the connection, or is no SSH server"


def bastion(jump: str, target: str = "") -> Address:
    """Return the jump host ``[ssh://][user@]host[:port]``.

    :param target: a host behind it.
    """
    user, _, rest = jump.removeprefix("ssh://").rstrip("/").rpartition("@")
    found = re.fullmatch(r"\[([^]]+)\](?::(\d+))?", rest) or re.fullmatch(r"([^:]+)(?::(\d+))?", rest)
    host, port = (found[1], int(found[2] or 0)) if found else (rest, 0)
    return Address(jump, host, port, user, target=target)

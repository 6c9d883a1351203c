"""Connections: who is reached how, and that it is really them."""

from __future__ import annotations

import functools
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import paramiko
from fabric import Connection
from fabric.config import Config
from fabric.runners import Remote

from ..errors import HawserError, Unreachable
from ..report.text import clean, reason
from .hostkeys import KnownHosts, changed_key, read_key
from .transport import PatientTransport, open_socket

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
    :param jump: the name or ``user@host:port`` of a bastion; empty: none.
    :param host_key: a pinned key, ``TYPE BASE64``; empty: known_hosts counts.
    :param sudo_password: for a user that is not root; empty: sudo must not ask.
    :param connect_timeout: seconds.
    """

    name: str
    host: str
    port: int = 0
    user: str = ""
    key: str = ""
    jump: str = ""
    host_key: str = ""
    sudo_password: str = ""
    connect_timeout: int = 10
    forward_agent: bool = False
    bastion: bool = False


@functools.cache
def private_key(path: str) -> paramiko.PKey:
    """Load a private key once per run: reading an RSA key by path costs 138 ms per connection otherwise."""
    try:
        return paramiko.PKey.from_path(Path(path).expanduser())
    except FileNotFoundError:
        raise HawserError(f"the private key {path} does not exist", code=2) from None
    except (OSError, TypeError, ValueError, paramiko.SSHException) as error:
        raise HawserError(f"the private key {path} cannot be used: {error or type(error).__name__}", code=2) from None


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


class Gateways:
    """One connection per bastion, shared by all hosts behind it: sshd drops starts above its MaxStartups.

    :param open_connection: called with a bastion's ``user@host:port``; returns an open connection.
    """

    def __init__(self, open_connection: Callable[[str], Connection]) -> None:
        self.open_connection = open_connection
        self.lock = threading.Lock()
        self.connections: dict[str, Connection] = {}

    def channel(self, jump: str, host: str, port: int) -> paramiko.Channel:
        """Open a channel through a bastion to a host behind it."""
        with self.lock:
            if jump not in self.connections:
                self.connections[jump] = self.open_connection(jump)
        transport = self.connections[jump].transport
        return transport.open_channel("direct-tcpip", (host, port), ("", 0))  # type: ignore[no-any-return]

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()


class Connector:
    """Open checked connections.

    :param config: Fabric's configuration (ssh_config, timeouts).
    """

    def __init__(self, config: Config, known_hosts: KnownHosts) -> None:
        self.config = config
        self.known_hosts = known_hosts
        self.gateways = Gateways(self.jump)

    def jump(self, text: str) -> Connection:
        return self.open(self.bastion(text))

    def show_key(self, address: Address) -> tuple[str, int, paramiko.PKey]:
        """Ask a host for its key, through its jump host where it has one, without logging in.

        :returns: the name and port under which it is known, and the key.
        :raises HawserError: it does not answer.
        """
        reached = self.connection(address)
        sock = self.gateways.channel(address.jump, reached.host, reached.port) if address.jump else None
        return reached.host, reached.port, read_key(reached.host, reached.port, address.connect_timeout, sock)

    def bastion(self, jump: str) -> Address:
        """Return how the jump host ``user@host:port`` is reached."""
        user, _, rest = jump.rpartition("@")
        host, _, port = rest.partition(":")
        connection = HostConnection(host, user=user or None, port=int(port) if port else None, config=self.config)
        return Address(jump, connection.host, connection.port, connection.user, bastion=True)

    def connection(self, address: Address) -> Connection:
        """Return a Fabric connection to a host, not opened yet, that checks the host's key."""
        kwargs: dict[str, object] = {}
        if address.key:
            kwargs = {"pkey": private_key(address.key), "look_for_keys": False, "allow_agent": False}
        connection = HostConnection(
            address.host,
            user=address.user or None,
            port=address.port or None,
            config=self.config,
            connect_kwargs={
                **self.config.connect_kwargs,
                **kwargs,
                "channel_timeout": address.connect_timeout,
                "transport_factory": PatientTransport,
            },
            connect_timeout=address.connect_timeout,
            forward_agent=address.forward_agent,
        )
        target = (connection.client, address.name, connection.host, connection.port, address.host_key)
        self.known_hosts.prepare(*target, bastion=address.bastion)
        return connection

    def open(self, address: Address) -> Connection:
        """Connect and log in.

        :raises Unreachable: no connection, or the login was refused.
        :raises HostKeyRefused: the host's key is unknown or has changed.
        """
        connection = self.connection(address)
        where = f"{address.name} ({connection.user}@{connection.host}:{connection.port})"
        try:
            jump = address.jump
            if not jump and isinstance(connection.gateway, Connection):
                # What ssh_config says with ProxyJump; Fabric itself would not check the bastion's key.
                jump = f"{connection.gateway.user}@{connection.gateway.host}:{connection.gateway.port}"
                connection.gateway = None
            if jump:
                connection.connect_kwargs["sock"] = self.gateways.channel(jump, connection.host, connection.port)
            elif connection.gateway is None:
                connection.connect_kwargs["sock"] = open_socket(
                    connection.host, connection.port, address.connect_timeout
                )
            connection.open()
        except paramiko.BadHostKeyException as error:
            raise changed_key(address.name, error.key, error.expected_key, self.known_hosts.project) from None
        except paramiko.AuthenticationException as error:
            by_hand = f"ssh -p {connection.port} {connection.user}@{connection.host}"
            raise Unreachable(f"the login was refused ({reason(error)});", host=where, next=by_hand) from None
        except socket.gaierror:
            raise Unreachable("the name does not resolve;", host=where, next="give the host an `address`") from None
        except TimeoutError:
            raise Unreachable(f"no answer within {address.connect_timeout} s", host=where) from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(reason(error), host=where) from None
        return connection

    def close(self) -> None:
        self.gateways.close()

"""Host keys: which ones are trusted, the message when one is not, and how one is pinned."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import socket
import stat
from pathlib import Path

import paramiko

from ..errors import HawserError
from ..report.text import reason
from .transport import PatientTransport


class HostKeyRefused(HawserError):
    """A host showed a key that nobody has confirmed, or another one than before."""


def read_key(address: str, port: int, timeout: float, channel: paramiko.Channel | None = None) -> paramiko.PKey:
    """Ask a host for its key, without logging in.

    :param channel: a way to it through another host.
    :raises HawserError: it does not answer.
    """
    try:
        with channel or socket.create_connection((address, port), timeout=timeout) as link:
            transport = PatientTransport(link)
            try:
                transport.start_client(timeout=timeout)
                return transport.get_remote_server_key()
            finally:
                transport.close()
    except (OSError, paramiko.SSHException) as error:
        raise HawserError(f"{address}:{port}: {reason(error)}") from None


def parse_key(text: str) -> paramiko.PKey:
    """Read a public key written as ``TYPE BASE64``."""
    words = text.split()
    return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1]))


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's SHA-256 fingerprint as OpenSSH writes it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_name(address: str, port: int) -> str:
    """Return the name under which known_hosts(5) keeps a host."""
    return address if port == 22 else f"[{address}]:{port}"


class RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """Refuse a key that nobody has confirmed, with its fingerprint and the command that confirms it.

    :param name: the host's name in the environment file.
    :param next_move: the command that confirms a key.
    """

    def __init__(self, name: str, next_move: str) -> None:
        self.name = name
        self.next_move = next_move

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise HostKeyRefused(
            f"its host key is not known yet: {key.get_name()} {fingerprint(key)}",
            host=self.name,
            next=f"compare it with what the host's owner says, then: {self.next_move}",
        )


class KnownHosts:
    """The keys that are trusted: the user's, the machine's, the project's, and those pinned in an environment file.

    :param project: the project's own known_hosts, shared by the team.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self.keys = paramiko.HostKeys()
        for path in (Path("/etc/ssh/ssh_known_hosts"), Path.home() / ".ssh" / "known_hosts", project):
            try:
                if not stat.S_ISREG(path.stat().st_mode):
                    raise OSError("it is no regular file")
                self.keys.load(str(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, paramiko.SSHException, paramiko.hostkeys.InvalidHostKey) as error:
                raise HawserError(f"{path} cannot be read: {error}", code=2) from None

    def prepare(
        self, client: paramiko.SSHClient, name: str, address: str, port: int, pinned: str, bastion: bool = False
    ) -> None:
        """Give a client the keys that count for one host.

        :param pinned: ``TYPE BASE64`` from the environment file; then it alone counts.
        :param bastion: it is no host of the inventory, so no task can name it.
        """
        entry = known_name(address, port)
        target = client.get_host_keys()
        target.clear()
        if pinned:
            key = parse_key(pinned)
            target.add(entry, key.get_name(), key)
        else:
            for kind, key in (self.keys.lookup(entry) or {}).items():
                target.add(entry, kind, key)
        next_move = "fab -H HOST trust, for a host behind it" if bastion else f"fab -H {name} trust"
        client.set_missing_host_key_policy(RefuseUnknown(name, next_move))

    def knows(self, address: str, port: int, key: paramiko.PKey) -> bool:
        """Whether this key of a host is trusted already."""
        entry = self.keys.lookup(known_name(address, port))
        return entry is not None and entry.get(key.get_name()) == key

    def refuse_changed(self, name: str, address: str, port: int, key: paramiko.PKey) -> None:
        """Stop where a host is known with another key: that is for its owner to settle.

        :raises HostKeyRefused: shows both fingerprints.
        """
        trusted = list((self.keys.lookup(known_name(address, port)) or {}).values())
        if trusted and key not in trusted:
            raise changed_key(name, key, trusted[0], self.project)

    def pin(self, address: str, port: int, key: paramiko.PKey) -> bool:
        """Append a key to the project's known_hosts.

        :returns: False when it was known already.
        """
        if self.knows(address, port, key):
            return False
        entry = known_name(address, port)
        self.project.parent.mkdir(parents=True, exist_ok=True)
        with self.project.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(f"{entry} {key.get_name()} {key.get_base64()}\n")
        self.keys.add(entry, key.get_name(), key)
        return True


def changed_key(name: str, key: paramiko.PKey, expected: paramiko.PKey, project: Path) -> HostKeyRefused:
    """Return the error of a host's key that is another one than before; this is never accepted by a command."""
    return HostKeyRefused(
        f"ITS HOST KEY HAS CHANGED. It shows {key.get_name()} {fingerprint(key)}, "
        f"known is {fingerprint(expected)}.\n"
        f"  Someone may be listening in, or the host was set up anew. If its owner confirms the key, remove the old\n"
        f"  line from {project} or ~/.ssh/known_hosts (or host_key in the environment file), then: fab -H {name} trust",
        host=name,
    )

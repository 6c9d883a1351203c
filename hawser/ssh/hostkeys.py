"""Host keys: which ones are trusted, the message when one is not, and how one is pinned."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko

from ..errors import HawserError
from ..report.text import reason
from .known_lines import KnownLines, Line
from .options import Options
from .signed import SUFFIX, Certificate
from .transport import PatientTransport

# How a key is asked for whose kind known_hosts has by its old name.
RSA = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


class HostKeyRefused(HawserError):
    """A host showed a key that nobody has confirmed, or another one than before."""


def read_key(
    where: str, link: socket.socket | paramiko.Channel, timeout: float, make: Callable[..., PatientTransport]
) -> paramiko.PKey:
    """Ask a host for its key, without logging in.

    :param where: it, for messages.
    :param link: the way to it, which is closed in the end.
    :raises HawserError: it does not answer.
    """
    try:
        with link:
            transport = make(link)
            try:
                transport.start_client(timeout=timeout)
                return transport.get_remote_server_key()
            finally:
                transport.close()
    except (OSError, paramiko.SSHException) as error:
        raise HawserError(f"{where}: {reason(error)}") from None


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


@dataclass(frozen=True)
class Trust:
    """Which keys one host may show.

    :param name: the host's name in the environment file.
    :param entry: the name under which its keys are kept; a certificate is for
    :param host: this one.
    :param lines: those that are about it.
    :param next_move: the command that confirms a key.
    """

    name: str
    entry: str
    host: str
    lines: tuple[Line, ...]
    next_move: str
    revoked: str = ""

    def of(self, marker: str) -> list[Line]:
        return [line for line in self.lines if line.marker == marker]

    def knows(self, key: paramiko.PKey) -> bool:
        """Whether this key is trusted already."""
        return any(line.key == key for line in self.of(""))

    def kinds(self) -> tuple[str, ...]:
        """The kinds of keys that the host is asked for, the ones that are known first."""
        known = [kind for line in self.of("") for kind in RSA.get(line.kind, (line.kind,))]
        every: tuple[str, ...] = vars(paramiko.Transport)["_preferred_keys"]
        certified = [f"{kind}{SUFFIX}" for kind in every] if self.of("@cert-authority") else []
        return tuple(dict.fromkeys([*certified, *(kind for kind in known if kind in every), *every]))

    def transport(
        self,
        link: socket.socket | paramiko.Channel,
        disabled_algorithms: Mapping[str, Iterable[str]] | None = None,
    ) -> PatientTransport:
        """Return a transport that asks for a key of a kind that is known, where one is."""
        return PatientTransport(link, disabled_algorithms, self.kinds())

    def check(self, key: paramiko.PKey) -> None:
        """Accept the key that the host has shown.

        :raises HostKeyRefused: it is unknown, another one than before, revoked, or badly certified.
        """
        if self.certifies(key):
            return
        self.refuse_changed(key)
        if not self.knows(key):
            raise HostKeyRefused(
                f"its host key is not known yet: {key.get_name()} {fingerprint(key)}",
                host=self.name,
                next=f"compare it with what the host's owner says, then: {self.next_move}",
            )

    def certifies(self, key: paramiko.PKey) -> bool:
        """Whether an authority that we trust vouches for the key.

        :raises HostKeyRefused: it does, for another host or another time; or the key is revoked.
        """
        certificate = self.certificate(key)
        self.refuse_revoked(key, certificate)
        problem = certificate.problem(self.host) if certificate is not None else ""
        if certificate is not None and problem:
            raise HostKeyRefused(
                f"its certificate {certificate.title!r} does not count: {problem}",
                host=self.name,
                next="its owner has it signed anew",
            )
        return certificate is not None

    def certificate(self, key: paramiko.PKey) -> Certificate | None:
        """Return what an authority that we trust has signed about the key; without one, the key counts for itself."""
        if key.public_blob is None:
            return None
        try:
            found = Certificate.parse(key.public_blob.key_blob)
        except ValueError:
            return None
        return found if any(line.key == found.authority for line in self.of("@cert-authority")) else None

    def refuse_revoked(self, key: paramiko.PKey, certificate: Certificate | None) -> None:
        shown = [key, *([certificate.authority] if certificate is not None else [])]
        places = [line.place for line in self.of("@revoked") if line.key in shown]
        if self.revoked and not _passes(self.revoked, key):
            places.append(self.revoked)
        if places:
            raise HostKeyRefused(
                f"ITS HOST KEY IS REVOKED by {places[0]}: {key.get_name()} {fingerprint(key)}",
                host=self.name,
                next="ask the host's owner: somebody else may have this key",
            )

    def refuse_changed(self, key: paramiko.PKey) -> None:
        """Stop where the host is known with another key: that is for its owner to settle.

        :raises HostKeyRefused: shows both fingerprints.
        """
        known = self.of("")
        if known and not self.knows(key):
            alike = next((line for line in known if line.kind == key.get_name()), known[0])
            raise changed_key(self.name, key, alike, self.next_move)


def _passes(path: str, key: paramiko.PKey) -> bool:
    """Whether a file of revoked keys, a list of lines or one of OpenSSH's own, does not name a key."""
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as shown:
        shown.write(f"{key.get_name()} {key.get_base64()}\n")
        shown.flush()
        return subprocess.run(["ssh-keygen", "-Q", "-f", path, shown.name], capture_output=True).returncode == 0


class Check(paramiko.MissingHostKeyPolicy):
    """A host's key is judged by ours alone: Paramiko is told of no key, so every one is missing to it."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        self.trust.check(key)


class KnownHosts:
    """The keys that are trusted: the user's, the machine's, the project's, and those pinned in an environment file.

    :param project: the project's own known_hosts, shared by the team.
    :raises HawserError: that is no text.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        self._read_once = threading.Lock()
        self._files: dict[Path, KnownLines] = {}
        self.pinned = self._read(project)

    def read(self, path: Path) -> KnownLines:
        """Return the lines of a file, which is read once, whoever comes first."""
        with self._read_once:
            if path not in self._files:
                self._files[path] = self._read(path)
            return self._files[path]

    def _read(self, path: Path) -> KnownLines:
        """Return the lines of a file; of the user's own there may be none that can be read."""
        ours = path == self.project
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise OSError("it is no regular file")
            text = path.read_text(encoding="utf-8", errors="strict" if ours else "replace")
        except FileNotFoundError:
            return KnownLines()
        except (OSError, ValueError) as error:
            if not ours:
                return KnownLines()
            raise HawserError(f"{path} cannot be read: {error}", code=2) from None
        return KnownLines((line, f"{path}:{number}") for number, line in enumerate(text.splitlines(), start=1))

    def trust(self, name: str, options: Options, pinned: str = "", next_move: str = "") -> Trust:
        """Return which keys a host may show.

        :param pinned: ``TYPE BASE64`` from the environment file; then it alone counts, unless it is revoked.
        """
        entry = options.alias or known_name(options.host, options.port)
        bare = options.alias or options.host
        files = [self.pinned, *map(self.read, options.known_hosts)]
        lines = [line for each in files for line in each.about(entry, bare)]
        if pinned:
            key = Line("", entry, parse_key(pinned), "host_key in the environment file")
            lines = [key, *(line for line in lines if line.marker == "@revoked")]
        return Trust(name, entry, bare, tuple(lines), next_move, options.revoked)

    def pin(self, trust: Trust, key: paramiko.PKey) -> bool:
        """Append a host's key to the project's known_hosts.

        :returns: False when it was known already.
        """
        if trust.knows(key):
            return False
        line = f"{trust.entry} {key.get_name()} {key.get_base64()}"
        self.project.parent.mkdir(parents=True, exist_ok=True)
        with self.project.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(f"{line}\n")
        self.pinned.add(line, str(self.project))
        return True


def changed_key(name: str, key: paramiko.PKey, known: Line, next_move: str) -> HostKeyRefused:
    """Return the error of a host's key that is another one than before; this is never accepted by a command."""
    return HostKeyRefused(
        f"ITS HOST KEY HAS CHANGED. It shows {key.get_name()} {fingerprint(key)}, "
        f"known is {known.kind} {fingerprint(known.key)}.\n"
        f"  Someone may be listening in, or the host was set up anew. If its owner confirms it, remove the old one\n"
        f"  ({known.place}), then: {next_move}",
        host=name,
    )

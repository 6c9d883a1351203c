"""Logins from a worker with keys that stay here: the worker asks for each signature."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import paramiko

from ...errors import HawserError
from ...ssh.login import Login
from ...ssh.options import Options

# RFC 4252, section 7.
USERAUTH_REQUEST = b"\x32"
# Asks for a signature: the number of the key, the data, the algorithm.
Ask = Callable[[int, bytes, str], bytes]


@dataclass(frozen=True)
class Lent:
    """What a worker knows of a key: all but the private one.

    :param kind, blob: of the public key.
    :param certificate: its kind and blob; None: there is none.
    """

    kind: str
    blob: bytes
    certificate: tuple[str, bytes] | None

    def to_json(self) -> dict[str, object]:
        """Return it for the way to a worker."""
        certificate = self.certificate and (self.certificate[0], base64.b64encode(self.certificate[1]).decode())
        return {"kind": self.kind, "blob": base64.b64encode(self.blob).decode(), "certificate": certificate}

    @classmethod
    def of(cls, key: paramiko.PKey) -> Lent:
        """Return what may be known of a key."""
        public = key.public_blob
        certificate = None if public is None else (str(public.key_type), bytes(public.key_blob))
        return cls(str(key.get_name()), bytes(key.asbytes()), certificate)


class Ring:
    """The keys of a login, in the order in which they are offered; an agent that holds some stays connected."""

    def __init__(self, login: Login) -> None:
        self.open = ExitStack()
        self.keys = list(login.keys(self.open.enter_context(login.agent())))
        self.locked = tuple(map(str, login.locked))
        self.password: str | None = login.given.get("password")
        # An agent answers one question after the other.
        self.signing = threading.Lock()

    def sign(self, number: int, data: bytes, algorithm: str, users: Collection[str]) -> bytes:
        """Sign what logs in one of some users, and nothing else.

        :param users: those of the hosts of a line.
        :raises HawserError: it is something else, or the key cannot be used.
        """
        if not 0 <= number < len(self.keys) or not is_login(data, users, self.keys[number]):
            raise HawserError("a worker wants something signed that is no login of ours")
        try:
            with self.signing:
                signed = self.keys[number].sign_ssh_data(data, algorithm or None)
        except (OSError, ValueError, paramiko.SSHException) as error:
            raise HawserError(f"a key cannot sign: {error}") from None
        return signed if isinstance(signed, bytes) else bytes(signed.asbytes())

    def close(self) -> None:
        self.open.close()


def is_login(data: bytes, users: Collection[str], key: paramiko.PKey) -> bool:
    """Whether some data is a login over SSH with a key, as one of some users (RFC 4252, section 7)."""
    message = paramiko.Message(data)
    message.get_binary()
    kind, user, service, method = message.get_byte(), *(message.get_binary() for _ in range(3))
    signs = message.get_boolean()
    message.get_binary()
    blob, rest = message.get_binary(), message.get_remainder()
    ours = {bytes(key.asbytes()), *([bytes(key.public_blob.key_blob)] if key.public_blob is not None else [])}
    return (
        (kind, service, method, signs, rest) == (USERAUTH_REQUEST, b"ssh-connection", b"publickey", True, b"")
        and user.decode("utf-8", "replace") in users
        and blob in ours
    )


class LentKey(paramiko.PKey):
    """A key whose signatures come from afar, as those of an agent's keys do."""

    def __init__(self, lent: Lent, sign: Callable[[bytes, str], bytes]) -> None:
        self.public_blob = paramiko.pkey.PublicBlob(*lent.certificate) if lent.certificate else None
        self.lent, self.sign = lent, sign

    def asbytes(self) -> bytes:
        return self.lent.blob

    def get_name(self) -> str:
        return self.lent.kind

    @property
    def _fields(self) -> list[object]:
        return [self.lent.kind, self.lent.blob]

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> bytes:  # type: ignore[override]
        """Have a login signed; see Paramiko."""
        return self.sign(data, algorithm or "")


class LentLogin(Login):
    """A login with lent keys.

    :param lent: they, in their order.
    :param ask: has one of them sign.
    """

    def __init__(
        self, options: Options, lent: Sequence[Lent], locked: Sequence[str], password: str | None, ask: Ask
    ) -> None:
        given: Mapping[str, object] = {"allow_agent": False, "password": password}
        super().__init__(options, "", given)
        self.locked = [Path(each) for each in locked]
        self.lent, self.ask = lent, ask

    def keys(self, held: list[paramiko.AgentKey]) -> Iterator[paramiko.PKey]:
        """Yield the keys to offer."""
        for number, lent in enumerate(self.lent):
            yield LentKey(lent, functools.partial(self.ask, number))

    def give_second(self, transport: paramiko.Transport) -> None:
        """Give the password; nobody sits at a worker who could type something else."""
        if self.given.get("password") is None:
            raise paramiko.AuthenticationException("the host asks for more than a key, and nobody is at its worker")
        super().give_second(transport)

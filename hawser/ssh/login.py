"""The login: which keys are offered to a host, in the order in which `ssh` offers them."""

from __future__ import annotations

import base64
import functools
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko

from ..errors import HawserError
from .options import Options
from .signed import SUFFIX, public_key

# Second factors that we know to give.
SECOND = {"password", "keyboard-interactive"}
MAGIC = b"openssh-key-v1\0"


class Locked(paramiko.SSHException):
    """A private key with a passphrase that nobody gave."""


class Agent(paramiko.agent.AgentSSH):
    """The keys of an agent; none where nobody answers at its socket.

    :param path: the socket.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(path)
            self._connect(link)  # type: ignore[attr-defined]
        except (OSError, paramiko.SSHException):
            link.close()

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


@functools.cache
def load(path: Path, passphrase: str | None) -> paramiko.PKey:
    """Load a private key, and the certificate beside it, once per run: an RSA key costs 138 ms each time otherwise.

    :raises FileNotFoundError: there is none.
    :raises Locked: it has a passphrase.
    :raises OSError, ValueError, paramiko.SSHException: it cannot be used.
    """
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:
        # So cryptography says that it wants a passphrase.
        if passphrase is None:
            raise Locked("it has a passphrase") from None
    return paramiko.PKey.from_path(path, passphrase.encode())  # type: ignore[arg-type]


@functools.cache
def public_part(path: Path) -> bytes:
    """Return the public key of a private one; empty where it cannot be told without its passphrase.

    The file may hold the public key itself: then only an agent has the private one.
    """
    for each in (Path(f"{path}.pub"), path):
        try:
            words = each.read_text(encoding="utf-8").split()
            blob = _of_private(words) if words[:2] == ["-----BEGIN", "OPENSSH"] else base64.b64decode(words[1])
            return bytes(public_key(blob).asbytes())
        except (OSError, ValueError, IndexError):
            continue
    try:
        return bytes(load(path, None).asbytes())
    except (OSError, ValueError, paramiko.SSHException):
        return b""


def _of_private(words: Sequence[str]) -> bytes:
    """Return the public key of a private one in OpenSSH's own form, which holds it in the clear (PROTOCOL.key)."""
    message = paramiko.Message(base64.b64decode("".join(words[4:-4])))
    message.get_bytes(len(MAGIC))
    # The cipher, how it gets its key, and the number of keys.
    for _ in range(3):
        message.get_binary()
    message.get_int()
    return message.get_binary()


class Login:
    """The keys of one login, as an `auth_strategy` of Paramiko's.

    :param key: the only one that counts; empty: those of the options.
    :param given: what was given to Fabric: ``key_filename``, ``passphrase``, ``password``, ``allow_agent`` …
    :param typed: keys of the command line, which count also beside the only one.
    """

    def __init__(self, options: Options, key: str, given: Mapping[str, Any], typed: Sequence[Path] = ()) -> None:
        self.options, self.key, self.given, self.typed = options, key, given, typed
        self.passphrase: str | None = given.get("passphrase") or given.get("password")
        self.offered = 0
        # Keys of ours that stay shut.
        self.locked: list[Path] = []
        # The key that was taken; None where a password alone was, or before the login.
        self.taken: paramiko.PKey | None = None

    def require_key(self) -> None:
        """See, before anybody is asked, that the keys can be used which the command line names, else the settings.

        :raises HawserError: one cannot, and no agent has it open.
        """
        for named in self.typed or ((Path(self.key),) if self.key else ()):
            self.require(named)

    def require(self, named: Path) -> None:
        """See that a key can be used."""
        path = named.expanduser()
        try:
            load(path, self.passphrase)
            return
        except FileNotFoundError:
            problem = HawserError(f"the private key {named} does not exist", code=2)
        except Locked as error:
            problem = HawserError(
                f"the private key {named} cannot be used: {error}, and no agent has it open",
                next=f"ssh-add {named}, or the same command with --prompt-for-passphrase",
                code=2,
            )
        except (OSError, ValueError, paramiko.SSHException) as error:
            why = error or type(error).__name__
            problem = HawserError(f"the private key {named} cannot be used: {why}", code=2)
        with self.agent() as held:
            if not any(key.asbytes() == public_part(path) for key in held):
                raise problem

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in.

        :raises AuthenticationException: the host refuses all that we have.
        """
        with self.agent() as held:
            refusal = self.with_keys(transport, held)
        if refusal is None:
            return
        if self.given.get("password") is None:
            raise refusal
        transport.auth_password(self.options.user, self.given["password"])

    def with_keys(
        self, transport: paramiko.Transport, held: list[paramiko.AgentKey]
    ) -> paramiko.AuthenticationException | None:
        """Try one key after the other.

        :returns: why none has sufficed; None: we are in.
        """
        refusal = paramiko.AuthenticationException("there is no key to log in with")
        for key in self.keys(held):
            self.offered += 1
            try:
                further = transport.auth_publickey(self.options.user, key)
            except paramiko.BadAuthenticationType as error:
                return error
            except paramiko.SSHException as error:
                if not transport.is_active():
                    raise paramiko.AuthenticationException(
                        f"the host hung up after {self.offered} keys" if self.offered > 1 else str(error)
                    ) from None
                refusal = paramiko.AuthenticationException(str(error))
                continue
            self.taken = key
            if SECOND.intersection(further):
                self.give_second(transport)
            return None
        return refusal

    def give_second(self, transport: paramiko.Transport) -> None:
        """Give the host what it wants beside a key: the password, or what a person types."""
        if self.given.get("password") is None:
            transport.auth_interactive_dumb(self.options.user)
        else:
            transport.auth_password(self.options.user, self.given["password"])

    @contextmanager
    def agent(self) -> Iterator[list[paramiko.AgentKey]]:
        """Open the agent, which signs with the keys that it holds until this is left."""
        if not (self.options.agent and self.given.get("allow_agent", True)):
            yield []
            return
        agent = Agent(self.options.agent)
        try:
            yield [_with_certificate(key) for key in agent.get_keys()]
        finally:
            agent.close()

    def keys(self, held: list[paramiko.AgentKey]) -> Iterator[paramiko.PKey]:
        """Yield the keys to offer: of the agent's the named ones first, then its others, then those in files."""
        paths = self.paths()
        named = [(path, key) for path in paths for key in held if key.asbytes() == public_part(path) != b""]
        yield from (self.certified(key, path) for path, key in named)
        if not (self.key or self.options.only_identities):
            of_names = [key for _path, key in named]
            yield from (key for key in held if key not in of_names)
        for path in paths:
            if path not in dict(named):
                yield from self.from_file(path)

    def paths(self) -> list[Path]:
        if self.key:
            return list(dict.fromkeys([*(each.expanduser() for each in self.typed), Path(self.key).expanduser()]))
        more = self.given.get("key_filename") or []
        named: Iterable[str] = [more] if isinstance(more, str) else more
        default = self.options.identities if self.given.get("look_for_keys", True) else ()
        return list(dict.fromkeys([*(Path(each).expanduser() for each in named), *default]))

    def from_file(self, path: Path) -> Iterator[paramiko.PKey]:
        """Yield the key of a file, if it can be used."""
        try:
            yield self.certified(load(path, self.passphrase), path)
        except Locked:
            self.locked.append(path)
        except (OSError, ValueError, paramiko.SSHException):
            return

    def certified(self, key: paramiko.PKey, path: Path) -> paramiko.PKey:
        """Return a key with the certificate for it that lies beside it, or that the options name."""
        if key.public_blob is not None:
            return key
        for each in (Path(f"{path}-cert.pub"), *self.options.certificates):
            try:
                blob = paramiko.pkey.PublicBlob.from_file(str(each))
                of = public_key(blob.key_blob)
            except (OSError, ValueError, IndexError, paramiko.SSHException):
                continue
            if of.asbytes() == key.asbytes():
                vars(key)["public_blob"] = blob
                break
        return key

    def advice(self) -> str:
        """Return what helps when the login was refused, beyond a try by hand."""
        if self.locked:
            return f"ssh-add {self.locked[0]}, which has a passphrase; or "
        if self.offered > 1 and not self.key:
            return "name the right key with `key`, or with IdentityFile and IdentitiesOnly in ~/.ssh/config; or "
        return ""


def _with_certificate(key: paramiko.AgentKey) -> paramiko.AgentKey:
    """Return a key of the agent's, which may hold the certificate instead: Paramiko would offer the key alone."""
    if key.name.endswith(SUFFIX):
        vars(key)["public_blob"] = paramiko.pkey.PublicBlob(key.name, key.blob)
    return key

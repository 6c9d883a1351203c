"""The secrets of an environment: read from ``NAME.env``, checked, made once where wanted, and masked everywhere.

A `Secrets` shows its names only. Whoever takes a value out of it holds plain text, and keeps it out of arguments and
logs.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import re
import secrets as random
import shlex
import string
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, quote_plus

from dotenv.parser import parse_stream

from hawser.errors import InputErrors, Problem
from hawser.formats import dotenv
from hawser.inventory import Environment
from hawser.inventory.base import did_you_mean
from hawser.inventory.documents import label, read_file
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.signatures import Signer, is_key, make_key

_PLACEHOLDERS = ("changeme", "replaceme")
# What needs no quotes, such as all that Hawser makes itself.
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# What a generated secret may look like, by the name of `env.formats`; each has at least 122 random bits.
FORMATS: Mapping[str, Callable[[], str]] = {
    "token": lambda: random.token_urlsafe(48),
    "hex": lambda: random.token_hex(32),
    "sha256": lambda: hashlib.sha256(os.urandom(2048)).hexdigest(),
    "uuid": lambda: str(uuid.uuid4()),
    "base64": lambda: base64.b64encode(random.token_bytes(32)).decode(),
    "alphanumeric": lambda: "".join(random.choice(string.ascii_letters + string.digits) for _ in range(50)),
}
_SHORTEST = 4
# Of what a host says a secret is; a generated one has up to 64 characters, one that you wrote may be a key.
_LONGEST = 4096
# Of a line of the file: reading one takes time that grows with the square of the spaces in it.
_LONGEST_LINE = 65_536
_SHORTEST_LINE = 8


class Values(dict[str, str]):
    """Secrets by name, as templates use them; its own text shows names only."""

    def __repr__(self) -> str:
        return f"<{', '.join(self) or 'no secrets'}>"

    __str__ = __repr__


class Secrets:
    """The secrets that an environment file lists.

    :param environment: the name of the environment.
    :param path: the file that holds them.
    :param values: what it holds, of those that are listed.
    :param generated: the names of those that Hawser makes.
    :param formats: what these look like, where it is not ``token``.
    :param signing_key: the key under what hosts keep; no value of a template, never on a host. Empty: there is none.
    """

    def __init__(
        self,
        environment: str,
        path: Path,
        values: Mapping[str, str],
        generated: Sequence[str] = (),
        formats: Mapping[str, str] | None = None,
        signing_key: str = "",
    ) -> None:
        self.environment = environment
        self.path = path
        self.values = Values(values)
        self._generated = tuple(generated)
        self._formats = dict(formats or {})
        self._signing_key = signing_key
        self._fingerprints: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secrets({self.environment}: {self.values})"

    @property
    def generated(self) -> tuple[str, ...]:
        """The names of the secrets that Hawser makes."""
        return self._generated

    @cached_property
    def signer(self) -> Signer | None:
        """The signer of this environment; None while there is no key."""
        return Signer(self.environment, self._signing_key) if self._signing_key else None

    @property
    def missing_generated(self) -> tuple[str, ...]:
        """The names of the secrets that were not made yet, or that this operator lacks."""
        return tuple(name for name in self._generated if name not in self.values)

    def require_generated(self) -> None:
        """Refuse to go on without a generated secret: a new value would lock out programs that run with the old one.

        :raises InputErrors: naming all that are missing.
        """
        hint = f"fab -H {self.environment} secrets.pull; if no host was set up yet: bootstrap"
        missing = [
            Problem(label(self.path), name, "is generated, and missing here", hint) for name in self.missing_generated
        ]
        if missing:
            raise InputErrors(missing)

    def generate(self, names: Sequence[str]) -> Secrets:
        """Make secrets, append them to the file, and return all of them; values that the file holds by now are kept.

        :raises ValueError: for a name that is none of the generated ones.
        :raises InputErrors: when the file cannot be written.
        """
        return self.keep({name: self.make(name) for name in names})

    def make(self, name: str) -> str:
        """Return a new value for a generated secret, in its format."""
        return FORMATS[self._formats.get(name, "token")]()

    def with_values(self, more: Mapping[str, str]) -> Secrets:
        """Return these secrets and some more, which nobody keeps."""
        values = {**self.values, **more}
        return Secrets(self.environment, self.path, values, self._generated, self._formats, self._signing_key)

    def with_signing_key(self) -> Secrets:
        """Make a signing key, append it to the file, and return all of them; a key that the file holds by now is kept.

        :raises InputErrors: when the file cannot be written.
        """
        key = self._append({SIGNING_KEY: make_key()})[SIGNING_KEY]
        return Secrets(self.environment, self.path, self.values, self._generated, self._formats, key)

    def keep(self, new: Mapping[str, str]) -> Secrets:
        """Append generated secrets to the file, and return all of them; values that the file holds by now are kept.

        :raises ValueError: for a name that is none of the generated ones.
        :raises InputErrors: when the file cannot be written.
        """
        names = tuple(new)
        if strange := set(names) - set(self._generated):
            raise ValueError(f"not listed in env.generated: {', '.join(sorted(strange))}")
        held = self._append(new)
        return self.with_values({name: held[name] for name in names})

    def _append(self, new: Mapping[str, str]) -> dict[str, str]:
        """Append to the file the values that it lacks, and return all that it holds then."""
        target = self.path.resolve()  # a link to a private place stays a link
        try:
            with _locked(target.parent):
                return _add(target, new)
        except OSError as error:
            message = f"cannot be written: {(error.strerror or str(error)).lower()}"
            raise InputErrors([Problem(label(self.path), "", message)]) from None

    def mask_values(self) -> tuple[str, ...]:
        """Return every form in which a secret could show up in output, the longest first."""
        return self._mask_values

    @cached_property
    def _mask_values(self) -> tuple[str, ...]:
        hidden = [*self.values.values(), *([self._signing_key] if self._signing_key else [])]
        forms = {form for value in hidden for form in _forms(value)}
        return tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def fingerprint(self, salt: str) -> str:
        """Return a hash over all secrets that takes too long to guess them from it (scrypt, about 50 ms, once a salt).

        :returns: 64 hexadecimal digits.
        """
        if salt not in self._fingerprints:
            text = json.dumps(sorted(self.values.items()))
            key = hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**14, r=8, p=1, maxmem=2**26, dklen=32)
            self._fingerprints[salt] = key.hex()
        return self._fingerprints[salt]


def load_secrets(environment: Environment, folder: Path) -> Secrets:
    """Read ``NAME.env`` of the folder that holds the environment files.

    Generated secrets may be missing: the caller makes them (`Secrets.generate`) or refuses to go on
    (`Secrets.require_generated`).

    :raises InputErrors: everything that `read_secrets` finds wrong.
    """
    secrets, problems = read_secrets(environment, folder)
    if problems:
        raise InputErrors(problems)
    return secrets


def read_secrets(environment: Environment, folder: Path) -> tuple[Secrets, list[Problem]]:
    """Read ``NAME.env``, and return the problems with it: a file that others may read, lines that cannot be read, and
    every secret that is required and missing, or no real one.
    """
    path = folder / f"{environment.name}.env"
    text, problems = _read(path)
    values: dict[str, str] = {}
    for name, value, line in _bindings(text):
        if name is None:
            problems.append(Problem(f"{label(path)}:{line}", "", "is no line of the form NAME=value"))
        elif name in values:
            problems.append(Problem(f"{label(path)}:{line}", name, "stands here twice", "remove one of the two"))
        else:
            values[name] = value or ""
    for name in environment.env.secrets:
        required = name in environment.env.required
        if message := _unusable(values.get(name), required):
            hint = _advice(name, values, environment, path) if name not in values else "write the real one"
            problems.append(Problem(label(path), name, message, hint))
    key = values.get(SIGNING_KEY, "")
    if key and not is_key(key):
        hint = "write the one that your colleagues have"
        problems.append(Problem(label(path), SIGNING_KEY, "is no signing key: 43 letters, digits, - and _", hint))
        key = ""
    listed = {name: values[name] for name in environment.env.secrets if values.get(name)}
    secrets = Secrets(environment.name, path, listed, environment.env.generated, environment.env.formats, key)
    return secrets, problems


def kept_secrets(host: str, text: object, names: Sequence[str], target: str) -> dict[str, str]:
    """Return the generated secrets that a host says it was set up with; all others are left out.

    :param text: its record, None when it has none.
    :param target: what is typed for the host after ``-H``.
    :raises InputErrors: it is no record of secrets, or a value is none that could be kept.
    """
    if text is None or text == "":
        return {}
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    hint = f"compare with another host, or remove the file and: fab -H {target} bootstrap"
    if not isinstance(found, dict):
        raise InputErrors([Problem(f"{host}: secrets.json", "", "is no record of secrets", hint)])
    kept = {name: found[name] for name in names if name in found}
    for name, value in kept.items():
        message = _unusable(value, True) if isinstance(value, str) else "is no text"
        if not message and len(value) > _LONGEST:
            message = f"is longer than {_LONGEST} characters"
        if not message and re.search("[\ud800-\udfff]", value):
            message = "holds half a surrogate pair, which is no character"
        if message:
            raise InputErrors([Problem(f"{host}: secrets.json", name, message, hint)])
    return kept


def reconcile_generated(secrets: Secrets, kept: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Find out the generated secrets that are missing here.

    :param kept: by host, what each was set up with.
    :returns: the values to take over.
    :raises InputErrors: hosts disagree with one another, or with what stands here; or none has what is missing.
    """
    problems: list[Problem] = []
    found: dict[str, str] = {}
    bootstrap = f"fab -H {secrets.environment} bootstrap"
    for name in secrets.generated:
        having = {host: values[name] for host, values in kept.items() if name in values}
        own = secrets.values.get(name)
        if len(set(having.values())) > 1:
            message = f"{', '.join(having)} were set up with different ones"
            problems.append(Problem(label(secrets.path), name, message, f"write the right one here, then: {bootstrap}"))
        elif own is None and not having:
            problems.append(Problem(label(secrets.path), name, "is missing, and no host has it either", bootstrap))
        elif own is None:
            host, value = next(iter(having.items()))
            found[name] = value
            if "${" in value or value.endswith("\\"):
                message = f"the one of {host} holds ${{, or ends with a backslash: such a line is read as another value"
                hint = f"read it in {host}: secrets.json, and write it here by hand"
                problems.append(Problem(label(secrets.path), name, message, hint))
        elif having and own not in having.values():
            hint = f"to bring yours to the hosts: {bootstrap} deploy; to take theirs: remove the line here"
            problems.append(
                Problem(label(secrets.path), name, f"is not the one that {', '.join(having)} was set up with", hint)
            )
    if problems:
        raise InputErrors(problems)
    return found


def _read(path: Path) -> tuple[str, list[Problem]]:
    """Return a file's text, empty when there is none, and the problems with the file itself."""
    name = label(path)
    problems: list[Problem] = []
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            message = f"its mode {mode:04o} lets others read the secrets"
            problems.append(Problem(name, "", message, f"chmod 600 {shlex.quote(name)}"))
        text = read_file(path).replace("\r\n", "\n")
    except FileNotFoundError:
        return "", problems
    except UnicodeDecodeError as error:
        return "", [*problems, Problem(name, "", f"is not UTF-8 (byte {error.start})")]
    except OSError as error:
        return "", [*problems, Problem(name, "", f"cannot be read: {(error.strerror or str(error)).lower()}")]
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            return "", [*problems, Problem(f"{name}:{number}", "", f"is longer than {_LONGEST_LINE} characters")]
    return text, problems


def _bindings(text: str) -> Iterator[tuple[str | None, str | None, int]]:
    """Yield name, value and line of each entry; the name is None for a line that cannot be read."""
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # The parser counts the blank lines before a statement as part of it.
            blank = binding.original.string[: -len(binding.original.string.lstrip()) or None].count("\n")
            yield None, None, binding.original.line + blank
        elif binding.key is not None:
            yield binding.key, binding.value, binding.original.line


def _unusable(value: str | None, required: bool) -> str:
    """Say why a value cannot be used, or return an empty text."""
    if not value:
        return ("is missing" if value is None else "is empty") if required else ""
    if any(placeholder in value.casefold() for placeholder in _PLACEHOLDERS):
        return "still holds a placeholder"
    if "\0" in value:
        return "contains a NUL character, which no file, environment or argument can carry"
    if len(value) < _SHORTEST:
        return f"is shorter than {_SHORTEST} characters: masking it would blank out half of every output"
    return ""


def _advice(name: str, values: Mapping[str, str], environment: Environment, path: Path) -> str:
    unlisted = [candidate for candidate in values if candidate not in (*environment.env.secrets, SIGNING_KEY)]
    return did_you_mean(name, unlisted, f"add {name}=… to {label(path)}")


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it is and as the formats of this world write it."""
    data = value.encode()
    plain = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)]
    encoded = [
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        *(code(data).decode().rstrip("=") for code in (base64.b64encode, base64.urlsafe_b64encode)),
    ]
    escaped = [
        shlex.quote(value)[1:-1] if shlex.quote(value) != value else value,
        re.sub(r'([\\"$`])', r"\\\1", value),  # between double quotes: shell, dotenv, systemd
        re.sub(r"([\\'])", r"\\\1", value),  # between single quotes: dotenv, Python
        repr(value)[1:-1],
        value.replace("%", "%%"),  # supervisor, systemd
        value.replace("%", r"\%"),  # crontab
        value.replace("'", "''"),  # SQL, YAML
    ]
    for form in (*plain, *encoded, *escaped):
        yield form
        yield json.dumps(form)[1:-1]
        yield json.dumps(form, ensure_ascii=False)[1:-1]


def _add(path: Path, new: Mapping[str, str]) -> dict[str, str]:
    """Append those of `new` that a file has no value for, and return all that it holds then."""
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    bindings = list(parse_stream(io.StringIO(text)))
    held = {binding.key: binding.value for binding in bindings if binding.key and binding.value}
    made = {name: value for name, value in new.items() if name not in held}
    if made:
        # A line without a value goes, or the name would stand there twice.
        kept = "".join(binding.original.string for binding in bindings if binding.key not in made)
        bare = {name: value for name, value in made.items() if _BARE.fullmatch(value)}
        lines = "".join(f"{name}={value}\n" for name, value in bare.items())
        lines += dotenv({name: value for name, value in made.items() if name not in bare})
        _replace(path, kept + ("\n" if kept and not kept.endswith("\n") else "") + lines)
    return {**held, **made}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself, so that no lock file is left behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step; the temporary file matches the ``*.env`` that git ignores."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".env")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

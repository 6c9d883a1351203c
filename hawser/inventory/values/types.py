"""The kinds of values in an environment file: values that each accepts, and its words about others."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from ...runner.webservers import TRAITS
from ..base import InvalidValue, Shape, did_you_mean
from .jinja import check_expression, check_syntax
from .schedule import check_schedule

T = TypeVar("T")
Scalar = str | int | float | bool


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise InvalidValue("contains a NUL character, which no file, environment or argument can carry")
    return text


def _line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise InvalidValue("must be a single line")
    return text


def _not_empty(text: str) -> str:
    if not text.strip():
        raise InvalidValue("must not be empty")
    return text


def matching(pattern: str, rule: str, limit: int = 255) -> Callable[[str], str]:
    """Return a check that `pattern` describes the whole text, at most `limit` characters; `rule` says so in words."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if len(text) > limit:
            raise InvalidValue(f"{text!r} is {len(text)} characters long", f"at most {limit}")
        if not compiled.fullmatch(text):
            raise InvalidValue(f"{text!r} is not allowed here", rule)
        return text

    return check


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return `values`; raise :class:`InvalidValue` when one of them stands there twice."""
    for position, value in enumerate(values):
        if value in values[:position]:
            raise InvalidValue(f"{value!r} stands here twice")
    return values


def some(values: tuple[T, ...]) -> tuple[T, ...]:
    """Return `values`; raise :class:`InvalidValue` when there is none."""
    if not values:
        raise InvalidValue("must not be empty")
    return values


def path_problem(text: str) -> str:
    """Return the problem with a path of any kind, or an empty text."""
    if not text.strip():
        return "must not be empty"
    if "\n" in text or "\r" in text:
        return "must be a single line"
    if ".." in text.split("/"):
        return "must not contain '..'"
    return ""


def _path(text: str) -> str:
    if problem := path_problem(text):
        raise InvalidValue(problem)
    return text.rstrip("/") or "/"


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise InvalidValue(f"{text!r} is not an absolute path", "start it with /")
    return text


def _relative(text: str) -> str:
    if text.startswith(("/", "~")):
        raise InvalidValue(f"{text!r} is an absolute path", "write it without the leading / or ~")
    return text


def _key_file(text: str) -> str:
    if not text.startswith(("/", "~/")):
        raise InvalidValue(f"{text!r} could be anywhere", "an absolute path, or one that starts with ~/")
    return text


def _mode(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("0?[0-7]{3,4}", value):
        return int(value, 8)
    shown = value if isinstance(value, int) else repr(value)
    raise InvalidValue(f"{shown} is not a file mode", 'octal digits in quotes, as in "0640"')


def _sandbox(value: object) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and re.fullmatch("[a-z]{2,20}", value)):
        return value
    raise InvalidValue(f"{value!r} is neither true or false nor the code name of a release", 'as in "trixie"')


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return text
    if "@" in text:
        raise InvalidValue(f"{text!r} contains a user", "the user is a key of its own: user")
    if ":" in text or "[" in text:
        raise InvalidValue(f"{text!r} contains a port", "the port is a key of its own: port")
    label = "[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
    if len(text) > 253 or not re.fullmatch(rf"{label}(\.{label})*", text, re.ASCII):
        raise InvalidValue(f"{text!r} is neither a host name nor an IP address")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise InvalidValue(f"{text!r} is no network", 'as in "203.0.113.0/24" or "203.0.113.7"') from None


def _jump(text: str) -> str:
    if text:
        host = text.rpartition("@")[2]
        name, colon, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
        if colon and not (port.isdigit() and 1 <= int(port) <= 65535):
            raise InvalidValue(f"{text!r} ends with a port that is not between 1 and 65535")
        if text.startswith("@"):
            raise InvalidValue(f"{text!r} has no user before the @")
        _address(name)
    return text


def _domain(text: str) -> str:
    if not text.isascii():
        try:
            hint = f"write {text.encode('idna').decode()}"
        except UnicodeError:
            hint = ""
        raise InvalidValue(f"{text!r} is not written as DNS has it", hint)
    label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if len(text) > 253 or not re.fullmatch(rf"(\*\.)?{label}(\.{label})*", text, re.ASCII):
        raise InvalidValue(
            f"{text!r} is not a domain", "as in www.example.org or *.example.org, without https:// and path"
        )
    return text.lower()


def _public_key(text: str) -> str:
    hint = 'as `ssh-keyscan` prints it, without the host: "ssh-ed25519 AAAA…"'
    words = text.split()
    if len(words) < 2:
        raise InvalidValue("is not a public host key", hint)
    try:
        blob = base64.b64decode(words[1], validate=True)
        (length,) = struct.unpack(">I", blob[:4])
    except (binascii.Error, struct.error, ValueError):
        raise InvalidValue("is not a public host key: its second word is not base64", hint) from None
    if blob[4 : 4 + length] != words[0].encode():
        raise InvalidValue(f"is not a public host key: it calls itself {words[0]!r}, and its data says otherwise", hint)
    return " ".join(words[:2])


def _repository(text: str) -> str:
    if text.startswith("-") or re.search(r"\s", text):
        raise InvalidValue(f"{text!r} is neither an address of a repository nor a path")
    if re.match(r"[a-z+]+://[^/@]*:[^/@]+@", text):
        raise InvalidValue("contains a password", "put it into the secrets and name it in app.token")
    return text


def _revision(text: str) -> str:
    if text.startswith("-") or ".." in text or re.search(r"[\s~^:?*\[\\\x00-\x20]", text):
        raise InvalidValue(f"{text!r} is no name of a branch, tag or commit")
    return text


def _python_package(text: str) -> str:
    name, bracket, _extras = text.partition("[")
    if bracket:
        raise InvalidValue(
            f"{text!r} names extras", f'write package = "{name.strip()}", and the extras in python.extras'
        )
    name, sign, _version = text.partition("==")
    if sign:
        raise InvalidValue(
            f"{text!r} names a version", f'write package = "{name.strip()}", and the version in app.version'
        )
    return matching("[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "the name of a package")(text)


def _version(text: str) -> str:
    if not is_version(text):
        raise InvalidValue(f"{text!r} is no version of a package", 'exactly one, as in "2025.1.0"')
    return text


def is_version(text: str) -> bool:
    """Tell whether a text is one version, such as 1.2, 1.2.3rc1 or 1.2.post1 (PEP 440, without epochs)."""
    return bool(re.fullmatch(r"v?[0-9]+(\.[0-9]+)*[A-Za-z0-9.+]*", text, re.ASCII))


def _interpreter(text: str) -> str:
    if not re.fullmatch(r"3\.\d+(\.\d+)?", text) and not text.startswith("/"):
        raise InvalidValue(
            f"{text!r} is neither a version nor an absolute path", 'as in "3.11" or "/usr/bin/python3.11"'
        )
    return text


def _batch(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str) and re.fullmatch(r"([1-9][0-9]?|100)%", value):
        return value
    raise InvalidValue(f"{value!r} is neither a number of hosts nor a share of them", 'as in 1 or "50%"')


def _status(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    if isinstance(value, str) and re.fullmatch("[1-5][0-9]{2}-[1-5][0-9]{2}", value) and value[:3] <= value[4:]:
        return value
    raise InvalidValue(f"{value!r} is no HTTP status", 'as in 200 or "200-399"')


VALIDATORS = ("json", "yaml", "python", "systemd", *TRAITS, "sudoers", "supervisor", "cron", "none")


def _validation(text: str) -> str:
    if text not in VALIDATORS and "{}" not in text:
        names = ", ".join(VALIDATORS)
        hint = did_you_mean(text, VALIDATORS, f"{names}, or a command in which {{}} stands for the file")
        raise InvalidValue(f"{text!r} is no validation that Hawser knows", hint)
    return text


def _variable(value: object) -> Scalar | tuple[Scalar, ...]:
    if isinstance(value, str):
        return _no_nul(value)
    if isinstance(value, float) and not float("-inf") < value < float("inf"):
        raise InvalidValue("must be a finite number")
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return tuple(value)
    raise InvalidValue("must be a string, a number, true or false, or a list of these")


def _url_prefix(text: str) -> str:
    if not text.startswith("/") or re.search(r"""[\s;{}"'\\$#?]""", text):
        raise InvalidValue(f"{text!r} is not the beginning of a URL path", 'as in "/" or "/static/"')
    return text


def _mirror(text: str) -> str:
    if not re.fullmatch(r"(?:https?://|file:///)\S+", text):
        raise InvalidValue("must be an address of https:// or http://, or file:///FOLDER")
    return text.rstrip("/")


def _log_format(text: str) -> str:
    if "'" in _line(text) or text.endswith("\\"):
        raise InvalidValue("must be one line without ' and without a backslash at its end")
    return text


def _moments(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*][A-Za-z0-9*:,./ ~-]*", text):
        raise InvalidValue(f"{text!r} is no time of systemd's", 'as in "daily" or "*-*-* 03:30" (systemd.time)')
    return text


# When a timer is due, as systemd.time(7) writes it.
Moments = Annotated[str, AfterValidator(_moments), Shape("time of systemd")]
Text = Annotated[str, AfterValidator(_no_nul), Shape("text")]
Line = Annotated[Text, AfterValidator(_line), Shape("text")]
Template = Annotated[Text, AfterValidator(check_syntax), Shape("text (Jinja2)")]
Command = Annotated[
    Text, AfterValidator(_not_empty), AfterValidator(_line), AfterValidator(check_syntax), Shape("command (Jinja2)")
]
Expression = Annotated[
    Text,
    AfterValidator(_not_empty),
    AfterValidator(_line),
    AfterValidator(check_expression),
    Shape("expression (Jinja2)"),
]
Flag = Annotated[bool, Field(strict=True), Shape("true or false")]
Sandbox = Annotated[bool | str, PlainValidator(_sandbox), Shape("true, false or a code name such as trixie")]
Integer = Annotated[int, Field(strict=True), Shape("number")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535), Shape("port")]
Seconds = Annotated[int, Field(strict=True, ge=1, le=86400), Shape("seconds")]
Days = Annotated[int, Field(strict=True, ge=0, le=3650), Shape("days")]
Wait = Annotated[int, Field(strict=True, ge=0, le=86400), Shape("seconds")]
Count = Annotated[int, Field(strict=True, ge=1, le=1000), Shape("number")]
Limit = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), Shape("number")]
Mode = Annotated[int, PlainValidator(_mode), PlainSerializer(lambda mode: f"{mode:04o}"), Shape("file mode")]

_NAME = "[A-Za-z0-9_-]+"
_NAME_RULE = "letters, digits, - and _ only"
HostName = Annotated[
    Text, AfterValidator(matching(_NAME, f"{_NAME_RULE}; the DNS name goes into its address", 63)), Shape("host")
]
GroupName = Annotated[Text, AfterValidator(matching(_NAME, _NAME_RULE, 63)), Shape("group")]
Groups = Annotated[tuple[GroupName, ...], AfterValidator(unique), Shape("list: group")]
AppName = Annotated[
    Text,
    AfterValidator(matching("[a-z][a-z0-9-]*[a-z0-9]|[a-z]", "lower-case letters, digits and -, a letter first", 32)),
    Shape("name"),
]
ProcessName = Annotated[
    Text,
    AfterValidator(matching("[a-z][a-z0-9_-]*", "lower-case letters, digits, - and _, a letter first", 48)),
    Shape("name"),
]
_unix_name = matching("[a-z_][a-z0-9_-]*", "lower-case letters, digits, - and _, a letter first", 32)
UnixName = Annotated[Text, AfterValidator(_unix_name), Shape("user")]
# Empty where nobody has named one, in what a release keeps too.
UnixNameOrNone = Annotated[Text, AfterValidator(lambda text: text and _unix_name(text)), Shape("user")]
DatabaseName = Annotated[
    Text,
    AfterValidator(matching("[a-z_][a-z0-9_-]*", "lower-case letters, digits, _ and -, a letter first", 63)),
    Shape("name"),
]
Charset = Annotated[
    Text,
    AfterValidator(matching("[a-z0-9_]+", 'a character set of MariaDB, as in "utf8mb4"', 32)),
    Shape("character set"),
]
BrokerName = Annotated[
    Text, AfterValidator(matching(r"[A-Za-z0-9_./-]+", "letters, digits, and - _ . /")), Shape("name")
]
VariableName = Annotated[
    Text, AfterValidator(matching("[A-Za-z_][A-Za-z0-9_]*", "letters, digits and _, no digit first")), Shape("variable")
]
SecretName = Annotated[
    Text,
    AfterValidator(matching("[A-Za-z_][A-Za-z0-9_]*", "the name of a secret: letters, digits and _")),
    Shape("name of a secret"),
]
SecretNames = Annotated[tuple[SecretName, ...], AfterValidator(unique), Shape("list: name")]
ExtraKey = Annotated[
    Text, AfterValidator(matching(r"[A-Za-z][A-Za-z0-9_.-]*", "a key of the manager's file")), Shape("key")
]
LinkName = Annotated[
    Text, AfterValidator(matching("[A-Za-z0-9_][A-Za-z0-9_.-]*", "a plain name without /")), Shape("name")
]
AbsolutePath = Annotated[Text, AfterValidator(_path), AfterValidator(_absolute), Shape("absolute path")]
CodePattern = Annotated[Text, AfterValidator(_path), AfterValidator(_relative), Shape("pattern of paths")]
RelativePath = Annotated[Text, AfterValidator(_path), AfterValidator(_relative), Shape("relative path")]
AnyPath = Annotated[Text, AfterValidator(_path), Shape("path")]
LocalPath = Annotated[Text, AfterValidator(_path), Shape("path on this machine")]
TemplatePath = Annotated[Text, AfterValidator(_path), AfterValidator(check_syntax), Shape("path (Jinja2)")]
KeyFile = Annotated[Text, AfterValidator(_path), AfterValidator(_key_file), Shape("path")]
Address = Annotated[Text, AfterValidator(_address), Shape("host name or IP address")]
Network = Annotated[Text, AfterValidator(_network), Shape("network")]
Jump = Annotated[Text, AfterValidator(_jump), Shape("[user@]host[:port]")]
Domain = Annotated[Text, AfterValidator(_domain), Shape("domain")]
PublicKey = Annotated[Text, AfterValidator(_public_key), Shape("public key")]
Repository = Annotated[
    Text, AfterValidator(_not_empty), AfterValidator(_repository), Shape("URL, user@host:path, or a local path")
]
Revision = Annotated[Text, AfterValidator(_not_empty), AfterValidator(_revision), Shape("branch")]
PythonPackage = Annotated[Text, AfterValidator(_python_package), Shape("package")]
Version = Annotated[Text, AfterValidator(_version), Shape("version")]
Interpreter = Annotated[Text, AfterValidator(_interpreter), Shape("version or absolute path")]
Requirement = Annotated[Text, AfterValidator(_not_empty), AfterValidator(_line), Shape("requirement")]
PythonMirror = Annotated[Text, AfterValidator(_mirror), Shape("address, or file:///folder")]
Batch = Annotated[int | str, PlainValidator(_batch), Shape("number, or a share such as 50%")]
Status = Annotated[int | str, PlainValidator(_status), Shape('status, or a range such as "200-399"')]
Validation = Annotated[Text, AfterValidator(_validation), Shape("validation, or a command")]
Schedule = Annotated[Text, AfterValidator(check_schedule), Shape("schedule")]
UrlPrefix = Annotated[Text, AfterValidator(_url_prefix), Shape("URL path")]
Variable = Annotated[
    Scalar | tuple[Scalar, ...],
    PlainValidator(_variable),
    # pydantic's own serializer of such a union warns about every tuple.
    PlainSerializer(lambda value: list(value) if isinstance(value, tuple) else value),
    Shape("text, number, true or false, list"),
]
OutputPath = Annotated[
    Text,
    AfterValidator(
        matching(r"log/([A-Za-z0-9_][A-Za-z0-9_.-]*/)?[A-Za-z0-9_][A-Za-z0-9_.-]*\.log", "as in log/web.log")
    ),
    Shape("path in log"),
]
InstanceName = Annotated[
    Text,
    AfterValidator(matching("[a-z][a-z0-9_]*", "lower-case letters, digits and _, a letter first", 32)),
    Shape("name"),
]
PackageName = Annotated[
    Text,
    AfterValidator(matching("[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?", "a name that apt knows")),
    Shape("package"),
]
Filesystem = Annotated[
    Text, AfterValidator(matching("[a-z0-9][a-z0-9._-]*", "as in nfs4, or in /proc/filesystems")), Shape("filesystem")
]
MountOptions = Annotated[
    Text,
    AfterValidator(matching(r"[^\s,]+(,[^\s,]+)*|", "options with commas between them, as in rw,noatime", 1000)),
    Shape("options"),
]
UnitName = Annotated[
    Text, AfterValidator(matching(r"[A-Za-z0-9:_.@-]+\.service", "as in mongod.service")), Shape("unit")
]
PortKey = Annotated[Text, AfterValidator(matching("[1-9][0-9]{0,4}", 'a port, as in "7778"', 5)), Shape("port")]
HostPort = Annotated[
    Template,
    AfterValidator(_line),
    AfterValidator(_not_empty),
    Shape("host:port (Jinja2)"),
]
LogFormat = Annotated[Text, AfterValidator(_log_format), Shape("log format of nginx")]
AcmeServer = Annotated[
    Text, AfterValidator(matching(r"https://[^\s\"'\\]+", "the address of a directory, with https://")), Shape("URL")
]
BodySize = Annotated[Text, AfterValidator(matching("[0-9]+[kKmMgG]?", 'a size as in "10m"')), Shape("size")]

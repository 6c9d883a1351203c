"""RabbitMQ users and vhosts: checked by an AMQP login of our own, changed with rabbitmqctl."""

from __future__ import annotations

import os
import socket
import struct

from ..files.disk import write_atomically
from ..system import Change, Failure, Kind
from .logins import is_login
from .postgres import WAITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

    from ..specs.databases import RabbitAccessSpec, RabbitLoginsSpec

ADDRESS = ("127.0.0.1", 5672)
# The rabbitmqctl in the PATH hands its arguments to a shell, where `$` in a name would count.
CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
TIMEOUT = 5.0
# Bytes of a user's name (AMQP 0-9-1, short strings).
LONGEST = 255
# In the state folder: for which users others were made, one for each password.
NOTED = "rabbitmq-logins"
METHOD, HEARTBEAT, END = 1, 8, 0xCE
# A broker of another version answers with a protocol header of its own, which starts with this letter.
VERSION_ANSWER = ord("A")
# Class and method numbers of AMQP 0-9-1.
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPEN_OK, CLOSE, CLOSE_OK = (10, 40), (10, 41), (10, 50), (10, 51)


class Refused(Exception):
    """The broker did not let us in; the message says why, as far as it told."""


def short(text: str) -> bytes:
    """Encode a short string: one byte of length, then UTF-8."""
    data = text.encode()
    if len(data) > 255:
        raise Failure("%r... is longer than AMQP allows (255 bytes)" % text[:20])
    return bytes([len(data)]) + data


def long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class Connection:
    """As much of an AMQP 0-9-1 connection as a login takes."""

    def __init__(self, address: Tuple[str, int] = ADDRESS, timeout: float = TIMEOUT) -> None:
        self.socket = socket.create_connection(address, timeout)
        # Two small messages in a row would otherwise wait 40 ms for an acknowledgement.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def send(self, method: Tuple[int, int], arguments: bytes = b"") -> None:
        payload = struct.pack(">HH", *method) + arguments
        self.socket.sendall(struct.pack(">BHI", METHOD, 0, len(payload)) + payload + bytes([END]))

    def take(self, size: int) -> bytes:
        data = self.stream.read(size)
        if len(data) < size:
            raise Refused("the broker closed the connection")
        return data

    def expect(self, method: Tuple[int, int]) -> bytes:
        """Return the arguments of the next method, which must be this one."""
        while True:
            kind, _channel, size = struct.unpack(">BHI", self.take(7))
            if kind == VERSION_ANSWER:
                raise Refused("the broker speaks another version of AMQP")
            payload = self.take(size)
            self.take(1)
            if kind == HEARTBEAT:
                continue
            found = struct.unpack(">HH", payload[:4])
            if found == method:
                return payload[4:]
            if found == CLOSE:
                code, length = struct.unpack(">HB", payload[4:7])
                raise Refused("%d %s" % (code, payload[7 : 7 + length].decode("utf-8", "replace")))
            raise Refused("the broker answered with method %d.%d" % found)

    def log_in(self, user: str, password: str, vhost: str) -> None:
        """Log in and open a vhost, or raise `Refused`."""
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(START)
        # With this capability a wrong password is answered instead of a cut connection.
        capabilities = short("authentication_failure_close") + b"t\x01"
        properties = short("capabilities") + b"F" + long(capabilities)
        response = b"\0" + user.encode() + b"\0" + password.encode()
        self.send(START_OK, long(properties) + short("PLAIN") + long(response) + short("en_US"))
        channels, frame, _heartbeat = struct.unpack(">HIH", self.expect(TUNE))
        self.send(TUNE_OK, struct.pack(">HIH", channels, frame, 0))
        self.send(OPEN, short(vhost) + short("") + b"\0")
        self.expect(OPEN_OK)
        self.send(CLOSE, struct.pack(">H", 200) + short("") + struct.pack(">HH", 0, 0))
        self.expect(CLOSE_OK)


def refusal(user: str, password: str, vhost: str, address: Tuple[str, int] = ADDRESS, timeout: float = TIMEOUT) -> str:
    """Return why a user cannot open a vhost; empty when it can."""
    try:
        connection = Connection(address, timeout)
        try:
            connection.log_in(user, password, vhost)
        finally:
            connection.close()
    except Refused as error:
        return str(error)
    except (OSError, struct.error) as error:
        return "the broker on port %d cannot be asked: %s" % (address[1], error)
    return ""


def control() -> Tuple[str, str, str]:
    """Return how rabbitmqctl is started: the program, its user and its folder."""
    if os.access(CONTROL, os.X_OK):
        return CONTROL, "rabbitmq", "/var/lib/rabbitmq"
    return "rabbitmqctl", "", "/"


class Access(Kind):
    """See `hawser.resources.RabbitAccess`."""

    spec: RabbitAccessSpec

    def refusal(self) -> str:
        return refusal(self.spec["user"], self.spec["password"], self.spec["vhost"])

    def check(self) -> Optional[Change]:
        why = self.refusal()
        if why and self.spec["former"] == "keep" and "Login was refused" in why and self.is_there():
            self.system.warnings.append(WAITS % self.spec["user"])
            return None
        return Change("now refused: " + why) if why else None

    def is_there(self) -> bool:
        program, user, cwd = control()
        listed = self.system.run([program, "-q", "list_users"], user, cwd, timeout=120).output
        return any(line.partition("\t")[0] == self.spec["user"] for line in listed.splitlines())

    def apply(self, change: Change) -> None:
        user, password, vhost = self.spec["user"], self.spec["password"], self.spec["vhost"]
        if not password or password != password.strip() or "\n" in password or "\r" in password:
            raise Failure(
                "the password of the RabbitMQ user %s is empty, holds a line end, or begins or ends with a space;"
                " rabbitmqctl cannot take that" % user
            )
        for name in (user, vhost):
            if not name or name.startswith("-"):
                raise Failure("%r is no name of a RabbitMQ user or vhost" % name)
        self.control("await_startup")
        self.control("add_vhost", vhost, known="already_exists|already exists")
        if self.control("add_user", user, stdin=password + "\n", known="already exists"):
            self.control("change_password", user, stdin=password + "\n")
        self.control("set_permissions", "-p", vhost, user, ".*", ".*", ".*")
        why = self.refusal()
        if why:
            raise Failure("RabbitMQ has the user %s, yet refuses it on the vhost %s: %s" % (user, vhost, why))

    def control(self, *arguments: str, stdin: str = "", known: str = "") -> bool:
        """Run rabbitmqctl.

        :param known: what it says of a thing that exists already, which is no failure; parted by ``|``.
        :returns: whether it said so.
        """
        program, user, cwd = control()
        result = self.system.run([program, *arguments], user, cwd, stdin=stdin, timeout=120, check=False)
        exists = any(part in result.output for part in known.split("|") if part)
        if result.code and not exists:
            raise Failure("rabbitmqctl %s failed" % arguments[0], result.output)
        return exists


class Logins(Kind):
    """See `hawser.resources.RabbitLogins`."""

    spec: RabbitLoginsSpec

    def noted(self) -> str:
        """Return the file that says that users were made for this one: else nobody has to ask, which takes seconds."""
        return os.path.join(self.system.state, NOTED, self.spec["user"].replace("/", "%2F"))

    def others(self) -> List[str]:
        """Return who else logs in for the user: those that were made for a password, and it itself."""
        user, keep = self.spec["user"], self.spec["keep"]
        program, system_user, cwd = control()
        listed = self.system.run([program, "-q", "list_users"], system_user, cwd, timeout=120).output
        names = [line.partition("\t")[0] for line in listed.splitlines()]
        return [name for name in names if name != keep and (name == user or is_login(name, user, LONGEST))]

    def check(self) -> Optional[Change]:
        noted = os.path.exists(self.noted())
        if not noted and self.spec["keep"] == self.spec["user"]:
            return None
        others = self.others()
        if others:
            return Change("not %s any more" % ", ".join(others))
        return None if noted else Change("each password has a user of its own")

    def apply(self, change: Change) -> None:
        if self.spec["keep"] != self.spec["user"]:
            os.makedirs(os.path.dirname(self.noted()), mode=0o700, exist_ok=True)
            write_atomically(self.noted(), b"", 0o600)
        program, user, cwd = control()
        for name in self.others():
            self.system.run([program, "-q", "delete_user", name], user, cwd, timeout=120)

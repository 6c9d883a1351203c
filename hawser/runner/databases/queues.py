"""Queues of a broker and their lengths. RabbitMQ is asked with rabbitmqctl, Redis over its own protocol."""

from __future__ import annotations

import json
import socket

from ..rows import counted
from ..system import Failure
from .rabbitmq import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple, TypeVar, Union

    from ..specs.answers import Counted, RabbitQueue, RedisQueue
    from ..system import System

    Q = TypeVar("Q", RabbitQueue, RedisQueue)
    # Without the nothing of RESP, which is an empty text here.
    Reply = Union[int, str, List["Reply"]]

TIMEOUT = 10.0


def fullest(rows: List[Q], first: str) -> Counted[Q]:
    """Return queues as an answer: the ones of a name first, then the others, the fullest first."""
    return counted(sorted(rows, key=lambda row: (row["queue"] != first, -row["waiting"], row["queue"])), len(rows))


def rabbitmq(system: System, vhosts: Sequence[str], first: str = "") -> Counted[RabbitQueue]:
    """Return the queues of some virtual hosts: vhost, queue, how many messages wait or are at work, and consumers.

    :param first: the name of queues that are told in any case; see `fullest`.
    :raises Failure: the broker does not answer.
    """
    columns = ("name", "messages_ready", "messages_unacknowledged", "consumers")
    found: List[RabbitQueue] = []
    for vhost in vhosts:
        arguments = ["-q", "--formatter", "json", "list_queues", "-p", vhost, *columns]
        program, user, cwd = control()
        answer = system.run([program, *arguments], user, cwd, timeout=120, check=False, apart=True, whole=True)
        if answer.code:
            raise Failure("rabbitmqctl cannot list the queues of %s" % vhost, answer.output + answer.errors)
        for row in json.loads(answer.output):
            name, waiting, working, consumers = (row[column] for column in columns)
            found.append(
                {"vhost": vhost, "queue": name, "waiting": waiting, "working": working, "consumers": consumers}
            )
    return fullest(found, first)


class Redis:
    """A connection to the Redis server of this host, with as much of its protocol as counting takes.

    Source: redis.io/docs/reference/protocol-spec, RESP2.
    """

    def __init__(self, port: int, password: str, database: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.stream = self.socket.makefile("rb")
        if password:
            self.ask("AUTH", password)
        self.ask("SELECT", str(database))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def ask(self, *words: str) -> Reply:
        """Send a command and return the answer.

        :raises Failure: Redis says no.
        """
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = word.encode("utf-8", "surrogateescape")
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(parts))
        return self.answer()

    def scan(self, cursor: str) -> Tuple[str, List[str]]:
        """Return some names of lists, and the cursor with which the next ones are asked for."""
        found = self.ask("SCAN", cursor, "COUNT", "1000", "TYPE", "list")
        if isinstance(found, list) and len(found) == 2 and isinstance(found[1], list):
            return str(found[0]), list(map(str, found[1]))
        raise Failure("Redis answers %r" % (found,))

    def length(self, name: str) -> int:
        """Return how many entries a list has."""
        found = self.ask("LLEN", name)
        return found if isinstance(found, int) else 0

    def answer(self) -> Reply:
        line = self.stream.readline()
        kind, rest = line[:1], line[1:].rstrip(b"\r\n")
        if kind == b"-":
            raise Failure("Redis answers: %s" % rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            data = self.stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else b""
            return data.decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [self.answer() for _each in range(int(rest))]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        raise Failure("Redis closed the connection")


def redis(system: System, port: int, password: str, database: int, first: str = "") -> Counted[RedisQueue]:
    """Return the lists of a Redis database, which celery uses as queues: queue and how many messages wait.

    :param first: the name of a queue that is told in any case; see `fullest`.
    :raises Failure: Redis does not answer.
    """
    try:
        connection = Redis(port, password, database)
    except OSError as error:
        raise Failure("Redis on port %d cannot be asked: %s" % (port, error)) from None
    try:
        found: List[RedisQueue] = []
        cursor = "0"
        while True:
            cursor, names = connection.scan(cursor)
            found += [{"queue": name, "waiting": connection.length(name)} for name in names]
            if cursor == "0":
                return fullest(found, first)
    except OSError as error:
        raise Failure("Redis on port %d does not answer: %s" % (port, error)) from None
    finally:
        connection.close()

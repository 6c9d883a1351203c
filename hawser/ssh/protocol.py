"""Read a runner's messages: whole lines in time, of a known shape, and answers to the questions that were asked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, TypedDict, TypeVar, cast

from pydantic import ValidationError
from typing_extensions import TypeForm

from ..answers import messages, reading
from ..answers.kinds import adapter
from ..errors import ProtocolBreach, Unreachable
from ..host.facts import Facts
from ..report.text import SEQUENCE, hearsay
from .transport import SILENCE

# The far side says something every 3 s; after this long without a word (`SILENCE`) the line counts as cut.
HEARTBEAT = 3.0
# Seconds within which it greets: the system and the managers of its processes are asked meanwhile.
GREETING = 60.0
# Bytes a second that the slowest line carries: a long line takes its time, one that drips is none.
SLOWEST = 1 << 14
# Bytes of a line, of all that is said before the greeting, in answer to one question, and of a catalog, which a dry run
# keeps until the end of the phase.
LONGEST_LINE = 1 << 24
LONGEST_SPEECH = 1 << 20
# Bytes of what a program says that are kept for its last words, and characters of them that are shown.
LAST_WORDS = 1 << 16
LAST_SHOWN = 2000
LONGEST_TALK = 1 << 28
LONGEST_REPORT = 1 << 26
# Values in a line: each costs memory, however short it is written.
MOST_VALUES = 1_000_000
# Seconds that one resource may take in all, whatever its programs may; and what the operator follows has no end.
LONGEST_RESOURCE = 12 * 3600.0
ENDLESS = float("inf")

T = TypeVar("T")
# What a request says, by operation: see the `op_` functions of the runner's main module.
Arguments: TypeAlias = Mapping[str, Any]
HELLO = re.compile(rb'\s*\{\s*"t"\s*:\s*"hello"')
CHALLENGE = re.compile(rb'\{"t": "helper", "nonce": "([0-9a-f]{32})", "runner": "([0-9a-f]{32})"\}')


class Result(TypedDict, total=False):
    """The end of a request: of these fields, those of its operation, or the reason why it could not be done.

    :param answer: of the type that the question has.
    :param answers: an error or an answer for each question.
    """

    error: str
    output: str
    traceback: str
    facts: Facts
    answer: Any
    answers: list[Any]
    holder: dict[str, object] | None
    text: str | None
    code: int
    sha256: str


class Done(Result):
    """The end of a request, and whether that was done which was asked."""

    ok: bool


class Reader:
    """Read messages off a line.

    :param name: the host, for messages.
    :param receive: returns the next bytes, empty ones at the end; raises TimeoutError when none came for a while.
    :param ended: says why the line has ended.
    """

    def __init__(self, name: str, receive: Callable[[], bytes], ended: Callable[[], Unreachable]) -> None:
        self.name = name
        self.receive = receive
        self.ended = ended
        self.buffer = bytearray()
        # Bytes of all messages until now.
        self.taken = 0
        # The end of what the login has said; None: the runner speaks.
        self.speech: bytes | None = b""
        # What no message may show, and what else we say before the runner does.
        self.secret, self.hello = b"", b""
        # The facts of the greeting, as they came.
        self.greeted: object = None

    def breach(self, what: str) -> NoReturn:
        raise ProtocolBreach(self.name, what)

    def words(self) -> str:
        """Return the end of what the host has said instead of a greeting; empty once the runner speaks."""
        if self.speech is None:
            return ""
        # A login that starts something else may send back what we have sent.
        said = (self.speech + (bytes(self.buffer) if is_text(self.buffer) else b"")).replace(self.hello, b"")
        return text_of(said.replace(self.secret, b"***") if self.secret else said)

    def line(self, due: float = ENDLESS, late: str = "signs of life, but no answer in time") -> bytes:
        """Return the next line without its end.

        :param due: when it must have come, on the monotonic clock.
        :param late: what is wrong when it has not.
        :raises Unreachable: nothing came for too long, or the line has ended.
        :raises ProtocolBreach: it is too long, too slow or late.
        """
        began = last = time.monotonic()
        looked = 0
        while (end := self.buffer.find(b"\n", looked)) < 0:
            looked = len(self.buffer)
            if looked > LONGEST_LINE:
                self.breach(f"a line of more than {LONGEST_LINE >> 20} MiB")
            try:
                data = self.receive()
            except TimeoutError:
                data = None
            now = time.monotonic()
            if data == b"":
                raise self.ended()
            if data:
                last = now
                self.buffer += data
            elif now - last > SILENCE:
                before = f"; it had said:\n{words}" if (words := self.words()) else ""
                raise Unreachable(f"has been silent for {SILENCE:.0f} s; the line is cut{before}", host=self.name)
            if now - began > SILENCE + len(self.buffer) / SLOWEST and b"\n" not in self.buffer[looked:]:
                self.breach(f"no whole line within {now - began:.0f} s")
            if now > due:
                self.breach(late)
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line

    def message(self, due: float = ENDLESS) -> dict[str, object]:
        """Return the next message, as JSON has it; its type is known to be a word."""
        line = self.line(due)
        self.taken += len(line) + 1
        if sum(line.count(each) for each in (b",", b"[", b"{")) > MOST_VALUES:
            self.breach(f"a message of more than {MOST_VALUES} values")
        try:
            message = json.loads(line.decode("utf-8", "replace"))
        except RecursionError:
            self.breach("a message that is nested too deeply")
        except ValueError:
            self.breach("a line that is no message")
        if not isinstance(message, dict) or not isinstance(message.get("t"), str):
            self.breach("a message without a type")
        return message

    def greeting(self, others: Collection[str]) -> Facts | str:
        """Return the facts of a runner's greeting; a login script may speak first, for a while.

        :param others: lines that say why there is none yet; such a line is returned.
        """
        line = self.first(lambda line: line.decode("utf-8", "replace") in others or HELLO.match(line))
        if not HELLO.match(line):
            return line.decode()
        self.speech = None
        self.buffer[:0] = line + b"\n"
        message = self.message()
        self.greeted = message.get("facts")
        return self.facts(message)

    def challenge(self) -> tuple[str, str]:
        """Return what a helper has said first: its nonce, and the digest of its runner."""
        found = CHALLENGE.fullmatch(self.first(CHALLENGE.fullmatch))
        assert found is not None
        return found[1].decode(), found[2].decode()

    def first(self, wanted: Callable[[bytes], object]) -> bytes:
        """Return the first line that is wanted, of a side that has not spoken yet."""
        due = time.monotonic() + GREETING
        late, length = f"no greeting within {GREETING:.0f} s", 0
        while True:
            line = self.line(due, late)
            if wanted(line):
                return line
            self.speech = ((self.speech or b"") + (line + b"\n" if is_text(line) else b""))[-LAST_WORDS:]
            length += len(line) + 1
            if length > LONGEST_SPEECH:
                self.breach(f"more than {LONGEST_SPEECH >> 20} MiB before a greeting")
            if time.monotonic() > due:
                self.breach(late)

    def facts(self, message: Mapping[str, object]) -> Facts:
        try:
            return Facts.from_wire(message.get("facts"))
        except ValueError as error:
            self.breach(f"facts: {wrong(error)}")

    def checked(self, what: str, kind: TypeForm[T], value: object) -> T:
        """Return a value that has a type, as that type has it."""
        try:
            return adapter(kind).validate_python(value)
        except ValidationError as error:
            self.breach(f"{what}: {wrong(error)}")


class Exchange:
    """One question to a runner, and its messages until the answer.

    :param operation: what it is asked to do, with
    :param arguments: of the request.
    """

    def __init__(self, reader: Reader, number: int, operation: str, arguments: Arguments) -> None:
        self.reader = reader
        self.number = number
        self.operation = operation
        self.arguments = arguments
        self.seconds = patience(operation, arguments)
        self.began = time.monotonic()
        self.due = self.began + self.seconds
        self.most = longest(operation, arguments)
        self.before = reader.taken
        # Each resource begins and is settled once.
        self.resources = len(arguments.get("catalog", ()))
        self.events = 0

    def listen(self, on_message: Callable[[messages.Message], None]) -> Done:
        """Pass on the messages before the end, and return the answer.

        :returns: ok, error, output and traceback where it failed, and what was asked for.
        """
        kinds = messages.before_the_end(self.operation)
        while True:
            message = self.reader.message(self.due)
            if self.reader.taken - self.before > self.most:
                self.reader.breach(f"more than {self.most / (1 << 20):.0f} MiB in answer to {self.operation}")
            kind = str(message["t"])
            if kind == "done":
                return self.answer(message)
            if kind == "beat":
                continue
            if kind not in kinds:
                self.reader.breach(f"a message that does not belong to {self.operation}")
            found = self.reader.checked(kind, kinds[kind], message)
            if found["t"] == "start" or found["t"] == "event":
                self.move_on(found["position"])
            elif kind == "part":
                self.due = self.began + self.seconds + (self.reader.taken - self.before) / SLOWEST
            on_message(found)

    def move_on(self, position: int) -> None:
        """Wait anew, for the next resource: nothing else that is said before the end is a step towards it."""
        self.events += 1
        if position >= self.resources or self.events > 2 * self.resources:
            self.reader.breach("more events than the catalog has resources")
        self.due = time.monotonic() + self.seconds

    def answer(self, message: Mapping[str, object]) -> Done:
        """Check the last message of an exchange."""
        ok, number = message.get("ok"), message.get("id")
        if not isinstance(ok, bool) or number != self.number:
            self.reader.breach("an answer to something else")
        rest = {key: value for key, value in message.items() if key not in ("t", "id", "ok")}
        if rest.get("error"):
            refusal = {key: rest.get(key) or "" for key in ("error", "output", "traceback")}
            return {"ok": False, **self.part(messages.Refusal, refusal)}
        return {"ok": ok, **self.result(ok, rest)}

    def result(self, ok: bool, rest: Mapping[str, object]) -> Result:
        reader, operation, arguments = self.reader, self.operation, self.arguments
        if operation == "facts" or (operation == "lock" and ok):
            return {"facts": reader.facts(rest)}
        if operation == "ask":
            return {"answer": self.answered(arguments["function"], arguments["arguments"], rest.get("answer"))}
        if operation == "ask_all":
            return {"answers": self.all_answered(arguments["questions"], rest.get("answers"))}
        if operation not in messages.DONE:
            # The runner says itself that it cannot do this.
            reader.breach(f"an answer to {operation}")
        return self.part(messages.DONE[operation], rest)

    def part(self, kind: TypeForm[object], value: object) -> Result:
        """Return the parts of a result that are of a type, all of which are among its fields."""
        return cast(Result, self.reader.checked(self.operation, kind, value))

    def answered(self, function: str, arguments: Arguments, value: object) -> object:
        found = self.reader.checked(function, reading.expected(function, arguments), value)
        if not reading.is_about(function, arguments, found):
            self.reader.breach(f"{function}: it is about something that was not asked")
        return found

    def all_answered(self, asked: Sequence[tuple[str, Arguments]], rows: object) -> list[object]:
        if not isinstance(rows, list) or len(rows) != len(asked):
            self.reader.breach("not one answer to each question")
        found: list[object] = []
        for (function, arguments), row in zip(asked, rows, strict=True):
            if isinstance(row, dict) and row.get("error"):
                found.append(self.reader.checked(function, messages.Refusal, {"error": row["error"]}))
            else:
                value = row.get("answer") if isinstance(row, dict) else None
                found.append({"answer": self.answered(function, arguments, value)})
        return found


def is_text(data: bytes | bytearray) -> bool:
    try:
        return SEQUENCE.sub("", data.decode("utf-8")).replace("\t", "").rstrip("\r").isprintable()
    except ValueError:
        return False


def text_of(data: bytes) -> str:
    """Return the last words of a program, as a message tells them."""
    return hearsay(data.decode("utf-8", "replace").strip())[-LAST_SHOWN:]


def patience(operation: str, arguments: Arguments) -> float:
    """Return the seconds within which it is done, or a resource of a catalog, while signs of life come."""
    if operation in ("stream", "logs"):
        # The operator sees it, and ends it.
        return ENDLESS
    if operation == "ask":
        return reading.FUNCTIONS[arguments["function"]].seconds
    if operation == "ask_all":
        return sum(reading.FUNCTIONS[function].seconds for function, _arguments in arguments["questions"])
    if operation == "apply":
        longest = max((float(each.get("timeout") or 0) for each in arguments["catalog"]), default=0.0)
        return LONGEST_RESOURCE + longest
    if operation in ("furnish", "place", "send"):
        # What is sent may take as long as on the slowest line, beyond that.
        return reading.PATIENT
    return reading.PROMPT + float(arguments.get("wait") or 0)


def longest(operation: str, arguments: Arguments) -> float:
    """Return the bytes that are said in answer, at most."""
    if operation == "stream" or arguments.get("follow"):
        return ENDLESS
    if operation == "send":
        # In Base64.
        return LONGEST_TALK + 2 * float(arguments["size"])
    return LONGEST_REPORT if operation == "apply" else LONGEST_TALK


def wrong(error: ValueError) -> str:
    """Return the problem with a value, in a line; of the value itself nothing but the names of its parts."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = hearsay(".".join(str(part)[:40] for part in first["loc"][-6:]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])

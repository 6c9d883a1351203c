"""The runner's loop: messages in, events out, heartbeats both ways."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import queue
import signal
import sys
import threading
import time

from . import facts
from .engine import Engine
from .files.disk import clear_up, scratch_folder
from .lock import Lock
from .system import Failure, System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

    from .specs.answers import Facts
    from .specs.base import Row
    from .specs.limits import Limits
    from .specs.messages import Details, Done, Message, Result
    from .specs.questions import LogSource

    # What the controlling machine says, which sends this program along.
    Request = Dict[str, Any]

HEARTBEAT = 3.0
SILENCE = 15.0

# What may be asked by name: functions that only read, and the modules that have them.
ASKABLE = {
    "bans.state": "machine.bans",
    "backups.listing": "databases.backups",
    "certificates.shown": "certificates.certificates",
    "commands.variables": "machine.commands",
    "checkout.resolve": "code.checkout",
    "checkout.tips": "code.mirror",
    "commits.between": "code.mirror",
    "index.resolve": "python.index",
    "hardening.elsewhere": "processes.hardening",
    "hardening.exposures": "processes.hardening",
    "interpreters.missing": "python.interpreters",
    "cron.last": "processes.cron",
    "delivery.measured": "processes.delivery",
    "holders.holding": "processes.holders",
    "looks.clock": "machine.probes",
    "looks.failed_units": "machine.probes",
    "looks.last_words": "machine.probes",
    "looks.memory": "machine.probes",
    "looks.pending": "machine.probes",
    "looks.reach": "machine.probes",
    "looks.refused": "machine.probes",
    "looks.resolve": "machine.probes",
    "looks.rooms": "machine.probes",
    "looks.unbootable": "machine.probes",
    "looks.unmounted": "machine.probes",
    "offsite.last": "databases.offsite",
    "offsite.snapshots": "databases.offsite",
    "once.listing": "code.once",
    "queues.rabbitmq": "databases.queues",
    "queues.redis": "databases.queues",
    "ports.listening": "kernel.ports",
    "derived.unchanged": "code.derived",
    "migrations.plans": "code.migrations",
    "releases.before": "code.releases",
    "releases.history": "code.releases",
    "releases.listing": "code.releases",
    "releases.stuck": "code.releases",
    "restores.left": "databases.restores",
    "samples.listing": "files.samples",
    "scripts.deeper": "python.scripts",
    "sshd.state": "machine.sshd",
    "strays.listing": "kernel.strays",
    "sites.state": "processes.sites",
    "team.state": "machine.team",
    "survey.health": "processes.health",
    "transfers.entries": "files.transfers",
    "transfers.listing": "files.transfers",
    "transfers.state": "files.transfers",
    "trees.held": "code.worktrees",
    "upgrades.boot": "machine.upgrades",
    "upgrades.outdated": "machine.upgrades",
    "upgrades.pending": "machine.upgrades",
    "usage.usage": "processes.usage",
}


class Source:
    """The messages of the controlling machine, and when it was last heard.

    :param stream: a binary stream of messages (JSON lines; a ``blob`` is followed by its bytes).
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.buffer = bytearray()
        self.heard = time.monotonic()

    def fill(self) -> None:
        """Take the bytes that have come.

        :raises EOFError: the line is cut.
        """
        # Whatever is there, not all of a long message: on a slow line each piece is a sign of life.
        data = self.stream.read1(65536)  # type: ignore[attr-defined]
        if not data:
            raise EOFError
        self.heard = time.monotonic()
        self.buffer += data

    def message(self) -> Request:
        """Return the next message."""
        message: Request = json.loads(self.line().decode())
        return message

    def line(self) -> bytes:
        """Return the next line, without its end."""
        looked = 0
        while True:
            end = self.buffer.find(b"\n", looked)
            if end >= 0:
                break
            looked = len(self.buffer)
            self.fill()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line

    def part(self, size: int) -> bytes:
        """Return the next bytes of a blob, at most this many."""
        if not self.buffer:
            self.fill()
        part = bytes(self.buffer[:size])
        del self.buffer[:size]
        return part


class Runner:
    """Serve one controlling machine over two byte streams.

    :param hello: the first message: application, root, state folder, token of the run.
    :param sink: a binary stream for events (JSON lines).
    :param limits: what may be asked for; None: anything.
    """

    def __init__(
        self, hello: Mapping[str, str], source: Source, sink: BinaryIO, limits: Optional[Limits] = None
    ) -> None:
        self.hello = hello
        self.source = source
        self.sink = sink
        self.sink_lock = threading.Lock()
        self.messages: queue.Queue[Request] = queue.Queue()
        self.system = System(hello["state"], hello["token"])
        self.trouble = ""
        self.lock = Lock(os.path.join(hello["state"], "lock"))
        self.limits = limits
        self.engine = Engine(self.system, self.emit, limits=limits)

    def emit(self, message: Message) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self.sink_lock:
            try:
                self.sink.write(line)
                self.sink.flush()
            except (OSError, ValueError):
                self.end(3)

    def end(self, code: int) -> None:
        """End all that this run started, and itself; the kernel frees the lock."""
        try:
            self.system.abort()
            self.drop_blobs()
        finally:
            os._exit(code)

    def drop_blobs(self) -> None:
        """Remove what was sent ahead and is not needed any more."""
        for name in list(self.system.blobs):
            with contextlib.suppress(OSError):
                os.unlink(self.system.blobs.pop(name))

    def listen(self) -> None:
        """Read messages until the line is cut, which ends the run."""
        try:
            while True:
                message = self.source.message()
                if message["op"] == "blob":
                    self.keep_blob(message["id"], message["size"], message.get("sha256", ""))
                elif message["op"] != "ping":
                    self.messages.put(message)
                if message["op"] == "bye":
                    # The line's end is no alarm any more.
                    return
        except EOFError:
            self.end(3)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            self.end(1)

    def keep_blob(self, name: str, size: int, sha256: str = "") -> None:
        """Keep the bytes that follow in a file; when the disk refuses them, the next request is told.

        :param sha256: their digest, where they are not signed themselves.
        :raises EOFError: somebody has put in others.
        """
        digest = hashlib.sha256()
        folder = scratch_folder(self.system.state)
        path = os.path.join(folder, "blob-" + os.urandom(4).hex())
        with contextlib.ExitStack() as stack:
            stream: Optional[BinaryIO] = None
            empty = not size
            while size or empty:
                part = b"" if empty else self.source.part(size)
                size -= len(part)
                empty = False
                if self.limits:
                    digest.update(part)
                try:
                    if stream is None:
                        os.makedirs(folder, mode=0o700, exist_ok=True)
                        stream = stack.enter_context(open(path, "wb", buffering=0))
                    stream.write(part)
                except OSError as error:
                    self.trouble = "what was sent ahead cannot be kept in %s: %s" % (folder, error.strerror)
        if self.limits and digest.hexdigest() != sha256:
            raise EOFError
        self.system.blobs[name] = path

    def beat(self) -> None:
        """Tell the controlling machine every few seconds that we are still there."""
        while True:
            time.sleep(HEARTBEAT)
            self.emit({"t": "beat"})

    def watch(self) -> None:
        """End the run when the other side has been silent for too long, even while it takes none of our words."""
        while True:
            time.sleep(SILENCE / 15)
            if time.monotonic() - self.source.heard > SILENCE:
                self.end(4)

    def serve(self) -> None:
        for target in (self.listen, self.beat, self.watch):
            threading.Thread(target=target, daemon=True).start()
        self.emit({"t": "hello", "facts": self.all_facts()})
        while True:
            message = self.messages.get()
            if message["op"] == "bye":
                self.system.part()
                self.lock.release()
                self.end(0)
            self.answer(message)

    def all_facts(self) -> Facts:
        root = self.hello["root"]
        own = facts.application_facts(self.system, self.hello["application"], root)
        return {**facts.host_facts(self.system, root), "app": own}

    def answer(self, message: Request) -> None:
        """Serve one request and say that it is done."""
        self.system.masks = tuple(message.get("masks", self.system.masks))
        try:
            if self.trouble:
                trouble, self.trouble = self.trouble, ""
                raise Failure(trouble)
            operation: Optional[Callable[..., Optional[Result]]] = getattr(self, "op_" + message["op"], None)
            if operation is None:
                raise Failure("this runner cannot do %r" % message["op"])
            arguments = message.get("arguments", {})
            refused = self.limits.why_no_request(message["op"], arguments) if self.limits else ""
            if refused:
                raise Failure("needs an administrator (--as-admin): %s" % refused)
            result = operation(**arguments) or {}
        except Exception as error:
            result = refusal(self.engine.explain(error))
        left = self.system.take_left()
        if left:
            self.emit({"t": "output", "stream": "err", "text": self.system.show("it %s\n" % left)})
        done: Done = {"t": "done", "id": message["id"], "ok": True, **result}
        self.emit(done)

    def op_apply(self, catalog: Sequence[Row], dry: bool = False) -> Result:
        self.system.progress = lambda text: self.emit({"t": "progress", "text": text})
        try:
            return {"ok": self.engine.apply(catalog, dry)}
        finally:
            self.system.progress = None
            # They were for this catalog, and a run that is killed later shall not leave them.
            self.drop_blobs()

    def op_facts(self) -> Result:
        return {"facts": self.all_facts()}

    def op_lock(self, info: Mapping[str, object], wait: float = 0.0) -> Result:
        """Take the lock; return fresh facts, for the holder before us may have changed them."""
        if self.lock.handle is None:
            mine = {"token": self.system.token, "pid": os.getpid(), "scope": self.system.scopes.folder}
            other = self.lock.acquire({**info, **mine}, wait)
            if other is not None:
                return {"ok": False, "holder": other}
            clear_up(self.system.state)
        return {"facts": self.all_facts()}

    def op_holder(self) -> Result:
        return {"holder": self.lock.holder()}

    def op_read(self, path: str, limit: int = 1 << 20) -> Result:
        """Return a file's text, or nothing when there is none."""
        try:
            with open(path, encoding="utf-8") as stream:
                return {"text": stream.read(limit)}
        except FileNotFoundError:
            return {"text": None}

    def op_ask(self, function: str, arguments: Mapping[str, object]) -> Result:
        """Call one of the reading functions that the modules offer, by its name on the wire."""
        if function not in ASKABLE:
            raise Failure("this runner has no function %s" % function)
        offered = importlib.import_module("." + ASKABLE[function], __package__)
        return {"answer": getattr(offered, function.partition(".")[2])(self.system, **arguments)}

    def op_ask_all(self, questions: Sequence[Tuple[str, Mapping[str, object]]]) -> Result:
        """Call several reading functions, given as pairs of name and arguments, whichever of them fail."""
        answers: List[Mapping[str, object]] = []
        for function, arguments in questions:
            try:
                answers.append(self.op_ask(function, arguments))
            except Exception as error:
                answers.append({"error": self.engine.explain(error)["error"]})
        return {"answers": answers}

    def op_logs(self, sources: Sequence[LogSource], lines: int, since: float, grep: str, follow: bool) -> None:
        """Pass on logs; see `logs.show`."""
        from .processes.logs import show

        show(self.system, self.emit, sources, lines, since, grep, follow)

    def op_place(self, blob: str, path: str, mode: int, owner: str, group: str, sha256: str) -> None:
        """Put a blob in its place; see `transfers.place`."""
        from .files.transfers import place

        place(self.system, blob, path, mode, owner, group, sha256)

    def op_furnish(
        self, folders: Sequence[Tuple[str, int]], links: Sequence[Tuple[str, str]], owner: str, group: str
    ) -> None:
        """Make folders and links; see `transfers.furnish`."""
        from .files.transfers import furnish

        furnish(folders, links, owner, group)

    def op_send(self, path: str, size: int) -> Result:
        """Send a file in parts; see `transfers.send`."""
        from .files.transfers import send

        return {"sha256": send(path, self.emit, size)}

    def op_stream(
        self,
        argv: Sequence[str],
        user: str = "",
        cwd: str = "/",
        env_file: str = "",
        env: Optional[Mapping[str, str]] = None,
        stdin: str = "",
    ) -> Result:
        """Run a program and send its output as it comes; the exit code comes last."""
        from .machine.commands import read_environment
        from .processes.stream import Lines

        variables = read_environment(env_file) if env_file else {}
        variables.update(env or {})
        lines = Lines(self.system, lambda name, text: self.emit({"t": "output", "stream": name, "text": text}))
        child = self.system.spawn(argv, user, cwd, variables, scoped=bool(user))
        self.system.attend(child, stdin.encode(), lines.add)
        lines.close()
        return {"code": child.returncode}


def refusal(details: Details) -> Result:
    """Return the result of a failed request."""
    result: Result = {"ok": False, "error": details["error"], "output": details.get("output", "")}
    if "traceback" in details:
        result["traceback"] = details["traceback"]
    return result


def main(hello: bytes) -> None:
    """Run for whoever has root's own login; see `run`.

    :param hello: what the controlling machine has said first; see `Runner`.
    """
    run(json.loads(hello.decode()), Source(sys.stdin.buffer), events())


def events() -> BinaryIO:
    """Return a stream for events, where standard output led; what a library prints must not land between them."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink


def run(hello: Mapping[str, str], source: Source, sink: BinaryIO, limits: Optional[Limits] = None) -> None:
    """Serve until the controlling machine says goodbye or falls silent; see `Runner`."""
    # What the operator's login sets must not change which modes our files and those of our children get.
    os.umask(0o022)
    runner = Runner(hello, source, sink, limits)

    def stop(*_signal: object) -> None:
        # Elsewhere, for whatever was interrupted here may hold a lock that the end needs.
        threading.Thread(target=runner.end, args=(3,)).start()

    # A handler, for children would inherit that a signal is ignored.
    signal.signal(signal.SIGINT, lambda *_signal: None)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    runner.serve()

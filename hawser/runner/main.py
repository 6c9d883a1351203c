"""The runner's loop: messages in, events out, heartbeats both ways."""

import json
import os
import queue
import selectors
import signal
import sys
import tempfile
import threading
import time

from . import facts
from .engine import Engine
from .lock import Lock
from .system import Failure, System

HEARTBEAT = 3.0
SILENCE = 15.0


class Runner:
    """Serve one controlling machine over two byte streams.

    :param hello: the first message: application, root, state folder, token of the run.
    :param source: a binary stream of messages (JSON lines; a ``blob`` is followed by its bytes).
    :param sink: a binary stream for events (JSON lines).
    """

    def __init__(self, hello, source, sink):
        self.source = source
        self.sink = sink
        self.sink_lock = threading.Lock()
        self.messages = queue.Queue()
        self.heard = time.monotonic()
        self.hello = hello
        self.system = System(hello["state"], hello["token"])
        self.blobs = None
        self.lock = Lock(os.path.join(hello["state"], "lock"))
        self.engine = Engine(self.system, self.emit)

    def emit(self, message):
        line = json.dumps(message).encode() + b"\n"
        with self.sink_lock:
            try:
                self.sink.write(line)
                self.sink.flush()
            except (BrokenPipeError, ValueError):
                self.end(3)

    def end(self, code):
        """End all that this run started, and itself; the kernel frees the lock."""
        self.system.abort()
        if self.blobs is not None:
            self.blobs.cleanup()
        os._exit(code)

    def listen(self):
        """Read messages until the line is cut, which ends the run."""
        while True:
            line = self.source.readline()
            if not line:
                self.end(3)
            self.heard = time.monotonic()
            message = json.loads(line.decode())
            if message["op"] == "blob":
                self.keep_blob(message)
            elif message["op"] != "ping":
                self.messages.put(message)

    def keep_blob(self, message):
        if self.blobs is None:
            self.blobs = tempfile.TemporaryDirectory(prefix="blobs-", dir=self.system.state)
        path = os.path.join(self.blobs.name, message["id"])
        left = message["size"]
        with open(path, "wb") as stream:
            while left:
                part = self.source.read(min(left, 65536))
                if not part:
                    self.end(3)
                self.heard = time.monotonic()
                stream.write(part)
                left -= len(part)
        self.system.blobs[message["id"]] = path

    def watch(self):
        """Send heartbeats, and end the run when the other side has been silent for too long."""
        while True:
            time.sleep(HEARTBEAT)
            self.emit({"t": "beat"})
            if time.monotonic() - self.heard > SILENCE:
                self.end(4)

    def serve(self):
        for target in (self.listen, self.watch):
            threading.Thread(target=target, daemon=True).start()
        self.emit({"t": "hello", "facts": self.all_facts()})
        while True:
            message = self.messages.get()
            if message["op"] == "bye":
                self.lock.release()
                self.end(0)
            self.answer(message)

    def all_facts(self):
        found = facts.host_facts(self.hello["root"])
        found["app"] = facts.application_facts(self.system, self.hello["application"], self.hello["root"])
        return found

    def answer(self, message):
        """Do what one message asks for and say that it is done."""
        done = {"t": "done", "id": message["id"], "ok": True}
        self.system.masks = tuple(message.get("masks", self.system.masks))
        try:
            done.update(getattr(self, "op_" + message["op"])(**message.get("arguments", {})) or {})
        except Failure as failure:
            done.update(ok=False, error=self.system.mask(failure.message), output=self.system.mask(failure.output))
        except Exception as error:
            done.update(self.engine.explain(error), ok=False)
        self.emit(done)

    def op_apply(self, catalog, dry=False):
        return {"ok": self.engine.apply(catalog, dry)}

    def op_facts(self):
        return {"facts": self.all_facts()}

    def op_lock(self, info, wait=0.0):
        other = self.lock.acquire(dict(info, token=self.system.token, pid=os.getpid()), wait)
        return {"ok": other is None, "holder": other}

    def op_holder(self):
        return {"holder": self.lock.holder()}

    def op_read(self, path, limit=1 << 20):
        """Return a file's text, or nothing when there is none."""
        try:
            with open(path, encoding="utf-8") as stream:
                return {"text": stream.read(limit)}
        except FileNotFoundError:
            return {"text": None}

    def op_ask(self, function, arguments):
        """Call one of the reading functions that the modules offer, by its dotted name."""
        module, _, name = function.partition(".")
        if (module, name) not in ASKABLE:
            raise Failure("this runner has no function %s" % function)
        __import__(__package__ + "." + module)
        return {"answer": getattr(sys.modules[__package__ + "." + module], name)(self.system, **arguments)}

    def op_stream(self, argv, user="", cwd="/", env_file="", env=None, stdin=""):
        """Run a program and send its output as it comes; the exit code comes last."""
        from .commands import read_environment

        variables = read_environment(env_file) if env_file else {}
        variables.update(env or {})
        import subprocess

        child = self.system.spawn(
            argv, user, cwd, variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            child.stdin.write(stdin.encode())
            child.stdin.close()
        except BrokenPipeError:
            pass
        with selectors.DefaultSelector() as ready:
            for name, stream in (("out", child.stdout), ("err", child.stderr)):
                ready.register(stream, selectors.EVENT_READ, name)
            rest = {"out": b"", "err": b""}
            while ready.get_map():
                for key, _events in ready.select():
                    data = os.read(key.fileobj.fileno(), 65536)
                    if not data:
                        ready.unregister(key.fileobj)
                    # Whole lines only, so that lines of several hosts do not mix and no secret is cut in two.
                    lines, _, rest[key.data] = (
                        (rest[key.data] + data).rpartition(b"\n") if data else (rest[key.data], b"", b"")
                    )
                    if lines:
                        self.emit(
                            {
                                "t": "output",
                                "stream": key.data,
                                "text": self.system.mask(lines.decode("utf-8", "replace")),
                            }
                        )
        code = child.wait()
        self.system.release_child(child)
        return {"code": code}


# What may be asked by name: functions that only read.
ASKABLE = {("checkout", "resolve"), ("checkout", "tips"), ("survey", "status")}


def main():
    """Run until the controlling machine says goodbye or falls silent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = sys.stdin.buffer
    hello = json.loads(source.readline().decode())
    # What a library prints must not land between our events.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Runner(hello, source, sink).serve()

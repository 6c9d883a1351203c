"""The controlling side's end of a line to a real runner, without SSH between."""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

from hawser.ssh.loader import WANTED, Source, modules


@functools.cache
def source(kept, **constants):
    """Return what `hawser.ssh.wire` sends, with other values for some constants of the runner's main module."""
    found = modules()
    path, text = found["hawser_runner.main"]
    for name, value in constants.items():
        head, line, tail = text.partition(f"\n{name} = ")
        assert line
        text = f"{head}{line}{value}\n{tail.partition(chr(10))[2]}"
    return Source({**found, "hawser_runner.main": (path, text)}, kept)


@functools.cache
def shared_folder():
    """Return where runners of these tests are kept, as a host keeps them."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return folder


class Line:
    """A runner in a process of its own.

    :param root: a folder for the application; its state lies in it.
    :param kept: where the runner is kept; default: a folder of all these tests.
    :param constants: other values for constants of the runner's main module.
    """

    def __init__(self, root, interpreter=sys.executable, token="token", umask=-1, kept=None, **constants):
        self.state = root / "state"
        self.source = source(str(kept or shared_folder()), **constants)
        self.counter = 0
        self.heard = []
        self.buffer = b""
        self.process = subprocess.Popen(
            [interpreter, "-IBc", self.source.loader],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=umask,
            bufsize=0,
        )
        self.send({"application": "demo", "root": str(root), "state": str(self.state), "token": token})
        first = self.line()
        self.wanted = first == WANTED.encode()
        if self.wanted:
            self.write(self.source.packed)
        else:
            self.buffer = first + b"\n" + self.buffer

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def write(self, data):
        while data:
            data = data[self.process.stdin.write(data) :]

    def send(self, message):
        self.write(json.dumps(message).encode() + b"\n")

    def blob(self, name, data):
        self.send({"op": "blob", "id": name, "size": len(data)})
        self.write(data)

    def line(self, timeout=10.0):
        """Return the next line without its end; an empty one when the runner has ended."""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                assert ready.select(max(0.0, deadline - time.monotonic())), "the runner says nothing"
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    return b""
                self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def read(self, timeout=10.0):
        """Return the runner's next message; None when it has ended."""
        line = self.line(timeout)
        return json.loads(line) if line else None

    def hello(self):
        message = self.read()
        assert message["t"] == "hello"
        return message["facts"]

    def ask(self, operation, masks=(), **arguments):
        """Send a request without waiting for its answer."""
        self.counter += 1
        self.send({"op": operation, "id": self.counter, "arguments": arguments, "masks": list(masks)})

    def answer(self):
        """Return the answer to the last request; what comes before it is kept in `heard`."""
        self.heard = []
        while True:
            message = self.read()
            if message is None or message["t"] == "done":
                assert message is None or message["id"] == self.counter
                return message
            if message["t"] != "beat":
                self.heard.append(message)

    def request(self, operation, masks=(), **arguments):
        self.ask(operation, masks, **arguments)
        return self.answer()

    def hear(self, kind):
        """Return the next message of a kind."""
        while True:
            message = self.read()
            if message is None or message["t"] == kind:
                return message

    def end(self, timeout=5.0):
        """Return the runner's exit code."""
        return self.process.wait(timeout)

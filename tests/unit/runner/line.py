"""The controlling side's end of a line to a real runner, without SSH between."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import zlib

from hawser.ssh.loader import LOADER, runner_source


def source(**constants):
    """Return what `hawser.ssh.wire` sends, with other values for some constants of the runner's main module."""
    modules = json.loads(zlib.decompress(runner_source()))
    for name, value in constants.items():
        head, found, tail = modules["hawser_runner.main"].partition(f"\n{name} = ")
        assert found
        modules["hawser_runner.main"] = f"{head}{found}{value}\n{tail.partition(chr(10))[2]}"
    return zlib.compress(json.dumps(modules).encode(), 1)


class Line:
    """A runner in a process of its own.

    :param root: a folder for the application; its state lies in it.
    :param constants: other values for constants of the runner's main module.
    """

    def __init__(self, root, interpreter=sys.executable, token="token", umask=-1, **constants):
        self.state = root / "state"
        self.counter = 0
        self.heard = []
        self.buffer = b""
        self.process = subprocess.Popen(
            [interpreter, "-IBc", LOADER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=umask,
            bufsize=0,
        )
        modules = source(**constants)
        self.write(b"%d\n" % len(modules) + modules)
        self.send({"application": "demo", "root": str(root), "state": str(self.state), "token": token})

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

    def read(self, timeout=10.0):
        """Return the runner's next message; None when it has ended."""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                assert ready.select(max(0.0, deadline - time.monotonic())), "the runner says nothing"
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    return None
                self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

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

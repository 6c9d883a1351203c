"""A webhook on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """Takes what is sent to it.

    :ivar got: that, the latest last.
    :ivar status: what it answers.
    """

    def __init__(self, address: str) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)

    @property
    def url(self) -> str:
        """Its address, as apprise writes it."""
        address, port = self.server.server_address[:2]
        return f"json://{address!s}:{port}/a-token-of-ours"


@contextmanager
def taking(address: str = "127.0.0.1") -> Iterator[Hook]:
    """Have a webhook take what comes while the block runs."""
    hook = Hook(address)
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()

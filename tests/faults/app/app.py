"""A site that says which release serves; `behaviour.json` says what is wrong with it."""

import json
import os
import socket
import time
from pathlib import Path

HERE = Path(__file__).parent
BEHAVIOUR = json.loads((HERE / "behaviour.json").read_text())
HOST = socket.gethostname()


def has(fault):
    """Whether a fault is meant for this host: true for all, or a list of what their names end with."""
    where = BEHAVIOUR.get(fault, False)
    return where is True or (isinstance(where, list) and any(HOST.endswith(name) for name in where))


if has("start") or Path("/run/fault/start").exists():
    raise RuntimeError("this release does not start")


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.endswith("/health/") and has("health"):
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"not healthy\n"]
    if path.endswith("/slow/"):
        time.sleep(1.5)
    said = {
        "release": os.environ["HAWSER_RELEASE"],
        "setting": os.environ.get("SETTING", ""),
        "version": (HERE / "version").read_text() if (HERE / "version").exists() else "",
    }
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

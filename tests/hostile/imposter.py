"""A host that lies: it speaks the protocol over a real channel, and alters what a real runner would say."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import paramiko

RELEASE, BEFORE, COMMIT = "1111111111-aaaaaaaa", "2222222222-bbbbbbbb", "1" * 40
ESCAPES = "\x00\x1b]0;owned\x07\x1b[2J\x1b[31m"
ROW = {
    "manager": "systemd",
    "unit": "shop-web-blue",
    "process": "web",
    "release": RELEASE,
    "inputs": "",
    "state": "active",
    "active": True,
    "enabled": True,
    "seconds": 60,
    "since": 1_700_000_000.0,
    "pid": 100,
    "live": True,
}
FACTS: dict[str, Any] = {
    "hostname": "web1",
    "os": {"id": "debian", "version": "12", "codename": "bookworm"},
    "machine": "x86_64",
    "python": "3.11.2",
    "systemd": True,
    "disk_free": 10**10,
    "disk_total": 10**11,
    "clock": 1_700_000_060.5,
    "uid": 0,
    "ipv6": True,
    "nginx": "1.22.1",
    "offset": 0,
    "app": {
        "current": RELEASE,
        "commit": COMMIT,
        "previous": BEFORE,
        "releases": [BEFORE, RELEASE],
        "live": {"web": "blue"},
        "processes": [ROW],
        "journal": {
            "release": RELEASE,
            "commit": COMMIT,
            "what": "deploy",
            "by": "ann on desk at 2030-01-01T00:00:00Z",
            "hosts": ["web1"],
            "phase": "switch",
            "before": BEFORE,
            "previous": "",
            "waits": [],
            "complete": False,
            "migrations": True,
            "migrated": False,
            "accepted": False,
            "maintenance": False,
            "closed": False,
            "risky": "",
            "failed": "",
            "since": "2030-01-01T00:00:00Z",
            "begun": 1_700_000_000,
        },
        "hold": None,
        "closed": False,
        "since": 1_700_000_000.0,
        "generated": ["DB_PASSWORD"],
        "bootstrapped": True,
        "set_up": "0000000000-cccccccc",
        "set_up_for": "0123456789abcdef",
        "made_for": "0123456789abcdef",
        "around": "0.1.0~0123456789abcdef~0123456789abcdef",
        "once": ["first"],
    },
}
ENTRY = {
    "what": "deploy",
    "who": "ann",
    "from": "desk",
    "started": "2030-01-01T00:00:00Z",
    "seconds": "12",
    "result": "ok",
    "release": RELEASE,
}
OPERATION = {
    "kind": "AddField",
    "module": "django.db.migrations.operations.fields",
    "reversible": True,
    "model": "item",
    "text": "Add field size to item",
    "field": "size",
    "fills_itself": True,
    "empty": False,
}
PLAN = {
    "pending": [{"key": "shop.0002", "app": "shop", "operations": [OPERATION]}],
    "described": [],
    "applied": ["shop.0001"],
    "known": ["shop.0001", "shop.0002"],
}
# What a runner on such a host answers.
SAID: dict[str, Any] = {
    "backups.listing": [
        {
            "name": "shop-20300101T000000Z.dump",
            "database": "shop",
            "time": 1_700_000_000,
            "size": 1000,
            "release": RELEASE,
            "who": "ann",
            "proven": True,
        }
    ],
    "offsite.last": {"time": 1_700_000_000, "size": 1000, "failed_at": 0, "snapshot": "0123abcd", "failed": ""},
    "offsite.snapshots": [{"name": "0123abcd", "time": 1_700_000_000, "paths": ["/srv/shop/media"]}],
    "bans.state": {"there": True, "jail": True, "banned": ["198.51.100.7"], "never": ["127.0.0.0/8"]},
    "sshd.state": {
        "trial": False,
        "holds": {"passwordauthentication": "yes"},
        "lines": [
            {
                "path": "/etc/ssh/sshd_config",
                "number": 57,
                "keyword": "passwordauthentication",
                "value": "yes",
                "match": "User guest",
            }
        ],
        "trouble": "",
    },
    "team.state": {
        "accounts": [{"name": "ann", "locked": False}],
        "rights": [{"application": "shop", "name": "ann", "role": "admin", "keys": ["ssh-ed25519 AAAA"]}],
        "elsewhere": "",
        "alone": "",
    },
    "certificates.shown": {"days": 60, "names": ["shop.test"], "self_signed": False},
    "commands.variables": {"DEBUG": "0", "NAME": "a b"},
    "checkout.resolve": COMMIT,
    "checkout.tips": [COMMIT],
    "index.resolve": "1.2.3",
    "interpreters.missing": "",
    "scripts.deeper": ["shop/manage.py"],
    "commits.between": {"brings": 1, "takes": 0, "subjects": ["Mend the lamp"]},
    "derived.unchanged": True,
    "cron.last": {"tick": {"began": 1_700_000_000, "ended": 1_700_000_003, "status": 0, "running": False}},
    "delivery.measured": {
        "why": "",
        "protocol": "h2",
        "text": "/static/shop.css",
        "encoding": "gzip",
        "hashed": "/static/shop.0123456789ab.css",
        "cache": ["public, max-age=31536000, immutable"],
        "hsts": [["max-age=86400"], []],
    },
    "looks.clock": 1_700_000_060.0,
    "looks.failed_units": {"rows": [{"unit": "cups.service"}], "more": 3},
    "looks.last_words": ["bye"],
    "looks.memory": {"total": 10**9, "free": 10**8},
    "upgrades.pending": {
        "packages": [{"name": "openssl", "old": "3.0.15-1", "new": "3.0.16-1", "security": True}],
        "lists": 1_700_000_000,
        "reboot": "a package asks for it",
        "trouble": "",
    },
    "upgrades.outdated": ["cups.service"],
    "upgrades.boot": "0123abcd-0123-0123-0123-0123456789ab",
    "usage.usage": {
        "moment": 4_000.5,
        "busy": 900.0,
        "processors": 2,
        "load": 0.5,
        "memory": {"total": 10**9, "free": 10**8},
        "swap": {"total": 0, "free": 0},
        "processes": {"web": {"cpu": 9.0, "memory": 10**8, "programs": 3, "restarts": None}},
        "others": {"rows": [{"unit": "cups.service", "cpu": 1.0, "memory": 10**7}], "more": 0},
    },
    "looks.pending": 1,
    "looks.reach": {},
    "looks.refused": "nginx: [emerg] unknown directive",
    "looks.resolve": {},
    "sites.state": {"astray": "", "remarks": ["another file claims a name"]},
    "looks.rooms": [
        {
            "path": "/",
            "free": 10**10,
            "total": 10**11,
            "files_free": 1000,
            "files_total": 2000,
            "read_only": False,
        }
    ],
    "looks.unbootable": {},
    "looks.unmounted": ["/mnt"],
    "once.listing": {"first": {**ENTRY, "at": "2030-01-01T00:00:00Z", "ran": True}},
    "queues.rabbitmq": {
        "rows": [{"vhost": "shop", "queue": "celery", "waiting": 3, "working": 1, "consumers": 2}],
        "more": 3,
    },
    "queues.redis": {"rows": [{"queue": "celery", "waiting": 3}], "more": 3},
    "ports.listening": {
        "rows": [
            {
                "address": "0.0.0.0",
                "port": 8000,
                "pid": 100,
                "program": "python3",
                "unit": "x.service",
                "pids": [100, 2],
            }
        ],
        "more": 3,
    },
    "migrations.plans": [PLAN],
    "releases.before": BEFORE,
    "releases.history": [ENTRY],
    "releases.listing": [
        {"id": RELEASE, "commit": COMMIT, "built": 1_700_000_000.0, "size": 1000, "state": "serves", "failure": ""},
    ],
    "releases.stuck": ["/srv/shop/releases/x holds a mount"],
    "restores.left": [{"database": "shop", "backup": "", "what": "nobody may connect to the database shop"}],
    "samples.listing": {"rows": [{"sample": "app.json.sample", "exists": False, "used": True}], "more": 3},
    "holders.holding": [{"pid": 5, "program": "python3", "unit": "shop-web-blue.service"}],
    "hardening.elsewhere": ["/var/lib/shop"],
    "hardening.exposures": {"shop-web-blue": 1.8},
    "strays.listing": {
        "rows": [{"pid": 5, "command": "redis-server", "ports": ["0.0.0.0:29387"], "unit": "x.scope"}],
        "more": 3,
    },
    "survey.health": {"web": "ok"},
    "transfers.entries": {},
    "transfers.listing": [{"path": "a.txt", "sha256": "0" * 64, "mode": 0o644}],
    "transfers.state": {"sha256": "0" * 64, "mode": 0o644, "owner": "root", "group": "root"},
    "trees.held": {"data": {"repo": "https://git.test/x", "branch": "main", "commit": COMMIT}},
}
DONE: dict[str, dict[str, Any]] = {
    "facts": {"facts": FACTS},
    "lock": {"facts": FACTS},
    "holder": {"holder": {**ENTRY, "since": 1_700_000_000.5, "token": "x", "pid": 5}},
    "read": {"text": ""},
    "stream": {"code": 0},
    "send": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
}
HEARD: dict[str, list[dict[str, Any]]] = {
    "stream": [{"t": "output", "stream": "out", "text": "hello"}],
    "logs": [{"t": "log", "time": 1_700_000_000.0, "source": "web", "text": "GET /"}],
}
WEIRD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    10**30,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x" * 100_000,
    ESCAPES,
    "../../etc/passwd",
    "-rf /",
    "lone \udcff",
    "²",
    "1" * 5000,
    [],
    {},
    [[[[[[]]]]]],
    {"a": {"b": {"c": {}}}},
    [None] * 1000,
)


def answer(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a runner says at the end of an operation."""
    if operation == "ask":
        return {"answer": said(arguments["function"], arguments["arguments"])}
    if operation == "ask_all":
        return {"answers": [{"answer": said(function, more)} for function, more in arguments["questions"]]}
    return copy.deepcopy(DONE.get(operation, {}))


def said(function: str, arguments: dict[str, Any]) -> Any:
    if function == "migrations.plans":
        return [{"lines": ["x"]} if each.get("plain") else copy.deepcopy(PLAN) for each in arguments["questions"]]
    if function in ("looks.reach", "looks.resolve"):
        return dict.fromkeys(arguments.get("places") or arguments.get("names") or (), "no answer")
    if function == "looks.unbootable":
        return dict.fromkeys(arguments["units"], "it is refused")
    return copy.deepcopy(SAID[function])


def messages(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a runner says to a request."""
    operation, arguments = request["op"], request["arguments"]
    yield {"t": "beat"}
    if operation == "apply":
        for position, row in enumerate(arguments["catalog"]):
            yield {"t": "event", "position": position, "step": row["step"], "label": "x", "status": "ok", "ms": 1.5}
    yield from copy.deepcopy(HEARD.get(operation, []))
    yield {"t": "done", "id": request["id"], "ok": True, **answer(operation, arguments)}


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a value."""
    yield before
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*before, key))
    elif isinstance(value, list):
        for number in range(len(value)):
            yield from places(value[number], (*before, number))


def mutated(message: dict[str, Any], luck: random.Random) -> str:
    """Return a message as JSON with one thing in it altered: its type, its size, its nesting, whether it is there."""
    message = copy.deepcopy(message)
    way = luck.choice([each for each in places(message) if each])
    inside: Any = message
    for step in way[:-1]:
        inside = inside[step]
    how = luck.randrange(6)
    if how == 0:
        del inside[way[-1]]
    elif how == 1:
        inside[way[-1]] = [inside[way[-1]]]
    elif how == 2 and isinstance(inside, dict):
        inside[luck.choice(("../x", "t", ESCAPES, "error", "more"))] = luck.choice(WEIRD)
    elif how == 3:
        inside[way[-1]] = "@deep@"
    else:
        inside[way[-1]] = luck.choice(WEIRD)
    deep = luck.choice((100, 5000))
    return json.dumps(message).replace('"@deep@"', "[" * deep + "]" * deep)


class Imposter:
    """A program for `ssh.Server` that takes a runner's place.

    :param alter: gets every line that a runner would say, and returns what is said instead.
    :param text: what every file holds that is read.
    """

    def __init__(self, alter: Callable[[dict[str, Any]], str] = json.dumps, text: str = "{}") -> None:
        self.alter = alter
        self.text = text
        self.buffer = b""

    def __call__(self, channel: paramiko.Channel, command: str) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
            self.buffer = b""
            self.line(channel)
            self.say(channel, {"t": "hello", "facts": FACTS})
            while True:
                request = json.loads(self.line(channel))
                if request["op"] == "blob":
                    self.bytes(channel, request["size"])
                elif request["op"] == "bye":
                    return
                elif request["op"] != "ping":
                    for message in messages(request):
                        self.say(
                            channel,
                            {**message, "text": self.text}
                            if request["op"] == "read" and message["t"] == "done"
                            else message,
                        )

    def say(self, channel: paramiko.Channel, message: dict[str, Any]) -> None:
        channel.sendall(self.alter(message).encode("utf-8", "surrogatepass") + b"\n")

    def fill(self, channel: paramiko.Channel) -> None:
        data = channel.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def line(self, channel: paramiko.Channel) -> bytes:
        while b"\n" not in self.buffer:
            self.fill(channel)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def bytes(self, channel: paramiko.Channel, size: int) -> None:
        while len(self.buffer) < size:
            self.fill(channel)
        self.buffer = self.buffer[size:]

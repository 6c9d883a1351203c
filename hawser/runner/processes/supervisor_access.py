"""How supervisor is reached on a host, as its own configuration says: where it listens, and who may speak to it."""

from __future__ import annotations

import base64
import glob
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from configparser import RawConfigParser
    from typing import List, Tuple

    Headers = List[Tuple[str, str]]

SOCKET = "/var/run/supervisor.sock"
# Sections of its servers, with the key that says where each one listens.
SERVERS = (("unix_http_server", "file"), ("inet_http_server", "port"))


class Access:
    """How supervisor is reached.

    :param address: a socket's path, or ``host:port``.
    :param username: who speaks to it; empty where anybody may.
    :param password: never to be shown.
    """

    def __init__(self, address: str = SOCKET, username: str = "", password: str = "") -> None:
        self.address = address
        self.username = username
        self.password = password

    @property
    def headers(self) -> Headers:
        """The headers of every request."""
        if not self.username:
            return []
        word = base64.b64encode(("%s:%s" % (self.username, self.password)).encode()).decode()
        return [("Authorization", "Basic " + word)]


def access(path: str) -> Access:
    """Read how supervisor is reached; as Debian's package has it, where there is no such file.

    Source: https://supervisord.org/configuration.html. What `supervisorctl` is told counts first, for a server may know
    its password by its hash alone.

    :param path: its configuration.
    """
    import configparser

    found = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    here = os.path.dirname(path)
    try:
        found.read(path, encoding="utf-8")
        for pattern in value(found, "include", "files", here).split():
            found.read(sorted(glob.glob(os.path.join(here, pattern))), encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        # supervisor itself judges its files; what could be read of them counts.
        pass
    listens = [(section, address(value(found, section, key, here))) for section, key in SERVERS]
    asked = address(value(found, "supervisorctl", "serverurl", here))
    place = asked or next((each for _section, each in listens if each), SOCKET)
    server = next((section for section, each in listens if each == place), SERVERS[0][0])
    for section in ("supervisorctl", server):
        username, password = (value(found, section, key, here) for key in ("username", "password"))
        if username and not password.startswith("{SHA}"):
            return Access(place, username, password)
    return Access(place)


def value(found: RawConfigParser, section: str, key: str, here: str) -> str:
    """Return a value, expanded as supervisor does; empty where there is none."""
    text = found.get(section, key, fallback="") or ""
    try:
        names = {"ENV_" + name: each for name, each in os.environ.items()}
        return str(text % {**names, "here": here, "host_node_name": os.uname().nodename})
    except (KeyError, TypeError, ValueError):
        return text


def address(text: str) -> str:
    """Return a socket's path or ``host:port`` for a URL, or for what a server's section says."""
    place = text.partition("://")[2].rstrip("/") if "://" in text else text
    if not place or place.startswith("/"):
        return place
    host, _, port = place.rpartition(":")
    return "%s:%s" % ("127.0.0.1" if host in ("", "*", "0.0.0.0") else host, port)

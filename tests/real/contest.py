"""A contest, as a contestant meets it; Stechec2's website and its successor's are alike."""

from __future__ import annotations

import http.cookiejar
import io
import re
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from hawser import sandbox
from tests.hosts.conftest import Fleet
from tests.hosts.systems.shared_folder import share


def connect(fleet: Fleet, hosts: Sequence[str]) -> None:
    """Put one folder of this machine where hosts have their own stand-ins for the share."""
    folder = fleet.folder / "contest"
    folder.mkdir(exist_ok=True)
    leaders = {each.name.removeprefix(f"{fleet.name}-"): each.pid for each in sandbox.listing()}
    bare = [host for host in hosts if not fleet.inside(host, "findmnt", "/var/lib/contest", check=False)]
    # Where something is mounted from there already, it is shared there as well.
    share(folder, [leaders[host] for host in bare], "/var/lib/contest")


class Redirects(urllib.request.HTTPRedirectHandler):
    """Goes where it is sent by the name of the site, which leads to the host."""

    def __init__(self, domain: str, base: str) -> None:
        self.domain = domain
        self.base = base

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        here = newurl.replace(f"http://{self.domain}", self.base)
        return super().redirect_request(req, fp, code, msg, headers, here)


class Contestant:
    """Somebody's browser."""

    def __init__(self, fleet: Fleet, domain: str) -> None:
        self.domain = domain
        self.base = f"http://{fleet.address('web1')}"
        self.jar = http.cookiejar.CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(cookies, Redirects(domain, self.base))

    def get(self, path: str) -> str:
        return self.send(urllib.request.Request(self.base + path))

    def send(self, request: urllib.request.Request) -> str:
        request.add_header("Host", self.domain)
        with self.opener.open(request, timeout=60) as answer:
            self.at = urllib.parse.urlsplit(answer.url).path
            return str(answer.read().decode())

    def sees_workers(self, names: Sequence[str]) -> bool:
        """Tell whether the page of the workers, which fails while there is no master, names them all."""
        try:
            page = self.get("/status/")
        except urllib.error.HTTPError:
            return False
        return all(f"{name}</strong>" in page for name in names)

    def post(self, path: str, fields: dict[str, str], file: tuple[str, bytes] | None = None) -> str:
        """Fill a form in, as the page that has it says."""
        token = re.search(r"name=.csrfmiddlewaretoken. value=.(\w+)", self.get(path))
        assert token
        parts = {**fields, "csrfmiddlewaretoken": token[1]}
        body = b"".join(
            f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in parts.items()
        )
        if file:
            head = f'--edge\r\nContent-Disposition: form-data; name="{file[0]}"; filename="champion.tgz"\r\n'
            body += f"{head}Content-Type: application/gzip\r\n\r\n".encode() + file[1] + b"\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        return self.send(urllib.request.Request(self.base + path, body + b"--edge--\r\n", headers))


def packed(files: dict[str, str]) -> bytes:
    """Make what a contestant uploads."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as target:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            target.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()

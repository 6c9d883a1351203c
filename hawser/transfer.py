"""Files between this machine and the hosts: nothing is sent that is there already, nothing lies half in its place."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import HawserError, StepFailed

if TYPE_CHECKING:
    from .fleet import Fleet


@dataclass(frozen=True)
class Upload:
    """One file to bring to a host.

    :param owner: empty: as it is there, else root; likewise the group.
    """

    source: Path
    target: str
    mode: int
    owner: str = ""
    group: str = ""


def uploads(source: Path, target: str, mode: int | None, owner: str, group: str) -> Iterator[Upload]:
    """Yield the files of a file or folder, each with its place on the host.

    :raises HawserError: there is nothing to send, or the place is no absolute path.
    """
    if not target.startswith("/"):
        raise HawserError(f"{target} is no absolute path on the host", code=2)
    if source.is_file():
        place = target + source.name if target.endswith("/") else target
        yield Upload(source, place, mode or source.stat().st_mode & 0o777, owner, group)
        return
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise HawserError(f"{source} is neither a file nor a folder with files", code=2)
    for path in files:
        below = path.relative_to(source).as_posix()
        yield Upload(path, f"{target.rstrip('/')}/{below}", mode or path.stat().st_mode & 0o777, owner, group)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def put(fleet: Fleet, name: str, upload: Upload) -> str:
    """Bring a file to a host, unless it is there already; returns what was done."""
    wanted = digest(upload.source)
    there: Mapping[str, Any] = fleet.ask(name, "transfers.state", {"path": upload.target}) or {}
    owner = upload.owner or there.get("owner", "root")
    group = upload.group or there.get("group", "root")
    if there == {"sha256": wanted, "mode": upload.mode, "owner": owner, "group": group}:
        return "is there already"
    if fleet.dry:
        return "would be replaced" if there else "would be new"
    wire, blob = fleet.session.wires[name], f"{upload.target}:{wanted}"
    with upload.source.open("rb") as stream:
        wire.blob_of(blob, stream, upload.source.stat().st_size)
    arguments = {"path": upload.target, "mode": upload.mode, "owner": owner, "group": group, "sha256": wanted}
    fleet.request(name, "place", {"blob": blob, **arguments})
    return "replaced" if there else "new"


def get(fleet: Fleet, name: str, remote: str, local: Path, force: bool) -> Iterator[str]:
    """Take a file, or all files of a folder, from a host; yields what was done with each.

    :raises StepFailed: a file is in the way, or what arrived is not what was sent.
    """
    for each in fleet.ask(name, "transfers.listing", {"path": remote}):
        target = local / each["path"] if each["path"] else local
        if target.is_file() and digest(target) == each["sha256"]:
            yield f"{target} is here already"
        elif target.exists() and not force:
            raise StepFailed(f"{name}: {target} is here already and differs; next: --force, or another place")
        elif fleet.dry:
            yield f"{target} would be written"
        else:
            _fetch(fleet, name, f"{remote}/{each['path']}" if each["path"] else remote, target)
            target.chmod(each["mode"] & 0o700)
            yield f"{target} written"


def _fetch(fleet: Fleet, name: str, remote: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:

            def heard(message: Mapping[str, Any]) -> None:
                if message["t"] == "part":
                    data = base64.b64decode(message["data"])
                    found.update(data)
                    stream.write(data)

            answer = fleet.session.wires[name].request("send", {"path": remote}, (), heard)
        if answer.error or answer.message["sha256"] != found.hexdigest():
            raise StepFailed(f"{name}: {remote}: {answer.error or 'did not arrive as it was sent'}")
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

"""Files between this machine and the hosts: nothing is sent that is there already, nothing lies half in its place."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ..answers import reading
from ..answers.messages import Message
from ..answers.rows import RemoteFile
from ..errors import HawserError, StepFailed, Unreachable
from ..host.pythons import LocalPython, local_python
from ..report.text import hearsay
from ..resources import UploadedPython

if TYPE_CHECKING:
    from .questions import AskableHosts


# Bytes that are taken from one host at most, unless more is asked for.
MOST_BYTES = 10 * 2**30
# How much of what a host said is shown.
SHOWN = 200
# Bytes of the longest path below the place that was named.
LONGEST_PATH = 1000
# What a repository lies in. Its tool reads settings there, and runs what they name, when it is only asked for the state
# of the folder around it, as by many a prompt.
REPOSITORIES = (".git", ".hg", ".jj", ".sl")
# What git knows a repository by that lies in no such folder: HEAD, with any of the others.
BARE = {"head", "config", "objects", "refs", "commondir", "hooks"}


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


@dataclass(frozen=True)
class Luggage:
    """A file, or a folder with all that is in it, before it is known where it goes on a host.

    :param source: it.
    :param spilled: the folder's contents are meant, and not the folder.
    :param files: their paths below the folder, and their modes; of a file alone, its name.
    :param folders: likewise, outer ones first, the folder itself being empty.
    :param links: their paths, and their targets.
    """

    source: Path
    spilled: bool
    files: tuple[tuple[str, int], ...]
    folders: tuple[tuple[str, int], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def pack(local: str, mode: int | None) -> Luggage:
    """Return a file or a folder of this machine; with ``/`` at its end, a folder's contents are meant.

    :param mode: of all files, where somebody named it.
    :raises HawserError: it is neither.
    """
    source = Path(local)
    if source.is_file():
        return Luggage(source, False, ((source.name, mode or access(source)),))
    if not source.is_dir():
        raise HawserError(f"{source} is neither a file nor a folder", code=2)
    spilled = local.endswith(("/", "/.")) or source.name in ("", "..")
    files, folders, links = [], [("", access(source))], []
    for path in sorted(source.rglob("*")):
        below = path.relative_to(source).as_posix()
        if path.is_symlink():
            links.append((below, str(path.readlink())))
        elif path.is_dir():
            folders.append((below, access(path)))
        elif path.is_file():
            files.append((below, mode or access(path)))
    return Luggage(source, spilled, tuple(files), tuple(folders), tuple(links))


def access(path: Path) -> int:
    """Return the mode of a file or a folder."""
    return path.stat().st_mode & 0o777


def destination(fleet: AskableHosts, name: str, luggage: Luggage, target: str) -> str:
    """Return the path of a file or a folder on a host: a folder that is there takes a folder in, as with ``cp -r``."""
    place = target.rstrip("/") or "/"
    inside = f"{place.rstrip('/')}/{luggage.source.name}"
    if not luggage.folders:
        return inside if target.endswith("/") else target
    if luggage.spilled or place.rpartition("/")[2] == luggage.source.name:
        return place
    taken_in = target.endswith("/") or fleet.ask(name, reading.REMOTE_ENTRIES, {"paths": [place]})[place] == "folder"
    return inside if taken_in else place


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def put(fleet: AskableHosts, name: str, luggage: Luggage, target: str, owner: str, group: str) -> str:
    """Bring a file or a folder to a host; what is there already is not sent.

    :param owner: empty: of what is there, as it is; else root; likewise the group.
    :returns: the outcome, in one line.
    """
    place = destination(fleet, name, luggage, target)
    if not luggage.folders:
        ((_name, mode),) = luggage.files
        return f"{place} {put_file(fleet, name, Upload(luggage.source, place, mode, owner, group))}"
    outcomes = furnish(fleet, name, luggage, place, owner or "root", group or "root")
    outcomes.update(
        put_file(fleet, name, Upload(luggage.source / below, f"{place.rstrip('/')}/{below}", mode, owner, group))
        for below, mode in luggage.files
    )
    what = [counted(len(luggage.files), "file"), counted(len(luggage.folders), "folder")]
    what += [counted(len(luggage.links), "link")] if luggage.links else []
    told = sorted((outcome.removeprefix("is "), number) for outcome, number in outcomes.items())
    done = ", ".join(f"{number} {outcome}" for outcome, number in told)
    return f"{place}: {', '.join(what)}; {done}"


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def furnish(fleet: AskableHosts, name: str, luggage: Luggage, place: str, owner: str, group: str) -> Counter[str]:
    """Make the missing folders and links of a folder on a host; returns how often there was which outcome."""
    folders = [(f"{place.rstrip('/')}/{below}".rstrip("/") or "/", mode) for below, mode in luggage.folders]
    links = [(f"{place.rstrip('/')}/{below}", target) for below, target in luggage.links]
    there = fleet.ask(name, reading.REMOTE_ENTRIES, {"paths": [path for path, _what in (*folders, *links)]})
    folders = [(path, mode) for path, mode in folders if there[path] != "folder"]
    changed = [(path, target) for path, target in links if there[path] != f"-> {target}"]
    if not fleet.dry and (folders or changed):
        arguments = {"folders": folders, "links": changed, "owner": owner, "group": group}
        fleet.request(name, "furnish", arguments)
    new = len(folders) + sum(1 for path, _target in changed if not there[path])
    replaced = len(folders) + len(changed) - new
    words = ("would be new", "would be replaced") if fleet.dry else ("new", "replaced")
    kept = len(luggage.folders) + len(luggage.links) - new - replaced
    return Counter(dict(zip((*words, "is there already"), (new, replaced, kept), strict=True))) + Counter()


def put_file(fleet: AskableHosts, name: str, upload: Upload) -> str:
    """Bring a file to a host, unless it is there already; returns the outcome."""
    wanted = digest(upload.source)
    there = fleet.ask(name, reading.REMOTE_STATE, {"path": upload.target})
    owner = upload.owner or (there["owner"] if there else "root")
    group = upload.group or (there["group"] if there else "root")
    if there == {"sha256": wanted, "mode": upload.mode, "owner": owner, "group": group}:
        return "is there already"
    if fleet.dry:
        return "would be replaced" if there else "would be new"
    wire, blob = fleet.connections.wires[name], f"{upload.target}:{wanted}"
    with upload.source.open("rb") as stream:
        wire.blob_of(blob, stream, upload.source.stat().st_size)
    arguments = {"path": upload.target, "mode": upload.mode, "owner": owner, "group": group, "sha256": wanted}
    fleet.request(name, "place", {"blob": blob, **arguments})
    return "replaced" if there else "new"


def lacks_python(fleet: AskableHosts, name: str, path: str) -> bool:
    """Whether a host has no Python in a folder; it appears whole, so that one that is there is good."""
    return fleet.ask(name, reading.REMOTE_ENTRIES, {"paths": [path]})[path] != "folder"


def send_python(fleet: AskableHosts, name: str, wanted: UploadedPython) -> None:
    """Send a Python ahead to a host, unless it is there.

    :raises HawserError: the settings name another one by now.
    """
    if not lacks_python(fleet, name, wanted.path):
        return
    here = require_python(fleet, wanted.sha256)
    with here.opened() as (stream, size, digest):
        fleet.connections.wires[name].blob_of(f"{wanted.sha256}:{digest}", stream, size)


def require_python(fleet: AskableHosts, sha256: str) -> LocalPython:
    """Return the Python of this machine by its digest.

    :raises HawserError: it is not the one that today's settings name. A host may have said which one a release has, and
        nothing else of this machine is sent for its word.
    """
    here = local_python(fleet.environment)
    if here is None or here.sha256 != sha256:
        named = f"python.upload names another one: {here.source}" if here else "python.upload names none"
        message = f"{fleet.environment.path.name}: hosts lack the Python that the release was made with, and {named}"
        raise HawserError(message, next="python.upload as it was when it was deployed", code=2)
    return here


@dataclass(frozen=True)
class Offer:
    """One file that a host says it has.

    :param path: below the folder that was asked for, in parts; none for the file itself.
    :param size: bytes.
    """

    path: tuple[str, ...]
    sha256: str
    mode: int
    size: int


def offers(name: str, listing: Sequence[RemoteFile]) -> list[Offer]:
    """Check a host's listing of files: every path stays below the folder to which it is brought.

    :raises StepFailed: one does not, or two would have one place; nothing of it is used.
    """
    found = [offer(name, each) for each in listing]
    # On a disk that does not tell them apart, one would replace the other.
    places = sorted(tuple(map(on_disk, each.path)) for each in found)
    # In this order what is in a folder follows it at once.
    if any(one == other[: len(one)] for one, other in pairwise(places)):
        raise StepFailed("lists two files that would have one place here", host=name)
    return found


def offer(name: str, row: RemoteFile) -> Offer:
    """Check a host's row about one file; see `offers`."""
    path = row["path"]
    parts = tuple(path.split("/")) if path else ()
    if not all(contained(part) for part in parts) or sum(len(part.encode()) + 1 for part in parts) > LONGEST_PATH:
        told = hearsay(repr(path[:SHOWN]))
        raise StepFailed(
            f"lists {told}; taken are paths below a folder, of printable names, of at most "
            f"{LONGEST_PATH} bytes, and no {', '.join(REPOSITORIES)}; nothing was written",
            host=name,
            next="get the files that you need by name",
        )
    return Offer(parts, row["sha256"], row["mode"], row["size"])


def contained(part: str) -> bool:
    """Whether a part of a path is a name, and one that every file system and terminal can bear."""
    return (
        part not in ("", ".", "..")
        and part.isprintable()
        and len(part.encode()) <= 255
        and "\\" not in part
        and on_disk(part) not in REPOSITORIES
    )


def on_disk(part: str) -> str:
    """Return a name as the disk may take it that tells the fewest names apart."""
    return unicodedata.normalize("NFC", part).casefold().rstrip(". ")


def refuse_repository(name: str, local: Path, found: Sequence[Offer]) -> None:
    """Refuse files that make their folder here, with what is in it already, a repository that git finds by itself.

    :raises StepFailed: they do.
    """
    # Folder by folder: all that are seen at a time lead to one file.
    way: list[set[str]] = []
    before: tuple[str, ...] = ()
    paths = [(local.name, *each.path) for each in found]
    for place, path in sorted((tuple(map(on_disk, each)), each) for each in paths):
        same = sum(1 for _same in takewhile(lambda pair: pair[0] == pair[1], zip(before, place, strict=False)))
        way = [*way[: same + 1], *(set() for _part in place[len(way[: same + 1]) :])]
        before = place
        for depth, part in enumerate(place):
            if part in way[depth] or part not in BARE:
                continue
            way[depth].add(part)
            folder = local.parent.joinpath(*path[:depth])
            names = way[depth].union(on_disk(each.name) for each in (folder.iterdir() if folder.is_dir() else ()))
            if "head" in names and len(names & BARE) > 1:
                raise StepFailed(
                    f"{folder} would become a repository of git, which runs what such a folder says, for many "
                    "a prompt at once; nothing was written",
                    host=name,
                    next="pack it on the host, and get the archive; or get the files that you need by name",
                )


def get(
    fleet: AskableHosts, name: str, remote: str, local: Path, force: bool, limit: int = MOST_BYTES
) -> Iterator[str]:
    """Take a file, or all files of a folder, from a host; yields the outcome of each.

    :param limit: bytes; more is not taken from one host.
    :raises StepFailed: a file is in the way, what the host lists is too much or would lie elsewhere, or what arrived is
        not what was listed.
    """
    found = offers(name, fleet.ask(name, reading.REMOTE_FILES, {"path": remote}))
    try:
        refuse_repository(name, local, found)
        yield from _get(fleet, name, remote, local, found, force, limit)
    except OSError as error:
        raise StepFailed(f"{error.filename or local}: {(error.strerror or str(error)).lower()}", host=name) from None


def _get(
    fleet: AskableHosts, name: str, remote: str, local: Path, found: Sequence[Offer], force: bool, limit: int
) -> Iterator[str]:
    total = sum(each.size for each in found)
    if total > limit:
        raise StepFailed(
            f"{remote} has {total:,} bytes, more than {limit:,};", host=name, next="--limit BYTES, or get parts of it"
        )
    if len(found) > 1:
        yield f"{len(found)} files, {total:,} bytes"
    for each in found:
        target = local.joinpath(*each.path)
        refuse_way_out(name, local, target)
        if target.is_file() and digest(target) == each.sha256:
            yield f"{target} is here already"
        elif os.path.lexists(target) and not force:
            raise StepFailed(f"{target} is here already and differs;", host=name, next="--force, or another place")
        elif target.is_dir():
            raise StepFailed(f"{target} is a folder here;", host=name, next="another place")
        elif fleet.dry:
            yield f"{target} would be written"
        else:
            _fetch(fleet, name, "/".join([remote, *each.path]), target, each)
            yield f"{target} written"


def refuse_way_out(name: str, local: Path, target: Path) -> None:
    """Refuse to write where a link leads out of the folder that was named.

    :raises StepFailed: there is one below it on the way.
    """
    for folder in [target, *target.parents]:
        if folder == local or not folder.is_relative_to(local):
            break
        if folder.is_symlink():
            raise StepFailed(
                f"{folder} is a link here, and nothing is written through it;", host=name, next="another place"
            )


def _fetch(fleet: AskableHosts, name: str, remote: str, target: Path, wanted: Offer) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found, size, wire = hashlib.sha256(), 0, fleet.connections.wires[name]
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:

            def on_message(message: Message) -> None:
                nonlocal size
                if message["t"] != "part":
                    return
                data = base64.b64decode(message["data"])
                size += len(data)
                if size > wanted.size or not data:
                    # Whoever sends more than was announced may never end: this has the line cut.
                    raise Unreachable(f"{remote}: more arrives than the {wanted.size:,} bytes announced", host=name)
                found.update(data)
                stream.write(data)

            answer = wire.request("send", {"path": remote, "size": wanted.size}, (), on_message)
            os.fchmod(stream.fileno(), wanted.mode & 0o700)
        if answer.error or found.hexdigest() != wanted.sha256:
            if answer.error:
                raise StepFailed(f"{remote}: {answer.error}", host=name)
            raise StepFailed(f"{remote}: did not arrive as it was listed;", host=name, next="once more")
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)

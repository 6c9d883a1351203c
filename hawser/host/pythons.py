"""A Python of this machine that hosts get: what it is, and whether it is for them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile, _TemporaryFileWrapper
from threading import Lock
from typing import IO, BinaryIO, TypeAlias

from ..errors import InputErrors, Problem
from ..inventory.schema import Environment
from ..runner.python.uploads import MOST_BYTES, MOST_FILES, Member, all_of, members, opened_archive, version_of
from ..runner.system import Failure
from .facts import Facts

KEY = "python.upload"
FOR_HOSTS = "one for the system of the hosts: for Debian and Ubuntu its name has unknown-linux-gnu in it"
HINT = "an install_only archive of python-build-standalone, or a folder such as ~/.pyenv/versions/3.12.9"
# Of elf(5): e_machine, and what uname(2) says of such a machine.
MACHINES = {
    3: ("i386", "i486", "i586", "i686"),
    21: ("ppc64le", "ppc64"),
    22: ("s390x",),
    40: ("armv6l", "armv7l"),
    62: ("x86_64",),
    183: ("aarch64",),
    243: ("riscv64",),
}
PT_INTERP = 3
PACKING = Lock()
# Bytes of a program in which its headers lie.
HEAD = 1 << 20
# Of a folder: packages, which environments do not see, Python's own tests, and what links Python into other programs.
UNUSED = ("site-packages", "test")
# Where a Python that was built with a shared library looks for that, wherever it lies itself.
BESIDE = b"$ORIGIN/../lib"
UNUSED_ENDS = (".a", ".opt-1.pyc", ".opt-2.pyc")
Opened: TypeAlias = Callable[[tarfile.TarInfo], IO[bytes] | None]


@dataclass(frozen=True)
class LocalPython:
    """A Python of this machine.

    :param source: as the settings name it.
    :param version: of which it shall be; empty: any.
    :param file: the name of the file of these settings.
    """

    source: str
    path: Path
    version: str
    file: str

    @property
    def sha256(self) -> str:
        """The digest by which hosts know it: of the archive, or of what the folder holds.

        :raises InputErrors: it cannot be read.
        """
        with self.named():
            if not self.path.exists():
                raise Failure("does not exist on this machine")
            return digest(self.path)

    @property
    def about(self) -> About:
        """What is known of it.

        :raises InputErrors: it is no Python that hosts could take.
        """
        with self.named():
            found = looked_into(self.path)
            if self.version and not same_as_far(self.version, found.version):
                raise Failure(f"is Python {found.version}, and python.interpreter is {self.version!r}")
            return found

    @contextmanager
    def named(self) -> Iterator[None]:
        """Have what is wrong with it told with the setting that names it."""
        try:
            yield
        except Failure as error:
            raise InputErrors([self.problem(error.message)]) from None
        except OSError as error:
            told = f"cannot be read: {(error.strerror or str(error)).lower()}, {error.filename or self.path}"
            raise InputErrors([self.problem(told)]) from None

    def problem(self, message: str) -> Problem:
        return Problem(self.file, KEY, f"{self.source} {message}", HINT)

    @contextmanager
    def opened(self) -> Iterator[tuple[BinaryIO, int, str]]:
        """Yield its archive, how long that is, and its digest."""
        with self.named(), archive_of(self.path).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
            stream.seek(0)
            yield stream, size, found


@dataclass(frozen=True)
class About:
    """What is known of a Python before it is on a host.

    :param version: two numbers, or three where it says so.
    :param machine: the names of the machines that it is for.
    :param loader: the program that loads its libraries, by its path on hosts; empty: it needs none.
    :param size: bytes on a host.
    """

    version: str
    machine: tuple[str, ...]
    loader: str
    size: int


def local_python(environment: Environment) -> LocalPython | None:
    """Return the Python of this machine that today's settings name; None where they name none."""
    source = environment.python.upload
    if not source:
        return None
    folder = environment.path.resolve().parent.parent
    path = folder / Path(source).expanduser()
    return LocalPython(source, path, environment.python.interpreter or "", environment.path.name)


def with_contents(environment: Environment) -> Environment:
    """Return the settings of a release, with the digests of the files of this machine that it is made of.

    :raises InputErrors: one is not here.
    """
    python = local_python(environment)
    if python is None or environment.contents:
        return environment
    return environment.model_copy(update={"contents": {KEY: python.sha256}})


def why_not_for(facts: Facts, about: About, loader: str) -> str:
    """Say why a host cannot take a Python; empty when it can, as far as is known before it is there.

    :param loader: what lies on the host in the place of the program that loads libraries; empty: nothing.
    """
    if about.machine and facts.machine not in about.machine:
        return f"it is for {about.machine[0]}, and the host is {facts.machine}"
    if about.loader and not loader:
        return f"it is for a system with {about.loader}, which the host has not"
    if 0 < facts.disk_free < about.size:
        return f"it takes {about.size >> 20} MiB, and {facts.disk_free >> 20} MiB are free"
    return ""


def same_as_far(wanted: str, found: str) -> bool:
    """Whether two versions are the same, as far as both are written."""
    return all(one == other for one, other in zip(wanted.split("."), found.split("."), strict=False))


# What is here does not change while we run.


@cache
def digest(path: Path) -> str:
    if path.is_dir():
        return digest_of_folder(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def looked_into(path: Path) -> About:
    """Look through an archive or a folder; see `LocalPython.about`."""
    if path.is_dir():
        return described(members(entries(path)), lambda info: path.joinpath(*Path(info.name).parts[1:]).open("rb"))
    with opened_archive(str(path)) as archive:
        return described(all_of(archive), archive.extractfile)


def entries(folder: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what a folder becomes in an archive, with one folder at its top."""
    with tarfile.open(fileobj=BytesIO(), mode="w") as archive:
        for below, path, _status in walked(folder):
            yield archive.gettarinfo(path, f"python/{below}")


def archive_of(path: Path) -> Path:
    """Return an archive, or the one that a folder becomes: once, however many hosts get it at a time."""
    if not path.is_dir():
        return path
    with PACKING:
        return Path(packed(path).name)


@cache
def packed(folder: Path) -> _TemporaryFileWrapper[bytes]:
    """Return a folder as an archive, with one folder at its top; the file goes with us."""
    stream = NamedTemporaryFile()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for below, path, _status in walked(folder):
            info = archive.gettarinfo(path, f"python/{below}")
            if not info.isfile():
                archive.addfile(info)
            elif re.fullmatch(r"bin/python[\d.]*\w?", below):
                data = movable(path.read_bytes(), folder)
                archive.addfile(info, BytesIO(data))
            else:
                with path.open("rb") as source:
                    archive.addfile(info, source)
    stream.flush()
    return stream


def movable(program: bytes, folder: Path) -> bytes:
    """Return a Python's program that looks for its library beside itself, where it looked in this folder (ld.so(8))."""
    for path in {str(folder), str(folder.resolve())}:
        former = f"{path}/lib".encode()
        if len(former) >= len(BESIDE):
            program = program.replace(former + b"\0", BESIDE.ljust(len(former) + 1, b"\0"))
    return program


def described(found: Sequence[Member], opened: Opened) -> About:
    """Describe a Python by what it holds.

    :raises Failure: it is none that could be unpacked on a host.
    """
    version = version_of(found)
    files = {each.path: each for each in found}
    machine, loader = elf(beginning(files, f"bin/python{version}", opened))
    headers = [path for path in files if re.fullmatch(rf"include/python{version}m?u?/patchlevel\.h", path)]
    header = beginning(files, headers[0], opened).decode(errors="replace") if headers else ""
    whole = header.partition("#define PY_VERSION")[2].split('"')[1:2]
    return About(whole[0] if whole else version, machine, loader, sum(each.info.size for each in found))


def beginning(files: Mapping[str, Member], path: str, opened: Opened) -> bytes:
    """Return the beginning of a file, empty where there is none; links beside it are followed."""
    for _step in range(5):
        each = files.get(path)
        if each is None:
            return b""
        if not each.target:
            with opened(each.info) or BytesIO() as stream:
                return stream.read(HEAD)
        path = each.target if each.same else os.path.normpath(f"{path.rpartition('/')[0]}/{each.target}")
    return b""


def elf(program: bytes) -> tuple[tuple[str, ...], str]:
    """Return the machines that a program is for, and what loads its libraries (elf(5)).

    :raises Failure: it is no program of Linux.
    """
    if program[:4] != b"\x7fELF" or len(program) < 64:
        raise Failure("holds no program of Linux: it is a Python for another system")
    wide, order = program[4] == 2, "<" if program[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", program, 18)
    offset, size, number = (
        struct.unpack_from(f"{order}{kind}", program, place)[0]
        for kind, place in ((("Q", 32), ("H", 54), ("H", 56)) if wide else (("I", 28), ("H", 42), ("H", 44)))
    )
    for place in range(offset, min(offset + size * number, len(program) - size), size or 1):
        if struct.unpack_from(f"{order}I", program, place)[0] == PT_INTERP:
            start = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", program, place + (8 if wide else 4))[0]
            return MACHINES.get(machine, ()), program[start : program.find(b"\0", start)].decode(errors="replace")
    return MACHINES.get(machine, ()), ""


def walked(folder: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield what is packed of a folder, in order, by the path below it, without what no application needs of it.

    :raises Failure: it holds more than a Python.
    """
    number = total = 0
    for place, folders, files in os.walk(folder):
        if Path(place).name in UNUSED and Path(place).parent.name.startswith("python"):
            folders[:], files = [], []
        folders.sort()
        for name in sorted([*folders, *(each for each in files if not each.endswith(UNUSED_ENDS))]):
            path = Path(place, name)
            status = path.lstat()
            number, total = number + 1, total + status.st_size
            if number > MOST_FILES or total > MOST_BYTES:
                raise Failure(f"holds more than a Python: over {MOST_FILES} files or {MOST_BYTES >> 30} GiB")
            yield path.relative_to(folder).as_posix(), path, status


def digest_of_folder(folder: Path) -> str:
    """Return the digest of what a folder holds; compiled files are made anew by whoever starts it here."""
    found = hashlib.sha256()
    for below, path, status in walked(folder):
        if "__pycache__" in below.split("/") or below.endswith(".pyc"):
            continue
        kind = stat.S_IFMT(status.st_mode) | (status.st_mode & 0o100)
        text = str(path.readlink()) if stat.S_ISLNK(status.st_mode) else ""
        if stat.S_ISREG(status.st_mode):
            with path.open("rb") as stream:
                text = hashlib.file_digest(stream, "sha256").hexdigest()
        found.update(f"{below}\0{kind}\0{text}\0".encode(errors="surrogateescape"))
    return found.hexdigest()

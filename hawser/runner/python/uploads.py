"""A Python that comes from the operator's machine: an archive that is unpacked beside the releases.

What an archive may hold is judged here for both sides: before it is sent, and again before it is unpacked.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import shutil
import sys
import tarfile
import zlib

from ..files.disk import digest, open_folder, read, remove, write_atomically
from ..system import Change, Failure, Kind
from .installers import tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Type

    from ..specs.code import UploadedPythonSpec

# A Python has some thousand files; what has so many more is none.
MOST_FILES = 100_000
MOST_BYTES = 4 << 30
PROGRAM = re.compile(r"bin/python(\d\.\d+)\Z")
# What is unpacked has this before its name until it is whole.
UNFINISHED = ".unfinished-"
# Modules without which packages are not installed or web applications do not start.
NEEDED = ("_bz2", "_ctypes", "_hashlib", "_lzma", "_sqlite3", "_ssl", "zlib")
# Says, in any version, where it takes its library from, and which modules lack a library of the system.
TRIAL = """
import glob, json, os, sys
bad = {}
for folder in sys.path:
    for path in glob.glob(os.path.join(folder, "*.so")):
        name = os.path.basename(path).split(".")[0]
        if folder.endswith("lib-dynload") and not name.startswith(("_test", "_xx", "xx")):
            try:
                __import__(name)
            except ImportError as error:
                bad[name] = str(error)
print(json.dumps({"prefix": os.path.realpath(sys.prefix), "bad": bad}))
"""


class Member:
    """A file, a folder or a link of an archive, by its path below the one folder at its top.

    :param target: of a link; of another name of a file the path of that, with ``same``.
    """

    def __init__(self, path: str, info: tarfile.TarInfo, target: str = "", same: bool = False) -> None:
        self.path = path
        self.info = info
        self.target = target
        self.same = same


def opened_archive(path: str) -> tarfile.TarFile:
    """Open an archive.

    :raises Failure: it is none that Python's standard library reads.
    """
    with open(path, "rb") as stream:
        if stream.read(4) == b"\x28\xb5\x2f\xfd":
            raise Failure("is compressed by zstd, which hosts cannot read; take a .tar.gz or .tar.xz")
    try:
        return tarfile.open(path)
    except damages():
        raise Failure("is no archive that can be read, such as a .tar.gz or .tar.xz") from None


def damages() -> Tuple[Type[Exception], ...]:
    """Return what is raised where an archive is damaged."""
    lzma = sys.modules.get("lzma")
    more = [lzma.LZMAError] if lzma else []
    return (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, *more)


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def all_of(archive: tarfile.TarFile) -> List[Member]:
    """Return all that is in an archive, read to its end, where its checksum stands; see `members`."""
    found = members(archive)
    try:
        while archive.fileobj is not None and archive.fileobj.read(1 << 20):
            pass
    except damages() as error:
        raise Failure("is damaged or was broken off: %s" % first_line(error)) from None
    return found


def members(infos: Iterable[tarfile.TarInfo]) -> List[Member]:
    """Return all that is in an archive, or would be, where all paths stay in the one folder at its top.

    :raises Failure: the archive is broken off or damaged, or holds what no Python needs.
    """
    found: Dict[str, Member] = {}
    tops, total = set(), 0
    try:
        for info in infos:
            parts = [part for part in info.name.split("/") if part not in ("", ".")]
            if not parts or info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                continue
            if info.name.startswith("/") or ".." in parts or not info.name.isprintable():
                raise Failure("has an entry %r, which leads out of its folder" % info.name[:200])
            tops.add(parts[0])
            path, total = "/".join(parts[1:]), total + info.size
            if path in found and not (info.isdir() and found[path].info.isdir()):
                raise Failure("has two entries %r" % info.name[:200])
            found[path] = member(path, info, parts[0])
            if len(found) > MOST_FILES or total > MOST_BYTES:
                raise Failure("holds more than a Python: over %d files or %d GiB" % (MOST_FILES, MOST_BYTES >> 30))
    except damages() as error:
        raise Failure("is damaged or was broken off: %s" % first_line(error)) from None
    if len(tops) != 1:
        told = ", ".join(sorted(tops)[:3]) or "nothing"
        raise Failure("has not one folder at its top, with bin/ and lib/ in it, but %s" % told)
    if "pyvenv.cfg" in found:
        raise Failure("is a virtual environment; take the Python that it was made with")
    refuse_ways_out(found)
    return list(found.values())


def member(path: str, info: tarfile.TarInfo, top: str) -> Member:
    """Return an entry with the target of a link.

    :raises Failure: it is a device, or another thing that no Python has.
    """
    if info.isfile() or info.isdir():
        return Member(path, info)
    if info.issym():
        return Member(path, info, info.linkname)
    if info.islnk():
        parts = [part for part in info.linkname.split("/") if part not in ("", ".")]
        if parts[:1] == [top] and len(parts) > 1 and ".." not in parts:
            return Member(path, info, "/".join(parts[1:]), same=True)
        raise Failure("has a link %r that leads out of it" % info.name[:200])
    raise Failure("has an entry %r, which is no file, folder or link" % info.name[:200])


def refuse_ways_out(found: Dict[str, Member]) -> None:
    """Refuse links that lead out, and what would be written through a link.

    :raises Failure: names one.
    """
    for path, each in found.items():
        above = path.split("/")[:-1]
        for length in range(1, len(above) + 1):
            holder = found.get("/".join(above[:length]))
            if holder is not None and not holder.info.isdir():
                raise Failure("has an entry %r below what is no folder" % each.info.name[:200])
        if each.same and (each.target not in found or not found[each.target].info.isfile()):
            raise Failure("has a link %r to a file that it does not have" % each.info.name[:200])
        if each.target and not each.same:
            # No folder on the way is a link, so that as many steps up as there are folders stay inside.
            ups = re.match(r"(?:\.\./|\./)*(?:\.\.\Z)?", each.target)
            up = ups.group().count("..") if ups else 0
            rest = each.target[len(ups.group()) if ups else 0 :]
            if each.target.startswith("/") or up > len(above) or ".." in rest.split("/"):
                raise Failure("has a link %r that leads out of it, to %s" % (each.info.name[:200], each.target[:200]))


def version_of(found: Sequence[Member]) -> str:
    """Return which Python it is, as in ``3.12``.

    :raises Failure: it is none, or not a whole one.
    """
    paths = {each.path for each in found}
    programs = [match.group(1) for match in map(PROGRAM.match, sorted(paths)) if match]
    whole = [each for each in programs if "lib/python%s/os.py" % each in paths]
    if "install" in {path.split("/")[0] for path in paths} and not programs:
        raise Failure("is a full archive of python-build-standalone; take the one with install_only in its name")
    if not programs:
        raise Failure("has no bin/python3.x in the folder at its top, so it is no Python")
    if not whole:
        raise Failure("has bin/python%s, and no lib/python%s/os.py" % (programs[0], programs[0]))
    if len(whole) > 1:
        raise Failure("holds several Pythons: %s" % ", ".join(whole))
    return whole[0]


class UploadedPython(Kind):
    """See `hawser.resources.UploadedPython`."""

    spec: UploadedPythonSpec

    def check(self) -> Optional[Change]:
        return None if os.path.isdir(self.spec["path"]) else Change("new, sent from %s" % self.spec["source"])

    def apply(self, change: Change) -> None:
        names = [name for name in self.system.blobs if name.startswith(self.spec["sha256"] + ":")]
        blob = self.system.blobs.pop(names[0], "") if names else ""
        try:
            if not blob or digest(blob) != names[0].partition(":")[2]:
                raise Failure("%s did not arrive as it was sent; next: the same command again" % self.spec["source"])
            self.place(blob)
        finally:
            if blob:
                os.unlink(blob)

    def place(self, blob: str) -> None:
        """Unpack an archive, try out what was in it, and give it its place, whole."""
        folder, name = os.path.split(self.spec["path"])
        os.close(open_folder(folder, make=True))
        unfinished = os.path.join(folder, UNFINISHED + name)
        remove(unfinished, recursive=True)
        try:
            self.unpack(blob, unfinished)
            self.try_out(unfinished)
            self.system.run(["sync", "-f", unfinished])
            os.rename(unfinished, self.spec["path"])
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Failure("%s: no room for it in %s" % (self.spec["source"], folder)) from None
        finally:
            remove(unfinished, recursive=True)

    def unpack(self, blob: str, folder: str) -> None:
        """Write all of an archive into a new folder, as root's, for everybody to read."""
        with self.naming(), opened_archive(blob) as archive:
            found = all_of(archive)
            version = version_of(found)
            os.mkdir(folder, 0o755)
            later = []
            for each in found:
                place = os.path.join(folder, each.path) if each.path else folder
                os.makedirs(place if each.info.isdir() else os.path.dirname(place), mode=0o755, exist_ok=True)
                if each.same:
                    later.append((os.path.join(folder, each.target), place))
                elif each.target:
                    os.symlink(each.target, place)
                elif each.info.isfile():
                    write(archive, each, place)
            for target, place in later:
                os.link(target, place, follow_symlinks=False)
        for path in glob.glob(os.path.join(glob.escape(folder), "lib", "python" + version, "_sysconfigdata*.py")):
            name_compilers(path)
        program = os.path.join(folder, "bin", "python")
        if not os.path.lexists(program):
            os.symlink("python" + version, program)

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Have what is said of the archive begin with its name."""
        try:
            yield
        except Failure as error:
            raise Failure("%s %s" % (self.spec["source"], error.message)) from None

    def try_out(self, folder: str) -> None:
        """Start it once as the application's user, and see that it finds its own library, and its modules theirs.

        :raises Failure: it does not run on this host.
        """
        source, user = self.spec["source"], self.spec["user"]
        argv = [os.path.join(folder, "bin", "python"), "-E", "-s", "-c", TRIAL]
        result = self.system.run(argv, user=user, check=False, timeout=120, scoped=True)
        lines = [line.strip() for line in result.output.splitlines() if line.strip()]
        if result.code:
            last = lines[-1].replace(folder, "…") if lines else "it says nothing"
            # Built as a shared library, which is looked for where Python lay when it was built.
            hint = "; next: one built without --enable-shared, or its folder" if "libpython" in last else ""
            raise Failure("%s does not run on this host: %s%s" % (source, last, hint), tail(result.output))
        prefix, bad = answer(lines[-1] if lines else "")
        if prefix != os.path.realpath(folder):
            raise Failure("%s takes its library from %s, not from where it lies" % (source, prefix or "nowhere"))
        lacking = ["%s: %s" % (name, said) for name, said in sorted(bad.items()) if name in NEEDED]
        if lacking:
            hint = "; next: the libraries by [packages], or a Python that was built on this system"
            raise Failure("%s lacks libraries on this host: %s%s" % (source, ", ".join(lacking), hint))
        if bad:
            told = ", ".join(sorted(bad))
            self.system.warnings.append("%s: libraries of modules are missing on this host: %s" % (source, told))


def name_compilers(path: str) -> None:
    """Have packages built by the host's own compiler, whatever Python itself was built with (sysconfig)."""
    data = read(path) or b""
    # As whole words: python-build-standalone's names a clang, and an archiver of a folder that is nowhere else.
    own = re.sub(rb"(?<=[' ])clang(?=[' ])", b"cc", re.sub(rb"(?<=[' ])clang\+\+(?=[' ])", b"c++", data))
    own = re.sub(rb"(?<=[' ])/[^' ]*/llvm-ar(?=[' ])", b"ar", own)
    if own != data:
        write_atomically(path, own, 0o644)


def answer(line: str) -> Tuple[str, Dict[str, str]]:
    """Return what `TRIAL` has said: the prefix, and by module why it cannot be loaded."""
    try:
        said = json.loads(line)
        return str(said["prefix"]), {str(name): str(why) for name, why in said["bad"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", {}


def write(archive: tarfile.TarFile, each: Member, place: str) -> None:
    """Write one file, with the time by which its compiled form knows it."""
    mode = 0o755 if each.info.mode & 0o100 else 0o644
    source = archive.extractfile(each.info)
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        if source is not None:
            shutil.copyfileobj(source, stream, 1 << 20)
        stream.flush()
        os.fchmod(handle, mode)
        os.utime(handle, (each.info.mtime, each.info.mtime))

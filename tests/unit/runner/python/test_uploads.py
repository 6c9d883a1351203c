"""A Python that comes from the operator's machine: unpacked whole or not at all, and only where it runs."""

from __future__ import annotations

import hashlib
import io
import os
import pwd
import stat
import tarfile
from pathlib import Path

import pytest

from hawser.runner.code.releases import superfluous
from hawser.runner.python.uploads import UploadedPython, all_of, opened_archive, version_of
from hawser.runner.system import Failure, System
from tests import local_python

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="session")
def python(tmp_path_factory) -> Path:
    """An archive of this machine's Python."""
    return local_python.packed(tmp_path_factory.mktemp("pythons") / "cpython-install_only.tar.gz")


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(data), kind, link, mode
    return info, io.BytesIO(data)


WHOLE = (entry("python/bin/python3.12", b"x", mode=0o4755), entry("python/lib/python3.12/os.py"))


def packed(path: Path, *entries) -> Path:
    with tarfile.open(path, "w:gz") as target:
        for info, data in entries:
            data.seek(0)
            target.addfile(info, data)
    return path


def said_of(path: Path) -> str:
    try:
        with opened_archive(str(path)) as archive:
            return version_of(all_of(archive))
    except Failure as error:
        return error.message


@pytest.fixture
def system(tmp_path):
    (tmp_path / "state").mkdir()
    return System(str(tmp_path / "state"))


@pytest.fixture
def bring(system, tmp_path):
    """Bring an archive, as `Fleet.push` sends it ahead."""

    def bring(archive: Path, as_sent: str = "") -> UploadedPython:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        blob = tmp_path / "blob"
        blob.write_bytes(archive.read_bytes())
        system.blobs = {f"{digest}:{as_sent or digest}": str(blob)}
        spec = {"path": str(tmp_path / "pythons" / digest[:16]), "sha256": digest, "source": "p.tar.gz", "user": ME}
        kind = UploadedPython(spec, system)
        change = kind.check()
        assert change and change.note == "new, sent from p.tar.gz"
        try:
            kind.apply(change)
        finally:
            assert not blob.exists() and not system.blobs
        assert kind.check() is None
        return kind

    return bring


class TestAnArchive:
    def test_one_that_holds_a_python_says_which(self, tmp_path):
        assert said_of(packed(tmp_path / "a", *WHOLE)) == "3.12"
        assert said_of(packed(tmp_path / "a", entry("./python", kind=tarfile.DIRTYPE), *WHOLE)) == "3.12"

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            (entry("/etc/cron.d/x"), "leads out of its folder"),
            (entry("python/../../x"), "leads out of its folder"),
            (entry("python/dev", kind=tarfile.CHRTYPE), "no file, folder or link"),
            (entry("python/pipe", kind=tarfile.FIFOTYPE), "no file, folder or link"),
            (entry("python/l", kind=tarfile.SYMTYPE, link="/etc/shadow"), "leads out of it, to /etc/shadow"),
            (entry("python/bin/l", kind=tarfile.SYMTYPE, link="../../x"), "leads out of it"),
            (entry("python/l", kind=tarfile.SYMTYPE, link="bin/../../x"), "leads out of it"),
            (entry("python/l", kind=tarfile.LNKTYPE, link="../etc/shadow"), "leads out of it"),
            (entry("python/l", kind=tarfile.LNKTYPE, link="python/none"), "a file that it does not have"),
            (entry("python/bin/python3.12/x"), "below what is no folder"),
            (entry("python/bin/python3.12"), "two entries"),
            (entry("other/x"), "not one folder at its top, with bin/ and lib/ in it, but other, python"),
            (entry("python/bin/python3.11"), "3.12"),
            (entry("python/pyvenv.cfg"), "is a virtual environment"),
        ],
    )
    def test_what_would_leave_its_folder_or_is_no_python_is_refused(self, tmp_path, bad, said):
        assert said in said_of(packed(tmp_path / "a", *WHOLE, bad))

    def test_nothing_is_written_through_a_link(self, tmp_path):
        link = entry("python/lib/python3.12/site", kind=tarfile.SYMTYPE, link="../../bin")
        assert "below what is no folder" in said_of(packed(tmp_path / "a", *WHOLE, link, entry(link[0].name + "/x")))

    def test_one_without_a_python_says_what_it_is(self, tmp_path):
        assert "no bin/python3.x" in said_of(packed(tmp_path / "a", entry("python/README")))
        assert "install_only" in said_of(packed(tmp_path / "a", entry("python/install/bin/python3.12")))
        assert "no lib/python3.12/os.py" in said_of(packed(tmp_path / "a", WHOLE[0]))
        assert "not one folder at its top" in said_of(packed(tmp_path / "a"))

    def test_one_that_is_damaged_or_of_another_kind_says_so(self, tmp_path):
        whole = packed(tmp_path / "whole", *WHOLE, entry("python/x", os.urandom(100_000))).read_bytes()
        damaged = tmp_path / "a"
        damaged.write_bytes(whole[:50_000])
        assert "is damaged or was broken off" in said_of(damaged)
        damaged.write_bytes(whole[:50_000] + bytes(1000) + whole[51_000:])
        assert "is damaged or was broken off" in said_of(damaged)
        damaged.write_bytes(b"PK\x03\x04")
        assert "is no archive that can be read" in said_of(damaged)
        damaged.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
        assert "zstd" in said_of(damaged)


class TestOnAHost:
    def test_it_is_unpacked_whole_for_everybody_and_finds_its_own_library(self, bring, system, python):
        kind = bring(python)
        place = Path(kind.spec["path"])
        program = str(place / "bin" / "python")
        result = system.run([program, "-I", "-c", "import sys, json; print(sys.prefix)"])
        assert result.output.strip() == kind.spec["path"]
        assert list(place.parent.iterdir()) == [place]
        for path in (place, *place.rglob("*")):
            status = path.lstat()
            assert stat.S_ISLNK(status.st_mode) or stat.S_IMODE(status.st_mode) in (0o755, 0o644), path
            assert status.st_uid == os.getuid()

    def test_one_that_does_not_run_there_leaves_nothing(self, bring, tmp_path):
        with pytest.raises(Failure, match=r"p\.tar\.gz does not run on this host: "):
            bring(packed(tmp_path / "a", *WHOLE))
        assert not list((tmp_path / "pythons").iterdir())

    def test_one_whose_library_lies_elsewhere_is_refused(self, bring, tmp_path):
        program = b'#!/bin/sh\necho \'{"prefix": "/usr", "bad": {}}\'\n'
        fake = packed(tmp_path / "a", entry("python/bin/python3.12", program, mode=0o755), WHOLE[1])
        with pytest.raises(Failure, match="takes its library from /usr, not from where it lies"):
            bring(fake)

    def test_libraries_that_the_host_lacks_are_named(self, bring, system, tmp_path):
        said = '{"prefix": "%s", "bad": {"_ssl": "libssl.so.1.1: cannot open", "_tkinter": "libtk8.6.so"}}'
        program = "#!/bin/sh\necho '" + said % '\'"$(cd "${0%/*}/.."; pwd -P)"\'' + "'\n"
        fake = packed(tmp_path / "a", entry("python/bin/python3.12", program.encode(), mode=0o755), WHOLE[1])
        with pytest.raises(Failure, match=r"lacks libraries on this host: _ssl: libssl\.so\.1\.1: cannot open; next: "):
            bring(fake)
        mild = program.replace("_ssl", "nis")
        bring(packed(tmp_path / "b", entry("python/bin/python3.12", mild.encode(), mode=0o755), WHOLE[1]))
        assert system.take_warnings() == ["p.tar.gz: libraries of modules are missing on this host: _tkinter, nis"]

    def test_packages_are_built_by_the_compiler_of_the_host(self, bring, tmp_path):
        program = '#!/bin/sh\necho \'{"prefix": "\'"$(cd "${0%/*}/.."; pwd -P)"\'", "bad": {}}\'\n'
        known = (
            "{'CC': 'clang -pthread', 'CXX': 'clang++ -pthread', 'AR': '/tools/llvm/bin/llvm-ar', 'X': 'CC=clang a'}"
        )
        data = entry("python/lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py", known.encode())
        kind = bring(
            packed(tmp_path / "a", entry("python/bin/python3.12", program.encode(), mode=0o755), WHOLE[1], data)
        )
        (found,) = Path(kind.spec["path"]).glob("lib/*/_sysconfigdata*.py")
        assert found.read_text() == "{'CC': 'cc -pthread', 'CXX': 'c++ -pthread', 'AR': 'ar', 'X': 'CC=clang a'}"
        assert stat.S_IMODE(found.stat().st_mode) == 0o644

    def test_what_did_not_arrive_whole_is_not_unpacked(self, bring, tmp_path):
        with pytest.raises(Failure, match="did not arrive as it was sent"):
            bring(packed(tmp_path / "a", *WHOLE), as_sent="0" * 64)

    def test_a_run_that_was_killed_leaves_nothing_in_the_way(self, bring, tmp_path, python):
        digest = hashlib.sha256(python.read_bytes()).hexdigest()
        (tmp_path / "pythons" / f".unfinished-{digest[:16]}" / "bin").mkdir(parents=True)
        bring(python)
        assert [each.name for each in (tmp_path / "pythons").iterdir()] == [digest[:16]]


def test_pythons_go_with_the_last_release_that_was_given_them(system, tmp_path):
    for name in ("aaa", "bbb", ".unfinished-ccc"):
        (tmp_path / "pythons" / name).mkdir(parents=True)
    release = tmp_path / "releases" / "1111111111-aaaaaaaa"
    release.mkdir(parents=True)
    (release / "python").symlink_to("../../pythons/aaa")
    (tmp_path / "current").symlink_to("releases/1111111111-aaaaaaaa")
    gone = [os.path.relpath(path, tmp_path) for path in superfluous(system, str(tmp_path), 2)]
    assert gone == ["pythons/.unfinished-ccc", "pythons/bbb"]

"""A Python of this machine: what it is, by what it is known, and for which hosts it is."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import tarfile
from pathlib import Path

import pytest

from hawser.errors import InputErrors
from hawser.host.facts import Facts
from hawser.host.pythons import BESIDE, KEY, About, elf, local_python, movable, why_not_for
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.templates.rendering import Templates

LOADER = "/lib64/ld-linux-x86-64.so.2"


def program(machine: int = 62, loader: str = LOADER) -> bytes:
    """Return the beginning of a program of Linux: its header, one program header, the name of its loader."""
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    return header + struct.pack("<IIQQQQQQ", 3, 0, 120, 0, 0, len(loader) + 1, 0, 0) + loader.encode() + b"\0"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder as a build of Python 3.12.9 leaves it."""
    place = tmp_path / "3.12.9"
    for path, data in {
        "bin/python3.12": program(),
        "lib/python3.12/os.py": b"",
        "lib/python3.12/site-packages/six.py": b"",
        "lib/python3.12/test/test_os.py": b"",
        "lib/libpython3.12.a": b"",
        "include/python3.12/patchlevel.h": b'/* */\n#define PY_VERSION      \t"3.12.9"\n',
    }.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    (place / "bin" / "python3").symlink_to("python3.12")
    return place


@pytest.fixture
def named(tmp_path):
    """Return the settings that name something of this machine."""

    def named(source: object, **python: object) -> Environment:
        tables = {"app": {"name": "shop", "repo": "."}, "hosts": {"web1": {}}, "name": "shop"}
        path = tmp_path / "hosts" / "shop.toml"
        return Environment.model_validate({**tables, "path": path, "python": {"upload": str(source), **python}})

    return named


def known(environment: Environment) -> About:
    here = local_python(environment)
    assert here is not None
    return here.about


def sha256(environment: Environment) -> str:
    here = local_python(environment)
    assert here is not None
    return here.sha256


def release(environment: Environment) -> Release:
    secrets = Secrets("shop", in_file(Path("shop.env")), {})
    return Release.of("1" * 40, environment, Templates(), secrets, {"web1": "10.0.0.1"})


class TestWhatItIs:
    def test_a_folder_is_described_by_what_is_in_it(self, named, folder):
        assert known(named(folder)) == About("3.12.9", ("x86_64",), LOADER, len(program()) + 40)
        assert known(named("3.12.9")).version == "3.12.9", "relative to the project"

    def test_an_archive_is_described_alike_and_carries_no_more_than_is_needed(self, named, folder, tmp_path):
        here = local_python(named(folder))
        assert here is not None
        with here.opened() as (stream, size, digest):
            (tmp_path / "p.tar.gz").write_bytes(stream.read())
        assert (tmp_path / "p.tar.gz").stat().st_size == size
        assert sha256(named("p.tar.gz")) == digest
        assert known(named("p.tar.gz")) == known(named(folder))
        with tarfile.open(tmp_path / "p.tar.gz") as archive:
            names = {name for name in archive.getnames() if "site-packages" in name or "test" in name or ".a" in name}
        assert names == {"python/lib/python3.12/site-packages", "python/lib/python3.12/test"}

    @pytest.mark.parametrize(
        ("break_it", "said"),
        [
            (shutil.rmtree, "does not exist on this machine"),
            (lambda place: (place / "bin" / "python3.12").unlink(), "no bin/python3.x"),
            (lambda place: (place / "bin" / "python3.12").write_bytes(b"\xcf\xfa\xed\xfe"), "no program of Linux"),
            (lambda place: (place / "pyvenv.cfg").touch(), "is a virtual environment"),
            (lambda place: (place / "lib" / "x").symlink_to("/usr/lib/x"), "leads out of it, to /usr/lib/x"),
        ],
    )
    def test_what_is_no_python_is_named_with_the_file_and_the_key(self, named, folder, break_it, said):
        break_it(folder)
        with pytest.raises(InputErrors) as refused:
            assert sha256(named(folder)) and known(named(folder))
        assert f"shop.toml: python.upload: {folder} " in str(refused.value) and said in str(refused.value)

    @pytest.mark.parametrize(("wanted", "fits"), [("3.12", True), ("3.12.9", True), ("3.12.1", False), ("3.9", False)])
    def test_it_is_of_the_version_that_the_settings_want(self, named, folder, wanted, fits):
        try:
            assert known(named(folder, interpreter=wanted)).version == "3.12.9" and fits
        except InputErrors as error:
            assert f"is Python 3.12.9, and python.interpreter is '{wanted}'" in str(error) and not fits

    def test_one_with_a_shared_library_looks_for_it_beside_itself(self, tmp_path):
        place = tmp_path / "versions" / "3.12.9"
        data = b"x" + str(place / "lib").encode() + b"\0y" + str(place).encode() + b"\0"
        moved = movable(data, place)
        assert len(moved) == len(data) and moved.startswith(b"x" + BESIDE + b"\0") and str(place).encode() in moved
        assert movable(b"/opt/other/lib\0", place) == b"/opt/other/lib\0"


class TestForWhichHosts:
    @pytest.mark.parametrize(
        ("machine", "free", "loader", "said"),
        [
            ("x86_64", 1 << 40, "other", ""),
            ("x86_64", 0, "-> ld.so", ""),
            ("aarch64", 1 << 40, "other", "it is for x86_64, and the host is aarch64"),
            ("x86_64", 1 << 40, "", f"it is for a system with {LOADER}, which the host has not"),
            ("x86_64", 50 << 20, "other", "it takes 100 MiB, and 50 MiB are free"),
        ],
    )
    def test_a_host_of_another_kind_or_without_room_cannot_take_it(self, machine, free, loader, said):
        facts = dataclasses.replace(Facts(), machine=machine, disk_free=free)
        assert why_not_for(facts, About("3.12", ("x86_64",), LOADER, 100 << 20), loader) == said

    def test_a_program_says_for_which_machine_and_system_it_is(self):
        assert elf(program(183, "/lib/ld-musl-aarch64.so.1")) == (("aarch64",), "/lib/ld-musl-aarch64.so.1")
        assert elf(Path("/usr/bin/python3").read_bytes())[1].startswith("/lib")


class TestInARelease:
    def test_its_contents_make_the_release_and_not_its_name(self, named, folder, tmp_path):
        first = release(named(folder))
        assert first.environment.contents == {KEY: sha256(named(folder))}
        assert (
            first.id
            != release(named(folder).model_copy(update={"python": Environment.model_fields["python"].default})).id
        )
        other = tmp_path / "other"
        shutil.copytree(folder, other, symlinks=True)
        (other / "lib" / "python3.12" / "__pycache__").mkdir()
        (other / "lib" / "python3.12" / "__pycache__" / "os.cpython-312.pyc").touch()
        assert release(named(other)).id == first.id
        third = tmp_path / "third"
        shutil.copytree(folder, third, symlinks=True)
        (third / "bin" / "python3.12").chmod(0o755)
        assert release(named(third)).id != first.id

    def test_a_kept_release_has_its_own_whatever_the_settings_name_today(self, named, folder, tmp_path):
        kept = release(named(folder))
        for today in (named("elsewhere.tar.gz"), named(folder)):
            again = Release.from_inputs(kept.kept, today)
            assert again.environment.contents == kept.environment.contents
            assert release(again.environment).id == kept.id
        assert again.environment.python.upload == str(folder)

    def test_a_release_without_one_does_not_get_one_by_todays_settings(self, named, folder):
        without = named(folder).model_copy(update={"python": Environment.model_fields["python"].default})
        kept = release(without)
        again = Release.from_inputs(kept.kept, named(folder))
        assert release(again.environment).id == kept.id and not again.environment.contents

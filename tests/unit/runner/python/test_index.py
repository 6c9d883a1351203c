"""Versions of a package of the package index, asked of a small index of our own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hawser.runner.python.index import nearest, order, resolve
from hawser.runner.system import Failure

VERSIONS = ("1.0", "1.9.3", "1.10.0", "2.0.0rc1", "2.0.0")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the interpreter of an environment whose pip knows nothing but a folder with some versions of `talks`."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "wheels").mkdir()
    for version in VERSIONS:
        wheel(folder / "wheels", "talks", version)
    wheel(folder / "wheels", "old", "1.0", "Requires-Python: <3\n")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
    (folder / "env" / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {folder}/wheels\n")
    return str(folder / "env" / "bin" / "python")


def wheel(folder, name, version, more=""):
    """Write a wheel with nothing in it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        rows = "".join(f"{path},sha256={hashlib.sha256(text.encode()).hexdigest()},\n" for path, text in files.items())
        archive.writestr(f"{info}/RECORD", rows)


class TestResolve:
    @pytest.mark.parametrize(
        ("asked", "found"), [("1.10.0", "1.10.0"), ("v1.10", "1.10.0"), ("2.0.0RC1", "2.0.0rc1"), ("1", "1.0")]
    )
    def test_a_version_is_returned_as_the_index_writes_it(self, system, python, asked, found):
        assert resolve(system, python, "talks", asked) == found

    def test_an_unknown_version_is_answered_with_those_around_it(self, system, python):
        with pytest.raises(Failure) as caught:
            resolve(system, python, "talks", "1.9.9")
        assert caught.value.message == (
            "talks has no version 1.9.9 for this Python (nearest: 1.9.3 and 1.10.0; newest: 2.0.0)"
        )

    def test_no_version_at_all_is_answered_with_the_newest(self, system, python):
        with pytest.raises(Failure, match=r'the newest is 2\.0\.0\n  next: version = "2\.0\.0" under'):
            resolve(system, python, "talks", "")

    def test_an_unknown_package_is_named(self, system, python):
        with pytest.raises(Failure, match="the package index has no package tlaks that fits this Python"):
            resolve(system, python, "tlaks", "1.0")

    def test_an_index_that_cannot_be_reached_is_no_missing_package(self, system, python):
        settings = Path(python).parents[1] / "pip.conf"
        kept = settings.read_text()
        settings.write_text("[global]\nindex-url = http://127.0.0.1:1/simple\nretries = 1\n")
        try:
            with pytest.raises(Failure, match="talks: the package index cannot be reached from this host"):
                resolve(system, python, "talks", "1.0")
        finally:
            settings.write_text(kept)

    def test_a_host_without_our_pip_has_no_answer(self, system):
        assert resolve(system, "/opt/hawser/none/bin/python", "talks", "1.0") == ""


def test_versions_are_compared_by_number():
    assert sorted(["1.10", "1.9", "2", "1.9.1"], key=order) == ["1.9", "1.9.1", "1.10", "2"]
    assert order("2025.1") == order("v2025.1.0") != order("2025.1.0rc1")


def test_only_the_version_below_is_near_to_one_beyond_the_newest():
    assert nearest("3", ["2.0", "1.0"]) == "nearest: 2.0; newest: 2.0"

"""Debian packages: what is installed, and what apt's complaints mean."""

from __future__ import annotations

import os
import shutil

import pytest

from hawser.runner.machine import packages
from hawser.runner.machine.packages import Packages, explain, parse_installed, unread
from hawser.runner.system import Failure, System

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a Debian system")


@pytest.fixture
def kind(tmp_path):
    return lambda *names: Packages({"names": list(names)}, System(str(tmp_path)))


def test_a_package_that_is_installed_is_in_order(kind):
    assert kind("dpkg", "coreutils").check() is None
    assert kind().check() is None


def test_packages_that_are_missing_are_named(kind):
    assert kind("dpkg", "hawser-no-such-package").check().note == "installs hawser-no-such-package"


def test_a_virtual_name_is_in_order_when_something_installed_provides_it(kind):
    assert kind("awk").check() is None


def test_the_name_of_a_package_may_carry_its_architecture(kind):
    assert kind("libc6:amd64").check() is None or os.uname().machine != "x86_64"
    assert kind("libc6:s390x").check().note == "installs libc6:s390x"
    assert kind("coreutils:any").check() is None


@pytest.mark.parametrize("name", ["", "-o", "nginx-", "Nginx", "nginx=1.2", "a b", "lib*"])
def test_a_word_that_is_no_name_of_a_package_is_refused(kind, name):
    with pytest.raises(Failure, match="no name of a Debian package"):
        kind(name).check()


@pytest.mark.parametrize("name", ["g++", "libstdc++6", "python3.11", "0ad"])
def test_unusual_names_are_names(name):
    assert packages.NAME.match(name)


def test_only_packages_that_are_installed_count():
    rows = "a|amd64|installed|virtual (= 1), other\nb|amd64|config-files|\nc|amd64|half-installed|"
    assert parse_installed(rows) >= {"a", "a:amd64", "virtual", "other"}
    assert not parse_installed(rows) & {"b", "c"}


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("E: Unable to locate package nginxx", "no package named nginxx in"),
        ("E: Package 'awk' has no installation candidate\nE: Unable to locate package b", "no package named awk, b in"),
        ("Package awk is a virtual package provided by:\n  mawk 1\n  gawk 2", "awk stands for several packages"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
        ("Err:1 http://deb Temporary failure resolving 'deb'\nE: Failed to fetch http://deb", "cannot be reached"),
        (
            "E: Failed to fetch http://deb/a.deb  404  Not Found [IP: ::1 80]",
            "answers for http://deb/a.deb: 404 Not Found",
        ),
        (
            "E: Failed to fetch http://deb/a.deb  Hash Sum mismatch\n   Hashes",
            "for http://deb/a.deb: Hash Sum mismatch",
        ),
        ("E: Failed to fetch http://deb/a.deb  Could not connect to deb:80 (::1)", "cannot be reached"),
        ("E: Sub-process /usr/bin/dpkg returned an error code (1)", "apt-get could not install nginx"),
    ],
)
def test_failures_of_apt_are_explained(said, meaning):
    assert meaning in explain(said, ["nginx"])


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("Hit:1 http://deb stable InRelease\nReading package lists...", ""),
        ("E: The repository 'file:/x a Release' does not have a Release file.", "The repository 'file:/x a Release'"),
        (
            "W: Failed to fetch http://h/InRelease  Could not connect\nW: Some index files",
            "Failed to fetch http://h/In",
        ),
        ("W: https://h/InRelease: Key is stored in legacy trusted.gpg keyring\nE: Some index files failed", ""),
    ],
)
def test_the_first_source_that_apt_cannot_read_is_told(said, source):
    assert unread(said).startswith(source) and bool(unread(said)) == bool(source)


class TestAgeOfTheLists:
    @pytest.fixture
    def lists(self, tmp_path, monkeypatch):
        (tmp_path / "lists").mkdir()
        monkeypatch.setattr(packages, "LISTS", str(tmp_path / "lists"))
        monkeypatch.setattr(packages, "STAMP", str(tmp_path / "stamp"))
        monkeypatch.setattr(packages, "SOURCES", str(tmp_path / "sources*"))
        return tmp_path

    def test_lists_that_were_never_fetched_are_old(self, lists):
        assert packages.lists_are_old()

    def test_fresh_lists_are_not(self, lists):
        (lists / "lists" / "deb_dists_Packages.lz4").touch()
        assert not packages.lists_are_old()

    def test_lists_of_yesterday_are(self, lists):
        (lists / "lists" / "deb_dists_Packages.lz4").touch()
        os.utime(lists / "lists", (1, 1))
        assert packages.lists_are_old()

    def test_lists_from_before_a_source_was_added_are(self, lists):
        (lists / "lists" / "deb_dists_InRelease").touch()
        os.utime(lists / "lists", (lists.stat().st_mtime - 60,) * 2)
        assert not packages.lists_are_old()
        (lists / "sources.list").touch()
        assert packages.lists_are_old()

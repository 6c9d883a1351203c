"""Programs that were started with something of before are found, whoever has started them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hawser.runner.processes import holders
from hawser.runner.processes.holders import holding

OLD, NEW = "0123456789-aaaaaaaa", "0123456789-bbbbbbbb"


@contextmanager
def running(**variables: str) -> Iterator[int]:
    """Have a program run that was started with some variables alone."""
    with subprocess.Popen(["/bin/sleep", "60"], env=variables) as child:
        try:
            yield child.pid
        finally:
            child.kill()


def of_release(root: str, release: str) -> dict[str, str]:
    return {"VIRTUAL_ENV": f"{root}/releases/{release}/env", "HAWSER_RELEASE": release}


def test_programs_of_another_release_and_those_with_the_value_are_told(system, tmp_path):
    root, value = str(tmp_path), "old/pass"
    with (
        running(**of_release(root, OLD)) as old,
        running(**of_release(root, NEW)),
        running(**of_release("/srv/other", OLD)),
        running(DATABASE_URL="postgresql://shop:old%2Fpass@db/shop") as url,
        running(OTHER="nothing of it"),
    ):
        found = holding(system, root, NEW, [value, "old%2Fpass"])
        assert [row["pid"] for row in found] == sorted([old, url])
        assert {row["program"] for row in found} == {"sleep"} and "old" not in str([row["unit"] for row in found])
        assert [row["pid"] for row in holding(system, root, OLD, [])] != [old]
    assert holding(system, root, NEW, [value, "old%2Fpass"]) == []


def test_a_short_value_counts_where_it_stands_alone(system, tmp_path):
    with (
        running(PATH="/srv/shop/bin", NAME="shopkeeper"),
        running(PASSWORD="shop") as alone,
        running(URL="postgresql://owner:shop@db/stock") as url,
    ):
        found = holding(system, str(tmp_path), NEW, ["shop"])
        assert [row["pid"] for row in found] == sorted([alone, url])


def test_not_more_are_told_than_anybody_reads(system, tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "MOST", 1)
    with running(A="some-value-of-before"), running(A="some-value-of-before"):
        assert len(holding(system, str(tmp_path), NEW, ["some-value-of-before"])) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: others' environments are not for everybody")
def test_programs_of_other_users_are_seen(system, tmp_path):
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sleep", "60"]
    with subprocess.Popen(argv, env={"A": "some-value-of-nobody"}) as child:
        try:
            found = holding(system, str(tmp_path), NEW, ["some-value-of-nobody"])
            assert [row["pid"] for row in found] == [child.pid]
        finally:
            child.kill()

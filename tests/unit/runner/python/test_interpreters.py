"""The Python that the settings name is looked for before anything is touched."""

from __future__ import annotations

import socket

import pytest

from hawser.runner.python import interpreters
from hawser.runner.python.interpreters import missing
from hawser.runner.system import System

LACKING = "3.99"


@pytest.fixture
def system(tmp_path):
    (tmp_path / "state").mkdir()
    return System(str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_the_hosts_own_python_is_not_missing(system, tmp_path):
    for wanted in ("", "python3", "/usr/bin/python3"):
        assert missing(system, wanted, str(tmp_path), "") == ""


def test_a_path_or_a_name_that_is_not_there_is_named(system, tmp_path):
    assert "no interpreter /opt/none/python" in missing(system, "/opt/none/python", str(tmp_path), "")
    assert "no interpreter 'pypy99'" in missing(system, "pypy99", str(tmp_path), "")


def test_one_that_uv_has_fetched_is_not_missing(system, tmp_path):
    program = tmp_path / ".python" / "cpython-3.99.1-linux-x86_64-gnu" / "bin" / "python3.99"
    program.parent.mkdir(parents=True)
    program.symlink_to("/usr/bin/python3")
    assert missing(system, LACKING, str(tmp_path), "http://127.0.0.1:1/x") == ""


def test_a_version_that_cannot_be_fetched_says_from_where(system, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/pythons"
        assert missing(system, LACKING, str(tmp_path), address) == ""
    said = missing(system, LACKING, str(tmp_path), address)
    assert said == "this host has no Python 3.99, and uv cannot fetch one: 127.0.0.1: Connection refused"
    assert "uv fetches none before 3.8" in missing(system, "2.6", str(tmp_path), address)


def test_a_folder_serves_as_well(system, tmp_path):
    assert missing(system, LACKING, str(tmp_path), f"file://{tmp_path}") == ""
    assert "there is no folder /opt/none here" in missing(system, LACKING, str(tmp_path), "file:///opt/none")


def test_a_proxy_is_asked_in_place_of_the_server(system, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{server.getsockname()[1]}")
        assert missing(system, LACKING, str(tmp_path), "https://pythons.invalid/x") == ""
    assert "127.0.0.1: Connection refused" in missing(system, LACKING, str(tmp_path), "https://pythons.invalid/x")
    monkeypatch.setenv("no_proxy", "pythons.invalid")
    assert "pythons.invalid: " in missing(system, LACKING, str(tmp_path), "https://pythons.invalid/x")


def test_without_a_mirror_uvs_own_place_is_asked(system, tmp_path, monkeypatch):
    monkeypatch.setattr(interpreters, "refusal", lambda place: "asked")
    assert missing(system, LACKING, str(tmp_path), "").endswith("github.com: asked")

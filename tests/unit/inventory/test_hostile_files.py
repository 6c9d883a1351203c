"""Environment files that nobody wrote in good faith: a sentence, soon, without a traceback."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hawser.errors import HawserError, InputErrors
from hawser.inventory import Environment, load_inventory, read_environment
from hawser.secrets import load_secrets, sources_of
from hawser.ssh.hostkeys import KnownHosts

from .conftest import PLAIN


def refused(path: Path) -> str:
    """Return what is said of a file."""
    began = time.thread_time()
    with pytest.raises(InputErrors) as caught:
        read_environment(path)
    # Work of this thread alone, however busy the machine is.
    assert time.thread_time() - began < 20
    assert len(str(caught.value)) < 5000 and caught.value.code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5000 + "]" * 5000,
        "x = " + "{a = " * 5000 + "1" + "}" * 5000,
        ".".join(["a"] * 3000) + " = 1",
        "[" + ".".join(["a"] * 3000) + "]",
        "[[" + " . ".join(["'a'"] * 3000) + "]]",
        "x = {" + ".".join(["a"] * 300_000) + " = 1}",
        ".".join(["a"] * 500_000) + " = 1",
        "[vars]\nx = " + "[" * 60 + "]" * 60,
        "".join(f"[{'.'.join(['a'] * depth)}]\n" for depth in range(1, 100)),
    ],
    ids=range(9),
)
def test_a_file_nested_too_deeply_is_refused(write, text):
    assert "nested deeper than 50" in refused(write(text))


@pytest.mark.parametrize("number", ["1" * 6000, "-" + "9" * 100_000], ids=["long", "longer"])
def test_a_number_that_is_too_long_is_refused(write, number):
    assert refused(write(PLAIN + f"[vars]\nx = {number}\n")).endswith("hosts/shop.toml: has a number that is too long")


def test_a_byte_order_mark_at_the_beginning_is_no_mistake(folder):
    (folder / "shop.toml").write_bytes(b"\xef\xbb\xbf" + PLAIN.encode())
    assert read_environment(folder / "shop.toml").app.name == "shop"


@pytest.mark.parametrize("size", [2_000_000, 50_000_000])
def test_a_file_that_is_too_long_is_refused(write, size):
    assert "cannot be read: it is longer than 1,048,576 bytes" in refused(write(PLAIN + f'[vars]\nx = "{"y" * size}"'))


@pytest.mark.parametrize(
    "text", ["{{ '" + "x" * 900_000 + "' }}", "{{" * 400_000, "{% if x %}" * 90_000, "{#" * 400_000]
)
def test_a_value_that_is_nearly_too_long_is_judged_soon(write, text):
    path = write(PLAIN + f'[env.variables]\nX = """{text}"""\n')
    began = time.thread_time()
    try:
        read_environment(path)
    except InputErrors as error:
        assert len(str(error)) < 5000
    assert time.thread_time() - began < 20


def test_a_value_in_a_message_is_shown_in_part(write):
    assert len(refused(write(PLAIN.replace('name = "shop"', f'name = "{"y" * 100_000}"')))) < 2000


def test_a_pipe_a_device_and_a_link_to_itself_are_refused(folder):
    os.mkfifo(folder / "shop.toml")
    assert "cannot be read: it is no regular file" in refused(folder / "shop.toml")
    (folder / "zero.toml").symlink_to("/dev/zero")
    assert "cannot be read: it is no regular file" in refused(folder / "zero.toml")
    (folder / "loop.toml").symlink_to("loop.toml")
    assert "hosts/loop.toml: cannot be read: too many levels" in refused(folder / "loop.toml")
    (folder / "over.toml").write_text('extends = "loop.toml"\n')
    assert "extends: cannot read hosts/loop.toml" in refused(folder / "over.toml")
    (folder / "a.toml").symlink_to("b.toml")
    (folder / "b.toml").symlink_to("a.toml")
    assert "too many levels" in refused(folder / "a.toml")


@pytest.mark.parametrize("base", ["../shop.toml", "/etc/shop.toml", "a\\u0000.toml", "a\\n.toml", "x/../../y.toml"])
def test_a_file_outside_of_the_folder_cannot_be_extended(write, base):
    assert "lies outside of hosts" in refused(write(f'extends = "{base}"\n'))


def test_files_that_extend_each_other_through_links_are_refused(folder):
    (folder / "a.toml").write_text('extends = "b.toml"\n')
    (folder / "b.toml").symlink_to("a.toml")
    assert "extends itself" in refused(folder / "a.toml")


def test_a_name_is_looked_up_though_another_file_is_hostile(folder, write):
    write()
    os.mkfifo(folder / "pipe.toml")
    with pytest.raises(HawserError):
        load_inventory(folder, "shop").select(["nothing"])


def test_secrets_from_a_pipe_or_without_an_end_are_refused(folder):
    environment = Environment.model_validate({"name": "shop", "app": {"name": "shop", "repo": "."}})
    os.mkfifo(folder / "shop.env", 0o600)
    with pytest.raises(InputErrors, match=r"shop\.env: cannot be read: it is no regular file"):
        load_secrets(environment, sources_of(environment, folder))
    (folder / "shop.env").unlink()
    (folder / "shop.env").write_text("A=" + "x" * 2_000_000)
    (folder / "shop.env").chmod(0o600)
    with pytest.raises(InputErrors, match=r"longer than 1,048,576 bytes"):
        load_secrets(environment, sources_of(environment, folder))


def test_known_hosts_from_a_pipe_or_of_bytes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "known_hosts")
    with pytest.raises(HawserError, match="no regular file"):
        KnownHosts(tmp_path / "known_hosts")
    (tmp_path / "bytes").write_bytes(bytes(range(128, 256)) * 10)
    with pytest.raises(HawserError, match="cannot be read"):
        KnownHosts(tmp_path / "bytes")

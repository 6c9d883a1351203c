"""What a picture shows of a terminal: what is there in the end, and nothing of this machine."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import platform
import struct
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "bin" / "pictures"


@pytest.fixture(scope="module")
def pictures():
    loader = importlib.machinery.SourceFileLoader("pictures", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pictures", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("one\ntwo\n", "one\ntwo"),
        ("\x1b[32mgreen\x1b[0m\n", "\x1b[32mgreen\x1b[0m"),
        ("10 %\r20 %\r30 %\n", "30 %"),
        ("stays\n\x1b[?25lbusy\r\x1b[2Kbusier\r\x1b[2Kdone\n\x1b[?25h", "stays\ndone"),
        ("stays\nlive 1\nlive 2\r\x1b[2K\x1b[1A\x1b[2Kthe next line\n", "stays\nthe next line"),
    ],
)
def test_text_that_was_erased_or_written_over_is_not_in_a_picture(pictures, written, shown):
    assert pictures.settled(written) == shown


@pytest.mark.parametrize("text", ["at 192.0.2.7 it is", f"in {PROGRAM.parents[1]}", f"from {platform.node()}"])
def test_text_of_this_machine_ends_the_making_of_a_picture(pictures, text):
    with pytest.raises(SystemExit, match="not fit for a picture"):
        pictures.refuse_what_is_private(text)


def test_addresses_of_throwaway_hosts_may_be_seen_in_a_picture(pictures):
    pictures.refuse_what_is_private("web1 10.213.4.3 /srv/demo/current")


@pytest.mark.parametrize("name", ["deploy", "status", "top", "drift", "plan"])
def test_the_pictures_that_are_kept_show_nothing_private_and_fetch_nothing(pictures, name):
    text = (pictures.PICTURES / f"{name}.svg").read_text()
    pictures.refuse_what_is_private(text)
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("https://www.textualize.io", "")


def test_the_picture_of_a_page_is_kept_with_nothing_but_its_points(pictures):
    data = (pictures.PICTURES / "report.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) < 400_000
    kinds, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kinds.append(data[place + 4 : place + 8].decode())
        place += 12 + length
    # No text, no time, no profile.
    assert {*kinds} <= {"IHDR", "sBIT", "sRGB", "pHYs", "IDAT", "IEND"}
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (pictures.PAGE_WIDTH, pictures.PAGE_HEIGHT)

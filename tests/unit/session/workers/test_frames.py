"""Pieces of lines, and the errors among them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.errors import AtWork, HawserError, ProtocolBreach, Unreachable
from hawser.session.workers.frames import Frame, Kind, pack, pack_error, unpack, unpack_error
from hawser.ssh.hostkeys import HostKeyRefused

FRAMES = st.builds(Frame, st.integers(0, 2**32 - 1), st.sampled_from(Kind), st.binary(max_size=50))


@given(st.lists(FRAMES, max_size=5))
def test_pieces_come_as_they_were_sent(frames):
    assert list(unpack(pack(frames))) == frames


@given(FRAMES, st.integers(1, 20))
def test_half_a_piece_is_none(frame, missing):
    whole = pack([frame])
    with pytest.raises(ValueError, match="half a piece"):
        list(unpack(whole[: -min(missing, len(whole) - 1)]))


def test_a_piece_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="99"):
        list(unpack(pack([Frame(1, 99)])))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("no answer within 10 s;", host="web1", next="is it up?"),
        Unreachable("the connection broke", host="web1"),
        HostKeyRefused("its host key is not known yet", host="web1", next="compare it\nthen trust"),
        ProtocolBreach("web1", "a line that is no message"),
        HawserError("cannot be read", code=2),
    ],
)
def test_an_error_is_told_here_as_it_was_there(error):
    found = unpack_error(pack_error(error))
    assert type(found) is type(error)
    same = ("message", "code", "host", "next", "what", "without_host")
    assert [getattr(found, each) for each in same] == [getattr(error, each) for each in same]


def test_an_error_of_another_kind_keeps_its_words():
    assert str(unpack_error(pack_error(AtWork("somebody deploys", host="web1")))) == "web1: somebody deploys"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"kind": "SystemExit"}', json.dumps({"message": "x"}).encode()])
def test_what_is_no_error_of_ours_is_refused(data):
    with pytest.raises(ValueError):
        unpack_error(data)

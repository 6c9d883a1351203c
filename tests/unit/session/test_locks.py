"""How it is said who is at work and who has frozen a host."""

from __future__ import annotations

import time

from hawser.session.locks import at_work, held, moment


def test_the_holder_is_named_with_place_time_and_command():
    now = time.time()
    said = at_work({"who": "ann", "from": "desk", "since": now, "what": "deploy"})
    assert said == f"ann on desk is at work on it since {moment(now)} (deploy)"


def test_a_freeze_is_told_with_its_reason():
    said = held({"who": "ann", "from": "desk", "since": "0", "why": "the fair"})
    assert said.startswith("ann on desk since 19") and said.endswith(": the fair")


def test_a_time_of_another_day_has_its_date():
    assert moment(86400 * 365)[:4] in ("1970", "1971")
    assert len(moment(time.time())) == 8

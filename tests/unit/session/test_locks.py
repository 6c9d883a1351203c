"""How it is said who is at work and who has frozen a host."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.host.release import Facts
from hawser.session.locks import at_work, held, moment, refuse_damaged


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


def session(*damaged: str, dry: bool = False) -> Any:
    said: list[str] = []
    report = SimpleNamespace(note=lambda host, text, level: said.append(text))
    return SimpleNamespace(facts={"web1": Facts(damaged=damaged)}, dry=dry, report=report, said=said)


def test_nothing_is_done_where_nobody_knows_what_a_host_has_written_down():
    refuse_damaged(session(), ["web1"])
    with pytest.raises(HawserError) as caught:
        refuse_damaged(session("/var/lib/hawser/shop/hold.json"), ["web1"])
    assert str(caught.value).splitlines()[:2] == [
        "records of hosts are damaged, so that nobody knows what they said; nothing was touched",
        "  web1: /var/lib/hawser/shop/hold.json",
    ]


def test_a_dry_run_only_says_that_a_record_is_damaged():
    there = session("/var/lib/hawser/shop/hold.json", dry=True)
    refuse_damaged(there, ["web1"])
    assert there.said[0].splitlines()[1] == "  web1: /var/lib/hawser/shop/hold.json"

"""Records of hosts that are damaged stop what depends on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.host.facts import Facts
from hawser.session.connections import Connections


def connections(*damaged: str, dry: bool = False) -> Any:
    said: list[str] = []
    report = SimpleNamespace(note=lambda host, text, level: said.append(text))
    made = Connections(SimpleNamespace(dry=dry, report=report, said=said))  # type: ignore[arg-type]
    made.facts["web1"] = Facts(damaged=damaged)
    return made


def test_damaged_records_of_a_host_stop_a_run():
    connections().refuse_damaged(["web1"])
    with pytest.raises(HawserError) as caught:
        connections("/var/lib/hawser/shop/hold.json").refuse_damaged(["web1"])
    assert str(caught.value).splitlines()[:2] == [
        "records of hosts are damaged, so that nobody knows what they said; nothing was touched",
        "  web1: /var/lib/hawser/shop/hold.json",
    ]


def test_a_dry_run_only_says_that_a_record_is_damaged():
    there = connections("/var/lib/hawser/shop/hold.json", dry=True)
    there.refuse_damaged(["web1"])
    assert there.run.said[0].splitlines()[1] == "  web1: /var/lib/hawser/shop/hold.json"

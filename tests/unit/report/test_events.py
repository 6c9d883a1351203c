"""Reading what the runner says."""

from __future__ import annotations

import pytest

from hawser.report import Event


def test_an_event_takes_what_the_runner_sends() -> None:
    row = {
        "t": "event",
        "position": 3,
        "step": "nginx.install",
        "label": "file /etc/nginx/nginx.conf",
        "status": "changed",
        "ms": 12,
        "diff": "-a\n+b",
        "facts": {"release": "3f2c1ab"},
    }
    assert Event.from_wire(row) == Event(
        3, "nginx.install", "file /etc/nginx/nginx.conf", "changed", 12.0, diff="-a\n+b", facts={"release": "3f2c1ab"}
    )


def test_fields_that_the_runner_leaves_out_are_empty() -> None:
    assert Event.from_wire({"status": "ok", "step": "s", "label": "l"}) == Event(0, "s", "l", "ok")


@pytest.mark.parametrize(
    "row",
    [{}, {"status": "fine"}, {"status": ["ok"]}, {"status": "ok", "ms": "long"}, {"status": "ok", "facts": ["a"]}],
)
def test_an_event_that_makes_no_sense_is_refused(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="an event"):
        Event.from_wire(row)


def test_book_keeping_is_what_this_machine_says_and_no_host() -> None:
    row = {"status": "changed", "step": "s", "label": "l", "position": 1, "bookkeeping": True}
    assert not Event.from_wire(row).bookkeeping and not Event.from_wire(row, {0}).bookkeeping
    assert Event.from_wire(row, {0, 1}).bookkeeping

"""What hosts watch: the longest time between two runs of an entry of cron."""

from __future__ import annotations

import pytest

from hawser.host.watch import longest_gap

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("* * * * *", 60),
        ("*/5 * * * *", 300),
        ("@hourly", HOUR),
        ("@daily", DAY),
        ("0 3 * * *", DAY),
        # From Friday evening until Monday morning.
        ("*/10 8-17 * * 1-5", 2 * DAY + 14 * HOUR + 600),
        ("0 4 * * 0", 7 * DAY),
        ("0 0 1 * *", 31 * DAY),
        ("0 0 1 1 *", 365 * DAY),
        ("@reboot", 0),
        ("0 0 30 2 *", 0),
    ],
)
def test_the_longest_time_between_two_runs(schedule: str, seconds: int) -> None:
    assert longest_gap(schedule) == seconds

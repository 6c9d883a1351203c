"""When crontab entries run next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.answers.kinds import LATEST
from hawser.host.facts import Facts
from hawser.inventory.values.schedule import NICKNAMES, check_schedule
from hawser.tasks.cron import next_run

# A Monday.
NOON = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("* * * * *", "12:01"),
        ("*/5 * * * *", "12:05"),
        ("0 4 * * *", "Dec 01, 04:00"),
        ("0 4 * * 7", "Dec 06, 04:00"),
        # One of both days is enough.
        ("0 4 13 * fri", "Dec 04, 04:00"),
        ("@hourly", "13:00"),
        ("@weekly", "Dec 06, 00:00"),
        ("@reboot", "at boot"),
    ],
)
def test_an_entry_runs_next_when_cron_says(schedule: str, told: str) -> None:
    assert next_run(schedule, Facts(clock=NOON)) == told


def test_the_clock_is_that_of_the_host() -> None:
    assert next_run("30 * * * *", Facts(clock=NOON, offset=5 * 3600 + 1800)) == "18:30"
    assert next_run("0 2 * * *", Facts(clock=NOON, offset=-11 * 3600)) == "02:00"


@pytest.mark.parametrize("clock", [LATEST, -LATEST])
def test_a_clock_at_the_end_of_all_calendars_is_no_error(clock: float) -> None:
    assert next_run("0 0 1 1 *", Facts(clock=clock, offset=86_400)) in ("not known", "Jan 01, 00:00")


PART = st.one_of(
    st.just("*"),
    st.integers(1, 6).map(str),
    st.tuples(st.integers(1, 3), st.integers(4, 6)).map("{0[0]}-{0[1]}".format),
    st.tuples(st.integers(1, 3), st.integers(4, 6), st.integers(1, 4)).map("{0[0]}-{0[1]}/{0[2]}".format),
    st.integers(2, 4).map("*/{}".format),
)
FIELD = st.lists(PART, min_size=1, max_size=3).map(",".join)
NAMES = (
    st.sampled_from(["jan", "Feb-MAR", "apr,jun-dec/2"]),
    st.sampled_from(["mon", "Tue-FRI", "sun,wed-sat/2", "0-7"]),
)


@given(
    st.tuples(FIELD, FIELD, FIELD, FIELD | NAMES[0], FIELD | NAMES[1]).map(" ".join) | st.sampled_from(list(NICKNAMES))
)
def test_every_schedule_that_settings_may_have_has_a_next_run(schedule: str) -> None:
    assert next_run(check_schedule(schedule), Facts(clock=NOON)) != "not known"

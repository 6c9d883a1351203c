from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.inventory.base import InvalidValue
from hawser.inventory.values.schedule import NICKNAMES, check_schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/1 * * * *",
        "*/10 0-6,12 1,15 jan-mar mon-fri",
        "0 4 29 2 *",
        "59 23 31 12 7",
        "0 0 31 2 0",
        "10-50/20 */2 * Dec SUN",
        *NICKNAMES,
    ],
)
def test_a_schedule_that_cron_understands_is_accepted(schedule):
    assert check_schedule(schedule) == schedule


def test_blanks_in_a_schedule_are_made_single():
    assert check_schedule(" 0  4\t* * *") == "0 4 * * *"


@pytest.mark.parametrize(
    ("schedule", "message", "hint"),
    [
        ("@dayly", "@dayly is no schedule that cron knows", "did you mean @daily?"),
        ("* * * *", "a schedule has five fields, this one has 4", "minute, hour"),
        ("60 * * * *", "the minute 60 is out of range", "0 to 59"),
        ("* 24 * * *", "the hour 24 is out of range", "0 to 23"),
        ("* * 0 * *", "the day of the month 0 is out of range", "1 to 31"),
        ("* * * 13 *", "the month 13 is out of range", "1 to 12"),
        ("* * * * 8", "the day of the week 8 is out of range", "0 to 7"),
        ("* * * jann *", "the month 'jann' is no number", "did you mean jan?"),
        ("5-1 * * * *", "the minute '5-1' is a range that runs backwards", "write the smaller number first"),
        ("5/10 * * * *", "the minute '5/10' has a step without a range", "write 5-59/10"),
        ("*/0 * * * *", "the minute '*/0' has a step that is not between 1 and 59", ""),
        ("*/90 * * * *", "the minute '*/90' has a step that is not between 1 and 59", ""),
        ("1,,2 * * * *", "the minute '1,,2' is not a number, a range, a list or a step", "as in"),
        ("*-5 * * * *", "the minute '*-5' is not a number, a range, a list or a step", "as in"),
        ("* * L * *", "the day of the month 'l' is no number", "1 to 31"),
        ("* * * * mon#1", "the day of the week 'mon#1' is not a number, a range, a list or a step", "as in"),
        ("0 0 30 feb *", "no month of feb has a day 30, so cron would never run it", ""),
        ("0 0 31 4,6 *", "no month of 4,6 has a day 31, so cron would never run it", ""),
        ("", "a schedule has five fields, this one has 0", "minute, hour"),
    ],
)
def test_a_schedule_that_cron_refuses_or_misreads_is_refused(schedule, message, hint):
    with pytest.raises(InvalidValue) as caught:
        check_schedule(schedule)
    assert (caught.value.message, caught.value.hint[: len(hint)]) == (message, hint)


@given(st.text(alphabet="0123456789*/,- @adinmsu\n\t", max_size=30))
def test_any_text_is_accepted_or_refused_as_a_schedule_without_an_accident(text):
    try:
        assert len(check_schedule(text).split()) in (1, 5)
    except InvalidValue:
        pass

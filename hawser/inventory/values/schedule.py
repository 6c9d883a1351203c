"""Checks a cron schedule the way Debian's cron reads it, and refuses schedules that cron would silently misread.

Source: crontab(5) of Debian's cron 3.0pl1.
"""

from __future__ import annotations

import calendar
import re

from ..base import InvalidValue, did_you_mean

# What each stands for; at boot, no field does.
NICKNAMES = {
    "@reboot": "",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_ELEMENT = re.compile(r"(?P<first>\*|[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?(?:/(?P<step>[0-9]+))?", re.ASCII)


def check_schedule(text: str) -> str:
    """Return `text` with single blanks; raise :class:`InvalidValue` when it is no schedule."""
    if text.startswith("@"):
        if text not in NICKNAMES:
            raise InvalidValue(
                f"{text} is no schedule that cron knows", did_you_mean(text, NICKNAMES, ", ".join(NICKNAMES))
            )
        return text
    fields = text.split()
    if len(fields) != 5:
        hint = "minute, hour, day of the month, month, day of the week, as in */10 * * * *; or @daily"
        if len(fields) == 6:
            hint += "; the user is a key of its own: user"
        raise InvalidValue(f"a schedule has five fields, this one has {len(fields)}", hint)
    values = [_field(field, *spec) for field, spec in zip(fields, _FIELDS, strict=True)]
    _refuse_days_that_never_come(fields, values)
    return " ".join(fields)


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    """Return the numbers that one field stands for."""
    numbers: set[int] = set()
    for element in text.lower().split(","):
        match = _ELEMENT.fullmatch(element)
        if match is None or (match["first"] == "*" and match["last"]):
            raise InvalidValue(
                f"the {name} {text!r} is not a number, a range, a list or a step", "as in 5, 1-5, 1,15 or */10"
            )
        if match["step"] and match["first"] != "*" and not match["last"]:
            # Vixie cron reads 5/10 as 5 and says nothing.
            raise InvalidValue(
                f"the {name} {text!r} has a step without a range", f"write {match['first']}-{high}/{match['step']}"
            )
        if match["first"] == "*":
            first, last = low, high
        else:
            first = _number(match["first"], name, low, high, names)
            last = _number(match["last"], name, low, high, names) if match["last"] else first
        if first > last:
            raise InvalidValue(f"the {name} {text!r} is a range that runs backwards", "write the smaller number first")
        step = int(match["step"] or 1)
        if not 1 <= step <= high - low:
            raise InvalidValue(f"the {name} {text!r} has a step that is not between 1 and {high - low}")
        numbers.update(range(first, last + 1, step))
    return numbers


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    number = int(text) if text.isdigit() else names.get(text)
    if number is None:
        raise InvalidValue(f"the {name} {text!r} is no number", did_you_mean(text, names, f"{low} to {high}"))
    if not low <= number <= high:
        raise InvalidValue(f"the {name} {number} is out of range", f"{low} to {high}")
    return number


def _refuse_days_that_never_come(fields: list[str], values: list[set[int]]) -> None:
    days, months = values[2], values[3]
    # With a day of the week as well, cron runs when either fits.
    if fields[4] == "*" and not any(day <= calendar.monthrange(2024, month)[1] for month in months for day in days):
        raise InvalidValue(f"no month of {fields[3]} has a day {fields[2]}, so cron would never run it")

"""How command lines stand in a crontab; that cron reads them so is shown on hosts, in tests/hosts/formats."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable, crontab_command


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("/srv/demo/env/bin/python manage.py tick", "/srv/demo/env/bin/python manage.py tick"),
        ("date +%F", r"date +\%F"),
        ("printf '%s%%'", r"printf '\%s\%\%'"),
        (r"echo \%", r"echo \\\%"),
        (r"echo \\%", r"echo \\\\\%"),
        (r"grep '\.py$' \ ", r"grep '\.py$' \ "),
        (r"echo 'a\\b'", r"echo 'a\\\\b'"),
        ("echo # ; $HOME `id` !", "echo # ; $HOME `id` !"),
        ("ends with \\", "ends with \\"),
    ],
)
def test_a_command_is_escaped_as_cron_reads_it(command: str, written: str) -> None:
    assert crontab_command(command) == written


@pytest.mark.parametrize(
    ("command", "reason"),
    [("a\nb", "newline"), ("", "empty"), ("  ", "empty"), ("x" * 999, "998 bytes"), ("%" * 500, "998 bytes")],
)
def test_a_command_that_cron_would_change_is_refused(command: str, reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason):
        crontab_command(command)


def test_the_longest_command_that_cron_takes_is_carried() -> None:
    assert crontab_command("x" * 998) == "x" * 998

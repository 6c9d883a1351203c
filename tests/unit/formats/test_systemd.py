"""How values stand in systemd's units; that systemd reads them so is shown on hosts, in tests/hosts/formats."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable, systemd_environment, systemd_exec, systemd_value, systemd_word


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-word_1.2/x:y=z,+@", "plain-word_1.2/x:y=z,+@"),
        ("", '""'),
        ("two words", '"two words"'),
        (";", '";"'),
        ("100%", '"100%%"'),
        ("$HOME", '"$$HOME"'),
        ("${HOME}", '"$${HOME}"'),
        ("it's", '"it\'s"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb\r\tc", r'"a\nb\r\tc"'),
        ("\x01\x1b\x7f", r'"\x01\x1b\x7f"'),
        ("Übermut", '"Übermut"'),
        ("#;!", '"#;!"'),
    ],
)
def test_a_word_is_quoted_as_systemd_reads_it(value: str, written: str) -> None:
    assert systemd_word(value) == written


def test_a_command_line_is_quoted_as_systemd_reads_it() -> None:
    assert systemd_exec(["/bin/echo", "50%", "a b", "-x"]) == '/bin/echo "50%%" "a b" -x'
    assert systemd_exec(["/srv/my app/50%", "x"]) == '"/srv/my app/50%%" x'


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "needs a program"),
        ([""], "plain name"),
        (["bin/gunicorn"], "plain name"),
        (["-gunicorn"], "plain name"),
        (["@/bin/sh"], "plain name"),
        (["/srv/"], "plain name"),
        (["/srv/a$b"], "no escape"),
        (["/srv/it's"], "quote, backslash"),
        (["/srv/a\\b"], "quote, backslash"),
        (["/srv/a\nb"], "control character"),
    ],
)
def test_a_program_that_systemd_would_not_take_is_refused(argv: list[str], reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason):
        systemd_exec(argv)


def test_an_argument_or_command_line_too_long_for_systemd_is_refused() -> None:
    systemd_exec(["/bin/echo", *["x" * 4095] * 250])
    with pytest.raises(NotRepresentable, match="megabyte"):
        systemd_exec(["/bin/echo", *["x" * 4095] * 256])
    for value in ("x" * 4096, "ä" * 2048, "$" * 2048):
        with pytest.raises(NotRepresentable, match="4095 bytes"):
            systemd_word(value)


def test_a_variable_of_a_unit_keeps_its_dollar() -> None:
    assert systemd_environment("KEY", 'a $b "c" 50%\n') == r'Environment="KEY=a $b \"c\" 50%%\n"'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", ""),
        ("Demo: 100% of $HOME", "Demo: 100%% of $HOME"),
        ("/srv/my app", "/srv/my app"),
        ("even \\\\", "even \\\\"),
        ("# no comment", "# no comment"),
    ],
)
def test_a_plain_value_is_escaped_as_systemd_reads_it(value: str, written: str) -> None:
    assert systemd_value(value) == written


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\nb", "newline"),
        ("a\rb", "newline"),
        (" a", "white space"),
        ("a\t", "white space"),
        ("a\\", "backslash"),
        ("a\\\\\\", "backslash"),
    ],
)
def test_a_plain_value_refuses_what_systemd_would_change(value: str, reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason):
        systemd_value(value)


@pytest.mark.parametrize("value", ["\ufdd0", "\ufffe", "\U0003ffff"])
def test_noncharacters_are_refused_everywhere(value: str) -> None:
    for write in (systemd_word, systemd_value, lambda text: systemd_environment("KEY", text)):
        with pytest.raises(NotRepresentable, match="code point"):
            write(value)

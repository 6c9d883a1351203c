"""What every format does alike: refusing by name, and never with the value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hawser import formats
from hawser.formats import NotRepresentable

TEXT_WRITERS: list[Callable[[str], str]] = [
    formats.shell,
    formats.systemd_word,
    formats.systemd_value,
    formats.supervisor_value,
    formats.crontab_command,
    formats.nginx_string,
    formats.nginx_word,
    formats.ini_value,
    lambda value: formats.shell_environment({"KEY": value}),
    lambda value: formats.dotenv({"KEY": value}),
    lambda value: formats.supervisor_environment({"KEY": value}),
    lambda value: formats.systemd_environment("KEY", value),
    lambda value: formats.systemd_exec(["/bin/echo", value]),
    lambda value: formats.supervisor_command(["/bin/echo", value]),
]
MAPPING_WRITERS: list[Callable[[dict[str, str]], str]] = [
    formats.shell_environment,
    formats.dotenv,
    formats.supervisor_environment,
    lambda variables: "".join(formats.systemd_environment(name, value) for name, value in variables.items()),
]


@pytest.mark.parametrize("write", TEXT_WRITERS)
def test_no_text_format_carries_a_nul(write: Callable[[str], str]) -> None:
    with pytest.raises(NotRepresentable, match="NUL") as refusal:
        write("hunter2\0")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("write", [*TEXT_WRITERS, formats.json_text, formats.yaml_text, formats.url_quote])
def test_half_a_surrogate_pair_is_no_text(write: Callable[[str], str]) -> None:
    with pytest.raises(NotRepresentable, match="surrogate") as refusal:
        write("hunter2\ud800")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("write", TEXT_WRITERS)
def test_what_is_no_text_is_refused_by_its_type(write: Callable[[object], str]) -> None:
    for value in (None, True, 5, b"hunter2", ["hunter2"]):
        with pytest.raises(NotRepresentable, match=type(value).__name__) as refusal:
            write(value)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("write", MAPPING_WRITERS)
def test_a_refused_variable_is_named(write: Callable[[dict[str, str]], str]) -> None:
    with pytest.raises(NotRepresentable) as refusal:
        write({"FINE": "1", "STRIPE_KEY": "hunter2\0"})
    assert refusal.value.name == "STRIPE_KEY"
    assert "STRIPE_KEY" in str(refusal.value)
    assert refusal.value.format in str(refusal.value)
    assert refusal.value.reason in str(refusal.value)


@pytest.mark.parametrize("write", MAPPING_WRITERS)
@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "Ä", "A\n", "export A"])
def test_only_names_of_variables_are_written(write: Callable[[dict[str, str]], str], name: str) -> None:
    with pytest.raises(NotRepresentable, match="variable's name"):
        write({name: "1"})


@pytest.mark.parametrize("write", MAPPING_WRITERS)
def test_an_environment_without_variables_is_an_empty_text(write: Callable[[dict[str, str]], str]) -> None:
    assert write({}) == ""


@pytest.mark.parametrize(
    "write",
    [
        lambda value: formats.shell_environment({"KEY": value}),
        lambda value: formats.supervisor_environment({"KEY": value}),
        lambda value: formats.systemd_environment("KEY", value),
        lambda value: formats.supervisor_command(["/bin/echo", value]),
    ],
)
def test_what_is_too_long_for_a_process_is_refused(write: Callable[[str], str]) -> None:
    write("x" * 131_000)
    with pytest.raises(NotRepresentable, match="131071 bytes"):
        write("ä" * 65_536)


class Masked(str):
    """A text that shows itself as stars, as a type for secrets may."""

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__


@pytest.mark.parametrize("write", [*TEXT_WRITERS, formats.json_text, formats.yaml_text, formats.python_literal])
def test_a_text_that_hides_itself_is_written_in_full(write: Callable[[str], str]) -> None:
    assert write(Masked("hun ter")) == write("hun ter")

"""Environment files that say which Hawser can read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.errors import InputErrors
from hawser.inventory import read_environment, requirement

TEXT = '[app]\nname = "shop"\nrepo = "."\n[hosts.web1]\naddress = "10.0.0.1"\n'


def said(path: Path) -> str:
    with pytest.raises(InputErrors) as caught:
        read_environment(path)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requirement, "upgrade", lambda specifier, newer: f"{'newer' if newer else 'other'} {specifier}")
    return tmp_path / "shop.toml"


def test_a_file_that_needs_a_newer_hawser_says_that_first_and_alone(file: Path) -> None:
    file.write_text(f'requires_hawser = ">=7.1"\nkey_of_tomorrow = 1\n{TEXT}[hosts.web2]\nwrong = 1\n')
    message = said(file)
    assert "1 problem" in message
    assert "shop.toml: requires_hawser: needs Hawser >=7.1, and this is 0." in message
    assert "next: newer >=7.1" in message and "key_of_tomorrow" not in message


def test_a_file_that_this_hawser_can_read_is_read(file: Path) -> None:
    file.write_text(f'requires_hawser = ">=0.1,<7"\n{TEXT}')
    with_it = read_environment(file)
    file.write_text(TEXT)
    assert with_it == read_environment(file)


def test_a_file_that_is_extended_says_its_own(file: Path) -> None:
    file.write_text(f'extends = "base.toml"\nrequires_hawser = ">=0.1"\n{TEXT}')
    file.with_name("base.toml").write_text('requires_hawser = ">=8"\nkey_of_tomorrow = 1\n')
    assert "base.toml: requires_hawser: needs Hawser >=8" in said(file)


def test_a_file_for_older_versions_asks_for_no_newer_one(file: Path) -> None:
    file.write_text(f'requires_hawser = "<0.1"\n{TEXT}')
    assert "next: other <0.1" in said(file)


@pytest.mark.parametrize(
    "value",
    [
        '""',
        '"0.2"',
        '">= "',
        '"=>0.2"',
        '"~=1"',
        '">=0.2; x"',
        '">=0.2\'$(id)"',
        "2",
        "[]",
        "true",
        '">=٢"',
    ],
)
def test_what_is_no_specifier_is_a_mistake_at_its_place(file: Path, value: str) -> None:
    file.write_text(f"requires_hawser = {value}\nkey_of_tomorrow = 1\n{TEXT}")
    message = said(file)
    assert "shop.toml: requires_hawser:" in message and 'as in requires_hawser = ">=0.2"' in message
    assert "key_of_tomorrow" not in message


@pytest.mark.parametrize(
    ("ours", "specifier", "met"),
    [
        ("0.2.0", ">=0.2", True),
        ("0.10.0", ">=0.9", True),
        ("0.2.0rc1", ">=0.2", False),
        ("0.2.dev0", ">=0.2", False),
        ("0.2.1", ">0.2", True),
        ("0.2.0+local", "==0.2", True),
        ("0.3", "!=0.3.0", False),
        ("1.4.9", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("1.4.1", "~=1.4.2", False),
        ("1.9", "~=1.4", True),
        ("2.0", "~=1.4", False),
        ("0.5", " >= 0.2 , < 1 ", True),
        ("1.0", ">=0.2,<1", False),
    ],
)
def test_versions_are_compared_as_pep_440_says(ours: str, specifier: str, met: bool) -> None:
    try:
        requirement.require("shop.toml", specifier, ours)
    except InputErrors:
        assert not met
    else:
        assert met


def test_an_unknown_key_like_it_is_told_its_name(file: Path) -> None:
    file.write_text(f'require_hawser = ">=0.1"\n{TEXT}')
    assert "requires_hawser" in said(file)

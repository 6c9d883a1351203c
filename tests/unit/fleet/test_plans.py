"""The file of a plan: signed as a whole, without a secret, and what is said when things have changed since."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hawser.errors import HawserError
from hawser.fleet.plans import Plan
from hawser.session.planning import PlannedRow
from hawser.session.session import Session
from hawser.signatures import Signer, make_key

SIGNER = Signer("shop", make_key())
PLAN = Plan(
    "shop",
    ("web1", "web2"),
    (("deploy", {"revision": "main", "partial": False}),),
    "ann on desk",
    1796024866.272,
    "0.1.0+aaaa",
    "5" * 64,
    "6" * 64,
    {"main": "a" * 40},
    {"web1": [PlannedRow("nginx.install", "file /etc/nginx/x", "would_change", "7" * 64)], "web2": []},
)


def session(signer: Signer | None = SIGNER) -> Session:
    found = SimpleNamespace(secrets=SimpleNamespace(signer=signer), environment=SimpleNamespace(name="shop"))
    return cast(Session, found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    PLAN.save(path, SIGNER)
    return path


def test_a_plan_is_read_as_it_was_saved(file: Path) -> None:
    assert Plan.read(file, session()) == PLAN
    assert file.stat().st_mode & 0o777 == 0o600


def test_editing_any_byte_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for place in range(len(data)):
        for other in {data[place] ^ 1, ord(" "), ord("0")} - {data[place]}:
            file.write_bytes(data[:place] + bytes([other]) + data[place + 1 :])
            with pytest.raises(HawserError, match=r"is no plan|was edited"):
                Plan.read(file, session())
    for edited in (data[:-1], data + b"\n", b" " + data, data.replace(b"{", b'{"since": 1, ', 1)):
        file.write_bytes(edited)
        with pytest.raises(HawserError, match=r"is no plan|was edited"):
            Plan.read(file, session())


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '"x"', "[" * 100_000, '{"plan": 1}', "\xff", json.dumps(dict.fromkeys(["plan"], 2))],
)
def test_what_is_no_plan_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(HawserError, match="is no plan"):
        Plan.read(path, session())


def test_a_plan_of_another_key_or_environment_is_refused(file: Path) -> None:
    for signer in (Signer("shop", make_key()), Signer("staging", SIGNER.key)):
        with pytest.raises(HawserError, match="signed with another key"):
            Plan.read(file, session(signer))
    with pytest.raises(HawserError, match="no HAWSER_SIGNING_KEY yet"):
        Plan.read(file, session(None))


def test_another_record_that_we_have_signed_is_no_plan(file: Path) -> None:
    body = {key: value for key, value in json.loads(file.read_text()).items() if key != "signature"}
    file.write_text(json.dumps(SIGNER.signed("release", body), indent=1) + "\n")
    with pytest.raises(HawserError, match="was edited"):
        Plan.read(file, session())


def test_a_file_that_is_not_there_is_named_and_so_is_a_folder_that_is_not(tmp_path: Path) -> None:
    with pytest.raises(HawserError, match="cannot be read: no such file"):
        Plan.read(tmp_path / "plan.json", session())
    with pytest.raises(HawserError, match="cannot be written: no such file"):
        PLAN.save(tmp_path / "none" / "plan.json", SIGNER)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, []),
        ({"hawser": "0.1.0+bbbb"}, ["Hawser: it was 0.1.0+aaaa, and is 0.1.0+bbbb"]),
        ({"settings": "8"}, ["the settings: the environment file, a template, or an address of a host"]),
        ({"secrets": "8"}, ["the secrets"]),
        ({"revisions": {"main": "b" * 40}}, ["the commit: main was aaaaaaaaaa, and is bbbbbbbbbb"]),
        ({"rows": {"web1": [], "web2": []}}, ["web1: nginx.install: file /etc/nginx/x is gone"]),
        (
            {"rows": {**PLAN.rows, "web2": [PlannedRow("cron.install", "file /etc/cron.d/x", "ok", "1")]}},
            ["web2: cron.install: file /etc/cron.d/x is new"],
        ),
        (
            {"rows": {**PLAN.rows, "web1": [PLAN.rows["web1"][0]._replace(status="ok")]}},
            ["web1: nginx.install: file /etc/nginx/x was to be changed, and is as wanted now"],
        ),
        (
            {"rows": {**PLAN.rows, "web1": [PLAN.rows["web1"][0]._replace(digest="8")]}},
            [
                "web1: nginx.install: file /etc/nginx/x would be changed otherwise: what is there, or what is wanted, "
                "is something else"
            ],
        ),
    ],
)
def test_what_has_changed_since_is_told(now: dict[str, Any], said: list[str]) -> None:
    # When, and by whom, does not matter.
    assert PLAN.changed_since(dataclasses.replace(PLAN, made=0.0, by="bob", **now)) == said


def test_of_many_changes_of_a_host_the_first_ones_are_told() -> None:
    rows = {"web1": [PlannedRow("one", f"file /{number}", "ok", "1") for number in range(30)]}
    told = dataclasses.replace(PLAN, rows={}).changed_since(dataclasses.replace(PLAN, rows=rows))
    assert len(told) == 6 and told[-1] == "web1: and 25 more"

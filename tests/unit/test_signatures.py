"""What a signature proves, and what it does not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.host.facts import Facts
from hawser.host.journal import Record
from hawser.signatures import JOURNAL, RELEASE, ROLLOUT, Signer, Standing, is_key, make_key
from tests.hostile.imposter import FACTS

KEY = make_key()
SIGNER = Signer("shop", KEY)
CONTENT: dict[str, Any] = {"id": "1.0-12345678", "settings": {"web": {"a": 1}, "cron": {}}, "templates": {"x": "y"}}


def over_the_wire(content: Any) -> Any:
    return json.loads(json.dumps(content))


def test_content_that_we_wrote_is_ours_on_every_host():
    signed = over_the_wire(SIGNER.signed(RELEASE, CONTENT))
    assert {SIGNER.judge(RELEASE, signed, host) for host in ("web1", "web2")} == {Standing.OURS}


def test_an_older_reader_finds_what_it_expects():
    signed = SIGNER.signed(RELEASE, CONTENT)
    assert {name: signed[name] for name in CONTENT} == CONTENT


def test_content_counts_for_its_kind_its_environment_and_its_key_alone():
    signed = SIGNER.signed(ROLLOUT, CONTENT)
    assert SIGNER.judge(RELEASE, signed, "web1") is Standing.WRONG
    assert Signer("production", KEY).judge(ROLLOUT, signed, "web1") is Standing.WRONG
    assert Signer("shop", make_key()).judge(ROLLOUT, signed, "web1") is Standing.OTHER_KEY
    assert SIGNER.judge(ROLLOUT, CONTENT, "web1") is Standing.UNSIGNED


def test_a_journal_and_what_was_accepted_count_for_one_host_alone():
    journal = SIGNER.signed(JOURNAL, {"release": "r", "since": "later"}, "web1")
    assert SIGNER.judge(JOURNAL, {**journal, "since": "even later"}, "web1") is Standing.OURS
    assert SIGNER.judge(JOURNAL, journal, "web2") is Standing.WRONG
    assert SIGNER.judge(JOURNAL, SIGNER.signed(JOURNAL, {"release": "r"}), "web1") is Standing.WRONG
    accepted = SIGNER.signed(RELEASE, CONTENT, "web1", accepted=True)
    assert SIGNER.judge(RELEASE, accepted, "web1") is Standing.ACCEPTED
    assert SIGNER.judge(RELEASE, accepted, "web2") is Standing.WRONG
    for change in ({"accepted": False}, {"host": ""}, {"host": "", "accepted": False}):
        turned = {**accepted, "signature": {**accepted["signature"], **change}}
        assert SIGNER.judge(RELEASE, turned, "web1") is Standing.WRONG


@pytest.mark.parametrize("place", [0, 3, 99])
def test_a_journal_of_a_newer_version_is_ours_wherever_its_new_fields_stand(place):
    fields = [*Record("r", "1" * 40, by="ann", hosts=("web1",), begun=5).entry().items()]
    fields.insert(place, ("of a newer version", "x"))
    entry = over_the_wire(SIGNER.signed(JOURNAL, dict(fields), "web1"))
    facts = Facts.from_wire({**FACTS, "app": {**FACTS["app"], "journal": {**entry, "since": "later"}}})
    assert facts.journal is not None and SIGNER.judge(JOURNAL, facts.journal, "web1") is Standing.OURS


def test_the_order_of_tables_is_signed_as_well():
    signed = SIGNER.signed(RELEASE, CONTENT)
    turned = {**signed, "settings": dict(reversed(CONTENT["settings"].items()))}
    assert SIGNER.judge(RELEASE, turned, "web1") is Standing.WRONG


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JUNK, st.sampled_from(["key", "host", "accepted", "value", ""]))
def test_no_change_of_any_signed_part_passes(junk, part):
    signed = SIGNER.signed(RELEASE, CONTENT)
    for changed in ({**signed, "settings": junk}, {**signed, "more": junk}):
        assert SIGNER.judge(RELEASE, over_the_wire(changed), "web1") is Standing.WRONG
    bad = copy.deepcopy(signed)
    if part:
        bad["signature"][part] = junk
    else:
        bad["signature"] = junk
    if over_the_wire(bad) != signed:
        assert SIGNER.judge(RELEASE, over_the_wire(bad), "web1") in (
            Standing.WRONG,
            Standing.OTHER_KEY,
            Standing.UNSIGNED,
        )


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "\n"])
def test_text_that_is_no_signing_key_is_seen(text):
    assert not is_key(text) and is_key(KEY)

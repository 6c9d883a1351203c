"""What a host says of itself."""

from __future__ import annotations

import pytest

from hawser.host.facts import Facts

from .conftest import NEW


def test_facts_are_read_from_the_greeting_of_the_runner():
    greeting = {"hostname": "web1", "uid": 0, "later": "?", "app": {"current": NEW, "releases": [NEW], "new": 1}}
    facts = Facts.from_wire(greeting)
    assert (facts.hostname, facts.current, facts.releases) == ("web1", NEW, (NEW,))


@pytest.mark.parametrize("said", ["\x1b[2J", "a b", "-x", "../x", "1" * 201, 5, ["0.1.0"]])
def test_a_host_names_the_hawser_that_deployed_in_a_word_or_has_broken_the_protocol(said):
    assert Facts.from_wire({"app": {"hawser": "0.1.0+3249e03cd521"}}).hawser == "0.1.0+3249e03cd521"
    with pytest.raises(ValueError, match="hawser"):
        Facts.from_wire({"app": {"hawser": said}})


def test_facts_know_which_release_a_unit_belongs_to():
    facts = Facts(processes=({"unit": "shop-web-blue", "manager": "systemd", "release": NEW},))
    assert facts.release_of("shop-web-blue", "systemd") == NEW
    assert facts.release_of("shop-web-green", "systemd") == ""

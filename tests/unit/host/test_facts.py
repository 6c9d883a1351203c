"""What a host says of itself."""

from __future__ import annotations

from hawser.host.facts import Facts

from .conftest import NEW


def test_facts_are_read_from_the_greeting_of_the_runner():
    greeting = {"hostname": "web1", "uid": 0, "later": "?", "app": {"current": NEW, "releases": [NEW], "new": 1}}
    facts = Facts.from_wire(greeting)
    assert (facts.hostname, facts.current, facts.releases) == ("web1", NEW, (NEW,))


def test_facts_know_which_release_a_unit_belongs_to():
    facts = Facts(processes=({"unit": "shop-web-blue", "manager": "systemd", "release": NEW},))
    assert facts.release_of("shop-web-blue", "systemd") == NEW
    assert facts.release_of("shop-web-green", "systemd") == ""

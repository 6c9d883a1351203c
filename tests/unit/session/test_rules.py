"""What must be true of the settings is asked for every host, before any of them is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.session.rules import broken
from hawser.templates.rendering import Templates

ADDRESSES = {"master1": "10.0.0.1", "worker1": "10.0.0.2", "worker2": "10.0.0.3"}
HOSTS = {
    "master1": {"groups": ["master"]},
    "worker1": {"groups": ["worker"], "vars": {"slots": 4}},
    "worker2": {"groups": ["worker"], "vars": {"slots": 40}},
}


def told(*rules: dict[str, Any], **variables: Any) -> list[str]:
    """Return what is said of some rules, in an environment with these values of its own."""
    tables = {"name": "game", "path": Path("game.toml"), "app": {"name": "game", "repo": "."}, "hosts": HOSTS}
    environment = Environment.model_validate({**tables, "vars": variables, "rules": rules})
    secrets = Secrets("game", in_file(Path("game.env")), {"KEY": "k"})
    hosts = [Host(name, environment, secrets, Templates(), ADDRESSES) for name in HOSTS]
    return [str(problem) for problem in broken(hosts)]


BEAT = {"that": "vars.beat < vars.timeout", "message": "workers must beat more often than the master gives them up"}


def test_a_rule_that_holds_tells_of_no_problem():
    assert told(BEAT, beat=5, timeout=12) == []


def test_a_rule_that_does_not_hold_is_told_once_for_all_hosts():
    assert told(BEAT, beat=12, timeout=12) == [
        "game.toml: rules[0]: workers must beat more often than the master gives them up "
        "(vars.beat < vars.timeout is false)"
    ]


def test_a_rule_of_a_group_is_asked_for_its_hosts_and_names_those_that_break_it():
    rule = {"that": "host.vars.slots <= 20", "message": "too many slots", "groups": ["worker"]}
    assert told(rule) == ["game.toml: rules[0]: too many slots (host.vars.slots <= 20 is false for worker2)"]


def test_a_rule_about_a_value_that_a_host_lacks_says_what_is_needed_and_where():
    rule = {"that": "host.vars.slots > 0", "message": "a worker needs slots"}
    assert told(rule) == [
        "game.toml: rules[0]: a worker needs slots "
        "(host.vars.slots > 0: 'dict object' has no attribute 'slots' for master1)"
    ]


def test_all_broken_rules_are_told_together():
    rules = [{"that": "false", "message": "first"}, {"that": "group('worker') | length > 5", "message": "second"}]
    assert [line.split(": ")[2].split(" (")[0] for line in told(*rules)] == ["first", "second"]


def test_a_secret_may_be_measured_and_is_not_shown():
    assert told({"that": "secrets.KEY | length >= 32", "message": "KEY is too short"}) == [
        "game.toml: rules[0]: KEY is too short (secrets.KEY | length >= 32 is false)"
    ]


@pytest.mark.parametrize(
    ("that", "message"),
    [
        ("vars.beet < 3", "has no attribute 'beet'"),
        ("vars.beat", "vars.beat gives int, not true or false"),
        ("vars.beat < 'a'", "TypeError"),
        ("nobody.there", "'nobody' is undefined"),
    ],
)
def test_a_rule_that_cannot_be_answered_is_a_mistake_of_its_own(that, message):
    (line,) = told({"that": that, "message": "m"}, beat=5)
    assert line.startswith("game.toml: rules[0]: ") and message in line

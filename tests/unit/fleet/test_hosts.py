"""Which hosts a run waits for, and what it means when some of them do not answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hawser.errors import HawserError, Unreachable
from hawser.fleet import kept
from hawser.fleet.releases import refuse_two_commits, resolve
from hawser.host.facts import Facts
from hawser.session.generated import load_incomplete

from ..conftest import KEPT, PACKAGE
from ..simulated_hosts import COMMITS


def test_a_commit_is_found_though_a_host_that_may_be_left_out_does_not_answer(keepers):
    keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    assert resolve(fleet, "main").commit == COMMITS["a"]
    assert fleet.required_hosts().names == ("web1", "web2")
    assert sorted(keepers.tried) == ["web1", "web2", "web3"]


def test_a_version_is_found_though_a_host_that_may_be_left_out_does_not_answer(keepers):
    keepers.settings(app=PACKAGE)
    keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    assert resolve(fleet).commit == "1.0"
    assert fleet.required_hosts().names == ("web1", "web2")


def test_a_release_is_read_though_a_host_that_may_be_left_out_does_not_answer(keepers):
    keepers["web1"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    assert kept.release(fleet, KEPT).commit == COMMITS["a"]


def test_the_other_hosts_are_looked_at_though_one_that_may_be_left_out_does_not_answer(keepers):
    keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    part = fleet.subset(["web1", "web3"])
    part.connect_early()
    with pytest.raises(HawserError, match="web2 would stay on another commit"):
        refuse_two_commits(part, resolve(part, "main"))


def test_no_commit_is_found_without_the_host_that_is_asked(keepers):
    keepers["web1"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    with pytest.raises(Unreachable, match=r"^not reached: web1$"):
        resolve(fleet, "main")


def test_a_host_that_may_not_be_left_out_is_fatal_once_it_is_asked_for(keepers):
    keepers.settings(unreachable="fail")
    keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    resolve(fleet, "main")
    with pytest.raises(Unreachable, match=r"^not reached: web3$"):
        fleet.required_hosts()
    assert keepers.tried.count("web3") == 1


def test_a_version_is_not_looked_for_without_a_host_that_may_not_be_left_out(keepers):
    keepers.settings(app=PACKAGE, unreachable="fail")
    keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    fleet.connect_early()
    with pytest.raises(Unreachable, match=r"^not reached: web3$"):
        resolve(fleet)


def test_all_hosts_that_do_not_answer_are_named_at_once(keepers):
    keepers.settings(unreachable="fail")
    keepers["web2"].answers = keepers["web3"].answers = False
    fleet = keepers.fleet_of()
    fleet.subset(["web2"]).connect_early()
    with pytest.raises(Unreachable, match=r"^not reached: web2, web3$"):
        fleet.connect()


def test_a_phase_that_lost_a_host_says_what_to_do_next(keepers):
    fleet = keepers.fleet_of()
    fleet.connections.lost["web2"] = Unreachable("has been silent for 15 s; the line is cut", host="web2")
    said = str(fleet.failure("prepare", {"web2": "web2: has been silent for 15 s; the line is cut"}))
    assert said == (
        "prepare failed on web2\n  next: fab -H pier/web2 status; when web2 answers, the same command again"
    )
    assert "next:" not in str(fleet.failure("prepare", {"web1": "web1: broken"}))


def test_a_host_that_may_be_left_out_is_so_too_when_it_does_not_give_its_lock(keepers):
    fleet = keepers.fleet_of()
    fleet.connect_early()
    fleet.connect()
    asked = []

    def request(name):
        def answer(operation, arguments, masks):
            asked.append(name)
            if name == "web1":
                raise Unreachable("web1 broke the protocol: a message without a type; the line is cut")
            return SimpleNamespace(ok=True, message={"facts": Facts()})

        return SimpleNamespace(request=answer)

    fleet.connections.wires = {name: request(name) for name in fleet.names}
    load_incomplete(fleet.session)
    fleet.connections.lock_reachable(fleet.names)
    assert asked == ["web1", "web2", "web3"] and fleet.connections.locked == {"web2", "web3"}
    assert list(fleet.connections.lost) == ["web1"]
    fleet.connections.be_lenient(False)
    with pytest.raises(Unreachable, match="web1 broke the protocol"):
        fleet.connections.lock_reachable(fleet.names)

"""What a rollout notes of its beginning, and on which hosts one is resumed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.fleet.fleet import Fleet
from hawser.host.facts import Facts
from hawser.host.journal import PUT_BACK, SWITCH, Record
from tasks import deploy

from ..conftest import COMMIT, KEPT, Stage

HOSTS = ("web1", "web2", "web3")
RECORD = Record(KEPT, COMMIT, "rollback", "ann on desk at 2030-01-02T03:04:05Z", HOSTS, SWITCH, "old", begun=100)
UNIT = {"process": "web", "unit": "shop-web-blue", "manager": "systemd", "release": KEPT, "active": True, "live": True}


def facts(record: Record | None = None, current: str = "old", clock: float = 0.0) -> Facts:
    entry: Any = record.entry() if record else None
    live = {"web": "blue"}
    return Facts(
        current=current, releases=(KEPT,), journal=entry, bootstrapped=True, clock=clock, processes=(UNIT,), live=live
    )


@pytest.fixture
def resume(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Resume on some hosts; return what is done, on which hosts, and of these where it is missing."""

    def resume(named: str) -> tuple[Any, ...]:
        done: list[Any] = []
        monkeypatch.setattr(deploy, "revert_all", lambda hosts, record: done.append(("back", hosts.names)))
        monkeypatch.setattr(
            deploy, "roll_out", lambda hosts, wanted, record, only: done.append(("on", hosts.names, tuple(only)))
        )
        fleet = stage.fleet(named=named)
        deploy.resume.body(fleet)
        (one,) = done
        return tuple(one)

    return resume


def test_a_part_does_not_go_on_while_other_hosts_are_on_their_way_back(stage, resume):
    back = dataclasses.replace(RECORD, phase=PUT_BACK)
    stage.facts = {"web1": facts(RECORD), "web2": facts(back), "web3": facts(back)}
    with pytest.raises(HawserError) as error:
        resume("web1")
    assert str(error.value).splitlines()[1:] == [
        "  web2: serves old",
        "  web3: serves old",
        "  next: fab -H shop resume",
    ]
    assert resume("shop") == ("back", HOSTS)


def test_a_part_does_not_go_back_while_other_hosts_would_go_on(stage, resume):
    back = dataclasses.replace(RECORD, phase=PUT_BACK)
    stage.facts = {"web1": facts(RECORD), "web2": facts(back), "web3": facts()}
    with pytest.raises(HawserError, match=f"web1: a rollout of {KEPT} was not completed"):
        resume("web2")


def test_a_part_does_not_go_on_while_others_have_not_even_begun(stage, resume):
    stage.facts = {"web1": facts(RECORD), "web2": facts(), "web3": facts(current=KEPT)}
    with pytest.raises(HawserError, match="web2: serves old"):
        resume("web1")


def test_the_hosts_of_a_rollout_onto_a_part_are_what_is_to_be_named(stage, resume):
    mine = dataclasses.replace(RECORD, hosts=("web1", "web2"))
    stage.facts = {"web1": facts(mine), "web2": facts(mine), "web3": facts()}
    with pytest.raises(HawserError, match="next: fab -H web1,web2 resume"):
        resume("web1")
    assert resume("web1,web2") == ("on", ("web1", "web2"), ("web1", "web2"))


def test_a_host_that_was_left_behind_gets_there_alone(stage, resume):
    complete = dataclasses.replace(RECORD, complete=True, waits=("web3",))
    stage.facts = {
        "web1": facts(complete, KEPT),
        "web2": facts(complete, KEPT),
        "web3": facts(dataclasses.replace(RECORD, waits=("web3",))),
    }
    assert resume("web3") == ("on", ("web3",), ("web3",))


def test_hosts_that_were_put_back_need_not_be_named(stage, resume):
    stage.facts = {"web1": facts(dataclasses.replace(RECORD, phase=PUT_BACK)), "web2": facts(), "web3": facts()}
    assert resume("web1") == ("back", ("web1",))


def test_a_rollout_begins_by_the_clock_of_the_leader(stage, monkeypatch):
    class Begun(Exception):
        pass

    def begin(hosts: Fleet, wanted: Any, record: Record, ways: Any) -> None:
        raise Begun(record.begun)

    monkeypatch.setattr(deploy, "Rollout", begin)
    monkeypatch.setattr(Fleet, "lock", lambda fleet: None)
    stage.facts = {name: facts(clock=clock) for name, clock in zip(HOSTS, (160.5, 900.0, 900.0), strict=True)}
    fleet = stage.fleet()
    with pytest.raises(Begun, match="160"):
        deploy.roll_out(fleet, kept.release(fleet, KEPT), Record(KEPT, COMMIT))
    with pytest.raises(Begun, match="100"):
        deploy.roll_out(fleet, kept.release(fleet, KEPT), RECORD)

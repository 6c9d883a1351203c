"""What a rollout notes of its beginning, and on which hosts one is resumed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.fleet.fleet import Fleet
from hawser.host.journal import PUT_BACK, SWITCH, Record
from hawser.signatures import JOURNAL
from hawser.tasks import deploy

from ..conftest import KEPT
from ..simulated_hosts import COMMITS, NAME, ROOT, World

HOSTS = ("web1", "web2", "web3")
RECORD = Record(KEPT, COMMITS["a"], "rollback", "ann on desk at 2030-01-02T03:04:05Z", HOSTS, SWITCH, "old", begun=100)


def serves(world: World, name: str, record: Record | None = None, current: str = "old") -> None:
    """Have a host serve a release, with the process of `KEPT`, and keep a journal."""
    host, unit = world[name], f"{NAME}-web"
    definition = f"# hawser: application={NAME} process=web release={KEPT}"
    host.files[f"/etc/systemd/system/{unit}.service"] = host.units[unit] = definition
    host.links[f"{ROOT}/current"] = f"{ROOT}/releases/{current}"
    if record is not None:
        signer = world.fleet_of().session.secrets.signer
        assert signer is not None
        host.journal = signer.signed(JOURNAL, record.entry(), name)


@pytest.fixture
def resume(keepers: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Resume on some hosts; return what is done, on which hosts, and of these where it is missing."""

    def resume(named: str) -> tuple[Any, ...]:
        done: list[Any] = []
        monkeypatch.setattr(deploy, "revert_all", lambda hosts, record: done.append(("back", hosts.names)))
        monkeypatch.setattr(
            deploy, "roll_out", lambda hosts, wanted, record, only: done.append(("on", hosts.names, tuple(only)))
        )
        fleet = keepers.fleet_of(named)
        deploy.resume.body(fleet)
        (one,) = done
        return tuple(one)

    return resume


def test_a_part_of_the_hosts_does_not_go_on_while_others_are_on_their_way_back(keepers, resume):
    back = dataclasses.replace(RECORD, phase=PUT_BACK)
    serves(keepers, "web1", RECORD)
    serves(keepers, "web2", back)
    serves(keepers, "web3", back)
    with pytest.raises(HawserError) as error:
        resume("web1")
    assert str(error.value).splitlines()[1:] == [
        "  web2: serves old",
        "  web3: serves old",
        "  next: fab -H pier resume",
    ]
    assert resume("pier") == ("back", HOSTS)


def test_a_part_of_the_hosts_does_not_go_back_while_others_would_go_on(keepers, resume):
    back = dataclasses.replace(RECORD, phase=PUT_BACK)
    serves(keepers, "web1", RECORD)
    serves(keepers, "web2", back)
    serves(keepers, "web3")
    with pytest.raises(HawserError, match=f"web1: a rollout of {KEPT} was not completed"):
        resume("web2")


def test_a_part_of_the_hosts_does_not_go_on_while_others_have_not_even_begun(keepers, resume):
    serves(keepers, "web1", RECORD)
    serves(keepers, "web2")
    serves(keepers, "web3", current=KEPT)
    with pytest.raises(HawserError, match="web2: serves old"):
        resume("web1")


def test_the_hosts_of_a_rollout_onto_a_part_are_what_is_to_be_named(keepers, resume):
    mine = dataclasses.replace(RECORD, hosts=("web1", "web2"))
    serves(keepers, "web1", mine)
    serves(keepers, "web2", mine)
    serves(keepers, "web3")
    with pytest.raises(HawserError, match="next: fab -H pier/web1,pier/web2 resume"):
        resume("web1")
    assert resume("web1,web2") == ("on", ("web1", "web2"), ("web1", "web2"))


def test_a_host_that_was_left_behind_gets_there_alone(keepers, resume):
    complete = dataclasses.replace(RECORD, complete=True, waits=("web3",))
    serves(keepers, "web1", complete, KEPT)
    serves(keepers, "web2", complete, KEPT)
    serves(keepers, "web3", dataclasses.replace(RECORD, waits=("web3",)))
    assert resume("web3") == ("on", ("web3",), ("web3",))


def test_hosts_that_were_put_back_need_not_be_named(keepers, resume):
    serves(keepers, "web1", dataclasses.replace(RECORD, phase=PUT_BACK))
    serves(keepers, "web2")
    serves(keepers, "web3")
    assert resume("web1") == ("back", ("web1",))


def test_a_rollout_begins_by_the_clock_of_the_leader(keepers, monkeypatch):
    class Begun(Exception):
        pass

    def begin(hosts: Fleet, wanted: Any, record: Record, ways: Any) -> None:
        raise Begun(record.begun)

    monkeypatch.setattr(deploy, "Rollout", begin)
    monkeypatch.setattr(Fleet, "lock", lambda fleet: None)
    for name, clock in zip(HOSTS, (160.5, 900.0, 900.0), strict=True):
        keepers[name].clock = clock
        serves(keepers, name)
    fleet = keepers.fleet_of()
    with pytest.raises(Begun, match="160"):
        deploy.roll_out(fleet, kept.release(fleet, KEPT), Record(KEPT, COMMITS["a"]))
    with pytest.raises(Begun, match="100"):
        deploy.roll_out(fleet, kept.release(fleet, KEPT), RECORD)

"""Many hosts at once: what is waited for together, and how many open files that takes."""

from __future__ import annotations

import resource
import threading
import time
from types import SimpleNamespace

import pytest

from hawser.errors import AtWork, HawserError, Unreachable
from hawser.host.facts import Facts
from hawser.session.connections import Connections
from hawser.session.descriptors import make_room
from hawser.ssh.connect import HANDSHAKES


def test_hosts_that_are_only_waited_for_are_waited_for_together() -> None:
    names = [f"h{number}" for number in range(3 * HANDSHAKES)]
    together = threading.Barrier(len(names))
    connections = Connections(run=None)  # type: ignore[arg-type]  # nobody is spoken to
    found = connections.parallel(names, lambda name: together.wait(timeout=20))
    assert sorted(map(str, found.values())) == sorted(map(str, range(len(names))))


class FakeWire:
    """A host whose lock somebody else may have, or that answers after a while, or never."""

    def __init__(self, name, log, holders=(), seconds=0.0, reached=True):
        self.name, self.log, self.holders, self.seconds, self.reached = name, log, list(holders), seconds, reached

    def request(self, operation, arguments, masks):
        if not self.reached:
            raise Unreachable("gone", host=self.name)
        time.sleep(self.seconds)
        self.log.append((self.name, arguments["wait"]))
        if self.holders and self.holders.pop(0):
            return SimpleNamespace(ok=False, message={"holder": {"who": "ada", "from": "x"}}, error="")
        return SimpleNamespace(ok=True, message={"facts": Facts()}, error="")


class TestLocks:
    @pytest.fixture
    def connections(self):
        run = SimpleNamespace(entry={}, masks=(), report=SimpleNamespace(note=lambda *words: None), dry=False)
        made = Connections(run)
        made.log = []
        return made

    def wires(self, connections, **hosts):
        connections.wires = {name: FakeWire(name, connections.log, **traits) for name, traits in hosts.items()}

    def test_the_first_host_is_asked_alone_and_then_all_others_at_once(self, connections):
        names = [f"h{number:02}" for number in range(40)]
        self.wires(connections, **{name: {"seconds": 0.1} for name in names})
        began = time.monotonic()
        connections.lock(reversed(names))
        assert time.monotonic() - began < 2 and connections.locked == set(names)
        assert connections.log[0] == ("h00", 2.0)

    def test_whoever_does_not_get_the_first_one_takes_no_other(self, connections):
        self.wires(connections, a={"holders": [True]}, b={}, c={})
        with pytest.raises(AtWork, match="a: ada on x is at work on it"):
            connections.lock(["c", "b", "a"])
        assert connections.locked == set() and connections.log == [("a", 2.0)]

    def test_who_holds_one_behind_it_gives_up_and_who_does_not_waits_on(self, connections):
        self.wires(connections, a={}, b={"holders": [True, False]}, c={})
        with pytest.raises(AtWork, match="b: ada"):
            connections.lock(["a", "b", "c"])
        connections.log.clear()
        connections.locked = {"a"}
        self.wires(connections, b={}, c={"holders": [True, False]})
        connections.lock(["b", "c"])
        assert connections.log == [("b", 2.0), ("c", 1.0), ("c", 2.0)]

    def test_a_host_that_does_not_answer_is_passed_over_where_the_settings_leave_it_out(self, connections):
        self.wires(connections, a={"reached": False}, b={}, c={"reached": False})
        connections.report_failure = lambda name, error: None
        with pytest.raises(Unreachable):
            connections.lock_reachable(["a", "b", "c"])
        connections.lenient = True
        connections.lock_reachable(["a", "b", "c"])
        assert connections.locked == {"b"} and set(connections.lost) == {"a", "c"}


class TestOpenFiles:
    @pytest.fixture
    def allowed(self, monkeypatch):
        """Have the process be allowed so many; returns what it was given."""
        given = []

        def allowed(soft, hard):
            monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, hard))
            monkeypatch.setattr(resource, "setrlimit", lambda what, limits: given.append(limits))
            return given

        return allowed

    @pytest.mark.parametrize(
        ("hosts", "soft", "hard", "given"),
        [
            (3, 1024, 4096, []),
            (500, 1024, 4096, [(2064, 4096)]),
            (5, 64, 1 << 20, [(84, 1 << 20)]),
            (5000, resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
            (5000, 1024, resource.RLIM_INFINITY, [(20064, resource.RLIM_INFINITY)]),
        ],
    )
    def test_as_many_are_allowed_as_the_hosts_need(self, allowed, hosts, soft, hard, given):
        found = allowed(soft, hard)
        make_room(hosts)
        assert found == given

    def test_a_machine_that_does_not_allow_them_is_told_before_anything_is_touched(self, allowed):
        allowed(64, 64)
        with pytest.raises(
            HawserError, match="20 hosts at once need 144 open files, and this machine allows 64"
        ) as said:
            make_room(20)
        assert "name fewer hosts after -H" in str(said.value)

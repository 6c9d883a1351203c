"""Many hosts at once: what is waited for together, and how many open files that takes."""

from __future__ import annotations

import resource
import threading

import pytest

from hawser.errors import HawserError
from hawser.session.connections import Connections
from hawser.session.descriptors import make_room
from hawser.ssh.connect import HANDSHAKES


def test_hosts_that_are_only_waited_for_are_waited_for_together() -> None:
    names = [f"h{number}" for number in range(3 * HANDSHAKES)]
    together = threading.Barrier(len(names))
    connections = Connections(run=None)  # type: ignore[arg-type]  # nobody is spoken to
    found = connections.parallel(names, lambda name: together.wait(timeout=20))
    assert sorted(map(str, found.values())) == sorted(map(str, range(len(names))))


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

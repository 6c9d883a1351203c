"""In which order hosts switch, and processes start on a host."""

from __future__ import annotations

import pytest

from ..simulated_hosts import World

SETTINGS = """
[app]
name = "pier"
repo = "https://git.example.org/pier.git"

[release]
batch = 2

[processes.ws]
groups = ["ws"]
command = "ws"
port = 1
after = ["cc"]

[processes.cc]
groups = ["cc"]
command = "cc"
port = 2

[processes.sweeper]
groups = ["ws"]
command = "sweep"
after = ["ws"]

[hosts]
{hosts}
"""


@pytest.fixture
def world(monkeypatch, tmp_path) -> World:
    """Hosts of two groups, of which one is in both."""
    made = World(monkeypatch, tmp_path, SETTINGS)
    groups = {"w1": ["ws"], "both": ["ws", "cc"], "c1": ["cc"], "c2": ["cc"], "c3": ["cc"], "w2": ["ws"]}
    made.groups.update(groups)
    made.settings()
    return made


def test_hosts_switch_after_those_that_their_processes_wait_for(world) -> None:
    batches = [batch.names for batch in world.fleet_of().batches()]
    assert batches == [("c1", "c2"), ("c3",), ("both",), ("w1", "w2")]


def test_a_process_waits_for_all_that_those_before_it_wait_for(world) -> None:
    environment = world.fleet_of().environment
    assert environment.all_before("sweeper") == {"ws", "cc"}
    assert [environment.rank(name) for name in ("cc", "ws", "sweeper")] == [0, 1, 2]

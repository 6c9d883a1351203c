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


@pytest.fixture
def five(monkeypatch, tmp_path):
    """Return the batches of five hosts with one process each, as the settings of a release and of the process say."""

    def batches(process: str, release: str = "") -> list[tuple[str, ...]]:
        settings = f'[app]\nname = "pier"\nrepo = "https://git.example.org/pier.git"\n[release]\n{release}\n'
        made = World(
            monkeypatch, tmp_path, f"{settings}[processes.web]\ncommand = 'x'\n{process}\n[hosts]\n{{hosts}}\n"
        )
        made.groups.update({f"w{number}": ["ws"] for number in range(1, 6)})
        made.settings()
        return [batch.names for batch in made.fleet_of().batches()]

    return batches


ALONE = [("w1",), ("w2",), ("w3",), ("w4",), ("w5",)]


class TestBatchesThatNobodyHasSet:
    @pytest.mark.parametrize("process", ["socket = true", "socket = false\noverlap = true"])
    def test_all_others_follow_the_first_at_once_where_nothing_is_away(self, five, process) -> None:
        assert five(process) == [("w1",), ("w2", "w3", "w4", "w5")]

    def test_a_canary_is_the_first(self, five) -> None:
        assert five("socket = true", 'canary = "w3"') == [("w3",), ("w1", "w2", "w4", "w5")]

    def test_one_host_follows_the_other_where_something_is_away(self, five) -> None:
        assert five("port = 1") == ALONE

    def test_half_of_the_hosts_follow_where_nobody_connects_to_what_is_away(self, five) -> None:
        assert five("socket = false") == [("w1",), ("w2", "w3"), ("w4", "w5")]

    def test_what_runs_on_the_first_host_alone_keeps_no_others_waiting(self, five) -> None:
        beat = "socket = true\n[processes.beat]\ncommand = 'y'\nsingle = true"
        assert five(beat) == [("w1",), ("w2", "w3", "w4", "w5")]

    def test_what_the_settings_say_counts(self, five) -> None:
        assert five("socket = true", "batch = 1") == ALONE
        assert five("socket = true", 'batch = "50%"') == [("w1", "w2"), ("w3", "w4"), ("w5",)]

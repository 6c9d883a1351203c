"""In which order hosts switch, and processes start on a host."""

from __future__ import annotations

from hawser.fleet.fleet import Fleet
from hawser.inventory import Environment, read_environment

SETTINGS = """
[app]
name = "tank"
repo = "https://git.example.org/tank.git"

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
w1.groups = ["ws"]
both.groups = ["ws", "cc"]
c1.groups = ["cc"]
c2.groups = ["cc"]
c3.groups = ["cc"]
w2.groups = ["ws"]
"""


class Stage:
    """What a fleet asks of a session when it parts itself into batches."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def host(self, name: str, release: object = None) -> object:
        return type("Host", (), {"runs_code": True})


def test_hosts_switch_after_those_that_their_processes_wait_for(tmp_path) -> None:
    path = tmp_path / "tank.toml"
    path.write_text(SETTINGS)
    environment = read_environment(path)
    fleet = Fleet(Stage(environment), tuple(environment.hosts))  # type: ignore[arg-type]
    assert [batch.names for batch in fleet.batches()] == [("c1", "c2"), ("c3",), ("both",), ("w1", "w2")]


def test_a_process_waits_for_all_that_those_before_it_wait_for(tmp_path) -> None:
    path = tmp_path / "tank.toml"
    path.write_text(SETTINGS)
    environment = read_environment(path)
    assert environment.all_before("sweeper") == {"ws", "cc"}
    assert [environment.rank(name) for name in ("cc", "ws", "sweeper")] == [0, 1, 2]

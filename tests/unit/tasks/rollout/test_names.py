"""Names of processes: those that others have, and those that the settings no longer have."""

from __future__ import annotations

import pytest

from hawser.errors import HawserError
from hawser.fleet.kept import deployed_host
from hawser.tasks import processes

UNIT = "/etc/systemd/system/pier-back.service"


def test_a_unit_of_another_application_stops_a_deploy_before_anything_with_all_hosts_and_the_owner(world):
    world.commit = "b"
    for name in ("app1", "app3"):
        world[name].taken = [{"wanted": UNIT, "path": UNIT, "application": "pi"}]
    assert world.fab("deploy") == (
        "names are taken; nothing was touched\n"
        f"app1: {UNIT} belongs to the application pi\napp3: {UNIT} belongs to the application pi"
        "\n  next: another name in pier.toml, or move the file away where nobody needs it"
    )
    assert set(world.state.values()) == {"a"} and world.log == [] and world.open == {}


def renamed(world, name="rear"):
    """Have the process of the backends another name."""
    world.commit = "b"
    world.text = world.text.replace("[processes.back]", f"[processes.{name}]").replace('= "back"', f'= "{name}"')
    world.settings()


def test_a_process_with_a_port_that_is_renamed_ends_before_the_new_one_starts(world):
    renamed(world)
    assert world.fab("deploy") == ""
    assert world.log[:2] == ["app1 stops pier-back", "app1 starts b pier-rear"]
    assert [sorted(world[name].units) for name in ("app1", "app2", "app3")] == [["pier-rear"]] * 3


def test_a_renamed_process_that_fails_gives_the_port_back_to_the_old_one(world):
    renamed(world)
    world.fault = lambda host, row: "it is ill" if row["kind"] == "healthy" and row["unit"] == "pier-rear" else None
    assert "app1" in world.fab("deploy")
    assert world.log == ["app1 stops pier-back", "app1 starts b pier-rear", "app1 stops pier-rear", "app1 starts a"]
    assert world["app1"].runs == "a" and sorted(world["app1"].units) == ["pier-back"]


CLOCK = """
[processes.{name}]
groups = {groups}
command = "clock"
single = true
"""


def clock(world, name, group):
    """Give the application a process of which there is one."""
    world.settings(more=CLOCK.format(name=name, groups=[group]).replace("'", '"'))


def where(world, unit):
    return [name for name, host in world.hosts.items() if unit in host.units]


def test_of_a_single_process_that_is_renamed_and_moves_to_another_host_two_never_run(world):
    world.groups = {"web1": ["front"], "app1": ["back"], "app2": ["back", "late"], "app3": ["back"]}
    clock(world, "clock", "late")
    assert world.fab("deploy") == ""
    assert where(world, "pier-clock") == ["app2"]
    world.commit = "b"
    clock(world, "beat", "back")
    assert world.fab("deploy") == ""
    assert world.log.index("app2 stops pier-clock") < world.log.index("app1 starts b pier-beat")
    assert (where(world, "pier-clock"), where(world, "pier-beat")) == ([], ["app1"])


def test_a_host_that_gave_a_single_process_away_has_it_again_when_another_host_fails(world):
    world.groups = {"web1": ["front"], "app1": ["back"], "app2": ["back"], "app3": ["back", "late"]}
    clock(world, "clock", "late")
    assert world.fab("deploy") == ""
    world.commit = "b"
    clock(world, "beat", "back")
    world.fault = world.ill("app2")
    assert "app2" in world.fab("deploy")
    assert (where(world, "pier-clock"), where(world, "pier-beat")) == (["app3"], [])
    assert set(world.state.values()) == {"a"}


def test_what_was_deployed_is_stopped_under_its_name_when_the_file_alone_says_another(world):
    renamed(world)
    world.log.clear()
    world.run(processes.stop, process="back")
    assert sorted(world.log) == [f"{name} stops pier-back" for name in ("app1", "app2", "app3")]


@pytest.mark.parametrize("task", [processes.restart, processes.stop, processes.start])
def test_a_process_that_the_file_alone_has_is_refused_with_the_next_move(world, task):
    renamed(world)
    with pytest.raises(HawserError) as caught:
        world.run(task, process="rear")
    assert str(caught.value) == ("rear stands in pier.toml and has not been deployed yet; next: fab -H pier deploy")


def test_a_host_is_looked_at_with_the_processes_that_were_deployed(world):
    renamed(world)
    fleet = world.fleet_of()
    fleet.connect()
    assert list(deployed_host(fleet, "app1").process_settings()) == ["back"]
    assert list(fleet.host("app1").process_settings()) == ["rear"]


def test_a_host_whose_record_is_not_believed_is_looked_at_with_the_settings_of_today(world):
    renamed(world)
    host = world["app1"]
    for path in [path for path in host.files if path.endswith("/release.json")]:
        host.files[path] = host.files[path].replace("8001", "8002")
    fleet = world.fleet_of()
    fleet.connect()
    assert list(deployed_host(fleet, "app1").process_settings()) == ["rear"]

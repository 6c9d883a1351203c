"""A deploy that is killed at any moment leaves a site that answers, and the next deploy gets there."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from hawser import sandbox
from tests.hosts.conftest import PROJECT, Fleet, wait_for
from tests.hosts.visitors import visitors


def deploy_until(fleet: Fleet, events: int) -> subprocess.Popen[str]:
    """Start a deploy and return once it has reported this many settled resources."""
    process = fleet.start("deploy", errors=subprocess.STDOUT)
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += json.loads(line)["t"] == "event"
        if seen >= events:
            return process
    raise AssertionError(f"the deploy ended after {seen} events, {events} were expected")


def converges(fleet: Fleet, commit: str) -> None:
    """Insist that one more deploy brings every host to the commit, and that another one has nothing to do."""
    fleet.fab("-H", fleet.name, "deploy")
    releases = fleet.releases()
    assert len(releases) == 1
    assert next(iter(releases)).startswith(commit[:10])
    again = fleet.fab("-H", fleet.name, "deploy").stdout
    assert "nothing to do" in again, again
    for host, unit in (("web1", "demo-web"), ("web2", "demo-web")):
        running = fleet.inside(host, "sh", "-c", f"systemctl list-units '{unit}-*' --state=active --no-legend")
        assert len(running.splitlines()) == 1, running


# A deploy of one commit settles about 75 resources on the three hosts; `tests/slow` tries many more moments.
@pytest.mark.parametrize("events", (1, 28, 46, 64))
def test_killing_fab_leaves_a_site_that_answers_and_the_next_deploy_succeeds(fleet: Fleet, events: int) -> None:
    kill_fab(fleet, events)


def kill_fab(fleet: Fleet, events: int) -> None:
    """Kill `fab` when it has reported this many settled resources."""
    commit = fleet.commit({"logbook/killed.py": f"KILLED = {time.time_ns()}\n"})
    with visitors(fleet):
        process = deploy_until(fleet, events)
        process.kill()
        process.communicate()
        converges(fleet, commit)


@pytest.mark.parametrize("events", (20, 56))
def test_killing_the_runners_leaves_a_site_that_answers_and_the_next_deploy_succeeds(fleet: Fleet, events: int) -> None:
    kill_runners(fleet, events)


def kill_runners(fleet: Fleet, events: int) -> None:
    """Kill the runner of each host when `fab` has reported this many settled resources."""
    commit = fleet.commit({"logbook/killed.py": f"KILLED = {time.time_ns()}\n"})
    with visitors(fleet):
        process = deploy_until(fleet, events)
        for host in ("web1", "web2", "data1"):
            sandbox.exec_in(f"{fleet.name}-{host}", ["pkill", "-KILL", "-f", "python3 -IBc"])
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "Traceback" not in output
        converges(fleet, commit)


def test_a_deploy_over_a_line_that_is_cut_ends_and_leaves_no_lock(fleet: Fleet) -> None:
    commit = fleet.commit({"logbook/killed.py": f"KILLED = {time.time_ns()}\n"})
    process = deploy_until(fleet, 20)
    sandbox.cut(f"{fleet.name}-data1")
    try:
        output, _ = process.communicate(timeout=90)
    finally:
        sandbox.join(f"{fleet.name}-data1")
    assert process.returncode != 0
    assert "silent" in output or "connection" in output
    # The runner there hears nothing for 15 s and ends, and with it the lock.
    wait_for("no runner", lambda: not fleet.inside("data1", "pgrep", "-f", "[p]ython3 -IBc", check=False))
    converges(fleet, commit)


def test_ctrl_c_ends_the_work_on_the_hosts_and_leaves_no_lock(fleet: Fleet) -> None:
    import signal

    text = fleet.file.read_text()
    fleet.file.write_text(text.replace('build = ["', 'build = ["sleep 60", "'))
    try:
        process = subprocess.Popen(
            fleet.command("-H", fleet.name, "deploy"),
            cwd=PROJECT,
            env=fleet.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 60
        while "sleep 60" not in fleet.inside("web1", "ps", "ax"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        fleet.file.write_text(text)
    assert process.returncode == 130
    assert "the same command can be given again" in output
    assert "Traceback" not in output
    for host in ("web1", "web2", "data1"):
        wait_for(f"nothing is left on {host}", lambda host=host: "sleep 60" not in fleet.inside(host, "ps", "ax"))
    fleet.fab("-H", fleet.name, "deploy")

"""What took markedly longer than before, or than elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hawser.report.rollout import compare, folder
from hawser.report.rollout.page import page
from hawser.report.rollout.reading import read_log
from hawser.report.rollout.timing import sentence
from tests.written_logs import BEGAN, Written, rollout

FORMER = {"name": "2030-01-01T143000Z-deploy", "began": BEGAN - timedelta(days=1)}


def one(folder: Path, name: str, seconds: dict[str, float], began: float = 0.0) -> Path:
    """Write a log in which one step took some seconds on each host."""
    log = Written(folder, name, BEGAN + timedelta(seconds=began)).begin(list(seconds))
    log.row("phase", name="prepare", hosts=list(seconds))
    for host, took in seconds.items():
        log.event(host, "venv.build", "environment", "changed", took * 1000)
    log.row("finish", ok=True)
    return log.done()


def test_a_step_that_takes_three_times_as_long_is_told_so(tmp_path: Path) -> None:
    former = read_log(rollout(tmp_path, slow={"venv.build": 4.0}, **FORMER))
    account = read_log(rollout(tmp_path, slow={"venv.build": 12.4}))
    told = [sentence(each) for each in compare.differences(account, former)]
    assert len(told) == 1
    assert "<code>venv.build</code> took 3.1 times as long as before: 14.3 s, before 4.6 s" in told[0]


def test_a_phase_that_takes_longer_for_no_step_of_it_is_told(tmp_path: Path) -> None:
    accounts = []
    for number, wait in enumerate((1.0, 9.0)):
        log = Written(tmp_path, f"{number}").begin(["web1"])
        log.row("phase", name="switch 1/2", hosts=["web1"])
        log.event("web1", "release.start", "running web", "changed", 500)
        log.now += wait
        log.row("finish", ok=True)
        accounts.append(read_log(log.done()))
    [found] = compare.differences(accounts[1], accounts[0])
    assert (found.kind, found.took) == ("phase", "took 9.0 times as long as before")


def test_a_step_that_takes_less_long_is_told_so(tmp_path: Path) -> None:
    former = read_log(one(tmp_path, "a", {"web1": 10.0}))
    [found] = compare.differences(read_log(one(tmp_path, "b", {"web1": 4.0})), former)
    assert found.took == "took 40% of the time that it took before" and not found.slower


@pytest.mark.parametrize(("before", "now"), [(10.0, 12.0), (0.1, 0.9), (5.0, 4.5), (3.0, 3.0)])
def test_what_differs_little_or_by_moments_is_not_told(tmp_path: Path, before: float, now: float) -> None:
    former = read_log(one(tmp_path, "a", {"web1": before}))
    assert compare.differences(read_log(one(tmp_path, "b", {"web1": now})), former) == []


def test_what_took_no_time_before_took_far_longer(tmp_path: Path) -> None:
    former = read_log(one(tmp_path, "a", {"web1": 0.0}))
    [found] = compare.differences(read_log(one(tmp_path, "b", {"web1": 8.0})), former)
    assert found.took == "took far longer than before"


def test_a_host_that_is_slower_than_its_peers_is_named(tmp_path: Path) -> None:
    account = read_log(one(tmp_path, "a", {"web1": 3.0, "web2": 3.2, "web3": 12.0, "web4": 2.8}))
    [found] = compare.slow_hosts(account)
    assert (found.host, found.what, found.took) == (
        "web3",
        "venv.build",
        "took 3.9 times as long as on the other hosts",
    )
    assert "<b>web3</b>: <code>venv.build</code> environment took 3.9 times as long" in page(account)


def test_a_host_that_does_something_else_in_a_step_is_not_slower_than_its_peers(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1", "web2", "data1"])
    for host in ("web1", "web2", "data1"):
        log.event(host, "postgresql.install", "firewall rule", ms=10)
    log.event("data1", "postgresql.install", "packages postgresql", "changed", 20_000)
    assert compare.slow_hosts(read_log(log.done())) == []


def test_two_hosts_are_no_peers_of_each_other(tmp_path: Path) -> None:
    assert compare.slow_hosts(read_log(one(tmp_path, "a", {"web1": 3.0, "web2": 12.0}))) == []


def test_the_rollout_before_is_the_last_one_of_the_same_command_that_went_well_and_did_something(
    tmp_path: Path,
) -> None:
    day = timedelta(days=1)
    good = rollout(tmp_path, name="2029-12-01T000000Z-deploy", began=BEGAN - 32 * day)
    rollout(tmp_path, name="2029-12-02T000000Z-deploy", began=BEGAN - 31 * day, fails=True)
    rollout(tmp_path, name="2029-12-03T000000Z-deploy", began=BEGAN - 30 * day, end=False)
    nothing = Written(tmp_path, "2029-12-04T000000Z-deploy", BEGAN - 29 * day).begin(["web1"])
    nothing.row("finish", ok=True)
    nothing.done()
    other = Written(tmp_path, "2029-12-05T000000Z-rollback", BEGAN - 28 * day).begin(["web1"], command="rollback")
    other.event("web1", "s", "l")
    other.row("finish", ok=True)
    other.done()
    (tmp_path / "2029-12-06T000000Z-deploy.jsonl").write_text("no log\n")
    log = rollout(tmp_path)
    rollout(tmp_path, name="2031-01-01T000000Z-deploy", began=BEGAN + 364 * day)
    found = compare.before(read_log(log), folder.kept(tmp_path), log)
    assert found is not None and found.name == good.stem
    assert compare.before(read_log(good), folder.kept(tmp_path), good) is None

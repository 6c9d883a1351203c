"""Visitors notice nothing: not of a deploy, nor of a rollback, nor of a release that is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import HOSTS, Ferry, converged, publish, visitors

ROWS: list[tuple[str, int, int, str]] = []


@pytest.fixture(scope="module", autouse=True)
def _tasks_from_here_on(ferry: Ferry) -> None:
    """Forget the tasks of before: on these hosts others may have been killed, or had no room for their words."""
    for host in HOSTS:
        ferry.sh(host, "truncate --no-create --size=0 /srv/ferry/data/tasks.log")


@contextmanager
def nobody_notices(ferry: Ferry, what: str) -> Iterator[None]:
    """Insist that every request is answered with success and in time while something happens."""
    with visitors(ferry) as visits:
        time.sleep(1)
        yield
        time.sleep(2)
    ROWS.append((what, visits.asked, len(visits.failed), f"{visits.slowest * 1000:.0f} ms"))
    publish("requests", "Requests during a rollout", ("what happens", "requests", "failed or slow", "slowest"), ROWS)
    assert visits.asked > 500
    assert not visits.failed, visits.failed[:20]


def test_no_request_fails_during_a_deploy(ferry: Ferry) -> None:
    commit = ferry.next_commit()
    with nobody_notices(ferry, "a deploy"):
        ferry.fab("-H", "ferry", "deploy")
    converged(ferry, commit)


def test_no_request_fails_during_a_rollback(ferry: Ferry) -> None:
    before = converged(ferry, "")
    commit = ferry.next_commit()
    ferry.fab("-H", "ferry", "deploy")
    converged(ferry, commit)
    with nobody_notices(ferry, "a rollback"):
        ferry.fab("-H", "ferry", "rollback")
    assert converged(ferry, "") == before


@pytest.mark.parametrize(
    ("what", "behaviour"),
    [
        ("a release that does not start", {"start": True}),
        ("a release that is not healthy", {"health": True}),
        ("a release that is not healthy on the second batch", {"health": ["web4"]}),
    ],
)
def test_no_request_fails_during_a_release_that_is_refused(
    ferry: Ferry, what: str, behaviour: dict[str, object]
) -> None:
    before = converged(ferry, "")
    ferry.next_commit(**behaviour)
    with nobody_notices(ferry, what):
        said = ferry.fab("-H", "ferry", "deploy", code=1)
    assert f"put back {before}" in said.stdout
    assert re.search(r"ferry-(web|api)-(blue|green)", said.stdout)
    assert converged(ferry, "") == before
    ferry.next_commit()


def test_no_request_fails_during_a_change_of_settings(ferry: Ferry) -> None:
    commit = ferry.next_commit()
    ferry.fab("-H", "ferry", "deploy")
    ferry.file.write_text(ferry.text.replace('SETTING = "first"', 'SETTING = "second"'))
    with nobody_notices(ferry, "a change of settings"):
        ferry.fab("-H", "ferry", "deploy")
    converged(ferry, commit)
    assert {ferry.served(host)["setting"] for host in HOSTS} == {"second"}


def test_the_worker_has_finished_every_task_that_it_began(ferry: Ferry) -> None:
    for host in HOSTS:
        lines = ferry.sh(host, "cat /srv/ferry/data/tasks.log").splitlines()
        begun = {line.split()[1] for line in lines if line.startswith("begin")}
        ended = {line.split()[1] for line in lines if line.startswith("end")}
        alive = set(ferry.sh(host, "pgrep -f '[w]orker.py'").split())
        assert {task for task in begun - ended if task.split("-")[0] not in alive} == set()
        assert len(ended) > 3

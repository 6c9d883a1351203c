"""What must not grow with the number of hosts, in counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import paramiko
import pytest

from hawser.session.session import Session
from hawser.ssh import known_lines
from hawser.ssh.known_lines import KnownLines

from .simulated_hosts import SimulatedWire, World

TEXT = """\
[app]
name = "pier"
repo = "."

[processes.back]
command = "{command}"
port = 8001

[site]
domains = ["pier.test"]
tls = "none"

[hosts]
{hosts}
"""
KEY = paramiko.ECDSAKey.generate()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch, tmp_path, TEXT, command="back")
    made.have_commits(monkeypatch)
    return made


def bytes_a_host(world: World, monkeypatch: pytest.MonkeyPatch, count: int) -> float:
    """Deploy to so many new hosts, and return how much was sent to each."""
    sent: Counter[str] = Counter()
    apply = SimulatedWire.apply

    def weighed(wire: SimulatedWire, catalog: object, *more: object) -> bool:
        sent[wire.host.name] += len(json.dumps(list(catalog.to_wire())))
        return apply(wire, catalog, *more)

    world.fleet(**{f"host{number:03}": "web" for number in range(count)})
    with monkeypatch.context() as patched:
        patched.setattr(SimulatedWire, "apply", weighed)
        assert world.fab("deploy") == ""
    assert len(sent) == count
    return sum(sent.values()) / count


def test_what_is_sent_to_a_host_is_the_same_whatever_the_number_of_hosts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (bytes_a_host(world, monkeypatch, count) for count in (5, 60))
    # Who is told of a rollout is named by a mark of fixed size; what is left are the lengths of numbers.
    assert many < 1.05 * few


def test_each_host_is_rendered_as_often_whatever_the_number_of_hosts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[int] = Counter()
    host = Session.host

    def counted(session: Session, *more: object) -> object:
        made[len(session.environment.hosts)] += 1
        return host(session, *more)

    monkeypatch.setattr(Session, "host", counted)
    for count in (5, 60):
        bytes_a_host(world, monkeypatch, count)
    assert made[60] / 60 <= 1.1 * made[5] / 5


def test_a_host_is_looked_up_in_known_hosts_without_a_look_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{KEY.get_name()} {KEY.get_base64()}"
    lines = KnownLines(
        (f"host{number},10.0.{number >> 8}.{number & 255} {text}", str(number)) for number in range(1000)
    )
    lines.add(f"*.example.org {text}", "1000")
    looked: list[str] = []
    fits = known_lines.fits
    monkeypatch.setattr(known_lines, "fits", lambda pattern, name: looked.append(pattern) or fits(pattern, name))
    assert [line.place for line in lines.about("host500", "host500")] == ["500"]
    assert [line.place for line in lines.about("db.example.org", "db.example.org")] == ["1000"]
    assert len(looked) <= 6

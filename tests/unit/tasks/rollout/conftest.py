"""Whole rollouts in milliseconds: the real tasks, on simulated hosts.

What happens on a real host, and over a real line, is tried in `tests/hosts` and `tests/faults`. Here the order of
things is tried, in more sequences of crashes and commands than real hosts have time for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.tasks.rollout import drain

from ...simulated_hosts import World

TEXT = """\
[app]
name = "pier"
repo = "."

[release]
{release}

[processes.back]
groups = ["back"]
command = "{command}"
port = 8001

[site]
domains = ["pier.test"]
tls = "none"
groups = ["front"]
proxy = {{ "/" = "back" }}
max_body = "{body}"

[hosts]
{hosts}
{more}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four hosts, a web server in front of three others, on which commit a serves."""
    made = World(monkeypatch, tmp_path, TEXT, release="batch = 1", command="back", body="1m", more="")
    monkeypatch.setattr(drain, "GRACE", 0)
    made.have_commits(monkeypatch)
    made.fleet(web1="front", app1="back", app2="back", app3="back")
    assert made.fab("deploy") == ""
    assert set(made.state.values()) == {"a"}
    return made

"""Which engine a run has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fabric.config import Config

from hawser.errors import HawserError
from hawser.session import choice
from hawser.session.engine import Direct
from hawser.session.workers.engine import Workers
from hawser.ssh.connect import Connector
from hawser.ssh.hostkeys import KnownHosts


def chosen(tmp_path: Path, **environ: str) -> object:
    return choice.engine(environ, Connector(Config(lazy=True), KnownHosts(tmp_path / "known_hosts")), lambda name: ())


def test_without_a_word_each_line_is_a_connection_of_this_machine(tmp_path):
    assert isinstance(chosen(tmp_path), Direct)


@pytest.mark.parametrize(
    ("named", "scheduler"),
    [
        ("dask://paris", "tls://paris:8786"),
        ("dask://paris.example.org:9000/", "tls://paris.example.org:9000"),
        ("dask://[2001:db8::1]:9000", "tls://[2001:db8::1]:9000"),
        ("tls://paris:9000", "tls://paris:9000"),
    ],
)
def test_a_scheduler_is_spoken_with_over_tls(tmp_path, named, scheduler):
    found = chosen(tmp_path, HAWSER_ENGINE=named)
    assert isinstance(found, Workers) and found.scheduler == scheduler


def test_a_scheduler_without_tls_is_refused_with_what_to_write(tmp_path):
    with pytest.raises(HawserError, match=r"in the clear; next: .* HAWSER_ENGINE=dask://paris:8786 ") as refused:
        chosen(tmp_path, HAWSER_ENGINE="tcp://paris:8786")
    assert refused.value.code == 2


@pytest.mark.parametrize("named", ["paris", "dask://", "http://paris", "dask://paris:port", "dask://a b", "dask://a/b"])
def test_what_names_no_scheduler_is_refused_with_how_it_is_written(tmp_path, named):
    with pytest.raises(HawserError, match=r"it is written HAWSER_ENGINE=dask://SCHEDULER\[:8786\]") as refused:
        chosen(tmp_path, HAWSER_ENGINE=named)
    assert refused.value.code == 2


def test_dask_is_loaded_for_its_engine_alone():
    program = "import hawser.session.session, hawser.tasks.collection, sys; print('distributed' in sys.modules, "
    program += "'hawser.session.workers.engine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

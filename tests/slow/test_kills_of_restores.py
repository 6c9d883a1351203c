"""Kills at every moment of a backup and of a restore; `tests/hosts/` tries some."""

from __future__ import annotations

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.test_restores import kill, push_kills

# Installs the server on a host of which no setting speaks.
SERVER = (
    "command -v mariadbd >/dev/null"
    " || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server; }"
)


@pytest.mark.parametrize("act", ["backup", "restore", "restores"])
@pytest.mark.parametrize("engine", ["postgresql", "sqlite"])
def test_every_kill_of_a_restore_is_made_good_by_the_same_command(fleet: Fleet, engine: str, act: str) -> None:
    push_kills(f"{fleet.name}-data1")
    kill(f"{fleet.name}-data1", engine, act, 1)


@pytest.mark.parametrize("act", ["backup", "restore", "restores"])
@pytest.mark.parametrize("engine", ["mariadb", "mariadb-tables"])
def test_every_kill_of_a_restore_on_mariadb_is_made_good_by_the_same_command(
    bare_fleet: Fleet, engine: str, act: str
) -> None:
    bare_fleet.inside("web2", "sh", "-c", SERVER)
    push_kills(f"{bare_fleet.name}-web2")
    kill(f"{bare_fleet.name}-web2", engine, act, 1)

"""MariaDB on a host of its own: who may connect to it from elsewhere, and who may not."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Fleet

# Each of these has been taken for something else somewhere on the way.
PASSWORD = "a/b:c@d%e#f?g h\"i'j\\k`l$m"
SETTINGS = """
[app]
name = "stock"
repo = "{repository}"

[env]
required = ["STOCK_PASSWORD"]

[packages]
web = ["mariadb-client"]

[services.mariadb]
groups = ["data"]

[services.mariadb.databases.stock]
owner = "keeper"
password = "{{{{ secrets.STOCK_PASSWORD }}}}"
clients = ["web"]

[hosts.data1]
groups = ["data"]
sandbox = true

[hosts.web1]
groups = ["web"]
sandbox = true
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="hawser-mariadb-"))
    fleet = Fleet(folder, "stock")
    fleet.hosts.mkdir()
    fleet.repository.mkdir()
    fleet.git("init", "--quiet", "-b", "main")
    fleet.file.write_text(SETTINGS.format(repository=fleet.repository))
    secrets = fleet.hosts / "stock.env"
    secrets.touch(mode=0o600)
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    secrets.write_text(f"STOCK_PASSWORD='{escaped}'\n")
    try:
        fleet.fab("-H", "stock", "sandbox.reset", timeout=300)
        fleet.fab("-H", "stock", "bootstrap")
        yield fleet
    finally:
        fleet.fab("-H", "stock", "sandbox.down", code=None)
        shutil.rmtree(folder)


def asks(fleet: Fleet, sql: str, password: str = PASSWORD, database: str = "stock") -> str:
    """Return what the application's host is told when it asks over the network, or why it is not."""
    client = 'MYSQL_PWD="$1" mariadb --no-defaults -N -h "$2" -u keeper -e "$3" "$4" 2>&1'
    words = ("sh", "-c", client, "sh", password, fleet.address("data1"), sql, database)
    return fleet.inside("web1", *words, check=False).strip()


def greeting(fleet: Fleet) -> str:
    """Return how the server begins to talk to somebody of whom no setting speaks."""
    with socket.create_connection((fleet.address("data1"), 3306), timeout=30) as link:
        return link.recv(1000).decode(errors="replace")


def accounts(fleet: Fleet) -> set[str]:
    rows = fleet.inside("data1", "mariadb", "-N", "-e", "SELECT Host FROM mysql.user WHERE User = 'keeper'")
    return set(rows.split())


def test_a_client_connects_from_its_host_with_the_password_and_owns_its_database(fleet: Fleet) -> None:
    assert accounts(fleet) == {"localhost", fleet.address("web1")}
    assert asks(fleet, "SELECT CURRENT_USER()") == f"keeper@{fleet.address('web1')}"
    assert asks(fleet, "CREATE TABLE IF NOT EXISTS boxes (number int); INSERT INTO boxes VALUES (7)") == ""
    assert "7" in fleet.inside("data1", "mariadb", "-N", "-e", "SELECT * FROM boxes", "stock")
    assert "Access denied" in asks(fleet, "SELECT 1", password="wrong")
    assert "Access denied" in asks(fleet, "SELECT 1", database="mysql")


def test_others_are_refused_before_they_can_give_a_password(fleet: Fleet) -> None:
    assert "is not allowed to connect" in greeting(fleet)


def test_a_second_bootstrap_changes_nothing(fleet: Fleet) -> None:
    events = fleet.events("-H", "stock", "bootstrap")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}


def test_who_is_no_client_any_more_has_no_account_and_reaches_nothing(fleet: Fleet) -> None:
    text = fleet.text
    fleet.file.write_text(text.replace('clients = ["web"]\n', ""))
    fleet.fab("-H", "stock", "bootstrap")
    assert accounts(fleet) == {"localhost"}
    assert "Can't connect" in asks(fleet, "SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        greeting(fleet)
    fleet.file.write_text(text)
    fleet.fab("-H", "stock", "bootstrap")
    assert asks(fleet, "SELECT 1") == "1"


def test_without_the_server_in_the_settings_nobody_reaches_it_and_its_data_stays(fleet: Fleet) -> None:
    assert asks(fleet, "SELECT 1") == "1"
    text = fleet.text
    start, end = text.index("[services.mariadb]"), text.index("[hosts.data1]")
    fleet.file.write_text(text[:start] + text[end:])
    fleet.fab("-H", "stock", "bootstrap")
    assert "Can't connect" in asks(fleet, "SELECT 1")
    assert fleet.inside("data1", "mariadb", "-N", "-e", "SHOW DATABASES LIKE 'stock'").strip() == "stock"

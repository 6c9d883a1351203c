"""All services on one host: what is said of each where it is looked for is what the real one is and does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hawser.inventory import Services

from .conftest import Fleet, own_environment
from .test_refusals import changed

SETTINGS = """
[app]
name = "stock"
repo = "{repository}"

[env]
required = ["PASSWORD"]

[hosts.data1]
sandbox = true

"""
OF = 'password = "{{ secrets.PASSWORD }}"'


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    tables = "".join(f"[services.{name}]\n" for name in Services.model_fields)
    with own_environment("stock", SETTINGS + tables, {}, {"PASSWORD": "not-to-be-guessed"}) as fleet:
        fleet.fab("-H", "stock", "bootstrap")
        yield fleet


def test_the_program_of_each_service_listens_on_its_port(fleet: Fleet) -> None:
    said = fleet.fab("-H", "stock", "status").stdout
    assert "nobody listens" not in said and "on every address" not in said
    found = fleet.fab("-H", "stock", "check", code=None).stdout
    assert "is taken by" not in found and "cannot reach" not in found and "on every address" not in found


def test_logs_of_each_service_are_found_by_its_name(fleet: Fleet) -> None:
    lines = fleet.events("-H", "stock", "logs", "--only", "services", "--since", "1d")
    assert {line["source"] for line in lines if line["t"] == "log"} == set(Services.model_fields)


def test_tasks_that_wait_in_redis_are_listed_and_thrown_away(fleet: Fleet) -> None:
    fleet.inside("data1", "redis-cli", "-n", "1", "RPUSH", "mail", "one", "two")
    assert "mail" in fleet.fab("-H", "stock", "queue.list", "--db", "1").stdout
    fleet.fab("-H", "stock", "queue.purge", "mail", "--db", "1", "--yes")
    assert fleet.inside("data1", "redis-cli", "-n", "1", "LLEN", "mail").strip() == "0"


def test_a_server_that_speaks_another_language_gets_its_databases(fleet: Fleet) -> None:
    fleet.inside("data1", "localedef", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8")
    fleet.inside("data1", "systemctl", "restart", "postgresql")
    ask = ("runuser", "-u", "postgres", "--", "psql", "-X", "-c")
    fleet.inside("data1", *ask, "ALTER SYSTEM SET lc_messages = 'de_DE.UTF-8'")
    fleet.inside("data1", "systemctl", "reload", "postgresql")
    try:
        with changed(
            fleet,
            {"[services.postgresql]": f'[services.postgresql]\ndatabases.shop = {{ {OF}, extensions = ["none"] }}'},
        ):
            said = fleet.fab("-H", "stock", "bootstrap", code=1).stdout
            assert "the extension none is not installed on this host" in said
        with changed(fleet, {"[services.postgresql]": f"[services.postgresql]\ndatabases.shop = {{ {OF} }}"}):
            fleet.fab("-H", "stock", "bootstrap")
    finally:
        fleet.inside("data1", *ask, "ALTER SYSTEM RESET lc_messages")
        fleet.inside("data1", "systemctl", "reload", "postgresql")
    assert fleet.inside("data1", *ask, "SELECT 1", "shop")


def test_a_superuser_whom_the_server_asks_for_a_password_is_told_how_to_give_it(fleet: Fleet) -> None:
    rules = "/etc/postgresql/*/main/pg_hba.conf"
    fleet.inside("data1", "sh", "-c", f"sed -i.kept '1ilocal all postgres scram-sha-256' {rules}")
    fleet.inside("data1", "systemctl", "reload", "postgresql")
    try:
        with changed(fleet, {"[services.postgresql]": f"[services.postgresql]\ndatabases.shop = {{ {OF} }}"}):
            said = fleet.fab("-H", "stock", "bootstrap", code=1).stdout
    finally:
        fleet.inside("data1", "sh", "-c", f"for each in {rules}; do mv $each.kept $each; done")
        fleet.inside("data1", "systemctl", "reload", "postgresql")
    assert "lets its own superuser" not in said and "does not let its own superuser in on the socket" in said
    assert "~postgres/.pgpass" in said and "fab -H stock bootstrap" not in said


def test_a_root_of_mariadb_with_a_password_is_known_by_its_option_file(fleet: Fleet) -> None:
    password = "a#b c"
    fleet.inside("data1", "mariadb", "-e", f"ALTER USER root@localhost IDENTIFIED BY '{password}'")
    text = f'[client]\nuser = root\npassword = "{password}"\n'
    try:
        with changed(fleet, {"[services.mariadb]": f"[services.mariadb]\ndatabases.shelf = {{ {OF} }}"}):
            said = fleet.fab("-H", "stock", "bootstrap", code=1).stdout
            assert (
                "of an administrator under [client] of /root/.my.cnf" in said and "fab -H stock bootstrap" not in said
            )
            fleet.inside("data1", "sh", "-c", 'umask 077; printf %s "$1" > /root/.my.cnf', "sh", text)
            assert password not in fleet.fab("-H", "stock", "bootstrap").stdout
    finally:
        fleet.inside("data1", "sh", "-c", 'umask 077; printf %s "$1" > /root/.my.cnf', "sh", text)
        fleet.inside("data1", "mariadb", "-e", "ALTER USER root@localhost IDENTIFIED VIA unix_socket")
        fleet.inside("data1", "rm", "/root/.my.cnf")
    assert fleet.inside("data1", "mariadb", "-NBe", "SHOW DATABASES LIKE 'shelf'").strip() == "shelf"


@pytest.mark.parametrize("kind", ["notify", "simple"])
@pytest.mark.parametrize("place", ["the journal", "a file"])
def test_a_service_that_does_not_start_is_told_in_its_own_words(fleet: Fleet, place: str, kind: str) -> None:
    """One of the kind `simple` has started for systemd, and ends a moment later."""
    drop_in, output = "/etc/systemd/system/memcached.service.d/trial.conf", "/var/log/trial.log"
    lines = ["[Service]", f"Type={kind}", "ExecStart=", "ExecStart=/usr/bin/memcached --no-such-option"]
    if place == "a file":
        lines += [f"StandardOutput=append:{output}", f"StandardError=append:{output}"]
    place_it = 'mkdir -p "${1%/*}" && printf "%s" "$2" > "$1" && systemctl daemon-reload && systemctl stop memcached'
    fleet.inside("data1", "sh", "-c", place_it, "sh", drop_in, "\n".join([*lines, ""]))
    try:
        said = fleet.fab("-H", "stock", "bootstrap", code=1).stdout
    finally:
        fleet.inside("data1", "rm", "-rf", drop_in.rpartition("/")[0], output)
        fleet.inside("data1", "systemctl", "daemon-reload")
        fleet.inside("data1", "systemctl", "restart", "memcached")
    assert "unrecognized option '--no-such-option'" in said and "journalctl" not in said


def test_a_source_of_packages_that_is_dead_matters_only_to_what_is_wanted_of_it(fleet: Fleet) -> None:
    source = "/etc/apt/sources.list.d/dead.list"
    fleet.inside("data1", "sh", "-c", f"echo deb file:/none stable main > {source}")
    try:
        with changed(fleet, {"[hosts.data1]": '[packages]\nall = ["tree"]\n\n[hosts.data1]'}):
            said = fleet.fab("-H", "stock", "bootstrap").stdout
            assert "apt cannot read all of this host's sources: The repository 'file:/none stable Release'" in said
        with changed(fleet, {"[hosts.data1]": '[packages]\nall = ["xyzzy"]\n\n[hosts.data1]'}):
            said = fleet.fab("-H", "stock", "bootstrap", code=1).stdout
            assert "no package named xyzzy in this host's apt sources; and apt cannot read all of its sources" in said
    finally:
        fleet.inside("data1", "rm", source)
    assert fleet.inside("data1", "tree", "--version")


def test_remove_names_the_servers_that_stay(fleet: Fleet) -> None:
    said = fleet.fab("-H", "stock", "remove", "--yes").stdout
    for name in ("redis", "memcached", "chrony"):
        assert f"{name} with its settings on data1" in said

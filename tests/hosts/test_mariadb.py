"""MariaDB on a host of its own: who may connect to it from elsewhere, and who may not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from .conftest import Fleet, other_release, own_environment
from .test_restores import kill, push_kills

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
sandbox = "{other}"
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    with own_environment("stock", SETTINGS, {}, {"STOCK_PASSWORD": escaped}, other=other_release()) as fleet:
        fleet.fab("-H", "stock", "bootstrap")
        yield fleet


def asks(fleet: Fleet, sql: str, password: str = PASSWORD, database: str = "stock") -> str:
    """Return what the application's host is told when it asks over the network, or why it is not."""
    # Clients of 11.4 and later insist on TLS, which servers of before have not by themselves.
    client = 'MYSQL_PWD="$1" mariadb --no-defaults --skip-ssl -N -h "$2" -u keeper -e "$3" "$4" 2>&1'
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


def test_hosts_that_are_no_clients_are_refused_before_they_can_give_a_password(fleet: Fleet) -> None:
    assert "is not allowed to connect" in greeting(fleet)


def test_a_second_bootstrap_of_mariadb_changes_nothing(fleet: Fleet) -> None:
    assert fleet.drifted() == []
    events = fleet.events("-H", "stock", "bootstrap")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}


def test_status_shows_the_server_and_logs_what_it_wrote(fleet: Fleet) -> None:
    said = fleet.fab("-H", "data1", "status").stdout
    assert "mariadb 3306" in said and "nobody listens" not in said
    assert "ready for connections" in fleet.fab("-H", "data1", "logs", "--only", "services", "--since", "1d").stdout


BROKEN = "/etc/mysql/mariadb.conf.d/99-broken.cnf"


def test_a_server_that_listens_on_every_address_unasked_is_found_and_one_that_is_down_is_wrong(fleet: Fleet) -> None:
    text = fleet.text
    fleet.file.write_text(text.replace('clients = ["web"]\n', ""))
    try:
        for command in ("status", "check"):
            said = fleet.fab("-H", "data1", command, code=None).stdout
            assert "mariadb listens on port 3306 on every address" in said
        broken = f"printf '[mariadbd]\\nno-such-option\\n' > {BROKEN}; systemctl restart mariadb"
        fleet.inside("data1", "sh", "-c", broken, check=False)
        down = fleet.fab("-H", "data1", "status", code=1)
        assert "mariadb.service has failed" in down.stdout + down.stderr
        found = fleet.fab("-H", "data1", "check", code=1).stdout
        assert "mariadb.service has failed" in found
        assert "cannot reach mariadb on data1 at 127.0.0.1:3306" in found
    finally:
        fleet.inside("data1", "sh", "-c", f"rm -f {BROKEN}; systemctl restart mariadb")
        fleet.file.write_text(text)


# What a dump would hold that was made by somebody else than mariadb-dump.
EVIL = """
\\! touch /tmp/grabbed
system touch /tmp/grabbed
CREATE TABLE good (x int);
CREATE DATABASE IF NOT EXISTS grabbed;
DROP DATABASE theirs;
USE theirs;
DROP TABLE kept;
GRANT ALL ON *.* TO 'keeper'@'localhost';
SELECT 'x' INTO OUTFILE '/tmp/grabbed';
"""


def test_a_dump_reaches_nothing_but_its_own_database(fleet: Fleet) -> None:
    fleet.inside("data1", "mariadb", "-e", "CREATE DATABASE theirs; CREATE TABLE theirs.kept (x int)")
    folder = "/var/backups/hawser/stock"
    for number, line in enumerate(EVIL.strip().splitlines()):
        name = f"stock-2020010{number + 1}T000000Z.sql.gz"
        pack = f"mkdir -p {folder} && gzip > {folder}/{name}"
        fleet.inside("data1", "sh", "-c", f"cat <<'END' | {{ {pack}; }}\n{line}\nEND\n")
        fleet.fab("-H", "data1", "db.restore", name, "--destroy", "stock", code=None)
    fleet.inside("data1", "sh", "-c", f"rm {folder}/*")
    assert fleet.inside("data1", "sh", "-c", "ls -d /tmp/grabbed /var/lib/mysql/grabbed; true").strip() == ""
    assert fleet.inside("data1", "mariadb", "-Ne", "SHOW TABLES FROM theirs").strip() == "kept"
    assert "ALL PRIVILEGES ON *.*" not in fleet.inside("data1", "mariadb", "-Ne", "SHOW GRANTS FOR keeper@localhost")


CODE = """
ALTER DATABASE stock COLLATE utf8mb4_bin COMMENT 'it''s';
CREATE TABLE words (id int PRIMARY KEY, word text) COMMENT 'x';
CREATE VIEW seen AS SELECT word FROM words;
CREATE DEFINER='keeper'@'localhost' TRIGGER shout BEFORE INSERT ON words FOR EACH ROW SET NEW.word = upper(NEW.word);
CREATE DEFINER='keeper'@'localhost' PROCEDURE say() SELECT 1;
CREATE DEFINER='keeper'@'localhost' PROCEDURE `say\u2028it`() SELECT 1;
CREATE TABLE `words\u2028old` (id int);
CREATE DEFINER='keeper'@'localhost' EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM words WHERE id < 0;
CREATE USER reader@localhost; GRANT SELECT ON stock.words TO reader@localhost;
GRANT EXECUTE ON PROCEDURE stock.say TO reader@localhost WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE stock.`say\u2028it` TO reader@localhost; GRANT SHOW VIEW ON stock.* TO reader@localhost;
INSERT INTO words VALUES (1, 'good');
"""
BELONGINGS = """
SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'stock';
SELECT TABLE_NAME, TABLE_TYPE, TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = 'stock' ORDER BY 1;
SELECT TRIGGER_NAME, DEFINER, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'stock';
SELECT TABLE_NAME, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'stock';
SELECT ROUTINE_NAME, DEFINER, SECURITY_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'stock';
SELECT EVENT_NAME, DEFINER, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'stock';
SELECT Host, User, Select_priv, Show_view_priv FROM mysql.db WHERE Db = 'stock' ORDER BY 1, 2;
SELECT User, Table_name, Table_priv FROM mysql.tables_priv WHERE Db = 'stock';
SELECT User, Routine_name, Proc_priv FROM mysql.procs_priv WHERE Db = 'stock';
SELECT id, word FROM stock.words;
"""


def test_code_and_rights_in_a_database_are_there_after_a_restore_as_before(fleet: Fleet) -> None:
    fleet.inside("data1", "mariadb", "stock", "-e", CODE)
    before = fleet.inside("data1", "mariadb", "-Ne", BELONGINGS)
    fleet.fab("-H", "data1", "db.backup")
    fleet.inside("data1", "mariadb", "stock", "-e", "UPDATE words SET word = 'bad'")
    fleet.fab("-H", "data1", "db.restore", "latest", "--destroy", "stock")
    assert fleet.inside("data1", "mariadb", "-Ne", BELONGINGS) == before
    accounts = fleet.inside("data1", "mariadb", "-Ne", "SELECT User FROM mysql.user WHERE User LIKE 'hawser%'")
    assert accounts.strip() == ""


def test_a_drill_on_mariadb_brings_a_backup_back_beside_the_database(fleet: Fleet) -> None:
    text, target = fleet.text, "stock/data1"
    offsite = """
[backup.offsite]
repository = "/srv/vault"
password = "STOCK_PASSWORD"
drill = [{ database = "stock", query = "SELECT word, 1 FROM proof", answer = "as it was\\\\|1" }]
"""
    assert asks(fleet, "CREATE TABLE proof (word text); INSERT INTO proof VALUES ('as it was')") == ""
    fleet.file.write_text(text + offsite)
    try:
        fleet.fab("-H", target, "backup.install")
        fleet.fab("-H", target, "backup.run")
        assert asks(fleet, "UPDATE proof SET word = 'later'") == ""
        fleet.fab("-H", target, "backup.drill")
        fleet.file.write_text(text + offsite.replace("as it was", "as it will be"))
        assert "answers 'as it was|1'" in fleet.fab("-H", target, "backup.drill", code=1).stdout
        fleet.file.write_text(text + offsite.replace("FROM proof", "FROM proofs"))
        said = fleet.fab("-H", target, "backup.drill", code=1).stdout
        assert "stock: it came back, and does not answer 'SELECT word, 1 FROM proofs'" in said
        assert asks(fleet, "SELECT word FROM proof") == "later"
        assert "drill" not in fleet.inside("data1", "mariadb", "-N", "-e", "SHOW DATABASES")
    finally:
        asks(fleet, "DROP TABLE IF EXISTS proof")
        fleet.file.write_text(text)
        fleet.fab("-H", target, "backup.install")


def test_a_killed_restore_on_mariadb_is_made_good_by_the_same_command(fleet: Fleet) -> None:
    push_kills("stock-data1")
    kill("stock-data1", "mariadb", "restore", 27)
    kill("stock-data1", "mariadb-tables", "restore", 27)


def test_a_host_that_is_no_client_any_more_has_no_account_and_reaches_nothing(fleet: Fleet) -> None:
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


def test_a_server_that_left_the_settings_is_reached_by_nobody_and_its_data_stays(fleet: Fleet) -> None:
    assert asks(fleet, "SELECT 1") == "1"
    text = fleet.text
    start, end = text.index("[services.mariadb]"), text.index("[hosts.data1]")
    fleet.file.write_text(text[:start] + text[end:])
    fleet.fab("-H", "stock", "bootstrap")
    assert "Can't connect" in asks(fleet, "SELECT 1")
    assert fleet.inside("data1", "mariadb", "-N", "-e", "SHOW DATABASES LIKE 'stock'").strip() == "stock"
    fleet.file.write_text(text)


def test_a_role_whose_code_somebody_else_needs_stays_when_its_database_goes(fleet: Fleet) -> None:
    view = "CREATE DATABASE other; CREATE DEFINER = keeper@localhost VIEW other.v AS SELECT 1"
    fleet.inside("data1", "mariadb", "-e", view)
    said = fleet.fab("-H", "stock", "remove", "--yes").stdout
    assert "the role keeper stays: it owns something or has rights elsewhere (other)" in said
    assert not fleet.inside("data1", "mariadb", "-N", "-e", "SHOW DATABASES LIKE 'stock'").strip()
    assert "localhost" in accounts(fleet)
    fleet.inside("data1", "mariadb", "-e", "DROP DATABASE other")
    fleet.fab("-H", "stock", "remove", "--yes")
    assert not accounts(fleet)

"""Kill a backup or a restore at its moments on a host, give the same command again, and compare what is there.

Usage, as root on a host: ``python3 kills.py ENGINE ACT STEP``. ENGINE is ``postgresql``, ``mariadb``,
``mariadb-tables`` or ``sqlite``, ACT is ``backup``, ``restore``, or ``restores``: of two backups, one after the other.
Every STEP-th moment is tried: before each call that touches the disk, and before and after each start of a program.
Prints, as JSON, how many moments there are, how many were tried, and what was wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from hawser.runner.databases import backups, mariadb_dump
from hawser.runner.databases.postgres import Cluster
from hawser.runner.databases.restoring import journals
from hawser.runner.engine import Engine
from hawser.runner.files import disk
from hawser.runner.lock import Lock
from hawser.runner.system import Failure, System

PLACE = Path("/var/lib/hawser-kills")
FOLDER, STATE = PLACE / "backups", PLACE / "state"
WATCHED = ("rename", "unlink", "mkdir", "rmdir", "fchown", "fchmod")
NAME = "killed"


class Moments:
    """Counts the moments of a run, and kills it at one of them.

    :param deadly: the number of the moment; 0: none.
    """

    def __init__(self, deadly):
        self.deadly = deadly
        self.count = 0

    def tick(self):
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self):
        for name in WATCHED:
            setattr(os, name, self.watched(getattr(os, name)))
        subprocess.Popen = self.watched(subprocess.Popen, after=True)
        # A kill loses nothing that has been written.
        os.fsync = lambda handle: None

    def watched(self, call, after=False):
        def watched(*arguments, **options):
            self.tick()
            result = call(*arguments, **options)
            if after:
                self.tick()
            return result

        return watched


class Postgresql:
    """A database with what its owner has in it, and what belongs to the database itself."""

    GOOD = """
        DROP TABLE IF EXISTS child, parent;
        CREATE TABLE parent (id int PRIMARY KEY, word text);
        CREATE TABLE child (id int REFERENCES parent);
        INSERT INTO parent VALUES (1, 'good'), (2, 'good'); INSERT INTO child VALUES (1);
        CREATE OR REPLACE VIEW words AS SELECT word FROM parent;
    """
    BAD = "DELETE FROM child; DROP VIEW IF EXISTS words; UPDATE parent SET word = 'bad';"
    LOOK = """
        SELECT 'row', id, word FROM parent UNION ALL SELECT 'child', id, NULL FROM child ORDER BY 1, 2;
        SELECT datname, pg_get_userbyid(datdba), datallowconn, datconnlimit, datacl FROM pg_database
            WHERE datname = current_database();
        SELECT setconfig FROM pg_db_role_setting, pg_database WHERE setdatabase = pg_database.oid
            AND datname = current_database();
    """

    def __init__(self, system):
        self.cluster = Cluster(system)

    def sql(self, text, database=NAME):
        return self.cluster.psql(text, database).output

    def make(self):
        for name in self.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '{NAME}%'", "postgres").split():
            self.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")
        self.sql(f"DROP ROLE IF EXISTS {NAME}", "postgres")
        self.sql(f"CREATE ROLE {NAME} LOGIN; CREATE DATABASE {NAME} OWNER {NAME};", "postgres")
        self.sql(
            f"REVOKE CONNECT ON DATABASE {NAME} FROM PUBLIC; ALTER DATABASE {NAME} CONNECTION LIMIT 7;"
            f" ALTER DATABASE {NAME} SET work_mem = '5MB';"
        )
        self.fill(self.GOOD)

    def fill(self, text):
        self.sql(f"SET search_path = public; SET ROLE {NAME}; {text}")

    def look(self):
        return self.sql("SET search_path = public; " + self.LOOK)

    def rest(self):
        """Return what a run must not leave on the server."""
        names = self.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE '%restore%' UNION ALL SELECT rolname FROM pg_roles"
            " WHERE rolname LIKE 'hawser%'",
            "postgres",
        ).split()
        formers = self.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '{NAME}_before%'", "postgres").split()
        return names + formers[1:]

    def open_to(self):
        return bool(self.sql("SELECT 1"))


class Mariadb:
    """A database with tables, and with or without what cannot be renamed.

    A killed run's login stays until the next run, with a password that nobody knows: see `rest`.
    """

    GOOD = """
        DROP TABLE IF EXISTS child, parent; DROP VIEW IF EXISTS words; DROP PROCEDURE IF EXISTS say;
        CREATE TABLE parent (id int PRIMARY KEY, word text) ENGINE=InnoDB;
        CREATE TABLE child (id int, FOREIGN KEY (id) REFERENCES parent (id)) ENGINE=InnoDB;
        INSERT INTO parent VALUES (1, 'good'), (2, 'good'); INSERT INTO child VALUES (1);
    """
    CODE = """
        CREATE VIEW words AS SELECT word FROM parent;
        CREATE TRIGGER shout BEFORE INSERT ON parent FOR EACH ROW SET NEW.word = upper(NEW.word);
        CREATE DEFINER = 'killed'@'localhost' PROCEDURE say() SELECT 1;
        GRANT EXECUTE ON PROCEDURE killed.say TO 'killed'@'localhost';
    """
    BAD = "DELETE FROM child; UPDATE parent SET word = 'bad';"
    LOOK = """
        SELECT id, word FROM parent ORDER BY id; SELECT id FROM child;
        SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'killed' ORDER BY 1;
        SELECT ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'killed';
        SELECT TRIGGER_NAME, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'killed';
        SELECT User, Routine_name, Proc_priv FROM mysql.procs_priv WHERE Db = 'killed';
        SELECT User, Select_priv FROM mysql.db WHERE Db = 'killed' AND User NOT LIKE 'hawser%';
        SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'killed';
    """

    def __init__(self, system, code=True):
        self.server = mariadb_dump.Server(system)
        self.code = code

    def sql(self, text):
        return self.server.sql("USE killed; " + text).output

    def make(self):
        for name in self.server.names():
            if name.startswith(NAME):
                self.server.sql(f"DROP DATABASE {name};")
        self.server.sql(
            "DROP USER IF EXISTS killed@localhost;"
            "CREATE DATABASE killed CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; CREATE USER killed@localhost;"
            "GRANT ALL ON killed.* TO killed@localhost;"
        )
        self.sql(self.GOOD + (self.CODE if self.code else ""))

    def fill(self, text):
        self.sql(text)

    def look(self):
        return self.sql(self.LOOK)

    def rest(self):
        names = self.server.sql(
            "SHOW DATABASES LIKE '%restore%'; SELECT User FROM mysql.user WHERE User LIKE 'hawser%';"
        )
        formers = self.server.sql("SHOW DATABASES LIKE 'killed_before%'").output.split()
        return names.output.split() + formers[1:]

    def open_to(self):
        return bool(self.sql("SELECT 1"))


class MariadbTables(Mariadb):
    """A database of tables alone."""

    def __init__(self, system):
        super().__init__(system, code=False)


class Sqlite:
    """A file."""

    PATH = PLACE / "data" / "killed.sqlite3"
    GOOD = "DROP TABLE IF EXISTS parent; CREATE TABLE parent (id, word); INSERT INTO parent VALUES (1, 'good');"
    BAD = "UPDATE parent SET word = 'bad';"

    def __init__(self, system):
        self.system = system

    def make(self):
        shutil.rmtree(str(self.PATH.parent), ignore_errors=True)
        self.PATH.parent.mkdir(parents=True)
        self.fill("PRAGMA user_version = 7; PRAGMA application_id = 9;" + self.GOOD)
        for path in (self.PATH.parent, self.PATH):
            shutil.chown(str(path), "www-data", "www-data")
        self.PATH.chmod(0o640)

    def fill(self, text):
        with sqlite3.connect(str(self.PATH)) as link:
            link.executescript(text)
        link.close()

    def look(self):
        link = sqlite3.connect(str(self.PATH))
        found = link.execute("SELECT * FROM parent ORDER BY id").fetchall()
        found += [
            link.execute("PRAGMA " + each).fetchone() for each in ("user_version", "application_id", "journal_mode")
        ]
        link.close()
        status = self.PATH.stat()
        return repr([found, status.st_mode, status.st_uid])

    def rest(self):
        return []

    def open_to(self):
        return True


ENGINES = {"postgresql": Postgresql, "mariadb": Mariadb, "mariadb-tables": MariadbTables, "sqlite": Sqlite}


def spec(engine, **more):
    return {
        "step": "kills", "label": "it", "database": NAME, "engine": engine.partition("-")[0], "folder": str(FOLDER),
        "owner": "www-data" if engine == "sqlite" else NAME, "path": str(Sqlite.PATH) if engine == "sqlite" else "",
        "keep": 3, "days": 30, "entry": {"who": "test"}, "may_lack": False, "why": "by hand", **more,
    }  # fmt: skip


def apply(row, deadly):
    """Do in this process what the runner does from the lock on; return the number of moments and what was said."""
    moments, said = Moments(deadly), []
    moments.watch()
    system = System(str(STATE), f"kills-{os.getpid()}")
    lock = Lock(str(STATE / "lock"))
    if lock.acquire({"who": "test", "token": system.token}) is not None:
        raise Failure("the lock is taken")
    disk.clear_up(system.state)
    Engine(system, said.append).apply([row])
    lock.release()
    return moments.count, [event["status"] + event.get("error", "") for event in said if event["t"] == "event"]


def run(row, deadly=0):
    """Apply in a child; return how it ended, its number of moments and what was said."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, json.dumps(apply(row, deadly)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    end = os.waitpid(child, 0)[1]
    count, statuses = json.loads(said.decode()) if said else (0, [])
    return end, count, statuses


def there():
    return [each for each in backups.listing(None, str(FOLDER)) if each["database"] == NAME]


def thin():
    """Remove what was saved on the way, so that every moment begins with the same backups."""
    for each in there():
        if each["why"] == "before a restore":
            for path in (FOLDER / each["name"], FOLDER / (each["name"] + ".json")):
                path.unlink()


def rest(database):
    """Yield what a completed run must not have left."""
    yield from (f"still open: {each}" for each in journals(str(STATE)))
    yield from (f"left on the server: {each}" for each in database.rest())
    found = [path.name for path in FOLDER.iterdir()]
    yield from (f"left among the backups: {name}" for name in found if name.startswith("."))
    names = {name for name in found if not name.endswith(".json")}
    records = {name[: -len(".json")] for name in found if name.endswith(".json")}
    yield from (f"without its other half: {name}" for name in names ^ records)
    yield from ("not proven: {}".format(each["name"]) for each in there() if not each["proven"])


def killed_restore(engine, database, moment, name, good):
    """Kill a restore at one moment, and yield what is not as it should be."""
    thin()
    database.fill(database.BAD)
    bad = database.look()
    row = spec(engine, kind="restore", name=name)
    if run(row, moment)[0] != signal.SIGKILL:
        yield "was not killed"
    if name not in [each["name"] for each in there() if each["proven"]]:
        yield "the backup is gone"
    if moment % 3 == 0:
        # `resume` finishes or undoes it.
        said = run(spec(engine, kind="restore_settled"))[2]
        if said not in (["changed"], ["ok"]):
            yield f"resume said {said}"
        elif database.look() not in (good, bad):
            yield f"after resume it is neither as it was nor as in the backup: {database.look()}"
    said = run(row)[2]
    if said != ["changed"]:
        yield f"the same command again said {said}"
        return
    if database.look() != good:
        yield f"not as in the backup: {database.look()}"
    yield from rest(database)


def killed_restores(engine, database, moment, name, good):
    """Kill a restore of another backup at one moment and then one of this at an earlier one; yield what is wrong."""
    thin()
    database.fill(database.BAD)
    others = [each["name"] for each in there() if each["name"] != name]
    for which, deadly in ((others[-1], moment), (name, moment // 3 + 1)):
        run(spec(engine, kind="restore", name=which), deadly)
    said = run(spec(engine, kind="restore", name=name))[2]
    if said != ["changed"]:
        yield f"the same command again said {said}"
    elif database.look() != good:
        yield f"not as in the backup: {database.look()}"
    yield from rest(database)


def killed_backup(engine, database, moment, name, good):
    """Kill a backup at one moment, and yield what is not as it should be."""
    row = spec(engine, kind="backup")
    before = {each["name"] for each in there()}
    if run(row, moment)[0] != signal.SIGKILL:
        yield "was not killed"
    if database.look() != good:
        yield f"the database is another one: {database.look()}"
    half = [each["name"] for each in there() if not each["proven"]]
    if half:
        yield f"half a backup is listed: {half}"
    if run(row)[2] != ["changed"]:
        yield "the same command again failed"
    if not {each["name"] for each in there()} - before:
        yield "there is no new backup"
    yield from rest(database)


def main(engine, act, step):
    started = time.time()
    shutil.rmtree(str(PLACE), ignore_errors=True)
    STATE.mkdir(parents=True)
    PLACE.chmod(0o755)
    database = ENGINES[engine](System(str(STATE)))
    database.make()
    good = database.look()
    assert run(spec(engine, kind="backup"))[2] == ["changed"]
    (name,) = [each["name"] for each in there()]
    if act == "restores":
        database.fill(database.BAD)
        assert run(spec(engine, kind="backup"))[2] == ["changed"]
    row = spec(engine, kind="backup") if act == "backup" else spec(engine, kind="restore", name=name)
    _end, count, said = run(row)
    assert said == ["changed"], said
    tried = range(step, count + 1, step)
    one = {"backup": killed_backup, "restore": killed_restore, "restores": killed_restores}[act]
    problems = [f"moment {moment}: {fault}" for moment in tried for fault in one(engine, database, moment, name, good)]
    took = time.time() - started
    print(json.dumps({"moments": count, "tried": len(tried), "problems": problems, "seconds": round(took)}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

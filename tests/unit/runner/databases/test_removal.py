"""What goes with an application, and what stays because somebody else needs it."""

from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from hawser.runner.databases import rabbitmq, removal
from hawser.runner.databases.backups import listing
from hawser.runner.databases.removal import DatabaseGone, FoldersGone, RabbitGone, UserGone
from hawser.runner.files.disk import Noted, clear_up, noted_folders
from hawser.runner.files.files import Directory
from hawser.runner.system import BASE_ENVIRONMENT, Change, Failure

from ..conftest import ME

root = pytest.mark.skipif(os.getuid() != 0, reason="changes the users of this machine")


class TestAFileOfSqlite:
    @pytest.fixture
    def gone(self, system, tmp_path):
        path = tmp_path / "data.sqlite3"
        spec = {
            "database": "data",
            "engine": "sqlite",
            "owner": ME,
            "path": str(path),
            "keep": 3,
            "days": 9,
            "entry": {},
        }
        return DatabaseGone({**spec, "folder": str(tmp_path / "backups")}, system)

    def test_a_file_of_sqlite_goes_after_a_last_backup(self, gone, system, tmp_path):
        with sqlite3.connect(tmp_path / "data.sqlite3") as connection:
            connection.execute("CREATE TABLE t AS SELECT 7 AS x")
        connection.close()
        (tmp_path / "data.sqlite3-wal").touch()
        change = gone.check()
        assert change.note == "removes the database data, after a last backup"
        gone.apply(change)
        assert not list(tmp_path.glob("data.sqlite3*"))
        assert gone.check() is None
        (kept,) = listing(system, str(tmp_path / "backups"))
        assert kept["proven"]
        with sqlite3.connect(tmp_path / "backups" / kept["name"]) as connection:
            assert connection.execute("SELECT x FROM t").fetchone() == (7,)
        connection.close()

    def test_a_file_of_sqlite_that_cannot_be_saved_stays(self, gone, tmp_path):
        (tmp_path / "data.sqlite3").write_bytes(b"no database at all" * 100)
        with pytest.raises(Failure):
            gone.apply(gone.check())
        assert (tmp_path / "data.sqlite3").exists()


class Server:
    """Stands for a database server: answers what is asked of it, and remembers what it is told.

    :param held: in which databases the role has something.
    """

    def __init__(self, held):
        self.held, self.told, self.log_in = held, [], []

    def rows(self, sql):
        return ["localhost"] if "FROM mysql.user" in sql else []

    def has(self, database):
        return False

    def has_role(self, name):
        return True

    def names(self):
        return []

    def values(self, sql):
        return self.held

    def logins(self, owner):
        return self.log_in

    def drop_login(self, name, owner):
        self.told.append(f"drop {name} of {owner}")

    def psql(self, sql):
        self.told.append(sql)

    sql = psql


class TestARole:
    @pytest.fixture
    def gone(self, system, monkeypatch):
        """Return what is left to do when the database has gone, and the server that is told it."""

        def gone(engine, held):
            server = Server(held)
            monkeypatch.setattr(removal.postgres, "Cluster", lambda system: server)
            monkeypatch.setattr(removal.mariadb, "Server", lambda system: server)
            return DatabaseGone({"engine": engine, "database": "shop", "owner": "shop"}, system), server

        return gone

    @pytest.mark.parametrize(("engine", "sql"), [("postgresql", "DROP ROLE"), ("mariadb", "DROP USER")])
    def test_a_role_goes_when_nothing_else_is_its_own(self, gone, system, engine, sql):
        kind, server = gone(engine, ["shop"])
        change = kind.check()
        assert change.note == "removes the role shop"
        kind.apply(change)
        assert [each.startswith(sql) for each in server.told] == [True] and not system.take_warnings()

    def test_roles_that_log_in_for_another_one_go_before_it(self, gone):
        kind, server = gone("postgresql", ["shop"])
        server.log_in = ["shop_0123abcd"]
        kind.apply(kind.check())
        assert server.told[0] == "drop shop_0123abcd of shop" and server.told[1].startswith("DROP ROLE")

    @pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
    def test_a_role_stays_where_something_elsewhere_is_its_own_and_it_is_said_where(self, gone, system, engine):
        kind, server = gone(engine, ["shop", "shop_sale", "other"])
        assert kind.check() is None
        kind.apply(None)
        (warning,) = system.take_warnings()
        assert "the role shop stays" in warning and "(shop_sale, other)" in warning and "same command" in warning
        assert not server.told


CONTROL = """#!/bin/sh
echo "$@" >> {log}
case "$2" in
list_users) printf 'guest\\t[administrator]\\nshop\\t[]\\n{logins}' ;;
list_vhosts) printf '/\\nshop\\n' ;;
list_user_permissions) printf 'shop\\t.*\\t.*\\t.*\\n{more}' ;;
esac
"""


class TestABroker:
    @pytest.fixture
    def gone(self, system, tmp_path, monkeypatch):
        def gone(more="", user="shop", vhost="shop", logins=""):
            program = tmp_path / "rabbitmqctl"
            program.write_text(CONTROL.format(log=tmp_path / "log", more=more, logins=logins))
            program.chmod(0o755)
            monkeypatch.setattr(rabbitmq, "CONTROL", "/nonexistent")
            monkeypatch.setattr(removal, "BROKER", str(tmp_path))
            monkeypatch.setitem(BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
            return RabbitGone({"user": user, "vhost": vhost}, system)

        return gone

    def deleted(self, tmp_path):
        return [line[3:] for line in (tmp_path / "log").read_text().splitlines() if "delete" in line]

    def test_the_vhost_and_the_user_of_a_broker_go(self, gone, tmp_path):
        kind = gone()
        change = kind.check()
        assert change.note == "removes the vhost shop and the user shop"
        kind.apply(change)
        assert self.deleted(tmp_path) == ["delete_vhost shop", "delete_user shop"]

    def test_users_that_log_in_for_another_one_go_with_it(self, gone, tmp_path):
        kind = gone(logins="shop_0123abcd\\t[]\\nshop_sale\\t[]\\n")
        change = kind.check()
        assert change.note == "removes the vhost shop and the user shop and the user shop_0123abcd"
        kind.apply(change)
        assert self.deleted(tmp_path) == ["delete_vhost shop", "delete_user shop", "delete_user shop_0123abcd"]

    def test_a_user_with_rights_elsewhere_stays(self, gone, tmp_path):
        kind = gone(more="other\\t.*\\t.*\\t.*\\n")
        change = kind.check()
        assert change.note == "removes the vhost shop"
        kind.apply(change)
        assert self.deleted(tmp_path) == ["delete_vhost shop"]

    def test_a_broker_without_vhost_and_user_has_nothing_to_go(self, gone, system, monkeypatch):
        assert gone(user="nobody", vhost="none").check() is None
        monkeypatch.setattr(removal, "BROKER", "/nonexistent")
        assert RabbitGone({"user": "shop", "vhost": "shop"}, system).check() is None


def runs(child):
    return child.poll() is None


@root
class TestAUser:
    @pytest.fixture
    def name(self, tmp_path):
        """A user whose number nobody else on this machine has, in no container either."""
        name = "hw" + uuid.uuid4().hex[:8]
        number = str(1_000_000_000 + int(name[2:], 16) % 1_000_000_000)
        home = str(tmp_path / "app" / "home")
        subprocess.run(["useradd", "-u", number, "--user-group", "-M", "-d", home, "-s", "/bin/sh", name], check=True)
        yield name
        subprocess.run(["userdel", name], capture_output=True, check=False)

    @pytest.fixture
    def run(self, name):
        """Start a program of the user, which ends with the test."""
        children = []

        def run(**variables):
            argv = ["setpriv", f"--reuid={name}", "--clear-groups", "sleep", "60"]
            child = subprocess.Popen(argv, env={"PATH": os.environ["PATH"], **variables})
            children.append(child)
            uid = pwd.getpwnam(name).pw_uid
            deadline = time.monotonic() + 10
            while Path(f"/proc/{child.pid}").stat().st_uid != uid:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return child

        yield run
        for child in children:
            child.kill()
            child.wait()

    def test_a_user_goes_with_its_group_and_its_programs_for_the_application_end(self, system, name, run, tmp_path):
        child = run(VIRTUAL_ENV=str(tmp_path / "app" / "releases" / "env"))
        kind = UserGone({"name": name, "home": str(tmp_path / "app" / "home")}, system)
        kind.apply(kind.check())
        assert child.wait(5) == -15
        assert kind.check() is None
        for database in ("passwd", "group"):
            assert subprocess.run(["getent", database, name], capture_output=True, check=False).returncode == 2

    def test_programs_that_a_user_has_left_behind_are_told_and_ended(self, system, name, run, tmp_path, monkeypatch):
        child = run(HOME="/elsewhere")
        left = lambda user: [child.pid] if user == name and runs(child) else []  # noqa: E731
        monkeypatch.setattr(removal, "orphans", left)
        kind = UserGone({"name": name, "home": str(tmp_path / "app" / "home")}, system)
        change = kind.check()
        assert change.note == f"user {name}, after ending sleep 60 (pid {child.pid})"
        kind.apply(change)
        assert child.wait(5) == -15 and kind.check() is None

    def test_a_user_that_runs_something_else_stays(self, system, name, run, tmp_path):
        child = run(HOME="/elsewhere")
        kind = UserGone({"name": name, "home": str(tmp_path / "app" / "home")}, system)
        with pytest.raises(Failure, match=f"processes of {name} still run: {child.pid}"):
            kind.apply(kind.check())
        assert child.poll() is None

    def test_a_user_that_somebody_else_made_stays(self, system, name):
        assert UserGone({"name": name, "home": "/srv/other/home"}, system).check() is None
        assert UserGone({"name": "root", "home": "/root"}, system).check() is None
        assert UserGone({"name": "no-such-user", "home": "/x"}, system).check() is None


@root
class TestFoldersThatWereMadeForTheApplication:
    @pytest.fixture
    def gone(self, system, tmp_path):
        clear_up(system.state)
        yield FoldersGone({"root": str(tmp_path / "srv" / "demo")}, system)
        Noted.path = Noted.folders = ""

    def make(self, system, path):
        Directory({"path": str(path), "mode": 0o755, "owner": ME, "group": "root"}, system).apply(Change())

    def test_made_folders_that_are_empty_go_and_those_in_use_stay(self, gone, system, tmp_path):
        (tmp_path / "there").mkdir()
        for path in ("there/a/b/c", "used/by/somebody", "srv/demo/releases"):
            self.make(system, tmp_path / path)
        (tmp_path / "used" / "by" / "file").touch()
        clear_up(system.state)
        assert str(tmp_path / "there/a/b/c") in gone.check().note
        assert "srv/demo" not in gone.check().note
        gone.apply(gone.check())
        assert not list((tmp_path / "there").iterdir())
        assert (tmp_path / "used" / "by" / "file").exists()
        assert (tmp_path / "srv" / "demo" / "releases").is_dir()

    def test_a_folder_that_somebody_else_has_made_stays(self, gone, system, tmp_path):
        (tmp_path / "theirs").mkdir()
        self.make(system, tmp_path / "theirs")
        assert gone.check() is None

    def test_a_made_folder_that_is_gone_by_the_next_run_is_forgotten(self, gone, system, tmp_path):
        self.make(system, tmp_path / "old" / "release")
        (tmp_path / "old" / "release").rmdir()
        clear_up(system.state)
        assert noted_folders(system.state) == [str(tmp_path / "old")]

    def test_a_link_in_the_place_of_a_made_folder_leads_nowhere(self, gone, system, tmp_path):
        self.make(system, tmp_path / "a" / "b")
        (tmp_path / "a" / "b").rmdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "a" / "b").symlink_to(tmp_path / "elsewhere")
        gone.apply(Change())
        assert (tmp_path / "elsewhere").is_dir()

"""What the runner's greeting says of a host, whatever state that host is in."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from pathlib import Path

import pytest

from hawser.runner import facts
from hawser.runner.processes.supervisor import Supervisor
from hawser.runner.processes.supervisor_access import Access
from hawser.runner.processes.systemd import Systemd

PROGRAM = "; hawser: application=demo process=web release=r2\n[program:demo-web-{0}]\ncommand=sleep 60\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(Systemd.traits, "folder", str(tmp_path / "units"))
    return tmp_path / "demo"


@pytest.fixture
def told(system, root):
    """Return what is told of the application."""
    return lambda: facts.application_facts(system, "demo", str(root))


class TestTheHost:
    def test_facts_tell_the_system_and_the_disk_of_a_host(self, system, root):
        found = facts.host_facts(system, f"{root}/not/there/yet")
        assert found["hostname"] == os.uname().nodename
        assert 0 < found["disk_free"] <= found["disk_total"]
        assert found["python"].count(".") == 2
        assert found["uid"] == os.getuid()
        assert found["ipv6"] is Path("/proc/net/if_inet6").exists()

    def test_a_host_whose_kernel_has_no_ipv6_says_so(self, system, root, monkeypatch):
        def refuse(family, *more):
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

        monkeypatch.setattr("_socket.socket", refuse)
        assert facts.host_facts(system, str(root))["ipv6"] is False

    @pytest.mark.parametrize(("says", "version"), [("nginx/1.26.3 (Ubuntu)", "1.26.3"), ("something else", "")])
    def test_a_host_says_which_nginx_it_has(self, system, tmp_path, says, version):
        program = tmp_path / "nginx"
        assert facts.nginx_version(system, str(program)) == ""
        program.write_text(f"#!/bin/sh\necho 'nginx version: {says}' >&2\n")
        program.chmod(0o755)
        assert facts.nginx_version(system, str(program)) == version

    @pytest.mark.parametrize("quote", ["", '"', "'"])
    def test_the_release_of_a_system_is_read_with_any_quotes(self, tmp_path, quote):
        (tmp_path / "os-release").write_text(f"ID={quote}debian{quote}\nVERSION_ID={quote}12{quote}\n\nODD LINE\n")
        assert facts.os_release(f"{tmp_path}/os-release") == {"id": "debian", "version": "12", "codename": ""}

    def test_a_system_may_say_nothing_of_its_release(self, tmp_path):
        assert facts.os_release(f"{tmp_path}/no")["id"] == ""


class TestTheApplication:
    def test_facts_of_a_new_host_tell_of_no_application(self, supervisor, told):
        found = told()
        assert (found["current"], found["previous"], found["commit"], found["since"]) == ("", "", "", 0.0)
        assert (found["releases"], found["live"], found["processes"], found["generated"]) == ([], {}, [], [])
        assert found["journal"] is None

    def test_releases_links_and_colours_are_told(self, supervisor, root, told):
        (root / "run").mkdir(parents=True)
        for name in ("one", "two", "half", ".hidden"):
            (root / "releases" / name).mkdir(parents=True)
            if name != "half":
                (root / "releases" / name / "release.json").write_text(json.dumps({"commit": name * 3, "hawser": name}))
        (root / "current").symlink_to("releases/two")
        (root / "previous").symlink_to("releases/one")
        (root / "run" / "web.sock").symlink_to("web-blue.sock")
        (root / "run" / "mail-worker.live").symlink_to("mail-worker-green")
        (root / "run" / "web-blue.sock").write_text("")
        found = told()
        assert found["releases"] == ["one", "two"]
        assert (found["current"], found["previous"], found["commit"]) == ("two", "one", "twotwotwo")
        assert found["hawser"] == "two"
        assert found["live"] == {"web": "blue", "mail-worker": "green"}
        assert abs(found["since"] - time.time()) < 5

    def test_very_many_links_of_the_service_user_push_out_none_of_a_process(self):
        links = {f"a{'x' * 240}{number}": "blue" for number in range(120_000)} | {"web": "green"}
        found = facts.live(links, "demo", [{"process": "web", "unit": "demo-web-green", "enabled": False}])
        assert found["web"] == "green" and len(found) == facts.MOST_ROWS

    @pytest.mark.parametrize("text", ["{", "[]", "{}", "\udcff"])
    def test_a_damaged_release_has_no_commit(self, supervisor, root, told, text):
        (root / "releases" / "one").mkdir(parents=True)
        (root / "releases" / "one" / "release.json").write_bytes(os.fsencode(text))
        (root / "current").symlink_to("releases/one")
        assert told()["commit"] == ""

    @pytest.mark.parametrize("text", ["", "{", "[]", "\udcff", "\0\0"])
    def test_a_damaged_record_is_none_that_is_not_there(self, supervisor, told, system, text):
        paths = [f"{system.state}/{name}" for name in ("journal.json", "hold.json", "secrets.json")]
        assert told()["damaged"] == []
        for path in paths:
            Path(path).write_bytes(os.fsencode(text))
        found = told()
        assert found["damaged"] == paths
        assert (found["journal"], found["hold"], found["generated"], found["bootstrapped"]) == (None, None, [], True)

    def test_a_journal_that_names_no_release_is_damaged(self, supervisor, told, system):
        Path(system.state, "journal.json").write_text("{}")
        assert told()["damaged"] == [f"{system.state}/journal.json"]

    @pytest.mark.parametrize("text", ["", "12\0", "\u00b2", "9" * 20])
    def test_no_older_rollout_is_taken_for_a_later_one_after_damage(self, supervisor, told, system, text):
        assert told()["begun"] == 0
        path = Path(system.state, "begun")
        path.write_text(text)
        assert abs(told()["begun"] - time.time()) < 60
        path.write_text("1234\n")
        assert told()["begun"] == 1234

    def test_processes_are_told_with_their_state(self, supervisor, root, told):
        (root / "run").mkdir(parents=True)
        (root / "run" / "web.sock").symlink_to("web-green.sock")
        supervisor.run("demo-beat")
        for colour in ("blue", "green"):
            (supervisor.folder / f"demo-web-{colour}.conf").write_text(PROGRAM.format(colour))
        rows = {row["unit"]: row for row in told()["processes"]}
        assert [(unit, row["live"]) for unit, row in rows.items()] == [
            ("demo-beat", True),
            ("demo-web-blue", False),
            ("demo-web-green", True),
        ]
        beat = rows["demo-beat"]
        assert (beat["active"], beat["state"], beat["release"], beat["manager"]) == (
            True,
            "running",
            "r1",
            "supervisor",
        )
        assert (beat["pid"], 0 <= beat["seconds"] < 5) == (supervisor.pid("demo-beat"), True)
        assert (rows["demo-web-blue"]["active"], rows["demo-web-blue"]["state"]) == (False, "unknown")

    @pytest.mark.parametrize("target", ["web-blue.sock", "web-pink.sock", "../etc", "/x/web-green.sock", "web-green"])
    def test_links_that_the_user_has_turned_are_not_believed(self, supervisor, root, told, target):
        (supervisor.folder / "demo-web-green.conf").write_text(PROGRAM.format("green"))
        (root / "run").mkdir(parents=True)
        (root / "run" / "web.sock").symlink_to(target)
        found = told()
        assert (found["live"], found["astray"]) == ({"web": "green"}, ["web"])
        (row,) = found["processes"]
        assert (row["unit"], row["live"]) == ("demo-web-green", True)

    def test_a_link_counts_while_both_colours_start_at_boot(self, supervisor, root, told):
        (root / "run").mkdir(parents=True)
        (root / "run" / "web.sock").symlink_to("web-green.sock")
        for colour in ("blue", "green"):
            (supervisor.folder / f"demo-web-{colour}.conf").write_text(PROGRAM.format(colour))
        found = told()
        assert (found["live"], found["astray"]) == ({"web": "green"}, [])

    @pytest.mark.parametrize("target", ["web-pink.sock", "api-blue.sock", "worker-blue", "/web-blue.sock", "web-blue"])
    def test_a_thing_that_can_be_no_link_of_ours_says_nothing(self, supervisor, root, told, target):
        (root / "run").mkdir(parents=True)
        (root / "run" / "web.sock").symlink_to(target)
        (root / "run" / ".sock").symlink_to("-blue.sock")
        os.mkfifo(root / "run" / "worker.live")
        assert told()["live"] == {}

    def test_a_manager_that_does_not_answer_keeps_nobody_from_mending_it(self, tmp_path, root, told, monkeypatch):
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(f"{tmp_path}/left.sock")
        monkeypatch.setattr(Supervisor, "_access", Access(f"{tmp_path}/left.sock"))
        monkeypatch.setattr(Supervisor.traits, "folder", f"{tmp_path}/programs")
        for folder, name in (("programs", "demo-web.conf"), ("units", "demo-beat.service")):
            (tmp_path / folder).mkdir()
            process = name[5:].partition(".")[0]
            (tmp_path / folder / name).write_text(f"# hawser: application=demo process={process} release=r1\n")
        beat, web = told()["processes"]
        assert (beat["unit"], web["unit"]) == ("demo-beat", "demo-web")
        assert (web["active"], web["state"].partition(" on ")[0]) == (False, "supervisor does not answer")


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('{"interpreter": {"version": "CPython 2.7.18"}, "filled_by": "virtualenv"}', "CPython 2.7.18, by pip"),
        ('{"interpreter": {"version": "CPython 3.11.2"}, "filled_by": ""}', ""),
        ('{"interpreter": {"version": "CPython 3.11.2"}}', ""),
        ("[]", ""),
        ("no JSON", ""),
    ],
)
def test_a_python_whose_environment_pip_has_filled_is_named(tmp_path, marker, said):
    environment = tmp_path / "current" / "env"
    environment.mkdir(parents=True)
    (environment / ".hawser-complete").write_text(marker)
    assert facts.interpreter(str(tmp_path)) == said
    assert facts.interpreter(str(tmp_path / "nowhere")) == ""


def test_an_environment_whose_python_an_upgrade_has_removed_is_known(tmp_path):
    folder = tmp_path / "current" / "env" / "bin"
    folder.mkdir(parents=True)
    python = tmp_path / "python3.11"
    assert facts.gone_python(str(tmp_path)) == ""
    (folder / "python").symlink_to(python)
    assert facts.gone_python(str(tmp_path)) == str(python)
    python.touch()
    assert facts.gone_python(str(tmp_path)) == ""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hawser.runner.machine import probes
from hawser.runner.rows import MOST_ROWS
from hawser.runner.system import Finished

from ..conftest import validated


def test_a_path_that_is_not_there_stands_for_the_folder_above(system, tmp_path):
    (room,) = probes.rooms(system, [str(tmp_path), f"{tmp_path}/not/there"])
    assert room["path"] == str(tmp_path)
    assert 0 < room["free"] <= room["total"] and not room["read_only"]


def test_what_fstab_wants_and_is_no_mount_is_told(system, tmp_path):
    fstab = tmp_path / "fstab"
    rows = [
        "# a comment",
        "UUID=1 / ext4 defaults 0 1",
        "/dev/sdb /mnt/with\\040blank ext4 defaults 0 2",
        "/dev/sde /mnt/with\\043hash ext4 defaults 0 2",
        "/dev/sdc /mnt/by-hand ext4 noauto 0 2",
        "/dev/sdd none swap sw 0 0",
        "proc /proc proc defaults 0 0",
    ]
    fstab.write_text("\n".join(rows))
    assert probes.unmounted(system, str(fstab)) == ["/mnt/with blank", "/mnt/with#hash"]
    assert probes.unmounted(system, f"{tmp_path}/none") == []


def test_memory_is_read(system):
    found = probes.memory(system)
    assert 0 < found["free"] <= found["total"]


def test_names_are_looked_up_at_once(system):
    found = probes.resolve(system, ["127.0.0.1", "no-such-name.invalid"])
    assert found["127.0.0.1"] == ""
    assert found["no-such-name.invalid"]


def test_a_port_is_reached_or_it_is_said_why_not(system):
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_one = server.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = other.getsockname()[1]
        places = [f"127.0.0.1 {open_one}", f"127.0.0.1 {closed}"]
        assert probes.reach(system, places) == {places[0]: "", places[1]: "Connection refused"}


def test_triggers_that_are_due_are_counted(system):
    assert probes.pending(system) == 0
    folder = Path(system.state) / "pending"
    folder.mkdir()
    (folder / "one").touch()
    assert probes.pending(system) == 1


def test_many_failed_units_of_one_template_hide_no_other(monkeypatch, system):
    lines = [*(f"ssh@{number}-6.6.6.6:22.service loaded failed failed x" for number in range(110_000)), "web.service x"]
    monkeypatch.setattr(system, "run", lambda *_words, **_options: Finished(0, "\n".join(lines)))
    found = probes.failed_units(system)
    assert {"unit": "web.service"} in found["rows"]
    assert (len(found["rows"]), found["more"]) == (MOST_ROWS, 110_001 - MOST_ROWS)
    validated(found, "looks.failed_units")


def test_the_last_words_of_a_server_are_those_of_its_youngest_log(system, tmp_path):
    for age, name in enumerate(("new.log", "old.log")):
        (tmp_path / name).write_text("".join(f"{name} {number}\n" for number in range(9)))
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    assert probes.last_words(system, f"{tmp_path}/*.log", [], 60) == [f"new.log {number}" for number in range(4, 9)]


def test_words_of_a_server_that_are_older_than_the_run_are_not_its_last_ones(system, monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "journal", lambda *_words: "")
    log = tmp_path / "postgresql.log"
    lines = [
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(time.time() - age))}.000 UTC [9] FATAL: {word}\n"
        for age, word in ((3000, "no database"), (10, "no password"))
    ]
    log.write_text("".join(lines))
    assert probes.last_words(system, str(log), [], 60) == [lines[1].strip()]
    log.write_text(lines[0])
    os.utime(log, (time.time() - 3000, time.time() - 3000))
    assert probes.last_words(system, str(log), [], 60) == []


@pytest.mark.parametrize("logs", ["", "/nowhere/*.log"])
def test_a_server_without_a_log_of_its_own_is_looked_for_in_the_journal(system, monkeypatch, logs):
    asked, entry = [], '{"MESSAGE": "no", "__REALTIME_TIMESTAMP": "1"}\n'
    monkeypatch.setattr(system, "run", lambda argv, **_: asked.append(argv) or SimpleNamespace(output=entry))
    began = time.time()
    assert probes.last_words(system, logs, ["a.service", "a@*.service"], 60) == ["no"]
    assert " -u a.service -u a@*.service " in " ".join(asked[-1])
    since = asked[-1][asked[-1].index("--since") + 1]
    assert 0 <= float(since.lstrip("@")) - (began - 60) < 5


SAID = """\
/etc/systemd/system/shop-web.service:9: Unknown key 'Nonsense' in section [Service], ignoring.
shop-web.service: Command /nowhere/x is not executable: No such file or directory
my-shop-web.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.
Unit shop-api.service has a bad unit file setting.
"""


def answering(system, monkeypatch, *answers):
    """Have programs say this, in their order; returns the words with which they were called."""
    called, left = [], list(answers)

    def run(argv, **_options):
        called.append(list(argv))
        return left.pop(0)

    monkeypatch.setattr(system, "run", run)
    return called


def test_a_unit_that_systemd_refuses_is_told_with_the_lines_about_it_and_no_others(monkeypatch, system):
    called = answering(system, monkeypatch, Finished(1, SAID))
    units = ["shop-web", "shop-api", "cron"]
    found = probes.unbootable(system, units)
    assert found == {
        "shop-web": "shop-web.service: Command /nowhere/x is not executable: No such file or directory",
        "shop-api": "Unit shop-api.service has a bad unit file setting.",
        "cron": "",
    }
    assert called == [["systemd-analyze", "verify", "--man=no", *(f"{unit}.service" for unit in units)]]
    assert validated(found, "looks.unbootable", units=units) == found
    answering(system, monkeypatch, Finished(0, SAID))
    assert set(probes.unbootable(system, units).values()) == {""}


def test_supervisor_is_asked_for_its_whole_configuration_where_it_is_among_them(monkeypatch, system):
    refusal = "Error: program section program:x does not specify a command\nFor help, use /usr/bin/x -h\n"
    called = answering(system, monkeypatch, Finished(0, ""), Finished(2, refusal))
    found = probes.unbootable(system, ["supervisor"])
    assert found == {"supervisor": "Error: program section program:x does not specify a command"}
    assert called[1][-1] == "/etc/supervisor/supervisord.conf"
    answering(system, monkeypatch, Finished(0, ""), Finished(0, ""))
    assert probes.unbootable(system, ["supervisor"]) == {"supervisor": ""}
    assert probes.unbootable(system, []) == {}

"""systemd's answers are read right, and a real supervisord, run from a temporary folder, does what it is told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from hashlib import sha1
from pathlib import Path
from types import SimpleNamespace

import pytest

from hawser.formats import supervisor_command
from hawser.host.processes import unlinking
from hawser.runner.kernel.starts import Start
from hawser.runner.processes.managers import journal, manager, tail
from hawser.runner.processes.processes import Running, Settled
from hawser.runner.processes.supervisor import Supervisor
from hawser.runner.processes.supervisor_access import Access, access
from hawser.runner.processes.systemd import Systemd
from hawser.runner.processes.traits import MANAGERS
from hawser.runner.system import BASE_ENVIRONMENT, Change, Failure

from ..conftest import whole
from ..daemons import Supervisord, until

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "MainPID": "374",
    "StateChangeTimestampMonotonic": "0",
}


def answers(path):
    """Tell whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(path) == 0


class TestSystemdsAnswers:
    @pytest.fixture
    def state(self, system):
        """Read an answer: that of a running unit, with some values changed."""
        return lambda **changes: Systemd(system).parse(
            "demo-web",
            "\n".join(f"{name}={value}" for name, value in {**RUNNING, **changes}.items() if value is not None),
        )

    @pytest.mark.parametrize(
        ("active", "sub", "phase"),
        [
            ("active", "running", "active"),
            ("reloading", "reload", "active"),
            ("active", "exited", "stopped"),
            ("activating", "start", "starting"),
            ("activating", "start-pre", "starting"),
            ("activating", "auto-restart", "restarting"),
            ("activating", "auto-restart-queued", "restarting"),
            ("deactivating", "stop-sigterm", "stopping"),
            ("inactive", "dead", "stopped"),
            ("failed", "failed", "stopped"),
        ],
    )
    def test_every_state_of_systemd_belongs_to_a_phase(self, state, active, sub, phase):
        found = state(ActiveState=active, SubState=sub)
        assert (found.phase, found.word) == (phase, f"{active} ({sub})")

    @pytest.mark.parametrize(("word", "known"), [("loaded", True), ("not-found", False), ("masked", False)])
    def test_only_a_unit_that_systemd_has_loaded_is_known(self, state, word, known):
        assert state(LoadState=word).known is known

    @pytest.mark.parametrize("folder", ["multi-user.target.wants", "mail.service.requires"])
    def test_a_unit_starts_at_boot_where_it_is_linked_whatever_systemd_knew_when_it_read_all(
        self, state, tmp_path, monkeypatch, folder
    ):
        monkeypatch.setattr(MANAGERS["systemd"], "folder", str(tmp_path / "units"))
        assert not state(UnitFileState="enabled").enabled
        link = tmp_path / "units" / folder / "demo-web.service"
        link.parent.mkdir(parents=True)
        link.symlink_to("/etc/systemd/system/demo-web.service")
        assert state(UnitFileState="disabled").enabled
        link.rename(link.with_name("demo-web-2.service"))
        assert not state(UnitFileState="enabled").enabled

    def test_a_unit_that_others_start_counts_as_starting_at_boot(self, state):
        assert state(UnitFileState="static").enabled and not state(UnitFileState=None).enabled

    def test_a_changed_definition_makes_a_unit_stale(self, state):
        assert state(NeedDaemonReload="yes").stale
        assert not state().stale

    def test_the_time_of_the_last_change_of_a_unit_is_that_of_the_clock(self, state):
        a_minute_ago = int((time.monotonic() - 60) * 1e6)
        assert abs(time.time() - 60 - state(StateChangeTimestampMonotonic=str(a_minute_ago)).since) < 1
        assert state(StateChangeTimestampMonotonic="0").since == 0

    def test_systemd_is_asked_nothing_about_no_units(self, system):
        assert manager("systemd", system).states([]) == {}

    def test_a_systemd_that_does_not_answer_is_told(self, system, tmp_path, monkeypatch):
        (tmp_path / "systemctl").write_text("#!/bin/sh\necho not booted with systemd >&2\nexit 1\n")
        (tmp_path / "systemctl").chmod(0o755)
        monkeypatch.setitem(BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
        with pytest.raises(Failure) as caught:
            Systemd(system).state("demo")
        assert (caught.value.message, caught.value.output) == ("systemd does not answer", "not booted with systemd\n")


class TestSupervisor:
    def test_supervisor_takes_up_a_new_program_and_starts_it(self, supervisor):
        supervisor.define("demo-web")
        supervisor.manager.take_up("demo-web")
        supervisor.manager.start("demo-web")
        state = supervisor.manager.state("demo-web")
        assert (state.known, state.phase, state.enabled, state.word) == (True, "active", True, "running")
        assert abs(state.since - time.time()) < 5
        assert state.pid > 0

    def test_a_server_that_leaves_its_socket_behind_is_started_again_after_it_was_killed(self, supervisor):
        path = f"{supervisor.home}/web.sock"
        serve = f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); time.sleep(99)"
        supervisor.run("demo-web", supervisor_command([*unlinking(path), sys.executable, "-c", serve]))
        pid = supervisor.pid("demo-web")
        until(Path(path).exists)
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.pid("demo-web") not in (0, pid) and answers(path))

    def test_supervisor_says_which_programs_it_does_not_know(self, supervisor):
        supervisor.define("demo-web")
        supervisor.manager.take_up("demo-web")
        states = supervisor.manager.states(["demo-web", "demo-no"])
        assert [states[unit].known for unit in ("demo-web", "demo-no")] == [True, False]
        assert supervisor.manager.states([]) == {}

    def test_a_program_of_supervisor_is_left_alone_while_its_definition_is_the_same(self, supervisor):
        supervisor.run("demo-web")
        pid = supervisor.pid("demo-web")
        supervisor.manager.take_up("demo-web")
        supervisor.manager.start("demo-web")
        assert supervisor.pid("demo-web") == pid

    def test_a_program_whose_definition_has_changed_is_replaced(self, supervisor):
        supervisor.run("demo-web")
        supervisor.run("demo-web", "sleep 2000")
        assert supervisor.command_line("demo-web") == "sleep 2000"

    def test_another_programs_change_waits_for_its_own_turn(self, supervisor):
        supervisor.run("demo-web")
        pid = supervisor.pid("demo-web")
        supervisor.define("demo-web", "sleep 2000")
        supervisor.run("demo-worker")
        assert supervisor.pid("demo-web") == pid

    @pytest.fixture
    def flapping(self, supervisor, monkeypatch):
        """A program that ends at once and is started again within a second; whoever has it stopped is in between."""
        attempt, delays = Supervisor.attempt, [0.4]

        def late(manager, name, *arguments):
            if name == "stopProcess" and delays:
                time.sleep(delays.pop())
            return attempt(manager, name, *arguments)

        monkeypatch.setattr(Supervisor, "attempt", late)
        supervisor.define("demo-web", "sh -c 'sleep 0.2; exit 1'")
        supervisor.manager.take_up("demo-web")
        until(lambda: supervisor.manager.state("demo-web").word == "exited")
        return supervisor

    def test_a_program_that_ends_again_and_again_is_replaced(self, flapping):
        flapping.run("demo-web")
        assert flapping.command_line("demo-web") == "sleep 1000"

    def test_a_program_that_ends_again_and_again_stays_stopped(self, flapping):
        flapping.manager.stop("demo-web")
        words = [flapping.manager.state("demo-web").word for _ in range(3)]
        assert words in (["stopped"] * 3, ["fatal"] * 3)

    def test_a_program_that_ends_again_and_again_is_retired(self, flapping):
        (flapping.folder / "demo-web.conf").unlink()
        flapping.manager.retire("demo-web")
        flapping.manager.system.part()
        assert not flapping.manager.state("demo-web").known

    def test_a_restart_gives_a_new_process(self, supervisor):
        supervisor.run("demo-web")
        pid = supervisor.pid("demo-web")
        supervisor.manager.restart("demo-web")
        assert supervisor.pid("demo-web") not in (0, pid)

    def test_a_program_that_supervisor_cannot_start_is_told_with_the_reason(self, supervisor):
        supervisor.define("demo-web", "/no/such/program", autostart="false")
        supervisor.manager.take_up("demo-web")
        with pytest.raises(Failure, match="demo-web does not start: NO_FILE"):
            supervisor.manager.start("demo-web")
        with pytest.raises(Failure, match="demo-no does not start: BAD_NAME"):
            supervisor.manager.start("demo-no")

    def test_a_start_that_fails_is_told_by_what_was_logged_since_this_start(self, supervisor, system, tmp_path):
        """The log of the program holds the words of an earlier start that failed otherwise."""
        log, said = f"{tmp_path}/web.log", []
        for word in ("Address already in use", "ModuleNotFoundError", "", "ModuleNotFoundError"):
            supervisor.define("demo-web", f"sh -c 'echo {word} >&2; exit 1'", stderr_logfile=log, startretries=0)
            spec = {"unit": "demo-web", "manager": "supervisor", "log": log}
            with pytest.raises(Failure) as caught:
                Running(whole("running", spec), system).apply(Change("start"))
                Settled(whole("settled", spec), system).apply(Change("waits"))
            said.append(set(caught.value.output.split("\n")) - {""})
        assert said == [{"Address already in use"}, {"ModuleNotFoundError"}, set(), {"ModuleNotFoundError"}]

    def test_a_configuration_that_supervisor_refuses_is_told(self, supervisor):
        (supervisor.folder / "bad.conf").write_text("[program:bad]\n")
        with pytest.raises(Failure, match=r"supervisor refuses its configuration: CANT_REREAD: .*bad"):
            supervisor.manager.take_up("demo-web")

    def test_a_stop_is_waited_for(self, supervisor):
        supervisor.run_slow("demo-web", 0.5)
        supervisor.manager.stop("demo-web")
        assert supervisor.manager.state("demo-web").phase == "stopped"
        supervisor.manager.stop("demo-web")
        supervisor.manager.stop("demo-no")

    def test_a_retired_program_is_forgotten_when_the_run_ends(self, supervisor):
        supervisor.run_slow("demo-web", 0.3)
        (supervisor.folder / "demo-web.conf").unlink()
        supervisor.manager.retire("demo-web")
        assert supervisor.manager.state("demo-web").stopping
        supervisor.manager.system.part()
        assert not supervisor.manager.state("demo-web").known
        supervisor.manager.retire("demo-web")

    def test_a_retired_program_is_not_waited_for_when_it_is_slow(self, supervisor):
        supervisor.run_slow("demo-web", 60, stopwaitsecs=60)
        (supervisor.folder / "demo-web.conf").unlink()
        began = time.monotonic()
        supervisor.manager.retire("demo-web")
        supervisor.manager.system.part()
        assert time.monotonic() - began < 3
        assert supervisor.manager.state("demo-web").stopping

    def test_a_retired_program_that_is_defined_anew_stays(self, supervisor):
        supervisor.run_slow("demo-web", 0.3)
        (supervisor.folder / "demo-web.conf").unlink()
        supervisor.manager.retire("demo-web")
        supervisor.run("demo-web")
        supervisor.manager.system.part()
        assert supervisor.manager.state("demo-web").active

    def test_no_program_is_known_where_supervisor_does_not_run(self, system, tmp_path, monkeypatch):
        monkeypatch.setattr(Supervisor, "_access", Access(f"{tmp_path}/no.sock"))
        assert not Supervisor(system).state("demo-web").known
        with pytest.raises(Failure, match="supervisor does not run on this host"):
            Supervisor(system).take_up("demo-web")

    def test_a_socket_that_nobody_serves_any_more_is_told(self, system, tmp_path, monkeypatch):
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(f"{tmp_path}/left.sock")
        monkeypatch.setattr(Supervisor, "_access", Access(f"{tmp_path}/left.sock"))
        with pytest.raises(Failure, match=r"supervisor does not answer on .*left.sock: .*refused"):
            Supervisor(system).state("demo-web")

    @pytest.mark.parametrize("answer", [b"HTTP/1.0 500 Error\r\n\r\n", b"nonsense\r\n\r\n", b""])
    def test_an_answer_that_makes_no_sense_is_told(self, system, serve, monkeypatch, answer):
        monkeypatch.setattr(Supervisor, "_access", Access(serve(answer)))
        with pytest.raises(Failure, match="supervisor does not answer on"):
            Supervisor(system).state("demo-web")


class TestTheJournalOfAUnit:
    """What systemctl and journalctl are asked; both are stood in for."""

    @pytest.fixture
    def asked(self, system, tmp_path, monkeypatch):
        """Let starts of units fail, and note the arguments of journalctl."""
        (tmp_path / "systemctl").write_text('#!/bin/sh\ncase "$1" in start|restart) exit 1;; esac\n')
        (tmp_path / "journalctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
        for name in ("systemctl", "journalctl"):
            (tmp_path / name).chmod(0o755)
        monkeypatch.setitem(BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
        return lambda: [float(each) for each in re.findall(r"--since @([\d.]+)", (tmp_path / "asked").read_text())]

    @pytest.mark.parametrize("verb", ["start", "restart"])
    def test_the_journal_of_a_start_that_fails_is_read_from_this_start_on(self, system, asked, tmp_path, verb):
        (tmp_path / "web.log").write_text("Address already in use\n")
        for _ in range(2):
            began = time.time()
            with pytest.raises(Failure) as caught:
                getattr(Systemd(system), verb)("demo-web", f"{tmp_path}/web.log")
            assert caught.value.output == ""
            assert began - 1e-3 <= asked()[-1] <= time.time()
            assert Systemd(system).log("demo-web") == ""
            assert asked()[-1] == asked()[-2]

    def test_the_last_words_of_a_unit_are_those_that_it_wrote_last_in_their_order(self, system, tmp_path, monkeypatch):
        # As Debian 12's does: the first lines since a moment, but for those that are read from the end.
        for number in (1, 2, 3):
            entry = {"MESSAGE": f"line {number}\nand more", "__REALTIME_TIMESTAMP": "1"}
            (tmp_path / str(number)).write_text(json.dumps(entry) + "\n")
        script = f'#!/bin/sh\ncd {tmp_path}\ncase "$*" in *--reverse*) cat 3 2 ;; *) cat 1 2 ;; esac\n'
        (tmp_path / "journalctl").write_text(script)
        (tmp_path / "journalctl").chmod(0o755)
        monkeypatch.setitem(BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
        assert journal(system, ["demo-web.service"], 5.0).splitlines() == ["line 2", "and more", "line 3", "and more"]

    def test_the_journal_of_a_unit_that_this_run_has_not_started_is_read_from_its_definition_on(
        self, system, asked, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(Systemd, "traits", SimpleNamespace(folder=str(tmp_path), suffix=".service"))
        (tmp_path / "demo-web.service").touch()
        os.utime(tmp_path / "demo-web.service", (5000, 5000))
        Systemd(system).log("demo-web")
        Systemd(system).log("demo-no")
        assert asked() == [5000, 0]


class TestTheTailOfALog:
    @pytest.mark.parametrize("after", ["later\n", "y" * 30_000 + "\nlater\n"])
    @pytest.mark.parametrize("before", ["", "earlier\n", "earlier, with no end"])
    def test_lines_that_were_begun_before_a_start_are_left_out(self, tmp_path, before, after):
        log = tmp_path / "log"
        log.write_text(before)
        start = Start(str(log))
        with log.open("a") as stream:
            stream.write(after if before.endswith("\n") or not before else f", and its end\n{after}")
        assert tail(str(log), start) == "later\n"

    def test_a_log_that_was_emptied_or_replaced_since_a_start_is_read_from_its_beginning(self, tmp_path):
        log = tmp_path / "log"
        log.write_text("earlier\n" * 9)
        start = Start(str(log))
        log.write_text("later\n")
        assert tail(str(log), start) == "later\n"
        log.rename(tmp_path / "log.1")
        log.write_text("latest\n" * 20)
        assert tail(str(log), start) == "latest\n" * 20

    def test_a_log_that_came_with_a_start_is_read_whole(self, tmp_path):
        start = Start(f"{tmp_path}/log")
        (tmp_path / "log").write_text("first\n")
        assert tail(f"{tmp_path}/log", start) == "first\n"

    def test_the_last_lines_are_shown(self, tmp_path):
        (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100)))
        assert tail(f"{tmp_path}/log").splitlines() == [f"line {number}" for number in range(75, 100)]

    def test_a_line_that_would_be_cut_is_left_out_for_it_may_hold_half_a_secret(self, tmp_path):
        (tmp_path / "log").write_text("x" * 30_000 + "sesame\n" + "y" * 16_380 + "\nlast\n")
        assert tail(f"{tmp_path}/log") == "last\n"

    @pytest.mark.parametrize("path", ["", "/no/such/log", "/dev", "/dev/null"])
    def test_a_log_that_is_not_there_has_no_tail(self, path):
        assert tail(path) == ""

    def test_bytes_that_are_no_text_do_no_harm(self, tmp_path):
        (tmp_path / "log").write_bytes(b"\xff\n")
        assert tail(f"{tmp_path}/log") == "\ufffd\n"


class TestWhatAProgramLeavesBehind:
    """A program may start others in sessions of their own, which supervisor knows nothing of."""

    @pytest.fixture
    def leaves(self, supervisor, tmp_path):
        """Have a program run that has started two others: one in its group that hears no TERM, one in a session."""
        deaf = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(900)"
        )
        script = (
            "import os, subprocess, sys, time\n"
            f"deaf = subprocess.Popen([sys.executable, '-c', {deaf!r}], stdout=subprocess.PIPE)\n"
            "deaf.stdout.read(1)\n"
            "own = subprocess.Popen(['sleep', '900'], start_new_session=True)\n"
            f"open({str(tmp_path / 'pids')!r} + '~', 'w').write(f'{{deaf.pid}} {{own.pid}}')\n"
            f"os.rename({str(tmp_path / 'pids')!r} + '~', {str(tmp_path / 'pids')!r})\n"
            "time.sleep(900)\n"
        )
        (tmp_path / "program.py").write_text(script)
        supervisor.run("tank-ws", f"{sys.executable} {tmp_path}/program.py", autorestart="false")
        until((tmp_path / "pids").exists)
        return [int(each) for each in (tmp_path / "pids").read_text().split()]

    def test_programs_that_a_process_leaves_behind_end_with_it(self, supervisor, leaves, monkeypatch):
        monkeypatch.setattr("hawser.runner.processes.supervisor.REST_STOP", 0.5)
        assert set(leaves) < set(supervisor.manager.rest_of("tank-ws"))
        supervisor.manager.stop("tank-ws")
        assert not any(alive(pid) for pid in leaves)

    def test_programs_left_behind_by_a_crash_end_before_the_next_start(self, supervisor, leaves, monkeypatch):
        monkeypatch.setattr("hawser.runner.processes.supervisor.REST_STOP", 0.5)
        supervisor.manager.attempt("signalProcess", "tank-ws", "KILL")
        until(lambda: not supervisor.manager.state("tank-ws").wanted)
        assert all(alive(pid) for pid in leaves)
        supervisor.manager.start("tank-ws")
        assert not any(alive(pid) for pid in leaves)

    def test_a_program_that_supervisor_has_begun_by_itself_meanwhile_is_let_alone(self, supervisor, monkeypatch):
        """It starts a program within a second of hearing of it: after it was asked, before the rest is looked for."""
        rest_of = Supervisor.rest_of

        def late(manager, unit):
            until(lambda: "sleep" in supervisor.command_line(unit))
            return rest_of(manager, unit)

        monkeypatch.setattr(Supervisor, "rest_of", late)
        supervisor.define("tank-ws")
        supervisor.manager.take_up("tank-ws")
        supervisor.manager.end_rest("tank-ws")
        pid = supervisor.pid("tank-ws")
        supervisor.manager.start("tank-ws")
        assert supervisor.pid("tank-ws") == pid > 0

    def test_programs_of_another_supervisor_are_let_alone(self, supervisor, leaves, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(supervisor.manager, "_access", Access("/run/another.sock"))
            assert supervisor.manager.rest_of("tank-ws") == []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestAccessToSupervisor:
    @pytest.fixture
    def guarded(self, system, tmp_path, monkeypatch):
        """Start a supervisord with this at the top of its configuration; return what speaks to it as that says."""
        started = []

        def guarded(text):
            daemon = Supervisord(tmp_path / "s", text)
            started.append(daemon)
            monkeypatch.setattr(Supervisor, "config", str(daemon.config))
            monkeypatch.setattr(Supervisor.traits, "folder", str(daemon.folder))
            return Supervisor(system)

        yield guarded
        for daemon in started:
            daemon.stop()

    SERVER = "[unix_http_server]\nfile=%(here)s/own.sock ; here\n"
    CREDENTIALS = "username=root\npassword=50%%; off\n"

    @pytest.mark.parametrize(
        "text",
        [
            SERVER,
            SERVER + CREDENTIALS,
            SERVER + CREDENTIALS + "[supervisorctl]\nserverurl=unix://%(here)s/own.sock\n" + CREDENTIALS,
            SERVER + f"username=root\npassword={{SHA}}{sha1(b'50%; off').hexdigest()}\n[supervisorctl]\n" + CREDENTIALS,
            "[inet_http_server]\nport=127.0.0.1:{port}\n" + CREDENTIALS,
            "[inet_http_server]\nport=*:{port}\n[supervisorctl]\nserverurl=http://localhost:{port}/\n",
        ],
        ids=["another socket", "a password", "twice", "a hash", "a port", "a URL"],
    )
    def test_supervisor_is_spoken_to_as_its_configuration_says(self, guarded, text):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert guarded(text.replace("{port}", str(port))).call("getSupervisorVersion")

    def test_a_password_that_nothing_on_the_host_tells_is_said_with_the_next_move(self, guarded):
        there = guarded(self.SERVER + f"username=root\npassword={{SHA}}{sha1(b'x').hexdigest()}\n")
        with pytest.raises(Failure, match=r"wants a password on .*own.sock.*next: give username and password under"):
            there.call("getSupervisorVersion")

    def test_a_wrong_password_is_not_told(self, guarded):
        there = guarded(self.SERVER + self.CREDENTIALS + "[supervisorctl]\nusername=root\npassword=wr0ng\n")
        with pytest.raises(Failure) as caught:
            there.call("getSupervisorVersion")
        assert "wr0ng" not in caught.value.message and "wants a password" in caught.value.message

    def test_what_is_included_counts(self, tmp_path):
        (tmp_path / "main.conf").write_text("[include]\nfiles = conf.d/*.conf\n")
        (tmp_path / "conf.d").mkdir()
        (tmp_path / "conf.d/server.conf").write_text("[unix_http_server]\nfile=/run/mine.sock\n")
        assert access(f"{tmp_path}/main.conf").address == "/run/mine.sock"

    @pytest.mark.parametrize("text", [None, "", "no section\n", "[unix_http_server]\nchmod=0700\n"])
    def test_a_configuration_that_says_nothing_of_it_leaves_the_place_of_debians_package(self, tmp_path, text):
        if text is not None:
            (tmp_path / "main.conf").write_text(text)
        assert access(f"{tmp_path}/main.conf").address == "/var/run/supervisor.sock"

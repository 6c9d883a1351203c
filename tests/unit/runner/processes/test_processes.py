"""Processes of the application under a real supervisord: started, restarted, retired, removed."""

from __future__ import annotations

import socket
import sys
import time

import pytest

from hawser.runner.kernel.ports import at_port
from hawser.runner.processes.processes import OnlyUnits, Retired, Running, Service, Settled, Vacated, definitions
from hawser.runner.processes.systemd import Systemd
from hawser.runner.system import Failure, Finished

from ..conftest import names, whole
from ..daemons import until


@pytest.fixture(autouse=True)
def no_units_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(Systemd.traits, "folder", str(tmp_path / "units"))


@pytest.fixture
def running(supervisor, system):
    """Bring a program to run as the engine does; return what was changed."""

    def running(unit="demo-web", due=False, settle=0.1, **more):
        spec = {"unit": unit, "manager": "supervisor", **more}
        resource = Running(whole("running", spec), system)
        resource.due = due
        change = resource.check()
        if change is None:
            return None
        resource.apply(change)
        settled = {"unit": unit, "manager": "supervisor", "seconds": settle, "log": more.get("log", "")}
        Settled(whole("settled", settled), system).apply(None)
        assert Running(whole("running", spec), system).check() is None
        return change.note

    return running


@pytest.fixture
def retired(supervisor, system):
    def retired(unit="demo-web", wait=False):
        path = str(supervisor.folder / f"{unit}.conf")
        return Retired(
            whole("retired", {"unit": unit, "manager": "supervisor", "path": path, "wait": wait}),
            system,
        )

    return retired


class TestVacated:
    @pytest.fixture
    def port(self, supervisor):
        """The port on which demo-web listens, of release r1."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        supervisor.run("demo-web", f"{sys.executable} -m http.server {port} --bind 127.0.0.1")
        until(lambda: at_port(port))
        return port

    @pytest.fixture
    def vacated(self, system, port):
        def vacated(unit, release):
            spec = {"port": port, "unit": unit, "prefix": "demo", "release": release}
            return Vacated(whole("vacated", spec), system)

        return vacated

    def test_a_process_of_an_earlier_release_gives_its_port_to_one_of_another_name(self, supervisor, vacated, port):
        change = vacated("demo-api", "r2").check()
        assert change.note == f"stops demo-web, which has port {port}"
        vacated("demo-api", "r2").apply(change)
        assert vacated("demo-api", "r2").check() is None
        assert not supervisor.manager.state("demo-web").wanted and at_port(port) == []

    def test_a_port_stays_with_who_restarts_on_it_and_with_a_process_of_the_same_release(self, vacated):
        assert vacated("demo-web", "r2").check() is None
        assert vacated("demo-api", "r1").check() is None

    def test_a_port_that_a_stranger_has_is_left_to_the_stranger(self, supervisor, system):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            spec = {"port": stranger.getsockname()[1], "unit": "demo-api", "prefix": "demo", "release": "r2"}
            assert Vacated(whole("vacated", spec), system).check() is None


class TestRunning:
    def test_a_new_process_is_started_and_then_left_alone(self, supervisor, running):
        supervisor.define("demo-web")
        assert running() == "start"
        pid = supervisor.pid("demo-web")
        assert running() is None
        assert supervisor.pid("demo-web") == pid

    def test_a_process_whose_cause_changed_is_restarted(self, supervisor, running):
        supervisor.run("demo-web")
        pid = supervisor.pid("demo-web")
        assert running(due=True) == "restart"
        assert supervisor.pid("demo-web") not in (0, pid)

    def test_a_process_with_a_changed_definition_runs_from_it_and_starts_once(self, supervisor, running, tmp_path):
        supervisor.run("demo-web")
        supervisor.define("demo-web", f"sh -c 'echo start >> {tmp_path}/starts; exec sleep 2000'")
        assert running(due=True) == "restart"
        until(lambda: supervisor.command_line("demo-web") == "sleep 2000")
        assert (tmp_path / "starts").read_text() == "start\n"

    def test_a_process_that_was_stopped_by_hand_is_started(self, supervisor, running):
        supervisor.run("demo-web")
        supervisor.manager.stop("demo-web")
        assert running() == "start (it is stopped)"

    def test_a_process_that_still_ends_from_an_earlier_life_is_waited_for(self, supervisor, running):
        supervisor.run_slow("demo-web", 0.3)
        pid = supervisor.pid("demo-web")
        supervisor.manager.attempt("stopProcess", "demo-web", False)
        assert running() == "start (it is stopping)"
        assert supervisor.pid("demo-web") not in (0, pid)

    def test_a_process_that_takes_its_time_to_start_is_waited_for(self, supervisor, running):
        supervisor.define("demo-web", startsecs=1)
        began = time.monotonic()
        assert running(settle=0.1) == "start"
        assert time.monotonic() - began > 1

    def test_a_process_that_ends_at_once_fails_with_what_it_wrote(self, supervisor, running, tmp_path):
        log = f"{tmp_path}/log"
        supervisor.define("demo-web", "sh -c 'echo why; exit 3'", startsecs=1, stdout_logfile=log)
        with pytest.raises(Failure, match=r"demo-web does not stay up \((backoff|exited)\)") as caught:
            running(log=log)
        assert set(caught.value.output.splitlines()) == {"why"}

    def test_a_process_that_ends_soon_and_is_started_again_and_again_fails_too(self, supervisor, running):
        supervisor.define("demo-web", "sleep 0.2", autorestart="true")
        with pytest.raises(Failure, match="demo-web does not stay up"):
            running(settle=1)

    def test_a_process_is_waited_for_from_its_start_on(self, supervisor, system):
        supervisor.define("demo-web")
        spec = {"unit": "demo-web", "manager": "supervisor"}
        resource = Running(whole("running", spec), system)
        resource.apply(resource.check())
        time.sleep(1.0)
        began = time.monotonic()
        Settled(whole("settled", {**spec, "seconds": 1.0}), system).apply(None)
        assert time.monotonic() - began < 0.5

    def test_a_process_is_proven_to_stay_up_when_it_was_started_and_only_then(self, system):
        resource = Settled(whole("settled", {"unit": "demo-web", "manager": "supervisor", "when": [0]}), system)
        assert resource.check() is None
        resource.due = True
        assert resource.check().note == "waits until it stays up"

    def test_a_process_without_a_definition_fails(self, running):
        with pytest.raises(Failure, match="demo-web does not start: BAD_NAME"):
            running()


class TestRetired:
    def test_a_retired_process_that_runs_is_stopped_and_its_definition_removed(self, supervisor, retired):
        supervisor.run("demo-web")
        resource = retired()
        change = resource.check()
        assert change.note == "stop demo-web"
        resource.apply(change)
        assert retired().check() is None
        assert names(supervisor.folder) == []
        resource.system.part()
        assert not supervisor.manager.state("demo-web").known

    def test_nobody_waits_for_a_slow_process_and_it_counts_as_retired_from_then_on(self, supervisor, retired):
        supervisor.run_slow("demo-web", 1.2)
        retired().apply(None)
        assert supervisor.manager.state("demo-web").stopping
        assert retired().check() is None
        until(lambda: not supervisor.manager.state("demo-web").stopping)
        assert retired().check() is None

    def test_a_retired_process_in_the_way_of_another_is_waited_for(self, supervisor, retired):
        supervisor.run_slow("demo-web", 0.3)
        retired(wait=True).apply(None)
        assert not supervisor.manager.state("demo-web").known
        assert retired(wait=True).check() is None

    def test_a_stopping_process_of_a_killed_run_is_waited_for_by_the_next(self, supervisor, retired):
        supervisor.run_slow("demo-web", 0.5)
        retired().apply(None)
        resource = retired(wait=True)
        resource.apply(resource.check())
        assert not supervisor.manager.state("demo-web").known

    def test_a_retired_process_that_never_was_is_in_order(self, retired):
        assert retired().check() is None

    def test_a_process_whose_stop_a_kill_has_prevented_is_stopped_by_the_next_run(self, supervisor, retired):
        supervisor.run("demo-web")
        (supervisor.folder / "demo-web.conf").unlink()
        assert retired().check() is not None

    def test_the_name_of_a_retired_process_can_be_used_again(self, supervisor, retired, running):
        supervisor.run_slow("demo-web", 0.4)
        retired().apply(None)
        supervisor.define("demo-web", "sleep 2000")
        running()
        until(lambda: supervisor.command_line("demo-web") == "sleep 2000")


class TestUnits:
    def test_units_that_are_not_named_are_stopped_and_removed(self, supervisor, system):
        for unit in ("demo-web", "demo-old"):
            supervisor.run(unit)
        (supervisor.folder / "demo-foreign.conf").write_text("[program:demo-foreign]\ncommand=sleep 1000\n")
        resource = OnlyUnits({"prefix": "demo", "keep": ["supervisor/demo-web", "systemd/demo-old"]}, system)
        change = resource.check()
        assert change.note == "removes demo-old"
        resource.apply(change)
        assert resource.check() is None
        assert names(supervisor.folder) == ["demo-foreign.conf", "demo-web.conf"]
        assert not supervisor.manager.state("demo-old").known
        assert supervisor.manager.state("demo-web").active


class TestDefinitions:
    def test_definitions_are_told_by_the_comment_at_their_top(self, supervisor, tmp_path):
        supervisor.define("demo-web")
        (tmp_path / "units").mkdir()
        text = "# hawser: application=demo process=beat release=r2\n[Unit]\n"
        (tmp_path / "units" / "demo-beat.service").write_text(text)
        assert definitions("demo") == [
            {"manager": "systemd", "unit": "demo-beat", "process": "beat", "release": "r2", "inputs": ""},
            {"manager": "supervisor", "unit": "demo-web", "process": "web", "release": "r1", "inputs": ""},
        ]

    def test_definitions_of_another_application_with_a_longer_name_are_not_ours(self, supervisor, tmp_path):
        (tmp_path / "units").mkdir()
        text = "# hawser: application=demo-two process=web release=r1\n"
        (tmp_path / "units" / "demo-two-web.service").write_text(text)
        assert definitions("demo") == []

    def test_a_definition_that_cannot_be_read_is_none_of_ours(self, supervisor, tmp_path):
        (tmp_path / "units" / "demo-folder.service").mkdir(parents=True)
        (tmp_path / "units" / "demo-gone.service").symlink_to("/no/such/unit")
        (tmp_path / "units" / "demo-bytes.service").write_bytes(b"\xff\xfe")
        assert definitions("demo") == []


IDLE = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "enabled"}
DECLINED = {**IDLE, "ConditionResult": "no", "ConditionTimestampMonotonic": "123"}


class TestService:
    @pytest.fixture
    def service(self, system, monkeypatch):
        """Check a service of which systemd says this."""

        def service(said, **more):
            answer = "\n".join(f"{name}={value}" for name, value in said.items())
            monkeypatch.setattr(system, "run", lambda *args, **kwargs: Finished(0, answer))
            spec = {"name": "chrony", "running": True, "enabled": True, **more}
            change = Service(whole("service", spec), system).check()
            return change and change.note

        return service

    def test_a_service_that_its_own_condition_keeps_from_starting_is_in_order_where_it_may_be(self, service):
        assert service(DECLINED, may_decline=True) is None
        assert service(DECLINED) == "start"

    def test_a_service_that_was_never_tried_is_started(self, service):
        assert service({**IDLE, "ConditionResult": "no"}, may_decline=True) == "start"
        untried = {**DECLINED, "ConditionTimestampMonotonic": "0"}
        assert service(untried, may_decline=True) == "start"

    def test_a_service_that_could_start_and_is_down_is_started(self, service):
        assert service({**DECLINED, "ConditionResult": "yes"}, may_decline=True) == "start"

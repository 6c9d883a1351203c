from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.processes import (
    ProcessInstance,
    instances,
    live_processes_of,
    overlaps,
    processes_of,
    turned,
    unlinking,
)
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.inventory.tables.processes import Process
from hawser.secrets import Secrets, in_file
from hawser.tasks import release
from hawser.templates.rendering import TemplateError, Templates

NEW, OLD = "1111111111-aaaaaaaa", "2222222222-bbbbbbbb"
UNKNOWN = {"inputs": "", "live": True}
SOCKET = {"command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}
PORT = {"command": "gunicorn shop.wsgi --bind 0.0.0.0:{{ port }}", "port": 8001}
SPARE = {**PORT, "spare_port": 8011}
PLAIN = {"command": "celery -A shop worker"}
OVERLAPPING = {"command": "celery -A shop worker -n {{ process }}@%h", "overlap": True}
SINGLE = {"command": "celery -A shop beat", "single": True}


@pytest.fixture
def host() -> Callable[..., Host]:
    def host(facts: Facts | None = None, **processes: dict[str, Any]) -> Host:
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": Path("shop.toml"),
                "app": {"name": "shop", "repo": "."},
                "processes": processes,
                "hosts": {"web1": {"address": "10.0.0.1"}, "web2": {"address": "10.0.0.2"}},
            }
        )
        templates = Templates()
        release = Release(NEW, "1" * 40, environment, templates)
        addresses = {"web1": "10.0.0.1", "web2": "10.0.0.2"}
        secrets = Secrets("shop", in_file(Path("shop.env")), {"KEY": "k-e-y"})
        return Host("web1", environment, secrets, templates, addresses, facts or Facts(), release)

    return host


@pytest.fixture
def only(host: Callable[..., Host]) -> Callable[..., ProcessInstance]:
    """Return the process of a host that has no other one."""

    def only(setting: dict[str, Any], live: str = "", serves: str = OLD) -> ProcessInstance:
        rows = ({"process": "web", "unit": f"shop-web-{live}", "manager": "systemd", "release": serves, "inputs": ""},)
        facts = Facts(live={"web": live}, processes=rows) if live else Facts()
        (found,) = processes_of(host(facts, web=setting))
        return found

    return only


class TestColours:
    @pytest.mark.parametrize("setting", [SOCKET, OVERLAPPING], ids=["socket", "overlap"])
    def test_the_process_of_a_first_release_is_blue(self, only, setting):
        assert only(setting).colour == "blue"

    @pytest.mark.parametrize(("live", "free"), [("blue", "green"), ("green", "blue")])
    def test_the_process_of_another_release_takes_the_colour_that_is_free(self, only, live, free):
        process = only(SOCKET, live)
        assert (process.colour, process.other.colour) == (free, live)

    @pytest.mark.parametrize("live", ["blue", "green"])
    def test_a_process_of_this_release_keeps_its_colour(self, only, live):
        assert only(SOCKET, live, serves=NEW).colour == live

    def test_a_process_whose_python_is_gone_is_replaced_by_one_beside_it(self, host):
        row = {"process": "web", "unit": "shop-web-blue", "manager": "systemd", "release": NEW, **UNKNOWN}
        facts = Facts(live={"web": "blue"}, processes=(row,), gone_python="/usr/bin/python3.11")
        (process,) = processes_of(host(facts, web=SOCKET))
        assert process.colour == "green"

    def test_a_colour_whose_unit_is_gone_is_not_taken_for_this_release(self, host):
        (process,) = processes_of(host(Facts(live={"web": "blue"}), web=SOCKET))
        assert process.colour == "green"

    def test_a_link_that_names_no_colour_counts_as_none(self, only):
        assert only(SOCKET, "mauve").colour == "blue"

    @pytest.mark.parametrize(
        "setting", [PORT, PLAIN, SINGLE, {**SOCKET, "single": True}], ids=["port", "plain", "single", "single socket"]
    )
    def test_a_process_that_restarts_in_place_has_no_colour(self, only, setting):
        process = only(setting, "blue")
        assert (process.colour, process.instance, process.unit) == ("", "web", "shop-web")
        assert not overlaps(process.setting)

    def test_each_of_several_processes_has_a_colour_of_its_own(self, host):
        facts = Facts(live={"worker-1": "blue"})
        assert [(each.name, each.colour) for each in processes_of(host(facts, worker={**OVERLAPPING, "count": 2}))] == [
            ("worker-1", "green"),
            ("worker-2", "blue"),
        ]

    def test_a_process_that_serves_is_asked_in_the_colour_it_has_now(self, host):
        facts = Facts(live={"web": "green", "beat": "blue"})
        live = live_processes_of(host(facts, web=SOCKET, beat=SINGLE))
        assert [each.unit for each in live] == ["shop-web-green", "shop-beat"]


class TestGoingOn:
    """A process goes on in the folder of another release when it would read the same in the new one."""

    @pytest.fixture
    def there(self, host):
        def there(setting: dict[str, Any], row: dict[str, str], read: str = "aa", releases=(OLD, NEW)):
            colour = {} if setting is PORT else {"web": "green"}
            unit = "shop-web" if setting is PORT else "shop-web-green"
            told = {"process": "web", "unit": unit, "manager": "systemd", "release": OLD, "inputs": "aa", **row}
            made = host(Facts(live=colour, processes=(told,), releases=releases), web=setting)
            assert made.release is not None
            release = dataclasses.replace(made.release, process_inputs=read)
            (process,) = processes_of(dataclasses.replace(made, release=release))
            return process

        return there

    def test_a_process_that_would_read_the_same_stays_in_its_folder_and_colour(self, there):
        process = there(SOCKET, {})
        assert (process.colour, process.host.release.id) == ("green", OLD)
        assert f"/srv/shop/releases/{OLD}/run" in process.argv and process.directory.endswith(f"{OLD}/source")

    def test_a_process_in_place_that_would_read_the_same_stays_in_its_folder(self, there):
        assert there(PORT, {}).host.release.id == OLD

    @pytest.mark.parametrize(
        ("row", "read"),
        [({}, "bb"), ({"inputs": ""}, "aa"), ({"inputs": ""}, ""), ({"release": NEW}, "bb")],
        ids=["reads something else", "said nothing", "nobody knows", "other secrets in the same release"],
    )
    def test_a_process_that_may_read_something_else_starts_anew(self, there, row, read):
        assert (there(SOCKET, row, read).colour, there(SOCKET, row, read).host.release.id) == ("blue", NEW)
        assert there(PORT, row, read).host.release.id == NEW

    def test_a_process_whose_folder_is_gone_starts_anew(self, there):
        assert there(SOCKET, {}, releases=(NEW,)).host.release.id == NEW


class TestOrder:
    def test_sockets_start_first_then_what_overlaps_then_what_restarts_in_place(self, host):
        processes = processes_of(host(beat=SINGLE, worker=OVERLAPPING, api=PORT, web=SOCKET))
        assert [each.name for each in processes] == ["web", "worker", "api", "beat"]

    def test_a_manager_sees_only_processes_of_its_own(self, host):
        both = host(web=SOCKET, worker={**PLAIN, "manager": "supervisor"})
        assert [each.name for each in processes_of(both, "supervisor")] == ["worker"]
        assert [each.name for each in processes_of(both, "systemd")] == ["web"]

    def test_a_single_process_runs_on_the_first_host_only(self, host):
        first = host(beat=SINGLE)
        second = Host("web2", first.environment, first.secrets, first.templates, first.addresses)
        assert [each.name for each in processes_of(first)] == ["beat"]
        assert processes_of(second) == []


class TestNames:
    def test_one_process_is_called_by_its_name_and_several_are_numbered(self, host):
        settings = host(web=SOCKET, worker={**PLAIN, "count": 3}).environment.processes
        assert instances("web", settings["web"]) == ["web"]
        assert instances("worker", settings["worker"]) == ["worker-1", "worker-2", "worker-3"]

    def test_a_number_at_the_end_of_a_name_is_part_of_it(self, host):
        (process,) = processes_of(host(**{"web-2": SOCKET}))
        assert process.setting_name == "web-2"

    def test_one_of_several_processes_finds_its_setting(self, host):
        assert {each.setting_name for each in processes_of(host(worker={**PLAIN, "count": 2}))} == {"worker"}

    def test_a_socket_has_the_colour_and_its_link_has_not(self, only):
        process = only(SOCKET, "blue")
        assert process.socket == process.address == "/srv/shop/run/web-green.sock"
        assert process.link == ("/srv/shop/run/web.sock", "web-green.sock")

    def test_a_process_without_a_socket_has_a_link_that_tells_the_colour(self, only):
        process = only(OVERLAPPING)
        assert (process.socket, process.address) == ("", "")
        assert process.link == ("/srv/shop/run/web.live", "web-blue")

    def test_a_port_is_asked_on_the_host_itself(self, only):
        assert only(PORT).address == "127.0.0.1:8001"

    def test_each_manager_has_its_own_place_for_definitions_and_logs(self, only):
        systemd, supervisor = only(SOCKET), only({**SOCKET, "manager": "supervisor"})
        assert (systemd.definition, systemd.log) == ("/etc/systemd/system/shop-web-blue.service", "")
        assert supervisor.definition == "/etc/supervisor/conf.d/shop-web-blue.conf"
        assert supervisor.log == "/srv/shop/log/web.log"


class TestCommand:
    def test_a_command_is_started_in_the_environment_of_the_release(self, only):
        argv = only(SOCKET).argv
        assert argv == (
            *unlinking("/srv/shop/run/web-blue.sock"),
            f"/srv/shop/releases/{NEW}/run",
            "env",
            "FORWARDED_ALLOW_IPS=*",
            "gunicorn",
            "shop.wsgi",
            "--bind",
            "unix:/srv/shop/run/web-blue.sock",
        )

    @pytest.mark.parametrize(
        ("command", "files"),
        [
            ("gunicorn shop.wsgi --pid run/web.pid --workers 2", ["run/web.pid"]),
            ("gunicorn -p /srv/shop/run/web.pid shop.wsgi", ["/srv/shop/run/web.pid"]),
            ("celery -A shop beat --pidfile=/srv/shop/run/beat.pid", ["/srv/shop/run/beat.pid"]),
            ("uwsgi --pidfile2 x --pidfile run/a.pid --pid-file run/b.pid", ["run/a.pid", "run/b.pid"]),
            ("twistd -n --pidfile run/t web", ["run/t"]),
            ("twistd -n --pidfile= web", []),
            ("daphne -p 8001 shop.asgi", []),
            ("watch /srv/shop/run/other.pid", []),
            ("serve --pid --verbose", []),
            ("serve --pid", []),
        ],
    )
    def test_a_pid_file_that_a_killed_server_left_is_removed_at_each_start(self, only, command, files):
        argv = only({"command": command}).argv
        assert argv[: 4 * len(files)] == tuple(word for path in files for word in unlinking(path))
        assert argv[4 * len(files)] == f"/srv/shop/releases/{NEW}/run"

    def test_a_socket_and_a_pid_file_are_removed_before_the_program_starts(self, tmp_path):
        socket, pid = tmp_path / "web.sock", tmp_path / "web.pid"
        for path in (socket, pid):
            path.write_text("1")
        argv = [*unlinking(str(socket)), *unlinking(str(pid)), "sh", "-c", 'ls "$1"; echo "$0"', "a b", str(tmp_path)]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "a b\n"

    def test_variables_of_a_process_are_named_before_its_command(self, only):
        assert only({**PORT, "environment": {"A": "b"}}).argv[1] == "@web"

    def test_a_process_trusts_who_reaches_its_socket_unless_it_is_told_whom_to_trust(self, only):
        assert "env" not in only({**SOCKET, "environment": {"FORWARDED_ALLOW_IPS": "10.0.0.1"}}).argv
        assert "env" not in only({**SOCKET, "environment_file": "/etc/shop.env"}).argv
        assert "env" not in only({"command": "gunicorn shop.wsgi", "port": 8001}).argv

    def test_a_quoted_argument_of_a_command_stays_one(self, only):
        assert only({"command": "run 'a b' \"c 'd'\""}).argv[1:] == ("run", "a b", "c 'd'")

    def test_a_command_knows_the_port_and_the_name_of_its_process(self, only):
        setting = {"command": "run {{ process }} {{ port }}", "port": 8001}
        assert only(setting).argv[1:] == ("run", "web", "8001")

    def test_a_secret_in_the_command_of_a_process_is_refused(self, only):
        with pytest.raises(TemplateError, match=r"shop\.toml: processes\.web\.command: .*secret \(KEY\).*`ps`"):
            _ = only({"command": "run {{ secrets.KEY }}"}).argv

    @pytest.mark.parametrize(
        ("directory", "path"),
        [
            (None, f"/srv/shop/releases/{NEW}/source"),
            ("src", f"/srv/shop/releases/{NEW}/source/src"),
            ("{{ app.root }}/data", "/srv/shop/data"),
        ],
    )
    def test_a_process_works_in_the_code_or_where_it_is_told(self, only, directory, path):
        assert only({**SOCKET, "directory": directory}).directory == path


class TestSparePorts:
    @pytest.mark.parametrize(("live", "port"), [("", 8001), ("blue", 8011), ("green", 8001)])
    def test_a_process_has_its_two_ports_by_turns(self, only, live, port):
        process = only(SPARE, live)
        assert (process.port, process.address) == (port, f"127.0.0.1:{port}")
        assert process.argv[-1] == f"0.0.0.0:{port}"

    def test_a_process_that_had_one_port_starts_on_the_spare_one_first(self, host):
        row = {"process": "web", "unit": "shop-web", "manager": "systemd", "release": OLD, **UNKNOWN}
        (process,) = processes_of(host(Facts(processes=(row,)), web=SPARE))
        assert process.port == 8011

    def test_a_process_that_had_one_port_ends_when_nobody_is_connected_to_that_any_more(self, host):
        row = {"process": "web", "unit": "shop-web", "manager": "systemd", "release": OLD, **UNKNOWN}
        tidied = list(release.tidy.resources(host(Facts(processes=(row,)), web=SPARE)))
        labels = [each.label for each in tidied[:2]]
        assert labels == ["drained 127.0.0.1:8001", "retired shop-web"]

    @pytest.mark.parametrize(("colour", "port"), [("blue", 8011), ("green", 8001)])
    def test_a_process_that_is_renamed_takes_the_port_that_the_former_one_has_not(self, host, colour, port):
        row = {"process": "old", "unit": f"shop-old-{colour}", "manager": "systemd", "release": OLD, **UNKNOWN}
        (process,) = processes_of(host(Facts(processes=(row,), live={"old": colour}), web=SPARE))
        assert process.port == port

    def test_a_host_is_seen_as_when_a_process_serves_in_its_other_colour(self, host):
        row = {"process": "web", "unit": "shop-web-blue", "manager": "systemd", "release": NEW, **UNKNOWN}
        (blue,) = processes_of(host(Facts(processes=(row,), live={"web": "blue"}), web=SPARE))
        (green,) = processes_of(turned(blue))
        assert (blue.port, green.port, green.colour) == (8001, 8011, "green")

    def test_a_single_process_of_two_ports_would_restart_in_place(self):
        assert not overlaps(Process.model_validate({**SPARE, "single": True}))

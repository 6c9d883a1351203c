"""Processes of a host start in an order, and are proven to work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hawser.host.facts import Facts
from hawser.host.processes import processes_of
from hawser.host.starts import brought_up, definition, stages
from hawser.inventory import Environment
from hawser.resources import Healthy, Running
from hawser.templates.rendering import TemplateError, Templates

from .test_processes import NEW, OVERLAPPING, PLAIN, PORT, SINGLE, SOCKET, host, only

__all__ = ["host", "only"]


def defined(process):
    return definition(process, "text", "systemd")


def start_of(process):
    return brought_up([process], defined)


def kinds(process):
    return [each.kind for each in start_of(process)]


def behind(process, *prefixes):
    """Return a process to which a site passes these parts of it."""
    environment = process.host.environment
    site = {"domains": ["shop.test"], "proxy": dict.fromkeys(prefixes, process.setting_name)}
    settings = {**environment.model_dump(exclude_unset=True), "site": site}
    return replace(process, host=replace(process.host, environment=Environment.model_validate(settings)))


SERVES = Facts(
    processes=({"process": "web", "unit": "shop-web-blue", "manager": "systemd", "release": "", "inputs": ""},)
)


class TestTogether:
    def test_processes_that_start_beside_others_come_up_together_and_are_proven_then(self, host):
        found = brought_up(processes_of(host(web=SOCKET, worker=OVERLAPPING)), defined)
        labels = [each.label for each in found if each.kind != "file"]
        web, worker = "shop-web-blue", "shop-worker-blue"
        assert labels[:2] == [f"running {worker}", f"running {web}"]
        assert sorted(labels[2:]) == [f"healthy {host().run}/web-blue.sock", f"settled {worker}"]

    def test_what_restarts_in_place_waits_until_all_others_work(self, host):
        processes = processes_of(host(SERVES, beat=SINGLE, web=SOCKET, worker=OVERLAPPING))
        assert [[process.name for process in lot] for lot in stages(processes)] == [["web", "worker"], ["beat"]]

    def test_of_what_listens_and_restarts_in_place_one_is_away_at_a_time(self, host):
        processes = processes_of(host(SERVES, web=SOCKET, beat=SINGLE, api=PORT, rest={**PORT, "port": 8001}))
        assert [[process.name for process in lot] for lot in stages(processes)] == [
            ["web"],
            ["api"],
            ["rest"],
            ["beat"],
        ]

    def test_of_several_of_a_kind_one_is_away_at_a_time(self, host):
        processes = processes_of(host(SERVES, worker={**PLAIN, "count": 2}))
        assert [[process.name for process in lot] for lot in stages(processes)] == [["worker-1"], ["worker-2"]]

    def test_what_restarts_in_place_and_does_not_listen_is_proven_together(self, host):
        processes = processes_of(host(SERVES, beat=SINGLE, mail=PLAIN))
        assert [[process.name for process in lot] for lot in stages(processes)] == [["beat", "mail"]]
        found = [each.kind for each in brought_up(processes, defined)]
        assert found == ["file", "running", "file", "running", "settled", "settled"]

    def test_where_nothing_runs_yet_nothing_has_to_stop_and_all_come_up_together(self, host):
        processes = processes_of(host(web=SOCKET, api=PORT, beat=SINGLE, worker={**PLAIN, "count": 2}))
        (together,) = stages(processes)
        assert {each.name for each in together} == {"web", "api", "beat", "worker-1", "worker-2"}

    @pytest.mark.parametrize("facts", [Facts(), SERVES], ids=["first", "later"])
    def test_what_others_wait_for_is_proven_first(self, host, facts):
        processes = processes_of(host(facts, web={**SOCKET, "after": ["api"]}, api=SOCKET, worker=OVERLAPPING))
        assert [sorted(each.name for each in lot) for lot in stages(processes)] == [["api", "worker"], ["web"]]


class TestDefinition:
    def test_a_definition_is_written_then_run_then_asked_for_its_health(self, only):
        assert kinds(only(SOCKET)) == ["file", "running", "healthy"]

    def test_a_new_definition_restarts_its_process(self, only):
        file, running, *_ = start_of(only(SOCKET))
        assert isinstance(running, Running) and running.when is not None
        assert running.when.resources == (file,)

    def test_a_process_that_does_not_listen_is_not_asked_for_its_health(self, only):
        assert kinds(only(PLAIN)) == ["file", "running", "settled"]

    def test_a_connection_is_enough_where_the_settings_do_not_speak_of_health(self, only):
        *_, healthy = start_of(only(SOCKET))
        assert isinstance(healthy, Healthy) and healthy.path == ""

    def test_who_has_a_part_of_the_site_answers_there_with_anything_but_a_server_error(self, only):
        *_, healthy = start_of(behind(only(SOCKET), "/api/", "/more/"))
        assert isinstance(healthy, Healthy) and (healthy.path, healthy.statuses) == ("/api/", ((100, 499),))

    def test_where_the_web_server_is_told_otherwise_it_may_speak_something_else_than_http(self, only, tmp_path):
        (tmp_path / "nginx-site.conf.j2").write_text("location / { uwsgi_pass unix:/x; }")
        process = behind(only(SOCKET), "/")
        process = replace(process, host=replace(process.host, templates=Templates([tmp_path])))
        *_, healthy = start_of(process)
        assert isinstance(healthy, Healthy) and healthy.path == ""

    def test_health_is_asked_as_the_settings_say(self, only):
        health = {"path": "/alive", "status": [204, "300-399"], "timeout": 5}
        *_, healthy = start_of(only({**SOCKET, "health": health}))
        assert isinstance(healthy, Healthy)
        assert (healthy.path, healthy.statuses, healthy.timeout) == ("/alive", ((204, 204), (300, 399)), 5)

    def test_a_command_tells_the_health_of_a_process_that_does_not_listen(self, only):
        health = {"command": "ask-master --of {{ process }}", "timeout": 60}
        process = only({**PLAIN, "health": health, "environment": {"A": "b"}})
        *_, healthy = start_of(process)
        assert isinstance(healthy, Healthy) and (healthy.address, healthy.timeout) == ("", 60)
        run = f"{process.host.release_path}/run"
        line = f"ask-master --of {process.instance}"
        assert healthy.command == (run, f"@{process.setting_name}", "sh", "-c", line)
        assert (healthy.user, healthy.cwd) == (process.setting.user, process.host.source)

    def test_a_command_is_asked_beside_the_answer_of_a_process_that_listens(self, only):
        *_, healthy = start_of(only({**SOCKET, "health": {"path": "/", "command": "true"}}))
        assert isinstance(healthy, Healthy) and (healthy.path, healthy.command[-1]) == ("/", "true")


class TestWarming:
    def test_a_new_process_is_warmed_when_it_is_healthy_in_its_own_environment(self, only):
        process = only({**SOCKET, "warm": "curl --unix-socket {{ socket }} http://x/", "environment": {"A": "b"}})
        found = list(start_of(process))
        assert [type(each).__name__ for each in found] == ["File", "Running", "Healthy", "Command"]
        run = f"/srv/shop/releases/{NEW}/run"
        assert found[3].argv == (run, "@web", "sh", "-c", "curl --unix-socket /srv/shop/run/web-blue.sock http://x/")
        assert (found[3].user, found[3].cwd, found[3].when.resources) == ("shop", process.host.source, (found[1],))

    def test_no_secret_stands_in_what_warms_a_process(self, only):
        with pytest.raises(TemplateError, match="may not stand in a command"):
            list(start_of(only({**SOCKET, "warm": "x {{ secrets.KEY }}"})))

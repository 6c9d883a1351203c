from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host
from hawser.host.addresses import clients
from hawser.host.code import repository_access
from hawser.host.facts import Facts
from hawser.host.places import served_path
from hawser.host.release import Release
from hawser.host.variables import dotenv_variables, full_environment, own_environments
from hawser.inventory import Environment
from hawser.secrets import Secrets
from hawser.templates.rendering import TemplateError, Templates
from tasks import builds

NEW = "1111111111-aaaaaaaa"
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "path": Path("shop.toml"),
    "app": {"name": "shop", "repo": "."},
    "processes": {"web": {"groups": ["web"], "command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}},
    "site": {"domains": ["shop.test"], "static": {"/static/": "static"}},
    "hosts": {
        "web1": {"groups": ["web"], "vars": {"slots": 4}},
        "web2": {"groups": ["web"]},
        "data1": {"groups": ["data"]},
    },
}
ADDRESSES = {"web1": "10.0.0.11", "web2": "2001:db8::12", "data1": "10.0.0.21"}


@pytest.fixture
def host() -> Callable[..., Host]:
    def host(name: str = "web1", secrets: dict[str, str] | None = None, **tables: Any) -> Host:
        environment = Environment.model_validate({**SETTINGS, **tables})
        templates = Templates()
        release = Release(NEW, "1" * 40, environment, templates)
        held = Secrets("shop", Path("shop.env"), secrets or {})
        return Host(name, environment, held, templates, ADDRESSES, Facts(), release)

    return host


def problem(error: pytest.ExceptionInfo[TemplateError]) -> str:
    return str(error.value.problem)


class TestWhatRunsHere:
    def test_a_host_with_a_process_runs_code(self, host):
        assert host("web1").runs_code and not host("data1").runs_code

    def test_a_host_with_a_cron_line_runs_code(self, host):
        assert host("data1", cron={"tick": {"schedule": "@daily", "command": "true", "groups": ["data"]}}).runs_code

    def test_the_leader_runs_code_whatever_else_it_does(self, host):
        assert host("data1", release={"leader": "data"}).runs_code

    def test_the_first_host_with_a_socket_leads(self, host):
        assert [name for name in ADDRESSES if host(name).is_leader] == ["web1"]

    def test_the_site_is_where_its_processes_are(self, host):
        assert [name for name in ADDRESSES if host(name).serves_site] == ["web1", "web2"]

    def test_a_single_cron_line_is_on_the_first_host_only(self, host):
        cron = {"tick": {"schedule": "@daily", "command": "true", "single": True}}
        assert [name for name in ADDRESSES if host(name, cron=cron).cron_entries()] == ["web1"]

    def test_no_group_stands_for_every_host(self, host):
        assert all(host(name).is_in([]) for name in ADDRESSES)


class TestClients:
    def test_are_the_addresses_of_the_groups_with_their_length(self, host):
        assert clients(host("data1"), ["web"]) == [("10.0.0.11", 32), ("2001:0db8:0000:0000:0000:0000:0000:0012", 128)]

    def test_are_none_for_no_group(self, host):
        assert clients(host("data1"), []) == []

    def test_must_have_an_address_that_is_a_number(self, host):
        named = dataclasses.replace(host("data1"), addresses={**ADDRESSES, "web1": "web1.example.org"})
        with pytest.raises(TemplateError) as error:
            clients(named, ["web"])
        assert problem(error).startswith("shop.toml: hosts.web1.address: web1.example.org is a name")


class TestPaths:
    def test_lie_under_the_root_of_the_application(self, host):
        moved = host(app={"name": "shop", "repo": ".", "root": "/opt/shop"})
        assert (moved.root, moved.run, moved.source) == (
            "/opt/shop",
            "/opt/shop/run",
            f"/opt/shop/releases/{NEW}/source",
        )

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("static", "/srv/shop/current/source/static"),
            ("public/media", "/srv/shop/public/media"),
            ("public/other", "/srv/shop/current/source/public/other"),
            ("/usr/share/doc", "/usr/share/doc"),
        ],
    )
    def test_nginx_serves_the_current_code_what_persists_and_what_is_absolute(self, host, path, found):
        assert served_path(host(persistent={"folders": ["public/media"]}), path) == found


class TestContext:
    def test_values_see_the_host_its_group_and_the_others(self, host):
        text = "{{ host.name }} {{ host.vars.slots }} {{ group('data')[0].address }} {{ hosts.web2.address }}"
        assert host().text(text, "key") == "web1 4 10.0.0.21 2001:db8::12"

    def test_values_see_the_application_the_site_and_the_release(self, host):
        text = "{{ app.name }} {{ root }} {{ site.domains[0] }} {{ release.id }} {{ release.commit[:4] }}"
        assert host().text(text, "key") == f"shop /srv/shop shop.test {NEW} 1111"

    def test_a_group_that_is_none_is_refused_with_those_that_are(self, host):
        with pytest.raises(TemplateError) as error:
            host().text("{{ group('date')[0].address }}", "env.variables.DB")
        assert problem(error) == "shop.toml: env.variables.DB: ValueError: there is no group date; groups: data, web"

    def test_a_variable_that_another_host_has_is_refused_where_it_is_missing(self, host):
        with pytest.raises(TemplateError, match="no attribute 'slots'"):
            host("web2").text("{{ host.vars.slots }}", "key")

    def test_a_secret_is_a_value_in_a_variable(self, host):
        env = {"required": ["KEY"], "variables": {"KEY": "{{ secrets.KEY }}"}}
        assert host(env=env, secrets={"KEY": "k-e-y"}).variables == {"KEY": "k-e-y"}

    @pytest.mark.parametrize("text", ["{{ secrets.KEY }}", "{{ secrets['KEY'] }}", "{{ secrets.OTHER }}"])
    def test_a_secret_in_a_command_is_refused(self, host, text):
        with pytest.raises(TemplateError) as error:
            host(secrets={"KEY": "k-e-y"}).command_text(f"curl {text}", "release.build[0]")
        assert "may not stand in a command" in problem(error)
        assert problem(error).startswith("shop.toml: release.build[0]: ")


class TestVariables:
    def test_the_environment_of_a_release_names_it(self, host):
        lines = full_environment(host()).splitlines()
        assert f'HAWSER_RELEASE="{NEW}"' in lines
        assert lines[0].startswith(f'PATH="/srv/shop/releases/{NEW}/env/bin:')

    def test_what_the_settings_say_wins(self, host):
        text = full_environment(host(env={"variables": {"PYTHONUNBUFFERED": "0"}}))
        assert 'PYTHONUNBUFFERED="0"' in text and text.count("PYTHONUNBUFFERED") == 1

    def test_the_dotenv_file_is_found_through_a_variable(self, host):
        env = {"dotenv": "conf/.env", "dotenv_variable": "SHOP_DOTENV"}
        assert host(env=env).variables["SHOP_DOTENV"] == f"/srv/shop/releases/{NEW}/source/conf/.env"

    def test_the_dotenv_file_holds_all_variables_or_those_that_are_named(self, host):
        env = {"dotenv": ".env", "variables": {"A": "1", "B": "2"}, "required": ["KEY"]}
        assert dotenv_variables(host(env=env)) == {"A": "1", "B": "2"}
        named = host(env={**env, "dotenv_keys": ["KEY", "B"]}, secrets={"KEY": "k-e-y"})
        assert dotenv_variables(named) == {"KEY": "k-e-y", "B": "2"}

    def test_processes_and_cron_lines_of_this_host_have_some_of_their_own(self, host):
        web = {**SETTINGS["processes"]["web"], "environment": {"NAME": "{{ host.name }}"}}
        tick = {"schedule": "@daily", "command": "true", "groups": ["data"], "environment": {"A": "1"}}
        assert own_environments(host("web1", processes={"web": web}, cron={"tick": tick})) == {"web": {"NAME": "web1"}}
        assert list(own_environments(host("data1", processes={"web": web}, cron={"tick": tick}))) == ["cron.tick"]


class TestRepository:
    def test_that_is_pushed_needs_no_address_on_the_host(self, host):
        assert set(repository_access(host())) == {"mirror"}

    def test_that_hosts_fetch_themselves_comes_with_the_secrets_it_names(self, host):
        app = {"name": "shop", "repo": "git@git.test:shop.git", "deploy_key": "KEY"}
        access = repository_access(host(app=app, secrets={"KEY": "private"}))
        assert (access["repo"], access["key"], access["token"]) == ("git@git.test:shop.git", "private", "")


class TestFacts:
    def test_are_read_from_the_greeting_of_the_runner(self):
        greeting = {"hostname": "web1", "uid": 0, "later": "?", "app": {"current": NEW, "releases": [NEW], "new": 1}}
        facts = Facts.from_wire(greeting)
        assert (facts.hostname, facts.current, facts.releases) == ("web1", NEW, (NEW,))

    def test_know_which_release_a_unit_belongs_to(self):
        facts = Facts(processes=({"unit": "shop-web-blue", "manager": "systemd", "release": NEW},))
        assert facts.release_of("shop-web-blue", "systemd") == NEW
        assert facts.release_of("shop-web-green", "systemd") == ""


class TestBuilds:
    BUILD = {"builds": {"lib": {"commands": ["make install"]}}}  # noqa: RUF012  # read only

    def test_values_name_what_was_built_by_the_link_of_the_release(self, host):
        text = host(**self.BUILD).text("{{ builds.lib.prefix }}/share", "env.variables.SHARE")
        assert text == f"/srv/shop/releases/{NEW}/builds/lib/share"

    def test_nginx_finds_it_through_the_release_that_serves(self, host):
        path = host(**self.BUILD).text("{{ builds.lib.prefix }}/www", "site.static./www/")
        assert served_path(host(**self.BUILD), path) == "/srv/shop/current/builds/lib/www"

    def test_a_build_knows_those_before_it_and_none_after_it(self, host):
        tables = {"builds": {"b": {"commands": ["make {{ builds.a.prefix }}"]}, "a": {"commands": ["make install"]}}}
        with pytest.raises(TemplateError) as error:
            list(builds.make.resources(host(**tables)))
        assert "builds.b.commands[0]" in problem(error)

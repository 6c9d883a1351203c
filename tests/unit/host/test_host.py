from __future__ import annotations

import pytest

from hawser.tasks import builds
from hawser.templates.rendering import TemplateError

from .conftest import ADDRESSES, BUILDS, NEW


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

    def test_the_site_is_served_where_its_processes_are(self, host):
        assert [name for name in ADDRESSES if host(name).serves_site] == ["web1", "web2"]

    def test_a_single_cron_line_is_on_the_first_host_only(self, host):
        cron = {"tick": {"schedule": "@daily", "command": "true", "single": True}}
        assert [name for name in ADDRESSES if host(name, cron=cron).cron_entries()] == ["web1"]

    def test_no_group_stands_for_every_host(self, host):
        assert all(host(name).is_in([]) for name in ADDRESSES)


class TestPaths:
    def test_paths_lie_under_the_root_of_the_application(self, host):
        moved = host(app={"name": "shop", "repo": ".", "root": "/opt/shop"})
        assert (moved.root, moved.run, moved.source) == (
            "/opt/shop",
            "/opt/shop/run",
            f"/opt/shop/releases/{NEW}/source",
        )


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


class TestBuilds:
    def test_values_name_a_build_by_the_link_of_the_release(self, host):
        text = host(builds=BUILDS).text("{{ builds.lib.prefix }}/share", "env.variables.SHARE")
        assert text == f"/srv/shop/releases/{NEW}/builds/lib/share"

    def test_a_build_knows_those_before_it_and_none_after_it(self, host):
        tables = {"builds": {"b": {"commands": ["make {{ builds.a.prefix }}"]}, "a": {"commands": ["make install"]}}}
        with pytest.raises(TemplateError) as error:
            list(builds.make.resources(host(**tables)))
        assert "builds.b.commands[0]" in problem(error)

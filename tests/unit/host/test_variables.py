"""The variables of a release, and how they reach programs."""

from __future__ import annotations

from hawser.host.variables import dotenv_variables, full_environment, own_environments

from .conftest import NEW, SETTINGS


def test_the_environment_of_a_release_names_the_release(host):
    lines = full_environment(host()).splitlines()
    assert f'HAWSER_RELEASE="{NEW}"' in lines
    assert lines[0].startswith(f'PATH="/srv/shop/releases/{NEW}/env/bin:')


def test_variables_of_the_settings_win(host):
    text = full_environment(host(env={"variables": {"PYTHONUNBUFFERED": "0"}}))
    assert 'PYTHONUNBUFFERED="0"' in text and text.count("PYTHONUNBUFFERED") == 1


def test_the_dotenv_file_is_found_through_a_variable(host):
    env = {"dotenv": "conf/.env", "dotenv_variable": "SHOP_DOTENV"}
    assert host(env=env).variables["SHOP_DOTENV"] == f"/srv/shop/releases/{NEW}/source/conf/.env"


def test_the_dotenv_file_holds_all_variables_or_those_that_are_named(host):
    env = {"dotenv": ".env", "variables": {"A": "1", "B": "2"}, "required": ["KEY"]}
    assert dotenv_variables(host(env=env)) == {"A": "1", "B": "2"}
    named = host(env={**env, "dotenv_keys": ["KEY", "B"]}, secrets={"KEY": "k-e-y"})
    assert dotenv_variables(named) == {"KEY": "k-e-y", "B": "2"}


def test_processes_and_cron_lines_of_a_host_have_variables_of_their_own(host):
    web = {**SETTINGS["processes"]["web"], "environment": {"NAME": "{{ host.name }}"}}
    tick = {"schedule": "@daily", "command": "true", "groups": ["data"], "environment": {"A": "1"}}
    assert own_environments(host("web1", processes={"web": web}, cron={"tick": tick})) == {"web": {"NAME": "web1"}}
    assert list(own_environments(host("data1", processes={"web": web}, cron={"tick": tick}))) == ["cron.tick"]

from __future__ import annotations

import json
from typing import Annotated, Any, get_args, get_origin

import pytest

from hawser.inventory import Environment, Health, ReleaseSettings
from hawser.inventory.base import Model, dotted
from hawser.inventory.documents import merge
from hawser.inventory.lookup import keys_of
from hawser.inventory.tables.app import is_local


def again(environment: Environment) -> Environment:
    return Environment.model_validate(json.loads(environment.model_dump_json()))


class TestAPlainSite:
    def test_a_plain_site_needs_ten_lines(self, read):
        environment = read()
        app, web, site, host = (
            environment.app,
            environment.processes["web"],
            environment.site,
            environment.hosts["web1"],
        )
        assert (app.root, app.user, app.group, app.push) == ("/srv/shop", "shop", "shop", False)
        assert (web.socket, web.port, web.user, web.manager) == (True, None, "shop", "systemd")
        assert (site.proxy, site.groups, site.tls) == ({"/": "web"}, (), "self-signed")
        assert (host.address, host.user, host.port) == ("10.0.0.1", None, None)
        assert environment.leader == "web1"

    def test_a_plain_site_comes_back_equal_from_the_json_that_a_release_keeps(self, read):
        environment = read()
        assert again(environment) == environment

    def test_the_path_of_an_environment_is_not_kept(self, read):
        environment = read()
        assert environment.path.name == "shop.toml"
        assert "path" not in json.loads(environment.model_dump_json())


FULL = """
[app]
name = "shop"
repo = "./shop"
[env]
required = ["STRIPE_KEY"]
generated = ["DB"]
[processes.web]
groups = ["web"]
command = "gunicorn --bind unix:{{ socket }}"
health = { status = [200, "300-399"] }
[processes.api]
groups = ["web"]
command = "api"
port = 8001
[processes.beat]
groups = ["data"]
command = "beat"
single = true
user = "other"
[[files]]
path = "/etc/shop.json"
content = "{}"
[[files]]
path = "conf/shop.cfg"
template = "shop.cfg.j2"
mode = "600"
[site]
domains = ["shop.test"]
[services.postgresql]
groups = ["data"]
databases.shop = { password = "{{ secrets.DB }}" }
[services.rabbitmq]
groups = ["data"]
users.shop = { password = "{{ secrets.DB }}" }
[hosts.web1]
groups = ["web"]
vars = { slots = 4, share = 0.5, fast = true, names = ["a", "b"] }
[hosts.data1]
address = "10.0.0.9"
groups = ["data"]
port = 2222
jump = ""
[hosts.web2]
groups = ["web", "spare"]
[ssh]
user = "deploy"
jump = "bastion.example.org"
sudo_password = "SUDO"
"""


class TestDefaultsThatDependOnOtherTables:
    @pytest.fixture
    def environment(self, read) -> Environment:
        return read(FULL)

    def test_a_local_path_is_pushed(self, environment):
        assert environment.app.push

    def test_hosts_take_what_they_do_not_say_from_ssh(self, environment):
        web1, data1 = environment.hosts["web1"], environment.hosts["data1"]
        assert (web1.user, web1.port, web1.jump) == ("deploy", None, "bastion.example.org")
        assert (data1.user, data1.port, data1.jump) == ("deploy", 2222, "")

    def test_a_host_without_an_address_is_reached_by_its_name(self, environment):
        assert environment.hosts["web1"].address == "web1"

    def test_a_site_passes_everything_to_the_only_socket_and_is_where_that_runs(self, environment):
        assert environment.site.proxy == {"/": "web"}
        assert environment.site.groups == ("web",)

    def test_an_absolute_file_belongs_to_root_and_one_in_the_code_to_the_app(self, environment):
        absolute, relative = environment.files
        assert (absolute.owner, absolute.group, absolute.validate_with, absolute.mode) == (
            "root",
            "shop",
            "json",
            0o640,
        )
        assert (relative.owner, relative.group, relative.validate_with, relative.mode) == (
            "shop",
            "shop",
            "none",
            0o600,
        )

    def test_roles_and_virtual_hosts_are_named_after_what_they_are_for(self, environment):
        assert environment.services.postgresql.databases["shop"].owner == "shop"
        assert environment.services.rabbitmq.users["shop"].vhost == "shop"

    def test_a_secret_that_another_table_names_is_required(self, environment):
        assert environment.env.required == ("STRIPE_KEY", "SUDO")
        assert environment.env.secrets == ("STRIPE_KEY", "SUDO", "DB")

    def test_a_process_may_have_a_user_of_its_own(self, environment):
        assert environment.processes["beat"].user == "other"

    def test_an_environment_of_many_tables_comes_back_equal_from_json(self, environment):
        assert again(environment) == environment
        assert again(environment).hosts["web1"].vars == {"slots": 4, "share": 0.5, "fast": True, "names": ("a", "b")}

    def test_groups_hold_their_hosts_in_the_order_of_the_file(self, environment):
        assert environment.groups == {"web": ("web1", "web2"), "data": ("data1",), "spare": ("web2",)}
        assert environment.hosts_of(["spare", "web"]) == ("web1", "web2")
        assert environment.hosts_of([]) == ("web1", "data1", "web2")

    def test_a_single_process_runs_on_the_first_host_of_its_groups(self, environment):
        assert environment.hosts_running(environment.processes["beat"]) == ("data1",)
        assert environment.hosts_running(environment.processes["web"]) == ("web1", "web2")

    def test_a_host_is_asked_whether_it_is_one_of_them(self, environment):
        for process in environment.processes.values():
            there = environment.hosts_running(process)
            assert [environment.runs_on(process, name) for name in environment.hosts] == [
                name in there for name in environment.hosts
            ]
        assert environment.belongs("data1", []) and not environment.belongs("data1", ["web", "spare"])
        assert not environment.belongs("gone", []) and not environment.belongs("gone", ["web"])


@pytest.mark.parametrize(
    ("leader", "host"),
    [('leader = "data"', "data1"), ('leader = "web2"', "web2"), ("", "web1")],
    ids=["a group", "a host", "the default: where the first socket is"],
)
def test_the_leader_is_one_host(read, leader, host):
    assert read(FULL + f"[release]\n{leader}\n").leader == host


@pytest.mark.parametrize(
    ("batch", "hosts", "size"), [(2, 5, 2), ("50%", 5, 2), ("10%", 5, 1), ("100%", 5, 5)], ids=lambda value: str(value)
)
def test_a_share_of_the_hosts_is_at_least_one(batch, hosts, size):
    assert ReleaseSettings(batch=batch).batch_size(hosts) == size


def test_expected_statuses_are_ranges():
    assert Health().ranges == ((200, 399),)
    assert Health(status=(404, "200-299")).ranges == ((404, 404), (200, 299))


@pytest.mark.parametrize(
    ("repo", "local"),
    [
        ("./demo", True),
        ("/srv/git/demo", True),
        ("~/demo", True),
        ("demo", True),
        ("a/b:c", True),
        ("https://git.example.org/demo.git", False),
        ("git@git.example.org:demo.git", False),
        ("host:demo", False),
        ("ssh://git@host:22/demo", False),
        ("file:///srv/demo", False),
    ],
)
def test_a_repository_is_local_when_git_would_take_it_for_a_path(repo, local):
    assert is_local(repo) is local


def _models(model: type[Model]) -> list[type[Model]]:
    found = [model]
    for field in model.model_fields.values():
        for inner in _inside(field.annotation):
            if isinstance(inner, type) and issubclass(inner, Model):
                found += _models(inner)
    return found


def _inside(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [annotation, *(inner for argument in arguments for inner in _inside(argument))]


@pytest.mark.parametrize("model", dict.fromkeys(_models(Environment)), ids=lambda model: model.__name__)
class TestEveryTable:
    def test_each_key_of_a_table_is_described(self, model):
        assert all((field.description or "").endswith(".") for field in keys_of(model).values())

    def test_a_table_takes_no_number_for_a_flag_and_no_text_for_a_number(self, model):
        for key, field in keys_of(model).items():
            if field.annotation in (bool, int):
                strict = any(getattr(item, "strict", False) or hasattr(item, "func") for item in field.metadata)
                assert strict, key

    def test_a_table_is_frozen_and_knows_its_keys(self, model):
        assert model.model_config["frozen"]
        assert model.model_config["extra"] == "forbid"


def test_a_place_is_written_as_toml_writes_it():
    assert dotted(("processes", "web", "groups", 0)) == "processes.web.groups[0]"
    assert dotted(("site", "proxy", "/a b")) == 'site.proxy."/a b"'


def test_merging_prefers_the_upper_file_and_replaces_lists():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(base, {"a": {"c": [3]}, "e": {}}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": {}}

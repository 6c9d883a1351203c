from __future__ import annotations

import pytest

from hawser.errors import InputErrors, UnknownTarget
from hawser.inventory import Inventory, load_inventory

APP = '[app]\nname = "x"\nrepo = "./x"\n'
DEMO = (
    APP + '[hosts.web1]\ngroups = ["web"]\n[hosts.data1]\ngroups = ["data"]\n[hosts.web2]\ngroups = ["web", "data"]\n'
)
SHOP = APP + '[hosts.web1]\ngroups = ["web"]\n[hosts.shop1]\ngroups = ["web", "search"]\n'
BLOG = APP + '[hosts.web1]\ngroups = ["web"]\n[hosts.blog1]\ngroups = ["demo"]\n'


@pytest.fixture
def inventory(folder, write) -> Inventory:
    for name, text in (("demo", DEMO), ("shop", SHOP), ("blog", BLOG)):
        write(text, name)
    return load_inventory(folder, "demo")


@pytest.mark.parametrize(
    ("names", "environment", "hosts", "whole"),
    [
        (["demo"], "demo", ("web1", "data1", "web2"), True),
        (["web"], "demo", ("web1", "web2"), False),
        (["web1"], "demo", ("web1",), False),
        (["web2", "web1", "web"], "demo", ("web1", "web2"), False),
        (["web", "data"], "demo", ("web1", "data1", "web2"), True),
        (["shop/web1", "shop/search"], "shop", ("web1", "shop1"), True),
        (["shop/web"], "shop", ("web1", "shop1"), True),
        (["shop1"], "shop", ("shop1",), False),
        (["search"], "shop", ("shop1",), False),
        (["shop/all"], "shop", ("web1", "shop1"), True),
        (["blog/demo"], "blog", ("blog1",), False),
    ],
    ids=[
        "an environment stands for all of its hosts",
        "a group name stands for its hosts, in the default environment first",
        "a host name stands for itself, in the default environment first",
        "each host is there once, in the order of the file",
        "groups that cover everything are the whole environment",
        "a qualified name is looked up in its environment",
        "a qualified group stands for its hosts",
        "a host that the default environment lacks is found in another",
        "a group that the default environment lacks is found in another",
        "all of an environment can be named",
        "a group that has the name of an environment can be named",
    ],
)
def test_names_stand_for_environments_groups_and_hosts(inventory, names, environment, hosts, whole):
    selection = inventory.select(names)
    assert (selection.environment.name, selection.hosts, selection.whole) == (environment, hosts, whole)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["wbe1"], "unknown target 'wbe1': no environment, group or host has this name (did you mean web1?)"),
        (["zzz"], "unknown target 'zzz': no environment, group or host has this name (environments: blog, demo, shop)"),
        (["shop/shp1"], "unknown target 'shop/shp1': shop has no such group or host (did you mean shop1?)"),
        (
            ["shop/z"],
            "unknown target 'shop/z': shop has no such group or host (its groups and hosts: web, search, web1, shop1)",
        ),
        (["shp/web"], "unknown environment 'shp' (did you mean shop?)"),
        (["shop1", "web1"], "one environment per rollout: shop1 is of shop, web1 is of demo"),
        ([], "no host was named (name hosts with -H, as in -H web1 or -H production)"),
    ],
    ids=[
        "an unknown name is answered with the nearest",
        "an unknown name that is near to nothing is answered with the environments",
        "an unknown host of an environment is answered with the nearest",
        "an unknown host of an environment that is near to nothing is answered with all",
        "an unknown environment is answered with the nearest",
        "hosts of two environments are refused",
        "no name is refused",
    ],
)
def test_names_that_cannot_be_used_are_answered_with_those_that_can(inventory, names, message):
    with pytest.raises(UnknownTarget) as caught:
        inventory.select(names)
    assert (str(caught.value), caught.value.code) == (message, 2)


@pytest.mark.parametrize("name", ["root@web1", "web1:22", "10.0.0.1", "a/b/c", "", "web 1", "web/", "x.toml", "ü"])
def test_what_is_no_name_is_told_where_hosts_come_from(inventory, name):
    with pytest.raises(UnknownTarget, match="hosts come from the environment files"):
        inventory.select([name])


def test_a_name_that_several_environments_have_is_answered_with_all_of_them(folder, inventory):
    with pytest.raises(UnknownTarget) as caught:
        load_inventory(folder).select(["web1"])
    assert str(caught.value) == "'web1' stands for several: blog/web1, demo/web1, shop/web1 (name one of these)"


def test_an_environment_that_has_the_name_of_a_group_of_the_default_one_is_not_guessed(folder, inventory, write):
    write(SHOP, "web")
    with pytest.raises(UnknownTarget) as caught:
        load_inventory(folder, "demo").select(["web"])
    assert str(caught.value) == "'web' stands for several: web/all, demo/web (name one of these)"
    assert load_inventory(folder, "demo").select(["web/all"]).environment.name == "web"


def test_a_folder_without_environments_shows_where_to_begin(folder):
    with pytest.raises(UnknownTarget, match=r"there is no environment file yet \(hosts/example.toml"):
        load_inventory(folder).select(["web1"])


def test_a_broken_file_is_an_error_when_a_bare_name_may_stand_in_it(folder, inventory, write):
    write("[", "broken")
    assert load_inventory(folder, "demo").select(["web1"]).hosts == ("web1",)
    with pytest.raises(InputErrors, match="broken"):
        load_inventory(folder, "demo").select(["shop1"])


def test_a_mistake_in_the_chosen_file_is_told_before_a_missing_name(folder, write):
    write(DEMO + "[app2]", "demo")
    with pytest.raises(InputErrors, match="app2"):
        load_inventory(folder, "demo").select(["demo/zzz"])


@pytest.mark.parametrize(
    "hosts", ["hosts = 5", "[hosts]\nweb1 = 5", "[hosts.web1]\ngroups = 'web'", "[hosts.web1]\ngroups = [5]"]
)
def test_hosts_that_cannot_be_read_are_named(folder, write, hosts):
    write(hosts if hosts.startswith("hosts") else APP + hosts, "demo")
    with pytest.raises(InputErrors, match="hosts"):
        load_inventory(folder, "demo").select(["web"])


def test_only_the_chosen_environment_is_checked(folder, inventory, write):
    write(APP + "keep = 'x'\n[hosts.other1]\n", "other")
    assert load_inventory(folder, "demo").select(["shop1"]).hosts == ("shop1",)

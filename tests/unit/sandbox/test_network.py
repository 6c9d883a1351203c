"""The sandbox's network: what is chosen, and the commands that make it."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hawser.errors import HawserError
from hawser.sandbox import network
from hawser.sandbox.model import DEFAULT_FOLDER, Address, Instance

INSTANCE = Instance(DEFAULT_FOLDER, DEFAULT_FOLDER)
OTHER = Instance(Path("/srv/other"), Path("/srv/other"))
NET = IPv4Network("10.213.0.0/24")


def test_the_first_network_that_nothing_uses_is_taken() -> None:
    taken = [IPv4Network("192.168.0.0/16"), IPv4Network("10.213.0.0/23")]
    assert network.free_network(taken) == IPv4Network("10.213.2.0/24")


def test_a_machine_that_routes_the_whole_range_is_told_so() -> None:
    with pytest.raises(HawserError, match="already routed"):
        network.free_network([IPv4Network("10.0.0.0/8")])


def test_a_host_gets_a_namespace_a_cable_an_address_and_a_route() -> None:
    commands = [" ".join(argv) for argv in network.plug_commands(INSTANCE.place("web1"), Address(NET, 2), 1400)]
    assert commands == [
        "ip netns add hawser0-web1",
        "ip link add hw0-2 mtu 1400 type veth peer name host0 address 02:68:77:00:00:02 mtu 1400 netns hawser0-web1",
        "ip link set hw0-2 master hawser0 up",
        "ip -n hawser0-web1 link set lo up",
        "ip -n hawser0-web1 address add 10.213.0.2/24 broadcast + dev host0",
        "ip -n hawser0-web1 link set host0 up",
        "ip -n hawser0-web1 route add default via 10.213.0.1",
    ]


def test_the_machine_is_number_one_on_the_bridge() -> None:
    commands = [" ".join(argv) for argv in network.bridge_commands(INSTANCE, NET, 1500)]
    assert commands == [
        "ip link add hawser0 address 02:68:77:00:00:01 mtu 1500 type bridge forward_delay 0",
        "ip address add 10.213.0.1/24 dev hawser0",
        "ip link set hawser0 up",
    ]


def test_cables_of_all_hosts_of_all_sandboxes_differ_and_fit() -> None:
    names = {network.cable(instance, number) for instance in (INSTANCE, OTHER) for number in range(2, 255)}
    assert len(names) == 2 * 253
    assert max(map(len, names)) <= 15


def test_a_host_made_anew_keeps_its_hardware_address() -> None:
    assert network.hardware_address(OTHER, 7) == network.hardware_address(OTHER, 7)
    assert network.hardware_address(OTHER, 7) != network.hardware_address(INSTANCE, 7)


def test_only_the_sandboxs_own_tables_are_written() -> None:
    rules = network.firewall("hawser_sandbox_0", "hawser0", NET)
    tables = {line.split("{")[0].strip() for line in rules.splitlines() if line.startswith(("table", "delete"))}
    assert {table.split()[-1] for table in tables} == {"hawser_sandbox_0"}
    assert 'ip saddr 10.213.0.0/24 oifname != "hawser0" masquerade' in rules


def test_a_stub_resolver_is_passed_over_for_the_servers_behind_it() -> None:
    stub = "nameserver 127.0.0.53\noptions edns0\n"
    assert network.name_servers([stub, "# by resolved\nnameserver 192.0.2.53\nsearch example.org\n"]) == (
        "# by resolved\nnameserver 192.0.2.53\nsearch example.org\n"
    )


def test_loopback_servers_are_left_out_beside_others() -> None:
    assert network.name_servers(["nameserver 127.0.0.1\nnameserver 192.0.2.53\n"]) == "nameserver 192.0.2.53\n"


def test_without_any_usable_server_nothing_is_written() -> None:
    assert network.name_servers(["nameserver ::1\n"]) == ""

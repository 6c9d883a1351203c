"""How hosts let people log in, as the settings want it."""

from __future__ import annotations

import pytest

from hawser.host.access import closes, never_banned, ssh_port


@pytest.mark.parametrize(
    ("tables", "closed"),
    [({}, False), ({"sshd": {}}, False), ({"sshd": {"fail2ban": True}}, False), ({"sshd": {"passwords": False}}, True)],
)
def test_passwords_count_as_the_host_has_it_unless_the_settings_say_false(host, tables, closed):
    assert closes(host(**tables)) is closed


def test_no_host_of_the_settings_is_banned_nor_a_network_that_they_name(host):
    one = host(sshd={"fail2ban": True, "never_banned": ["203.0.113.0/24", "10.0.0.21/32"]})
    assert never_banned(one) == ("10.0.0.11", "2001:db8::12", "10.0.0.21", "203.0.113.0/24", "10.0.0.21/32")


def test_a_host_that_has_a_name_for_an_address_is_not_banned_either(host):
    one = host(sshd={"fail2ban": True})
    one.addresses["data1"] = "data1.example.org"
    try:
        assert never_banned(one)[-1] == "data1.example.org"
    finally:
        one.addresses["data1"] = "10.0.0.21"


def test_the_port_that_is_closed_to_banned_addresses_is_that_of_the_host(host):
    assert ssh_port(host()) == 22
    assert ssh_port(host(hosts={"web1": {"groups": ["web"], "port": 2222}})) == 2222

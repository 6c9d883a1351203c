"""Which addresses the clients of a service have."""

from __future__ import annotations

import dataclasses

import pytest

from hawser.host.addresses import clients
from hawser.templates.rendering import TemplateError

from .conftest import ADDRESSES


def test_clients_are_the_addresses_of_their_groups_with_their_length(host):
    assert clients(host("data1"), ["web"]) == [("10.0.0.11", 32), ("2001:0db8:0000:0000:0000:0000:0000:0012", 128)]


def test_clients_of_no_group_are_none(host):
    assert clients(host("data1"), []) == []


def test_clients_must_have_an_address_that_is_a_number(host):
    named = dataclasses.replace(host("data1"), addresses={**ADDRESSES, "web1": "web1.example.org"})
    with pytest.raises(TemplateError) as error:
        clients(named, ["web"])
    assert str(error.value.problem).startswith("shop.toml: hosts.web1.address: web1.example.org is a name")

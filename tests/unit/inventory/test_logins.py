"""Services that give each password a user of its own, and those who are told its name."""

from __future__ import annotations

import pytest

from .conftest import with_tables

SERVER = """
[env]
generated = ["DB_PASSWORD"]
[env.variables]
USER = "{user}"
[services.{service}]
{table}.shop = {{ password = "{{{{ secrets.DB_PASSWORD }}}}", logins = true }}
"""


def text(service: str, user: str) -> str:
    return SERVER.format(service=service, user=user, table="databases" if service == "postgresql" else "users")


@pytest.mark.parametrize("service", ["postgresql", "rabbitmq"])
def test_an_application_that_is_not_told_its_login_is_refused(complain, service):
    other = "rabbitmq" if service == "postgresql" else "postgresql"
    for user in ("shop", f"{{{{ login('{other}', 'shop') }}}}", f"{{{{ login('{service}', 'other') }}}}"):
        (problem,) = complain(text(service, user))
        assert problem.key.endswith(".shop.logins") and f"login('{service}', 'shop')" in problem.hint


@pytest.mark.parametrize("service", ["postgresql", "rabbitmq"])
def test_an_application_that_is_told_its_login_is_in_order(read, service):
    environment = read(with_tables(text(service, f"{{{{ login('{service}', 'shop') }}}}")))
    assert environment.env.variables["USER"].startswith("{{ login(")


def test_databases_of_one_role_have_logins_all_or_none(complain):
    more = text("postgresql", "{{ login('postgresql', 'shop') }}")
    more += 'databases.stock = { owner = "shop", password = "{{ secrets.DB_PASSWORD }}" }\n'
    (problem,) = complain(more)
    assert problem.key.endswith("stock.logins") and "both belong to shop" in problem.message


def test_a_former_value_may_be_named_for_a_secret_that_is_listed(complain, read):
    listed = '[env]\ngenerated = ["KEY"]\n[env.variables]\nKEYS = "{{ secrets.%s__FORMER }}"\n'
    assert read(with_tables(listed % "KEY")).env.generated == ("KEY",)
    (problem,) = complain(listed % "OTHER")
    assert "OTHER__FORMER is not listed" in problem.message
    (problem,) = complain('[env]\ngenerated = ["KEY__NEXT"]\n')
    assert "secrets.rotate" in problem.message

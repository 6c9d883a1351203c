"""The name with which the application logs in: another one for each password."""

from __future__ import annotations

import pytest

from hawser.host.logins import login_name, login_of
from hawser.inventory import Environment
from hawser.runner.databases.logins import is_login


def test_each_password_of_an_owner_has_a_name_of_its_own():
    one, two = login_name("shop", "first"), login_name("shop", "second")
    assert one == login_name("shop", "first") != two and one.startswith("shop_") and len(one) == 13
    assert is_login(one, "shop") and not is_login(one, "sho") and not is_login(one, "stock")
    assert (
        not is_login("shop", "shop")
        and not is_login("shop_backups1", "shop")
        and not is_login("shop_12345678x", "shop")
    )
    # Two applications with one password are no reason to look alike.
    assert login_name("stock", "first")[-8:] != one[-8:]


def test_a_name_fits_however_long_that_of_the_owner_is():
    name = login_name("a" * 63, "first")
    assert len(name) == 63 and is_login(name, "a" * 63)
    assert len(login_name("a" * 255, "first", 255)) == 255


def test_templates_are_told_the_name_of_a_login_or_that_of_the_owner():
    entry = {"password": "{{ secrets.DB_PASSWORD }}"}
    services = {
        "postgresql": {"databases": {"shop": {**entry, "owner": "trader", "logins": True}, "stock": entry}},
        "rabbitmq": {"users": {"shop": entry}},
    }
    app = {"name": "shop", "repo": "."}
    environment = Environment.model_validate({"name": "shop", "app": app, "services": services})
    asked: list[str] = []
    login = login_of(environment, lambda text, key: asked.append(key) or "first")
    assert login("postgresql", "shop") == login_name("trader", "first")
    assert asked == ["services.postgresql.databases.shop.password"]
    assert (login("postgresql", "stock"), login("rabbitmq", "shop")) == ("stock", "shop")
    with pytest.raises(ValueError, match=r"no login\('mariadb', 'shop'\); there are: login\('postgresql', 'shop'\), "):
        login("mariadb", "shop")

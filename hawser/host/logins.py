"""The names with which the application logs in at services that give each password a user of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from ..inventory.schema import Environment
from ..runner.databases.logins import LONGEST, joined
from ..templates.bounded import for_templates


@lru_cache(maxsize=64)
def login_name(owner: str, password: str, longest: int = LONGEST) -> str:
    """Return the name of the user that logs in with a password, for an owner: another one for each password.

    It is no secret, and so made in a way that takes too long to guess passwords from it (scrypt, about 50 ms).

    :param longest: bytes that the service takes.
    """
    salt = f"login {owner}".encode()
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=4)
    return joined(owner, digest.hex(), longest)


def login_of(environment: Environment, text: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """Return the function `login` of templates.

    :param text: renders a value of the settings, with the key under which it stands.
    """

    @for_templates
    def login(service: str, name: str) -> str:
        services = environment.services
        known: dict[tuple[str, str], tuple[str, str, bool, str]] = {}
        for database, each in services.postgresql.databases.items() if services.postgresql else ():
            key = f"services.postgresql.databases.{database}.password"
            known["postgresql", database] = (each.owner, each.password, each.logins, key)
        for user, its in services.rabbitmq.users.items() if services.rabbitmq else ():
            known["rabbitmq", user] = (user, its.password, its.logins, f"services.rabbitmq.users.{user}.password")
        if (service, name) not in known:
            there = ", ".join(f"login('{one}', '{other}')" for one, other in known) or "none"
            raise ValueError(f"there is no login('{service}', '{name}'); there are: {there}")
        owner, password, logins, key = known[service, name]
        return login_name(owner, text(password, key)) if logins else owner

    return login

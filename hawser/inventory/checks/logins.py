"""Contradictions between services that give each password a user of its own, and those who log in there."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import InvalidValue, Loc, SettingError
from ..schema import Environment
from ..values.jinja import references
from .values import texts


def check_logins(environment: Environment) -> Iterator[SettingError]:
    """Of the databases of a role all have logins or none, and the application is told the names of its logins."""
    services = environment.services
    known: dict[tuple[str, str], Loc] = {}
    first: dict[str, tuple[str, bool]] = {}
    for name, database in services.postgresql.databases.items() if services.postgresql else ():
        at: Loc = ("services", "postgresql", "databases", name, "logins")
        other, logins = first.setdefault(database.owner, (name, database.logins))
        if logins != database.logins:
            yield SettingError(at, f"must be what it is for databases.{other}: both belong to {database.owner}")
        if database.logins:
            known["postgresql", name] = at
    for name, user in services.rabbitmq.users.items() if services.rabbitmq else ():
        if user.logins:
            known["rabbitmq", name] = ("services", "rabbitmq", "users", name, "logins")
    # What a template of the team's own says is read later.
    if not known or any(each.template for each in environment.files):
        return
    used: set[tuple[str, ...]] = set()
    for _loc, text in texts(environment.model_dump(exclude={"services"}), ()):
        try:
            used |= references(text).logins
        except InvalidValue:
            continue
    for (service, name), at in known.items():
        if not any(each[:1] == (service,) and each[1:] in ((name,), ()) for each in used):
            hint = f"{{{{ login('{service}', '{name}') }}}} as the user, where the application finds its password"
            yield SettingError(at, "nothing tells the application the name with which it logs in", hint)

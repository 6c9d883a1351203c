"""What another value of a secret reaches: where it is used, and what a rollout cannot change together with it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from hawser.errors import HawserError
from hawser.inventory import Environment
from hawser.inventory.base import InvalidValue, did_you_mean, dotted
from hawser.inventory.checks.values import texts
from hawser.inventory.tables.app import FORMER, SIGNING_KEY
from hawser.inventory.values.jinja import references

# Places in the settings where no rollout brings another value alone: why, and what to do instead.
ELSEWHERE = (
    (
        "volumes.*.passphrase",
        "the volume was encrypted with it",
        "cryptsetup luksChangeKey DEVICE on each of its hosts, then write the new one where the old one is kept",
    ),
    (
        "backup.offsite.password",
        "backups were encrypted with it, which could not be read any more",
        "restic key add on one of the hosts; then write the new one where the old one is kept, and: fab -H {target} "
        "bootstrap; then restic key remove",
    ),
    (
        "ssh.sudo_password",
        "it is the password of a user of the hosts, which Hawser does not change",
        "passwd on each host, then write the new one where the old one is kept",
    ),
    *(
        (
            place,
            "somebody else has made it, and would not know the new one",
            "have another one made there, write it where the old one is kept, and: fab -H {target} bootstrap deploy",
        )
        for place in (
            *("app.deploy_key", "app.token", "checkouts.*", "python.*", "packages.*", "backup.*", "notify.*"),
            *("certificates.*", "site.acme.*"),
        )
    ),
)
# Of these, one deploy of all hosts makes no part of the processes.
ONCE = "once.*"
# Services that hold two passwords of one user.
TWO = ("mariadb", "redis")


def places(environment: Environment, name: str) -> list[tuple[str | int, ...]]:
    """Return where the settings use a secret."""
    settings = environment.model_dump(exclude={"env": {"required", "generated", "formats"}})
    found = []
    for loc, text in texts(settings, ()):
        try:
            used = references(text).secrets
        except InvalidValue:
            used = frozenset()
        # A key may name one as it is.
        if used & {name, name + FORMER} or text == name:
            found.append(loc)
    return found


def of_services(environment: Environment, name: str) -> list[tuple[str | int, ...]]:
    """Return the passwords of services among the places of a secret."""
    return [loc for loc in places(environment, name) if loc[0] == "services"]


def refuse(environment: Environment, name: str, keep_former: bool, templates: Iterable[str]) -> None:
    """Stop where another value of a secret does not come into use by a rollout alone.

    :param keep_former: the one of before shall go on being good.
    :param templates: the texts of those that are used.
    :raises HawserError: says why, and what to do instead.
    """
    target, env = environment.name, environment.env
    if name == SIGNING_KEY:
        told = f"{name} is on no host, and signs what hosts keep: a rollout does not change that"
        raise HawserError(told, next=f"remove its line, then: fab -H {target} secrets.new-key", code=2)
    if name not in env.secrets:
        raise HawserError(
            f"{name} is no secret of {target}", next=did_you_mean(name, env.secrets, "one of env.required"), code=2
        )
    found = places(environment, name)
    for loc in found:
        place = dotted(loc)
        for pattern, why, move in ELSEWHERE:
            if fnmatchcase(place, pattern) or fnmatchcase(place, f"{pattern}.*"):
                told = f"{name} is used as {place}, and cannot be changed like this: {why}"
                raise HawserError(told, next=move.format(target=target), code=2)
    if found and all(fnmatchcase(dotted(loc), ONCE) for loc in found):
        told = f"{name} is used by {dotted(found[0])} alone, which does not run again: the application keeps its own"
        raise HawserError(told, next="change it in the application, and write it where it is kept", code=2)
    refuse_one_alone(environment, name)
    if not keep_former:
        return
    former = f"{name}{FORMER}"
    if of_services(environment, name):
        told = f"{name} is the password of a service, which takes both as long as it must: --keep-former is for others"
        raise HawserError(told, next="the same command without it", code=2)
    if not any(former in text for text in (*(text for _, text in texts(environment.model_dump(), ())), *templates)):
        told = f"nothing reads the former value of {name}, so it would be good nowhere"
        move = f'as in [env.variables]: {name}_FALLBACKS = "{{{{ secrets.{former} }}}}", then deploy'
        raise HawserError(told, next=move, code=2)


def refuse_one_alone(environment: Environment, name: str) -> None:
    """Stop where a service holds one password of a user alone, so that requests would fail meanwhile.

    :raises HawserError: says what to write.
    """
    for loc in of_services(environment, name):
        service, key = str(loc[1]), str(loc[3]) if len(loc) > 3 else ""
        if service in TWO:
            continue
        services = environment.services
        table, logins = f"services.{service}.{loc[2]}.{key}", False
        if service == "postgresql" and services.postgresql:
            logins = services.postgresql.databases[key].logins
        elif service == "rabbitmq" and services.rabbitmq:
            logins = services.rabbitmq.users[key].logins
        if not logins:
            told = f"{table} has one user, and that has one password alone: new connections would fail meanwhile"
            move = (
                f"logins = true in [{table}], {{{{ login('{service}', '{key}') }}}} as the user where the application "
                f"finds it, and: fab -H {environment.name} bootstrap deploy"
            )
            raise HawserError(told, next=move, code=2)

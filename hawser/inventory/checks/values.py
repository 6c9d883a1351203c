"""Contradictions between secrets and the Jinja2 in values."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import InvalidValue, Loc, SettingError, did_you_mean
from ..schema import Environment
from ..tables.app import FORMER, NEXT, SIGNING_KEY
from ..values.jinja import references

_ENV = frozenset({"env"})
_SECRETS = frozenset({"secrets"})


def check_secrets(environment: Environment) -> Iterator[SettingError]:
    """Secrets are listed once, kept out of the file itself, and known where they are named."""
    env = environment.env
    for key in ("required", "generated"):
        for position, name in enumerate(getattr(env, key)):
            if name == SIGNING_KEY:
                message = f"{name} is Hawser's own, never a value of the application"
                yield SettingError(
                    ("env", key, position), message, "remove it here; it is kept with the secrets", needs=_ENV
                )
            if name.endswith((NEXT, FORMER)):
                message = f"{name} ends as the names that `secrets.rotate` gives"
                yield SettingError(("env", key, position), message, "another name", needs=_ENV)
    for position, name in enumerate(env.generated):
        if name in env.required:
            yield SettingError(
                ("env", "generated", position), f"{name} is required as well", "list it once", needs=_ENV
            )
    for name in env.formats:
        if name not in env.generated:
            hint = did_you_mean(name, env.generated, "list it in env.generated")
            yield SettingError(("env", "formats", name), f"{name} is no generated secret", hint, needs=_ENV)
    known = [*env.variables, *env.secrets]
    for position, name in enumerate(env.dotenv_keys or ()):
        if name not in known:
            hint = did_you_mean(name, known)
            yield SettingError(
                ("env", "dotenv_keys", position), f"{name} is neither a variable nor a secret", hint, needs=_ENV
            )
    for key, given in (("dotenv_variable", env.dotenv_variable), ("dotenv_keys", env.dotenv_keys)):
        if given and env.dotenv is None:
            yield SettingError(("env", key), "needs env.dotenv", 'as in dotenv = ".env"', needs=_ENV)
    for loc, password in _passwords(environment):
        if not references(password).secrets:
            name = str(loc[-2]).upper().replace("-", "_") + "_PASSWORD"
            hint = f'as in "{{{{ secrets.{name} }}}}", with {name} in env.generated'
            yield SettingError(loc, "a password stands in this file", hint)


def check_sources(environment: Environment) -> Iterator[SettingError]:
    """Each source of secrets has what it needs, and no setting is for one that is not asked."""
    setting = environment.secrets
    for source, key, hint in (
        ("command", "command", 'as in command = ["pass", "show", "demo/production"]'),
        ("variables", "prefix", 'as in prefix = "DEMO_"; empty for variables with the names of the secrets'),
    ):
        given = getattr(setting, key)
        if source in setting.sources and given in (None, ()):
            yield SettingError(("secrets", "sources"), f"{source} needs secrets.{key}", hint, needs=_SECRETS)
        elif source not in setting.sources and given not in (None, ()):
            hint = f"sources = {[*setting.sources, source]}".replace("'", '"')
            message = f"is not asked: {source} does not stand in secrets.sources"
            yield SettingError(("secrets", key), message, hint, needs=_SECRETS)
    if setting.command and (not setting.command[0].strip() or "{name}" in setting.command[0]):
        yield SettingError(("secrets", "command", 0), "must be the name of a program", needs=_SECRETS)


def _passwords(environment: Environment) -> Iterator[tuple[Loc, str]]:
    for name, service in environment.services.installed.items():
        for access in service.access():
            if access.password is not None:
                yield ("services", name, *access.at, "password"), access.password
    for name, volume in environment.volumes.items():
        yield ("volumes", name, "passphrase"), volume.passphrase


def check_templates(environment: Environment) -> Iterator[SettingError]:
    """The secrets and groups that Jinja2 in a value names exist."""
    for loc, text in texts(environment.model_dump(), ()):
        try:
            used = references(text)
        except InvalidValue:
            continue  # not one of the values that are rendered
        known = {*environment.env.secrets, *(f"{name}{FORMER}" for name in environment.env.secrets)}
        for name in sorted(used.secrets - known):
            hint = did_you_mean(name, environment.env.secrets, "list it in env.required or env.generated")
            yield SettingError(loc, f"the secret {name} is not listed", hint, needs=_ENV)
        if used.secrets and _is_command(loc):
            message = "a secret in a command is shown to everyone by `ps`"
            yield SettingError(loc, message, "put it into env.variables, and let the program read it there")
        if used.secrets and loc[0] == "local":
            yield SettingError(loc, "a secret in a file for clients is a secret no more", "remove it")
        if used.secrets and loc[0] == "builds":
            yield SettingError(
                loc, "a secret may not go into a build, which outlives it", "read it when the program starts"
            )
        for group in sorted(used.groups - set(environment.groups)):
            hint = did_you_mean(group, environment.groups)
            yield SettingError(loc, f"no host is in the group {group!r}", hint, needs=frozenset({"hosts"}))


def _is_command(loc: Loc) -> bool:
    if loc[0] == "once" and loc[-1] == "unless":
        return True
    if loc[0] == "processes" and loc[-1] == "warm":
        return True
    return loc[-1] == "command" or loc[:2] in (
        ("release", "build"),
        ("release", "check"),
        ("release", "migrate"),
        ("release", "after_migrate"),
        ("release", "pending"),
    )


def texts(value: object, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """Yield every text in a value, with its place."""
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from texts(entry, (*loc, key))
    elif isinstance(value, list | tuple):
        for position, entry in enumerate(value):
            yield from texts(entry, (*loc, position))

"""From the sources of an environment to its secrets: every one that is listed, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hawser.errors import InputErrors, Problem
from hawser.inventory import Environment
from hawser.inventory.base import did_you_mean
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.runner.masks import mask
from hawser.signatures import is_key

from .forms import forms
from .held import Secrets
from .lines import unusable
from .sources import Source, Sources, turning_names


def load_secrets(environment: Environment, sources: Sources) -> Secrets:
    """Look up the secrets of an environment.

    Generated secrets may be missing: the caller makes them (`Secrets.generate`) or refuses to go on
    (`Secrets.require_generated`).

    :raises InputErrors: everything that `read_secrets` finds wrong.
    """
    secrets, problems = read_secrets(environment, sources)
    if problems:
        raise InputErrors(problems)
    return secrets


def read_secrets(environment: Environment, sources: Sources) -> tuple[Secrets, list[Problem]]:
    """Look up the secrets of an environment, and return the problems: sources that cannot be read, and every secret
    that is required and missing, or no real one.

    The first source that has a value for a name is not contradicted by those behind it, which are not asked for it.
    """
    env = environment.env
    wanted, beside = (*env.secrets, SIGNING_KEY), turning_names(environment)
    values: dict[str, str] = {}
    holders: dict[str, Source] = {}
    unlisted: list[str] = []
    aside: dict[str, str] = {}
    problems: list[Problem] = []
    failed = False
    for source in sources.each:
        missing = [name for name in wanted if not values.get(name)]
        if not missing:
            break
        found = source.ask(missing if source.one_by_one else [*missing, *beside])
        problems += found.problems if not found.failed else _without(found.problems, values)
        failed = failed or found.failed
        for name in missing:
            if name in found.values:
                values[name], holders[name] = found.values[name], source
        aside = {**{name: found.values[name] for name in beside if found.values.get(name)}, **aside}
        unlisted += [name for name in found.values if name not in (*wanted, *beside)]
    for name in env.secrets:
        message = unusable(values.get(name), name in env.required)
        if message and name in values:
            problems.append(Problem(holders[name].label, name, message, "write the real one"))
        elif message and not failed:
            hint = did_you_mean(name, unlisted, sources.advice(name))
            problems.append(Problem(sources.label, name, message, hint))
    key = values.get(SIGNING_KEY, "")
    if key and not is_key(key):
        hint = "write the one that your colleagues have"
        message = "is no signing key: 43 letters, digits, - and _"
        problems.append(Problem(holders[SIGNING_KEY].label, SIGNING_KEY, message, hint))
        key = ""
    listed = {name: values[name] for name in env.secrets if values.get(name)}
    made = Secrets(environment.name, sources, listed, env.generated, env.formats, key, holders, unlisted)
    return made.beside(aside), problems


def _without(problems: Sequence[Problem], values: Mapping[str, str]) -> list[Problem]:
    """Return what a program has said of its failure, without the values that are known already."""
    masks = sorted({form for value in values.values() if value for form in forms(value)}, key=len, reverse=True)
    return [Problem(each.file, each.key, mask(each.message, masks), each.hint) for each in problems]

"""The generated secrets that hosts say they were set up with, held against those of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from hawser.errors import InputErrors, Problem

from .held import Secrets
from .lines import unusable

# Of what a host says a secret is; a generated one has up to 64 characters, one that you wrote may be a key.
_LONGEST = 4096


def kept_secrets(host: str, text: object, names: Sequence[str], target: str) -> dict[str, str]:
    """Return the generated secrets that a host says it was set up with; all others are left out.

    :param text: its record, None when it has none.
    :param target: what is typed for the host after ``-H``.
    :raises InputErrors: it is no record of secrets, or a value is none that could be kept.
    """
    if text is None or text == "":
        return {}
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    hint = f"compare with another host, or remove the file and: fab -H {target} bootstrap"
    if not isinstance(found, dict):
        raise InputErrors([Problem(f"{host}: secrets.json", "", "is no record of secrets", hint)])
    kept = {name: found[name] for name in names if name in found}
    for name, value in kept.items():
        message = unusable(value, True) if isinstance(value, str) else "is no text"
        if not message and len(value) > _LONGEST:
            message = f"is longer than {_LONGEST} characters"
        if not message and re.search("[\ud800-\udfff]", value):
            message = "holds half a surrogate pair, which is no character"
        if message:
            raise InputErrors([Problem(f"{host}: secrets.json", name, message, hint)])
    return kept


def reconcile_generated(secrets: Secrets, kept: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Find out the generated secrets that are missing here.

    :param kept: by host, what each was set up with.
    :returns: the values to take over.
    :raises InputErrors: hosts disagree with one another, or with what stands here; or none has what is missing.
    """
    problems: list[Problem] = []
    found: dict[str, str] = {}
    bootstrap, there = f"fab -H {secrets.environment} bootstrap", secrets.sources.label
    for name in secrets.generated:
        having = {host: values[name] for host, values in kept.items() if name in values}
        own = secrets.values.get(name)
        if len(set(having.values())) > 1:
            message = f"{', '.join(having)} were set up with different ones"
            problems.append(Problem(there, name, message, f"write the right one here, then: {bootstrap}"))
        elif own is None and not having:
            problems.append(Problem(there, name, "is missing, and no host has it either", bootstrap))
        elif own is None:
            host, value = next(iter(having.items()))
            found[name] = value
            if "${" in value or value.endswith("\\"):
                message = f"the one of {host} holds ${{, or ends with a backslash: such a line is read as another value"
                hint = f"read it in {host}: secrets.json, and write it here by hand"
                problems.append(Problem(there, name, message, hint))
        elif having and own not in having.values():
            hint = f"to bring yours to the hosts: {bootstrap} deploy; to take theirs: remove the line here"
            problems.append(
                Problem(secrets.label_of(name), name, f"is not the one that {', '.join(having)} was set up with", hint)
            )
    if problems:
        raise InputErrors(problems)
    return found

"""The rules of an environment file, asked for every host before the first connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import Problem
from ..host import Host
from ..templates.rendering import TemplateError


def broken(hosts: Sequence[Host]) -> Iterator[Problem]:
    """Yield every rule that does not hold, each once, with the hosts on which it does not.

    :param hosts: all hosts of the environment.
    """
    environment = hosts[0].environment
    file = environment.path.name
    for number, rule in enumerate(environment.rules):
        key, where = f"rules[{number}]", [host for host in hosts if host.is_in(rule.groups)]
        false: list[str] = []
        unanswered: dict[str, list[str]] = {}
        problems: dict[Problem, None] = {}
        for host in where:
            try:
                answer = host.templates.expression(rule.that, host.context, file, key)
            except TemplateError as error:
                unanswered.setdefault(error.problem.message, []).append(host.name)
                continue
            if not isinstance(answer, bool):
                problems[Problem(file, key, f"{rule.that} gives {type(answer).__name__}, not true or false")] = None
            elif not answer:
                false.append(host.name)
        yield from problems
        for why, names in unanswered.items():
            yield Problem(file, key, rule.message, f"{rule.that}: {why}{among(names, hosts)}")
        if false:
            yield Problem(file, key, rule.message, f"{rule.that} is false{among(false, hosts)}")


def among(names: Sequence[str], hosts: Sequence[Host]) -> str:
    """Say for which hosts something is so, unless it is for all."""
    return "" if len(names) == len(hosts) else f" for {', '.join(names)}"

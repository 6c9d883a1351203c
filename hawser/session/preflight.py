"""The preflight: every step is rendered for every host before the first connection."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Problem
from ..formats import NotRepresentable
from ..host import Host
from ..host.release import Release
from ..inventory import Environment
from ..steps import Step
from ..templates.rendering import TemplateError, Templates
from .rules import broken
from .texts import STAND_IN


def rendering_problems(
    environment: Environment, templates: Templates, host: Callable[[str, Release], Host]
) -> tuple[Problem, ...]:
    """Render every step for every host of an environment, and return everything that cannot be rendered.

    :param host: makes a host, as steps see it, of its name and the release at stake.
    """
    trial = Release(STAND_IN, "0" * 40, environment, templates)
    hosts = [host(name, trial) for name in environment.hosts]
    problems = dict.fromkeys(broken(hosts))
    for one in hosts:
        for each in Step.registry:
            try:
                list(each.resources(one))
            except TemplateError as error:
                problems[error.problem] = None
            except NotRepresentable as error:
                problems[Problem(environment.path.name, each.title, str(error))] = None
    return tuple(problems)

"""Programs that are started on this machine: the variables that they inherit."""

from __future__ import annotations

import os

# What git sets for its hooks and aliases to say which repository is meant (`git rev-parse --local-env-vars`), and what
# else binds git to it (githooks(5), git(1)): for whoever is started from there, another repository may be meant.
OF_A_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def inherited() -> dict[str, str]:
    """Return our own variables, without those that bind git to the repository from which we were started."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}


# Variables of this process that hold secrets, by name: they were taken out of what children inherit.
_withheld: dict[str, str] = {}


def withheld(name: str) -> str:
    """Return a variable of this process, and keep it from every program that is started from now on.

    :returns: an empty text when there is none.
    """
    value = os.environ.pop(name, None)
    if value is not None:
        _withheld[name] = value
    return _withheld.get(name, "")

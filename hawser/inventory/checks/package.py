"""Contradictions around where the code comes from: a repository, or the package index."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import SettingError
from ..schema import Environment

_APP = frozenset({"app"})
_OF_REPOSITORIES = ("directory", "branch", "push", "deploy_key", "token", "repo_host_keys", "agent")


def check_origin(environment: Environment) -> Iterator[SettingError]:
    """The code comes from one place, and nothing is asked of a package that only a repository has."""
    app = environment.app
    if not app.package:
        if not app.repo:
            hint = "Where the code comes from: an address for git, or a path; or package, for one of the package index"
            yield SettingError(("app", "repo"), "is missing", hint, needs=_APP)
        if app.version:
            yield SettingError(("app", "version"), "is for a package", "branch is for a repository", needs=_APP)
        return
    if app.repo:
        yield SettingError(("app", "package"), "cannot stand beside app.repo", "remove one of the two", needs=_APP)
        return
    for key in _OF_REPOSITORIES:
        if key in app.model_fields_set:
            hint = "version is for a package" if key == "branch" else "remove it"
            yield SettingError(("app", key), "is for a repository", hint, needs=_APP)
    python = environment.python
    for key, given in (("requirements", python.requirements), ("lock", python.lock), ("groups", python.groups)):
        if given:
            message = "is for files of the code, and a package brings none"
            yield SettingError(("python", key), message, "python.packages lists more packages", needs=_APP)
    for index, _patch in enumerate(environment.patches):
        yield SettingError(("patches", index), "is for files of a repository, and a package brings none", needs=_APP)
    for index, entry in enumerate(environment.settings):
        if not entry.sample.startswith("/"):
            message = f"{entry.sample} would lie in the code, and a package brings no files"
            hint = "[[files]] with a template writes the whole file"
            yield SettingError(("settings", index, "sample"), message, hint, needs=_APP)

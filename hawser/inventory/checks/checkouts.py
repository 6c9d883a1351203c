"""Contradictions of the repositories beside the application's own."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import Loc, SettingError
from ..schema import Environment
from ..tables.app import is_local

_CHECKOUTS = frozenset({"checkouts"})


def check_checkouts(environment: Environment) -> Iterator[SettingError]:
    """Hosts can fetch each repository, and each has a place of its own."""
    places: dict[str, str] = {}
    root = environment.app.root
    for name, entry in environment.checkouts.items():
        at: Loc = ("checkouts", name)
        if is_local(entry.repo):
            hint = "as in git@git.example.org:team/docs.git"
            yield SettingError((*at, "repo"), "is a path on this machine, which hosts cannot reach", hint)
        if entry.token and not entry.repo.startswith("https://"):
            yield SettingError((*at, "token"), "is for a repository at https://", "deploy_key is for SSH")
        for key, given in (("deploy_key", entry.deploy_key), ("repo_host_keys", entry.repo_host_keys)):
            if given and entry.repo.startswith(("https://", "http://")):
                yield SettingError((*at, key), "is for a repository reached over SSH", "token is for HTTPS")
        first = places.setdefault(entry.path, name)
        if first != name:
            yield SettingError((*at, "path"), f"checkouts.{first} has the same path")
        own = f"{root}/checkouts/{name}/current"
        if f"{entry.path}/".startswith(f"{root}/checkouts/") and entry.path != own:
            message = f"{root}/checkouts is where Hawser keeps the working copies themselves"
            yield SettingError((*at, "path"), message, "name another folder, or leave it out", needs=_CHECKOUTS)
        for parent in ("releases", "envs", "run", "current", "repository.git", environment.app.source):
            if f"{entry.path}/".startswith(f"{root}/{parent}/"):
                message = f"{root}/{parent} belongs to the application's own releases"
                yield SettingError((*at, "path"), message, "name another folder, or leave it out", needs=_CHECKOUTS)

"""What is at stake in a rollout: the release, the same for the whole fleet, and what each host says of itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import __version__
from .inventory.schema import Environment
from .secrets import Secrets
from .templates import Templates

# In which order hosts switch, and what is asked of whom before: no part of what a release is.
ROLLING = ("batch", "pause", "canary", "max_failures", "unreachable", "pending", "rolling_migrations")
# How the code is reached, and what only concerns later releases: always today's.
REACHED = ("repo", "branch", "version", "push", "deploy_key", "token", "repo_host_keys", "agent", "keep")


def short(commit: str) -> str:
    """Return how people write a commit: ten digits of its hash; the version of a package is written out."""
    return commit[:10] if re.fullmatch("[0-9a-f]{40}", commit) else commit


@dataclass(frozen=True)
class Release:
    """One release of the application, the same on every host.

    :param id: ``COMMIT-HASH``: ten digits of the commit, eight of the hash over settings, templates and secrets.
    :param commit: the full hash, or the version of a package.
    :param environment: its settings, and
    :param templates: its templates: today's, or those that the release kept.
    """

    id: str
    commit: str
    environment: Environment
    templates: Templates

    @classmethod
    def of(
        cls,
        commit: str,
        environment: Environment,
        templates: Templates,
        secrets: Secrets,
        addresses: Mapping[str, str],
    ) -> Release:
        """Name the release of a commit with these settings; every template it needs must have been rendered before.

        :param addresses: where the hosts are reached, for settings speak of it.
        """
        # Certificates are no part of a release, whatever their settings say; rules only judge the others, hooks come
        # around it. Second repositories have commits of their own.
        left_out: Any = dict.fromkeys(("ssh", "local", "certificates", "hooks", "rules", "checkouts"), True)
        left_out["app"] = {"branch", "version", "keep"}
        settings = environment.model_dump(mode="json", exclude=left_out)
        if environment.certificates:
            # What the files are called stands in the templates of those who read them.
            settings["certificates"] = {
                name: each.files.model_dump() for name, each in environment.certificates.items()
            }
        for key in ROLLING:
            settings["release"].pop(key)
        settings["hosts"] = {
            name: [addresses[name], host.groups, host.vars] for name, host in environment.hosts.items()
        }
        parts = [__version__, settings, sorted(templates.used.items()), secrets.fingerprint(environment.app.name)]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return cls(f"{short(commit)}-{digest[:8]}", commit, environment, templates)

    @property
    def inputs(self) -> str:
        """What a rollback needs to render it again, as JSON text: settings and templates, no secrets."""
        settings = self.environment.model_dump(mode="json")
        kept = {
            "id": self.id,
            "commit": self.commit,
            "settings": settings,
            "templates": dict(sorted(self.templates.used.items())),
        }
        # The order of the tables means something (which process comes first), so it is kept.
        return json.dumps(kept, indent=1) + "\n"

    @classmethod
    def from_inputs(cls, text: str, today: Environment) -> Release:
        """Read what a release kept; hosts, certificates, and how hosts and the repository are reached, are today's.

        What the files of certificates are called is what its own settings say.

        :raises ValueError: it cannot be read by this version.
        """
        kept = json.loads(text)
        present = today.model_dump(mode="json")
        try:
            settings = kept["settings"]
            for name, certificate in present["certificates"].items():
                certificate["files"] = settings.get("certificates", {}).get(name, certificate)["files"]
            settings.update({table: present[table] for table in ("hosts", "ssh", "certificates")})
            if bool(settings["app"].get("package")) == bool(today.app.package):
                settings["app"].update({key: present["app"][key] for key in REACHED})
            else:
                # Its code is on the hosts already, and what fetched it then may not be known any more.
                settings["app"].update(deploy_key=None, token=None, keep=today.app.keep)
        except (AttributeError, KeyError, TypeError):
            raise ValueError("it does not hold the settings of a release") from None
        environment = Environment.model_validate(settings).model_copy(update={"path": today.path})
        return cls(kept["id"], kept["commit"], environment, Templates(kept=kept["templates"]))


@dataclass(frozen=True)
class Facts:
    """What a host says of itself, and of the application on it.

    :param processes: one mapping per process definition: process, unit, manager, release, state, active, seconds, live.
    :param since: when the current release began to serve, in seconds since the epoch.
    :param generated: the names of the generated secrets that it was set up with.
    :param bootstrapped: whether it was made ready for this application.
    :param closed: whether the site shows its maintenance page.
    :param once: the commands that run once per environment, and have.
    :param interpreter: the Python of the current release, where pip has filled its environment and not uv.
    :param hold: who has frozen what is deployed, since when, and why.
    """

    hostname: str = ""
    os: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    python: str = ""
    systemd: bool = True
    disk_free: int = 0
    disk_total: int = 0
    clock: float = 0.0
    uid: int = 0
    current: str = ""
    commit: str = ""
    previous: str = ""
    releases: tuple[str, ...] = ()
    live: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[Mapping[str, Any], ...] = ()
    journal: Mapping[str, Any] | None = None
    hold: Mapping[str, Any] | None = None
    since: float = 0.0
    generated: tuple[str, ...] = ()
    bootstrapped: bool = False
    closed: bool = False
    once: tuple[str, ...] = ()
    interpreter: str = ""

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Facts:
        """Read the runner's greeting."""
        merged = {**row, **row["app"]}
        known = {each.name for each in dataclasses.fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in merged.items() if name in known
        }
        return cls(**values)

    def release_of(self, unit: str, manager: str) -> str:
        """Return the release that a unit's definition belongs to, empty when its manager has no such unit."""
        rows = (row for row in self.processes if (row["unit"], row["manager"]) == (unit, manager))
        return next((str(row["release"]) for row in rows), "")

"""The release at stake in a rollout, the same for the whole fleet."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

from pydantic import ValidationError

from .. import __version__
from ..inventory.base import dotted
from ..inventory.checks.names import unknown_names
from ..inventory.problems import findings_of
from ..inventory.schema import Environment
from ..inventory.values.types import is_version
from ..secrets import Secrets
from ..signatures import Signer
from ..templates.rendering import Templates
from .pythons import with_contents

# In which order hosts switch, and what is asked of whom before: no part of what a release is.
ROLLING = ("batch", "pause", "canary", "max_failures", "unreachable", "pending", "rolling_migrations")
# How the code is reached, and what only concerns later releases: always today's.
REACHED = ("repo", "branch", "version", "push", "deploy_key", "token", "repo_host_keys", "agent", "keep")
# No part of a release, whatever its settings say: rules only judge the others, hooks come around it, second
# repositories have commits of their own.
APART = ("ssh", "local", "certificates", "hooks", "rules", "checkouts")
# Settings that later versions brought, with the value of each that nobody has set.
LATER: Mapping[str, object] = {
    "contents": {},
    "once.*.before": None,
    "persistent.collected": [],
    "app.directory": None,
    "processes.*.health.fast": 1,
    "processes.*.health.successes": 1,
    "processes.*.spare_port": None,
    "processes.*.trial": True,
    "processes.*.warm": None,
    "python.environment": {},
    "python.mirror": None,
    "python.resolved": None,
    "release.after_migrate": [],
    "site.buffering": False,
    "site.other_names": False,
    "site.read_timeout": 3600,
}

# What cron does is no business of a process that runs: its tables, templates, and keys of processes.
CRON_TABLE, CRON_TEMPLATES, CRON_KEYS = "cron", ("cron.j2", "cron-record.sh.j2"), ("restart_at",)
# A template may tell of them to a process all the same.
TELLS_OF_CRON = re.compile(r"\benvironment\b.{0,60}\b(?:cron|restart_at)\b")

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+]{0,99}-[0-9a-f]{8}", re.ASCII)


def without_unset(settings: dict[str, Any]) -> None:
    """Leave out what nobody has set and former versions did not know, so that their ids, and open rollouts, stay."""
    for path, unset in LATER.items():
        *tables, key = path.split(".")
        for table in tables_at(settings, tables):
            if key in table and table[key] == unset:
                del table[key]


def tables_at(settings: dict[str, Any], path: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the tables at a path, in which ``*`` stands for any name; none where nobody has set them."""
    if not path:
        yield settings
        return
    first, *rest = path
    for table in settings.values() if first == "*" else (settings.get(first),):
        if table is not None:
            yield from tables_at(table, rest)


def process_inputs(commit: str, settings: Written, templates: Mapping[str, str], rest: Sequence[str]) -> str:
    """Return a digest of all that the processes of a release may have read: everything but what cron alone does.

    :param settings: those that count for the release's id.
    :param rest: the other parts of its id.
    """
    processes = {
        name: {key: value for key, value in each.items() if key not in CRON_KEYS}
        for name, each in settings["processes"].items()
    }
    without = {**settings, "processes": processes, CRON_TABLE: None}
    others = {name: text for name, text in templates.items() if name not in CRON_TEMPLATES}
    text = json.dumps([commit, without, others, *rest], sort_keys=True)
    if TELLS_OF_CRON.search(text):
        text = json.dumps([commit, settings, others, *rest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_id(text: str) -> bool:
    """Tell whether a text, which a host may have said, is the id of a release."""
    return bool(_ID.fullmatch(text))


def is_commit(text: str) -> bool:
    """Tell whether a text, which a host may have said, is the full hash of a commit, or the version of a package."""
    return bool(re.fullmatch("[0-9a-f]{40}", text)) or (len(text) <= 100 and is_version(text))


def short(commit: str) -> str:
    """Return how people write a commit: ten digits of its hash; the version of a package is written out."""
    return commit[:10] if re.fullmatch("[0-9a-f]{40}", commit) else commit


def fetched_by(revision: str, commit: str) -> str:
    """Return by what hosts fetch a commit that is on no branch or tag; empty: by nothing, it is refused there.

    :param revision: what somebody named. Whoever looks it up decides for all hosts, and many a server gives out by its
        hash what others have pushed to a copy of the repository.
    """
    apart = revision.startswith("refs/") and not revision.startswith(("refs/heads/", "refs/tags/"))
    return revision if revision == commit or apart else ""


# JSON as some version of Hawser, or a host in its name, has written it.
Written: TypeAlias = Mapping[str, Any]


class Inputs(TypedDict):
    """The inputs of a release, as hosts keep them."""

    id: str
    commit: str
    named: str
    settings: dict[str, object]
    templates: dict[str, str]
    process_inputs: str


@dataclass(frozen=True)
class Release:
    """One release of the application, the same on every host.

    :param id: ``COMMIT-HASH``: ten digits of the commit, eight of the hash over settings, templates and secrets.
    :param commit: the full hash, or the version of a package.
    :param environment: its settings, and
    :param templates: its templates: today's, or those that the release kept.
    :param named: by what hosts fetch the commit where it is on no branch or tag; see `fetched_by`.
    :param process_inputs: a digest of what its processes read: those of two releases with the same one are alike. Empty
        where nobody knows it.
    """

    id: str
    commit: str
    environment: Environment
    templates: Templates
    named: str = ""
    process_inputs: str = ""

    @classmethod
    def of(
        cls,
        commit: str,
        environment: Environment,
        templates: Templates,
        secrets: Secrets,
        addresses: Mapping[str, str],
        named: str = "",
    ) -> Release:
        """Name the release of a commit with these settings; every template it needs must have been rendered before.

        :param addresses: where the hosts are reached, for settings speak of it.
        :raises InputErrors: a file of this machine that it is made of is not here.
        """
        environment = with_contents(environment)
        left_out: dict[str, bool | set[str]] = {**dict.fromkeys(APART, True), "app": {"branch", "version", "keep"}}
        settings = environment.model_dump(mode="json", exclude=left_out)
        if environment.certificates:
            # What the files are called stands in the templates of those who read them.
            settings["certificates"] = {
                name: each.files.model_dump() for name, each in environment.certificates.items()
            }
        for key in ROLLING:
            settings["release"].pop(key)
        # What it holds counts, by its digest, and not what it is called.
        settings["python"].pop("upload")
        without_unset(settings)
        settings["hosts"] = {
            name: [addresses[name], host.groups, host.vars] for name, host in environment.hosts.items()
        }
        fingerprint = secrets.fingerprint(environment.app.name)
        parts = [__version__, settings, sorted(templates.used.items()), fingerprint]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        read = process_inputs(commit, settings, templates.used, [__version__, fingerprint])
        return cls(f"{short(commit)}-{digest[:8]}", commit, environment, templates, named, read)

    @property
    def inputs(self) -> str:
        """The inputs from which a rollback renders it again, as JSON text: settings and templates, no secrets."""
        # The order of the tables means something (which process comes first), so it is kept.
        return json.dumps(self.kept, indent=1) + "\n"

    def signed(self, signer: Signer | None, kind: str) -> str:
        """Return the inputs as hosts keep them, with a signature.

        :param signer: None before there is a key, as in the rendering before the first connection.
        :param kind: where they are kept: `signatures.RELEASE` or `signatures.ROLLOUT`.
        """
        return json.dumps(signer.signed(kind, self.kept), indent=1) + "\n" if signer else self.inputs

    @property
    def kept(self) -> Inputs:
        """The same before it is written down."""
        return {
            "id": self.id,
            "commit": self.commit,
            "named": self.named,
            # Hosts are today's, whatever was kept, and every one of them keeps this.
            "settings": self.environment.model_dump(mode="json", exclude={"hosts"}),
            "templates": dict(sorted(self.templates.used.items())),
            "process_inputs": self.process_inputs,
        }

    @classmethod
    def from_inputs(cls, kept: Written, today: Environment) -> Release:
        """Read the inputs of a kept release; all that leads to this machine, to a host or to the repository is today's.

        A host may have written it. What the files of certificates are called is what its own settings say.

        :raises ValueError: it cannot be read by this version.
        """
        present = today.model_dump(mode="json")
        try:
            identifier, commit, settings, templates = (kept[key] for key in ("id", "commit", "settings", "templates"))
            # Older versions have not written it down.
            named, read = kept.get("named", ""), kept.get("process_inputs", "")
            texts = (identifier, commit, named, read, *templates, *templates.values())
            if not all(isinstance(each, str) for each in texts):
                raise TypeError
            for name, certificate in present["certificates"].items():
                certificate["files"] = settings.get("certificates", {}).get(name, certificate)["files"]
            if "python" in settings:
                upload = present["python"]["upload"] if settings.get("contents") else None
                settings["python"] = {**settings["python"], "upload": upload}
            # What was kept stays as it is.
            settings = {**settings, **{table: present[table] for table in ("name", "hosts", *APART)}}
            if settings.get("site"):
                settings["site"] = {**settings["site"], **todays_files(settings["site"], present["site"])}
            if bool(settings["app"].get("package")) == bool(today.app.package):
                reached = {key: present["app"][key] for key in REACHED}
            else:
                # Its code is on the hosts already, and what fetched it then may not be known any more.
                reached = {"deploy_key": None, "token": None, "keep": today.app.keep}
            settings["app"] = {**settings["app"], **reached}
        except (AttributeError, KeyError, TypeError):
            raise ValueError("it does not hold the settings of a release") from None
        if not is_commit(commit) or not is_id(identifier):
            raise ValueError("it names no release, or no commit")
        try:
            environment = Environment.model_validate(settings).model_copy(update={"path": today.path})
            findings = list(unknown_names(environment))
        except ValidationError as error:
            findings = findings_of(error)
        if findings:
            raise ValueError("; ".join(f"{dotted(each.loc)}: {each.message}" for each in findings))
        if not re.fullmatch("[0-9a-f]{0,64}", read):
            raise ValueError("it does not say what its processes read")
        return cls(identifier, commit, environment, Templates(kept=templates), fetched_by(named, commit), read)


def todays_files(kept: Written, today: Written | None) -> dict[str, object]:
    """Return which files of this machine a site is made of, in place of those that a release kept.

    :param today: the site as it is now; None where there is none any more.
    """
    if today is None:
        return {"certificate": None, "key": None, "acme": {**kept.get("acme", {}), "ca": None}}
    return {key: today[key] for key in ("certificate", "key", "acme")}

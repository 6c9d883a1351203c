"""The release at stake in a rollout, the same for the whole fleet."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

from pydantic import ValidationError

from ..installed import this_version
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
# repositories have commits of their own, and of secrets the values count, wherever they are kept.
APART = ("ssh", "local", "certificates", "hooks", "notify", "rules", "updates", "checkouts", "secrets", "team", "sshd")
# Templates of such settings, and of others that no release brings.
APART_TEMPLATES = (
    "backup.service.j2",
    "backup.timer.j2",
    "team.sudoers.j2",
    "unattended.conf.j2",
    "watch.service.j2",
    "watch.timer.j2",
)
# Settings that later versions brought, with the value of each that nobody has set.
LATER: Mapping[str, object] = {
    "contents": {},
    "once.*.before": None,
    "persistent.collected": [],
    "app.directory": None,
    "processes.*.health.fast": 1,
    "processes.*.health.successes": 1,
    "processes.*.hardened": True,
    "processes.*.spare_port": None,
    "processes.*.trial": True,
    "processes.*.warm": None,
    "processes.*.writable": [],
    "python.environment": {},
    "python.mirror": None,
    "python.resolved": None,
    "release.after_migrate": [],
    "services.postgresql.databases.*.logins": False,
    "services.rabbitmq.users.*.logins": False,
    "site.acme.dns": None,
    "site.buffering": False,
    "site.compression": None,
    "site.hsts": None,
    "site.http2": True,
    "site.immutable": None,
    "site.other_names": False,
    "site.read_timeout": 3600,
}

# What cron does is no business of a process that runs: its tables, templates, and keys of processes.
CRON_TABLE, CRON_TEMPLATES, CRON_KEYS = "cron", ("cron.j2", "cron-record.sh.j2"), ("restart_at",)
# Templates of which no process reads what becomes of them.
UNREAD = (*CRON_TEMPLATES, *APART_TEMPLATES)
# A template may tell of them to a process all the same.
TELLS_OF_CRON = re.compile(r"\benvironment\b.{0,60}\b(?:cron|restart_at)\b")

# Texts that differ where something differs with which the processes of a release would start.
Texts: TypeAlias = Callable[["Release"], object]

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+]{0,99}-[0-9a-f]{8}", re.ASCII)


def without_unset(settings: dict[str, Any]) -> None:
    """Leave out what nobody has set and former versions did not know: it restarts nothing, and only Hawser differs."""
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


def process_inputs(release: Release, settings: Written, fingerprint: str, texts: Texts) -> str:
    """Return a digest of all that the processes of a release may have read: everything but what cron alone does.

    Of Hawser they read what it writes for them and nothing else. The texts hold secrets, but whoever would guess one
    from the digest needs the fingerprint for each guess.

    :param settings: those that count for its id.
    :param fingerprint: that of its secrets.
    """
    processes = {
        name: {key: value for key, value in each.items() if key not in CRON_KEYS}
        for name, each in settings["processes"].items()
    }
    own = {name: text for name, text in release.templates.own.items() if name not in UNREAD}
    without = {**settings, "processes": processes, CRON_TABLE: None}
    if TELLS_OF_CRON.search(json.dumps([without, own])):
        parts = [settings, own, texts(release)]
    else:
        environment = release.environment.model_copy(update={CRON_TABLE: {}})
        parts = [without, own, texts(dataclasses.replace(release, environment=environment))]
    return hashed(release.commit, fingerprint, *parts)[:16]


def hashed(*parts: object) -> str:
    """Return a digest of what JSON can carry, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def identified(commit: str, hawser: str, besides: str) -> str:
    """Return the id of a release; see `Release`."""
    return f"{short(commit)}-{hashed(hawser, besides)[:8]}"


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
    hawser: str
    around: str


@dataclass(frozen=True)
class Release:
    """One release of the application, the same on every host.

    :param id: ``COMMIT-HASH``: ten digits of the commit, eight of a hash over Hawser, settings, templates and secrets.
    :param commit: the full hash, or the version of a package.
    :param environment: its settings, and
    :param templates: its templates: today's, or those that the release kept.
    :param named: by what hosts fetch the commit where it is on no branch or tag; see `fetched_by`.
    :param process_inputs: a digest of what its processes read: those of two releases with the same one are alike. Empty
        where nobody knows it.
    :param hawser: the Hawser that made it, as in `this_version`; empty where nobody knows it.
    :param besides: a digest of all that its id holds besides; empty where it is a kept one.
    :param around: what was used with it when it was rolled out last and is not kept: the Hawser, and digests of the
        secrets and of the hosts. Empty where nobody knows it.
    :param hosts: of each host, a digest of what the settings say of it; empty where it is a kept one.
    """

    id: str
    commit: str
    environment: Environment
    templates: Templates
    named: str = ""
    process_inputs: str = ""
    hawser: str = ""
    besides: str = ""
    around: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        commit: str,
        environment: Environment,
        templates: Templates,
        secrets: Secrets,
        addresses: Mapping[str, str],
        named: str = "",
        texts: Texts | None = None,
    ) -> Release:
        """Name the release of a commit with these settings; every template it needs must have been rendered before.

        :param addresses: where the hosts are reached, for settings speak of it.
        :param texts: those with which its processes start; None where nobody asks what they read.
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
        # They are made of whatever release serves.
        settings["backup"].pop("offsite")
        without_unset(settings)
        settings["hosts"] = {
            name: [addresses[name], host.groups, host.vars] for name, host in environment.hosts.items()
        }
        fingerprint = secrets.fingerprint(environment.app.name)
        used = {name: text for name, text in templates.used.items() if name not in APART_TEMPLATES}
        hawser, besides = this_version(), hashed(settings, sorted(used.items()), fingerprint)
        identifier = identified(commit, hawser, besides)
        # Whoever would guess one of them needs for each guess what no host has.
        salt = secrets.signer.key if secrets.signer else fingerprint
        hosts = {name: hashed(salt, said)[:16] for name, said in settings["hosts"].items()}
        around = f"{hawser}~{hashed(fingerprint)[:16]}~{hashed(hosts)[:16]}"
        made = cls(identifier, commit, environment, templates, named, "", hawser, besides, around, hosts)
        read = process_inputs(made, settings, fingerprint, texts) if texts is not None else ""
        return dataclasses.replace(made, process_inputs=read)

    def differs_by_hawser(self, identifier: str, hawser: str) -> bool:
        """Tell whether a release of this commit has another id only because another Hawser made it.

        :param hawser: the one that did.
        """
        return hawser not in ("", self.hawser) and identifier == identified(self.commit, hawser, self.besides)

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
            "hawser": self.hawser,
            "around": self.around,
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
            named, read, hawser, around = (kept.get(key, "") for key in ("named", "process_inputs", "hawser", "around"))
            texts = (identifier, commit, named, read, hawser, *templates, *templates.values())
            texts = (*texts, around)
            if not all(isinstance(each, str) for each in texts):
                raise TypeError
            for name, certificate in present["certificates"].items():
                certificate["files"] = settings.get("certificates", {}).get(name, certificate)["files"]
            if "python" in settings:
                upload = present["python"]["upload"] if settings.get("contents") else None
                settings["python"] = {**settings["python"], "upload": upload}
            # What was kept stays as it is.
            settings = {**settings, **{table: present[table] for table in ("name", "hosts", *APART)}}
            settings["backup"] = {**settings.get("backup", {}), "offsite": present["backup"]["offsite"]}
            if settings.get("site"):
                settings["site"] = {**settings["site"], **todays_files(settings["site"], present["site"])}
            # Older versions hardened no process, and what they released works as it was.
            for each in settings.get("processes", {}).values():
                if each.get("manager", "systemd") == "systemd":
                    each.setdefault("hardened", False)
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
        if not re.fullmatch(r"[0-9A-Za-z.+]{0,100}", hawser):
            raise ValueError("it does not say which Hawser made it")
        if not re.fullmatch(r"([0-9A-Za-z.+]{0,100}(~[0-9a-f]{16}){2})?", around):
            raise ValueError("it does not say what was used with it")
        fetched = fetched_by(named, commit)
        return cls(identifier, commit, environment, Templates(kept=templates), fetched, read, hawser, "", around)


def todays_files(kept: Written, today: Written | None) -> dict[str, object]:
    """Return which files of this machine a site is made of, in place of those that a release kept.

    :param today: the site as it is now; None where there is none any more.
    """
    if today is None:
        return {"certificate": None, "key": None, "acme": {**kept.get("acme", {}), "ca": None, "dns": None}}
    return {key: today[key] for key in ("certificate", "key", "acme")}

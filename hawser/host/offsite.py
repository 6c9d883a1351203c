"""Backups that leave a host: what its timer does, and with which files."""

from __future__ import annotations

import json

from ..inventory.tables.backup import Offsite
from . import timers
from .databases import databases_of, folder_of
from .host import Host


class Place(timers.Place):
    """Where the files of the job lie."""

    kind, within = "backup", "offsite"

    @property
    def key(self) -> str:
        """The private key for SFTP, made on the host."""
        return f"{self.folder}/key"

    @property
    def known_hosts(self) -> str:
        return f"{self.folder}/known_hosts"

    @property
    def last(self) -> str:
        """How the last backup has ended."""
        return f"{self.folder.rpartition('/')[0]}/offsite-last.json"


def folders(host: Host) -> list[str]:
    """Return the persistent folders of a host that leave it."""
    setting = host.environment.backup.offsite
    if setting is None or not (host.is_in(setting.groups) if setting.groups else host.is_leader):
        return []
    wanted = setting.folders if setting.folders is not None else host.environment.persistent.folders
    return [f"{host.root}/{folder}" for folder in wanted]


def leaves(host: Host) -> Offsite | None:
    """Return the setting for a host of which something leaves it."""
    return host.environment.backup.offsite if databases_of(host) or folders(host) else None


def job(host: Host, setting: Offsite) -> str:
    """Return what the service is told, as JSON; see `hawser.runner.specs.offsite.Job`."""
    place, backup, secrets = Place.of(host), host.environment.backup, host.secrets.values
    key = "backup.offsite"
    variables = {name: host.text(value, f"{key}.variables.{name}") for name, value in sorted(setting.variables.items())}
    variables["RESTIC_REPOSITORY"] = host.text(setting.repository, f"{key}.repository")
    variables["RESTIC_PASSWORD"] = secrets.get(setting.password, "")
    variables["RESTIC_CACHE_DIR"] = f"/var/cache/{place.unit}"
    databases = [
        {
            "database": each.name,
            "engine": each.engine,
            "owner": each.owner,
            "path": each.path,
            "folder": folder_of(host),
            "keep": backup.keep,
            "days": backup.days,
            "entry": {"who": "the timer", "from": host.name, "what": place.unit},
            "may_lack": bool(each.path),
            "why": "",
        }
        for each in databases_of(host)
    ]
    ssh = f"ssh -i {place.key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes"
    ssh += f" -o UserKnownHostsFile={place.known_hosts} -o GlobalKnownHostsFile=/dev/null"
    content = {
        "application": host.app.name,
        "host": host.name,
        "state": host.state,
        "databases": databases,
        "folders": folders(host),
        "without": [f"{each.path}{end}" for each in databases_of(host) if each.path for end in ("", "-wal", "-shm")],
        "env": variables,
        # No other secret has to be there.
        "masks": sorted({value for value in secrets.values() if any(value in text for text in variables.values())}),
        "ssh": ssh if setting.host_key else "",
        "keep": {name: count for name, count in setting.keep.model_dump().items() if count},
    }
    return json.dumps(content, indent=1) + "\n"

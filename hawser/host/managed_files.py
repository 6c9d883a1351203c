"""The files of an environment file on a host: from templates or samples, and changes to the code's own."""

from __future__ import annotations

from collections.abc import Mapping

from ..inventory.tables.files import FileEntry
from ..inventory.tables.samples import SettingsEntry
from ..inventory.values.jinja import references
from ..resources import JSON, File, Patch, Settings
from .host import Host
from .views import instance_value


def files(host: Host) -> list[tuple[File, FileEntry]]:
    """Return the files that the environment file lists for this host."""
    found = []
    for number, entry in enumerate(host.environment.files):
        if not host.is_in(entry.groups):
            continue
        key = f"files[{number}]"
        content = (
            host.render(entry.template, **instance_context(host, entry))
            if entry.template
            else host.text(entry.content or "", f"{key}.content")
        )
        validate = "" if entry.validate_with == "none" else entry.validate_with
        path = host.path(entry.path)
        outside = entry.path.startswith("/")
        code = "" if outside else host.source
        file = File(path, content, entry.mode, entry.owner, entry.group, validate, parents=outside, code=code)
        found.append((file, entry))
    return found


def managed_files(host: Host) -> list[tuple[File | Settings, FileEntry | SettingsEntry]]:
    """Return all files that the environment file lists for this host, from templates and from samples."""
    return [*files(host), *settings(host)]


def instance_context(host: Host, entry: FileEntry | SettingsEntry) -> dict[str, object]:
    """Return the further variables of a file's template, where it is written for an instance."""
    return {"instance": instance_value(host.environment, entry.instance)} if entry.instance else {}


def originals(host: Host) -> str:
    """Return the folder of the code's files as they were before a change."""
    return f"{host.release_path}/originals"


def settings(host: Host) -> list[tuple[Settings, SettingsEntry]]:
    """Return the settings files of this host that are made from samples."""
    found = []
    for number, entry in enumerate(host.environment.settings):
        if not host.is_in(entry.groups):
            continue
        key = f"settings[{number}]"
        file = Settings(
            host.path(entry.path),
            host.path(host.text(entry.sample, f"{key}.sample")),
            entry.format,
            host.source,
            originals(host),
            {name: rendered(host, each, f"{key}.values.{name}") for name, each in entry.values.items()},
            host.render(entry.template, **instance_context(host, entry)) if entry.template else "",
            entry.optional,
            entry.new_keys,
            entry.mode,
            entry.owner,
            entry.group,
            opaque=uses_secrets(host, entry.values, entry.template),
            parents=entry.path.startswith("/"),
        )
        found.append((file, entry))
    return found


def rendered(host: Host, value: JSON, key: str) -> JSON:
    """Render every text in nested tables and lists."""
    if isinstance(value, str):
        return host.text(value, key)
    if isinstance(value, Mapping):
        return {name: rendered(host, each, f"{key}.{name}") for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(host, each, f"{key}[{number}]") for number, each in enumerate(value)]
    return value


def uses_secrets(host: Host, values: object, template: str | None) -> bool:
    """Whether a secret goes into a file, so that no former value of it may be shown either."""
    if template:
        return "secrets" in host.templates.used.get(template, "")
    if isinstance(values, str):
        return bool(references(values).secrets)
    if isinstance(values, Mapping):
        return any(uses_secrets(host, each, None) for each in values.values())
    return isinstance(values, list | tuple) and any(uses_secrets(host, each, None) for each in values)


def patches(host: Host) -> list[Patch]:
    """Return the changes to files of the code on this host, one for each file."""
    edits: dict[str, list[tuple[str, str, int]]] = {}
    for number, entry in enumerate(host.environment.patches):
        if host.is_in(entry.groups):
            new = host.text(entry.new, f"patches[{number}].new")
            edits.setdefault(entry.path, []).append((entry.old, new, entry.count))
    return [Patch(host.path(path), host.source, originals(host), tuple(each)) for path, each in edits.items()]

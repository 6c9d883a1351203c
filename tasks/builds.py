"""Builds from source."""

from __future__ import annotations

from hawser.host import Host, managed_files, views
from hawser.host.code import repository_access
from hawser.host.host import ForbiddenSecrets
from hawser.resources import Build, Directory, Resources
from hawser.steps import step


@step(prepares=True)
def make(host: Host) -> Resources:
    """Build what the release needs from source, or find what was built of the same source before."""
    if not host.runs_code or host.release is None or not host.environment.builds:
        return
    yield Directory(f"{host.root}/builds")
    yield Directory(f"{host.release_path}/builds")
    known = views.build_views(host.environment, host.release_path)
    # A build may use those that stand before it in the file, and none that comes later.
    ready = {}
    for name, setting in host.environment.builds.items():
        ready[name] = known[name]
        if not host.is_in(setting.groups):
            continue
        key = f"builds.{name}"
        more = {"builds": ready, "prefix": known[name].prefix}
        yield Build(
            name,
            views.build_link(host.release_path, name),
            folder=f"{host.root}/builds",
            mirror=repository_access(host)["mirror"],
            commit=host.release.commit,
            source=host.source,
            user=host.app.user,
            group=host.app.group,
            commands=tuple(
                host.command_text(line, f"{key}.commands[{number}]", **more)
                for number, line in enumerate(setting.commands)
            ),
            inputs=tuple(map(host.app.within, setting.inputs)) or tuple(filter(None, [host.app.directory])),
            directory=host.app.within(setting.directory or ""),
            outputs=tuple(map(host.app.within, setting.outputs)),
            env={
                each: host.text(value, f"{key}.environment.{each}", secrets=ForbiddenSecrets(), **more)
                for each, value in setting.environment.items()
            },
            patches=patches(host, tuple(map(host.app.within, setting.inputs))),
            timeout=setting.timeout,
        )


def patches(host: Host, inputs: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the texts that patches put into the inputs of a build, by path: another text is another source."""
    found = []
    for patch in managed_files.patches(host):
        path = patch.path.removeprefix(f"{host.source}/")
        if not inputs or any(f"{path}/".startswith(f"{each}/") for each in inputs):
            found += [(path, f"{old}\n{new}") for old, new, _count in patch.edits]
    return tuple(found)

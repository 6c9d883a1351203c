"""The application's code."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.code import repository_access
from hawser.host.managed_files import managed_files, originals, patches
from hawser.resources import Checkout, Directory, LinkedFolder, Resources, Untouched
from hawser.steps import step


@step(prepares=True)
def pull(host: Host) -> Resources:
    """Check the commit out into a folder of its own and patch it, or make an empty one for a package."""
    if not host.runs_code or host.release is None:
        return
    yield Directory(host.release_path)
    if host.app.package:
        # The package itself goes into the environment; here is where its settings files lie, and where it starts.
        yield Directory(host.source, owner=host.app.user, group=host.app.group)
        return
    access = repository_access(host)
    yield Checkout(
        host.source,
        commit=host.release.commit,
        named=host.release.named,
        owner=host.app.user,
        group=host.app.group,
        bundle=host.release.commit if host.app.push else "",
        built=f"{host.release_path}/release.json",
        done=f"{host.release_path}/done",
        **access,
    )
    yield from patches(host)
    for folder in host.environment.persistent.linked:
        yield LinkedFolder(
            f"{host.code}/{folder}",
            f"{host.root}/{folder}",
            aside=f"{originals(host)}/{host.app.within(folder)}",
            owner=host.app.user,
            group=host.app.group,
        )


@step()
def untouched(host: Host) -> Resources:
    """Look whether somebody has written into files of the code since the release was built."""
    if not host.runs_code or host.release is None or host.app.package:
        return
    paths = [file.path for file, _entry in managed_files(host)] + [patch.path for patch in patches(host)]
    paths += [host.path(host.environment.env.dotenv)] if host.environment.env.dotenv else []
    inside = tuple(path.removeprefix(f"{host.source}/") for path in paths if path.startswith(f"{host.source}/"))
    mirror = repository_access(host)["mirror"]
    yield Untouched(host.source, mirror=mirror, commit=host.release.commit, besides=inside)

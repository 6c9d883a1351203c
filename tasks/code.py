"""The application's code."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.code import repository_access
from hawser.host.managed_files import originals, patches
from hawser.resources import Checkout, Directory, LinkedFolder, Resources
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

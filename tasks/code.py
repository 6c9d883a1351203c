"""The application's code."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Checkout, Directory, Link, Resources
from hawser.steps import step


@step(prepares=True)
def pull(host: Host) -> Resources:
    """Check the commit out into a folder of its own and patch it; nothing that serves is touched."""
    if not host.runs_code or host.release is None:
        return
    yield Directory(host.release_path)
    access = host.repository_access()
    yield Checkout(
        host.source,
        commit=host.release.commit,
        owner=host.app.user,
        group=host.app.group,
        bundle=host.release.commit if host.app.push else "",
        **access,
    )
    yield from host.patches()
    for folder in host.environment.persistent.linked:
        yield Link(f"{host.source}/{folder}", f"{host.root}/{folder}", parents=True)

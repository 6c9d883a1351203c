"""Folders that hosts share: NFS exports, mounts, and the proof that they are there."""

from __future__ import annotations

from hawser.host import Host, shares
from hawser.resources import (
    Absent,
    Command,
    Directory,
    Exports,
    File,
    Mount,
    Mounted,
    OnlyMounts,
    Packages,
    Resources,
    Service,
    changed,
)
from hawser.runner.processes.traits import MANAGERS
from hawser.steps import removal, step


@step()
def export(host: Host) -> Resources:
    """Export over NFS what the settings have this host share, to the hosts that need it and to nobody else."""
    app = host.app
    path = f"/etc/exports.d/hawser-{app.name}.exports"
    served = shares.served(host)
    if not served:
        gone = Absent(path)
        yield gone
        yield Command(("exportfs", "-ra"), when=changed(gone))
        return
    for name, share in served.items():
        yield Directory(shares.folder_of(name, share), mode=0o2770, owner=app.user, group=app.group)
    exported = [
        (shares.folder_of(name, share), tuple(shares.clients_of(host, share))) for name, share in served.items()
    ]
    # Where the only client is the server itself, nothing goes over the network.
    exported = [(folder, clients) for folder, clients in exported if clients]
    if exported:
        yield Packages(("nfs-kernel-server",))
        yield Exports(path, app.name, tuple(exported), app.user, app.group)
        yield Service("nfs-server")


@step()
def mount(host: Host) -> Resources:
    """Mount what this host needs, now and at boot; what the settings no longer name goes."""
    app, ours = host.app, shares.mounted(host)
    if any(share.type.startswith("nfs") and shares.server_of(host, share) != host.name for share in ours.values()):
        yield Packages(("nfs-common",))
    for name, share in ours.items():
        keys = shares.mount_of(host, name, share)
        if keys["Type"] == "none" and not share.server:
            yield Directory(keys["What"], owner=app.user, group=app.group)
        unit = shares.unit_name(share.path)
        text = host.render("share.mount.j2", name=name, keys=keys)
        file = File(f"/etc/systemd/system/{unit}", text, validate="systemd")
        yield file
        yield Mount(share.path, unit, when=changed(file))
    yield OnlyMounts(app.name, tuple(shares.unit_name(share.path) for share in ours.values()))
    # A manager that is a service itself knows nothing of mounts: all of it waits for them at boot.
    text = host.render("supervisor-shares.conf.j2", mounts=shares.units(host))
    for name, path in orders(host).items():
        waits = shares.units(host) and host.process_settings(name)
        order = File(path, text, parents=True) if waits else Absent(path)
        yield order
        yield Command(("systemctl", "daemon-reload"), when=changed(order))


def orders(host: Host) -> dict[str, str]:
    """Return the files that have process managers wait for mounts, by manager."""
    return {
        name: f"/etc/systemd/system/{each.unit}.service.d/hawser-{host.app.name}-shares.conf"
        for name, each in MANAGERS.items()
        if each.unit
    }


@step()
def require(host: Host) -> Resources:
    """Go on only where everything is mounted that this host needs."""
    for name, share in shares.needed(host).items():
        if share.mounts:
            hint = f"next: fab -H {host.target} bootstrap mounts [shares.{name}]"
        else:
            hint = f"[shares.{name}] leaves that to you: next: mount it on {host.name}, then the same command again"
        yield Mounted(share.path, hint)


@removal()
def remove(host: Host) -> Resources:
    """Unmount the shared folders and export none any more; what lies in them stays."""
    app = host.app
    yield OnlyMounts(app.name, ())
    for path in orders(host).values():
        order = Absent(path)
        yield order
        yield Command(("systemctl", "daemon-reload"), when=changed(order))
    exports = Absent(f"/etc/exports.d/hawser-{app.name}.exports")
    yield exports
    yield Command(("exportfs", "-ra"), when=changed(exports))

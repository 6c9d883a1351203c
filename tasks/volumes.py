"""Encrypted volumes: made, opened, mounted."""

from __future__ import annotations

import sys

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import serving_releases
from hawser.host import Host
from hawser.host.shares import unit_name
from hawser.host.volumes import mapped, volumes_of, waiting
from hawser.resources import (
    Command,
    Directory,
    File,
    LuksVolume,
    Mounted,
    OnlyPlaced,
    OnlyVolumes,
    Packages,
    Resources,
    Service,
    changed,
)
from hawser.steps import fleet_task, removal, step

from . import processes

UNITS = "/etc/systemd/system"


@step()
def install(host: Host, making: str = "") -> Resources:
    """Open and mount this host's encrypted volumes, and keep from starting what needs them.

    :param making: the one that may be made where there is none; the others are left alone then.
    """
    ours, waits = volumes_of(host), waiting(host)
    if ours:
        yield Packages(("cryptsetup-bin", *sorted({PROGRAMS[each.filesystem] for each in ours.values()})))
    units = {
        f"{UNITS}/{unit_name(volume.mount)}": host.render(
            "volume.mount.j2", name=name, volume=volume, mapped=mapped(host, name)
        )
        for name, volume in ours.items()
    }
    texts = {}
    for unit, folders in waits.items():
        mounts = [unit_name(folder) for folder in folders]
        text = host.render("volume-waits.conf.j2", folders=folders, mounts=mounts)
        texts[f"{UNITS}/{unit}.d/hawser-{host.app.name}-volumes.conf"] = text
    placed, gone = OnlyPlaced("volumes", tuple(texts)), kept(host)
    yield placed
    yield gone
    # A file that is added to somebody else's unit is no unit that could be verified alone.
    files = [File(path, text, validate="systemd") for path, text in units.items()]
    files += [File(path, text, parents=True) for path, text in texts.items()]
    yield from files
    yield Command(("systemctl", "daemon-reload"), when=changed(placed, gone, *files))
    for name, volume in ours.items():
        if making not in ("", name):
            continue
        yield luks(host, name, formats=bool(making))
        yield Directory(volume.mount, mode=0o750, owner=volume.owner or host.app.user, group=host.app.group)


PROGRAMS = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}


def kept(host: Host) -> OnlyVolumes:
    """Return that a host has no volumes but those of the settings."""
    return OnlyVolumes(host.app.name, tuple(unit_name(volume.mount) for volume in volumes_of(host).values()))


@step()
def leave(host: Host) -> Resources:
    """Close the volumes that the settings no longer name, now that the release which used them serves no more."""
    gone = kept(host)
    yield gone
    yield Command(("systemctl", "daemon-reload"), when=changed(gone))


def luks(host: Host, name: str, formats: bool) -> LuksVolume:
    """Return the volume itself.

    :param formats: whether it may be made where there is none.
    """
    volume = volumes_of(host)[name]
    return LuksVolume(
        mapped(host, name),
        volume.device,
        volume.mount,
        unit_name(volume.mount),
        host.text(volume.passphrase, f"volumes.{name}.passphrase"),
        volume.filesystem,
        f"fab -H {host.target} volumes.format --volume {name}",
        formats,
    )


@step()
def require(host: Host) -> Resources:
    """Go on only where every volume is open."""
    for volume in volumes_of(host).values():
        yield Mounted(volume.mount, f"next: fab -H {host.target} volumes.open")


@step()
def wake(host: Host) -> Resources:
    """Start the services of the system that waited for a volume."""
    for unit in waiting(host):
        yield Service(unit.removesuffix(".service"))


@fleet_task(admin=True, name="open")
def open_all(fleet: Fleet) -> None:
    """Open and mount the encrypted volumes, as after a reboot, and start everything that waited for them."""
    there = having(fleet, "")
    there.apply([install, wake], phase="open volumes")
    fleet.connections.refresh(there.names)
    served = [name for name in there.names if there.host(name).process_settings() and there.facts(name).current]
    running = there.subset(served)
    if running.names:
        running.apply([processes.started], serving_releases(running), phase="start")


@fleet_task(
    admin=True,
    name="format",
    help={"volume": "which one", "destroy": "the device's path, instead of being asked for it"},
)
def make(fleet: Fleet, volume: str, destroy: str = "") -> None:
    """Encrypt an empty device with LUKS and make a filesystem on it; asks for the device's path first."""
    there = having(fleet, volume)
    device = fleet.environment.volumes[volume].device
    hosts = ", ".join(there.names)
    if not fleet.dry and (destroy or typed(fleet, f"{hosts}: all that is on {device} will be lost.")) != device:
        raise HawserError(f"that is not {device}; nothing was touched", code=2)
    there.apply([install.given(making=volume)], phase="format")


def typed(fleet: Fleet, warning: str) -> str:
    """Ask for the device's path.

    :raises HawserError: there is nobody who could be asked.
    """
    nobody = HawserError("nobody is there to confirm it;", next="the same command with --destroy DEVICE", code=2)
    if not sys.stdin.isatty():
        raise nobody
    fleet.report.pause()
    try:
        return input(f"{warning} Type the device's path to go on: ").strip()
    except EOFError:
        raise nobody from None


def having(fleet: Fleet, volume: str) -> Fleet:
    """Return the hosts that have a volume; any, when none is named.

    :raises HawserError: there are none.
    """
    known = fleet.environment.volumes
    if volume and volume not in known:
        raise HawserError(f"there is no volume {volume}; volumes: {', '.join(known) or 'none'}", code=2)
    names = [
        name
        for name in fleet.names
        if volume in volumes_of(fleet.host(name)) or (not volume and volumes_of(fleet.host(name)))
    ]
    if not names:
        raise HawserError(f"no volume is on {', '.join(fleet.names)}", code=2)
    return fleet.subset(names)


@removal()
def remove(host: Host) -> Resources:
    """Unmount and close the volumes; what lies in them stays, and so does their encryption."""
    placed, gone = OnlyPlaced("volumes", ()), OnlyVolumes(host.app.name, (), patient=False)
    yield placed
    yield gone
    yield Command(("systemctl", "daemon-reload"), when=changed(placed, gone))

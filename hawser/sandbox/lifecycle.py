"""Bring throwaway hosts up, list them, and take them down, from any state that an earlier run left them in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import HawserError
from . import archives, base, cgroups, host, keys, network
from .machine import inheritance, machine_release, wanted_release
from .model import Instance, Place, RunningHost, SandboxSpec, current_instance, default_release
from .mounts import mounted
from .requirements import check_folder, install_keys, install_requirements, requirements
from .rights import is_root, through_sudo

LAST_NUMBER = 254
Remembered = dict[str, host.Record | None]


def up(hosts: Sequence[SandboxSpec], say: Callable[[str], None] = print) -> list[RunningHost]:
    """Bring hosts up: running ones stay as they are, leftovers are removed, the others are made in parallel.

    :param say: receives a line for what takes time.
    :returns: the hosts in the order of the request.
    :raises HawserError: when the machine cannot carry them, or one does not start.
    """
    instance = current_instance()
    if not is_root():
        through_sudo(["up", *map(str, hosts)], say)
        return [_must_run(instance.place(spec.name)) for spec in hosts]
    install_requirements(say)
    with _changing(instance):
        wanted = {spec.name: spec for spec in hosts}
        found = {name: host.running(instance.place(name)) for name in wanted}
        missing = [spec for name, spec in wanted.items() if found[name] is None]
        for spec in hosts:
            if running := found[spec.name]:
                _must_be(spec, _codename(instance.place(spec.name)))
                host.booted(running)
        if missing:
            _make(instance, missing, say)
        else:
            _connect(instance, _remembered(instance))
        return [_must_run(instance.place(spec.name)) for spec in hosts]


def down(names: Sequence[str] | None = None) -> None:
    """Remove hosts, and with the last one the sandbox's network; base images and downloaded packages stay.

    :param names: the hosts; None for all, with whatever an interrupted run left behind.
    """
    if not is_root():
        through_sudo(["down", *(names or ())], print)
        return
    requirements()
    instance = current_instance()
    with _changing(instance):
        all_names = _names(instance)
        for name in all_names if names is None else names:
            host.remove(instance.place(name), _store_of(instance.place(name)))
        if not _names(instance):
            with _network_lock():
                network.down(instance)
            cgroups.remove_all(instance)


def listing() -> list[RunningHost]:
    """Return the hosts that are up, by name."""
    instance = current_instance()
    found = (host.running(instance.place(name)) for name in _names(instance))
    return [running for running in found if running]


def reset(names: Sequence[str], say: Callable[[str], None] = print) -> list[RunningHost]:
    """Make hosts anew from their image: same name and address, everything else is lost.

    :raises HawserError: for a name that stands for no host.
    """
    instance = current_instance()
    if not is_root():
        through_sudo(["reset", *names], say)
        return [_must_run(instance.place(name)) for name in names]
    install_requirements(say)
    with _changing(instance):
        specs = [_spec(instance.place(name)) for name in names]
        _make(instance, specs, say)
        return [_must_run(instance.place(name)) for name in names]


def _make(instance: Instance, specs: Sequence[SandboxSpec], say: Callable[[str], None]) -> None:
    begun = time.monotonic()
    releases = {spec.name: wanted_release(spec.release or default_release()) for spec in specs}
    kinds = {(releases[spec.name], spec.python) for spec in specs}
    for release in {release for release, _ in kinds}:
        install_keys(release, say)
    inherited = {release: inheritance(release, say) for release, _ in kinds}
    images = {
        (release, python): base.image(instance, inherited[release], python, say)
        for release, python in sorted(kinds, key=str)
    }
    remembered = _remembered(instance)
    for place in map(instance.place, remembered):
        archives.harvest(place.archives, _store_of(place))
    for place in (instance.place(spec.name) for spec in specs):
        host.remove(place, _store_of(place))
    if not network.machine_resolver():
        say("this machine's name servers cannot be reached from the hosts: names will not resolve in them")
    net = _connect(instance, remembered, len(specs))
    numbers = _numbers(remembered, [spec.name for spec in specs])
    public_key = keys.client_key(instance.folder).with_suffix(".pub").read_text()

    def make(spec: SandboxSpec) -> HawserError | None:
        place = instance.place(spec.name)
        release = releases[spec.name]
        image = str(images[release, spec.python])
        record = host.Record(spec.name, str(net), numbers[spec.name], image, release=release.codename)
        try:
            host.create(place, record, public_key, _store(instance, release.codename))
            host.wait(place)
        except HawserError as error:
            return error
        except (OSError, TimeoutError) as error:
            return HawserError(f"sandbox: {spec.name} cannot be made: {error}")
        return None

    with ThreadPoolExecutor(max_workers=min(len(specs), 8)) as pool:
        errors = [error for error in pool.map(make, specs) if error]
    if errors:
        raise HawserError("\n".join(map(str, errors)))
    say(f"{', '.join(spec.name for spec in specs)} up after {time.monotonic() - begun:.1f} s")


def _connect(instance: Instance, remembered: Remembered, more: int = 0) -> IPv4Network:
    """Make sure that the sandbox's network is there, which someone else may have flushed.

    :param more: how many hosts will be added.
    """
    records = [record for record in remembered.values() if record]
    with _network_lock():
        subnet = next((record.network for record in records), None)
        network.allow_watches(len(remembered) + more)
        return network.up(instance, subnet, [record.number for record in records])


def _must_be(spec: SandboxSpec, codename: str) -> None:
    """Refuse a running host of another release than the one that is wanted."""
    if spec.release and codename != spec.release:
        raise HawserError(
            f"sandbox: {spec.name} runs {codename} and shall run {spec.release}", next="make it anew with sandbox.reset"
        )


def _remembered(instance: Instance) -> Remembered:
    return {name: host.read_record(instance.place(name)) for name in _names(instance)}


def _numbers(remembered: Remembered, names: Sequence[str]) -> dict[str, int]:
    """Give each host a number: the one it had, else the lowest free one."""
    numbers = {name: record.number for name, record in remembered.items() if record}
    free = iter(sorted(set(range(2, LAST_NUMBER + 1)) - set(numbers.values())))
    for name in names:
        if name not in numbers:
            number = next(free, None)
            if number is None:
                raise HawserError(f"sandbox: no address is left for {name}: a sandbox holds {LAST_NUMBER - 1} hosts")
            numbers[name] = number
    return numbers


def _names(instance: Instance) -> list[str]:
    """Return the names of all hosts that left anything on this machine, running or not."""
    names = {folder.name for folder in instance.hosts.glob("*") if folder.is_dir()}
    for folder in Path("/run/netns").glob(f"{instance.prefix}*"):
        names.add(folder.name.removeprefix(instance.prefix))
    for mount in cgroups.hierarchies(mounted()):
        names |= {folder.name for folder in (mount / instance.bridge).glob("*") if folder.is_dir()}
    return sorted(names)


def _must_run(place: Place) -> RunningHost:
    running = host.running(place)
    if running is None:
        raise HawserError(f"sandbox: {place.name} is not up", next="fab sandbox.up")
    return running


def _spec(place: Place) -> SandboxSpec:
    """Return what a host was made of."""
    record = host.read_record(place)
    if record is None:
        raise HawserError(f"sandbox: there is no host {place.name}")
    python = (Path(record.image) / "usr/bin/python3").exists()
    return SandboxSpec(place.name, python, record.release or machine_release().codename)


def _codename(place: Place) -> str:
    """Return the release that a host runs; this machine's where its record is lost."""
    record = host.read_record(place)
    return (record.release if record else "") or machine_release().codename


def _store_of(place: Place) -> Path:
    return _store(place.instance, _codename(place))


def _store(instance: Instance, codename: str) -> Path:
    """Return where the packages of a release are kept."""
    return instance.shared / "archives" / codename


@contextmanager
def _changing(instance: Instance) -> Iterator[None]:
    """Hold the sandbox's lock, so that two runs never change it at once."""
    check_folder(instance)
    with base.locked(instance.folder / "lock"):
        yield


@contextmanager
def _network_lock() -> Iterator[None]:
    """Hold the lock of all sandboxes of this machine: they choose networks, and share the machine's settings."""
    folder = network.BEFORE.parent
    folder.mkdir(exist_ok=True)
    with base.locked(folder / "lock"):
        yield

"""The host itself: its system, its Python, its clock, its room."""

from __future__ import annotations

import time

from hawser.answers import reading
from hawser.errors import InputErrors
from hawser.host import Host
from hawser.host.code import interpreter_in_doubt, interpreter_question, ways_to_python
from hawser.host.places import uploaded_python
from hawser.host.processes import live_processes_of, managers_of
from hawser.host.pythons import FOR_HOSTS, KEY, LocalPython, local_python, why_not_for
from hawser.host.services import service_of
from hawser.host.shares import needed
from hawser.host.updates import waiting
from hawser.host.volumes import volumes_of
from hawser.runner.rows import some

from .registry import Ask, Finding, Findings, more, on_host

TRIED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
OLDEST_PYTHON = (3, 8)
# Seconds: from here on signatures, sessions and certificates begin to be refused.
CLOCK_WARNS, CLOCK_FAILS = 2.0, 30.0
ROOM_WARNS, ROOM_FAILS = 0.10, 0.02
WRITTEN_TO = ("/", "/var/lib", "/var/log", "/var/backups", "/tmp", "/opt/hawser")
LEAST_ROOM = 512 * 2**20
MEMORY_WARNS = 0.05
# Days since apt fetched its lists last.
LISTS_WARN = 7


@on_host
def system(host: Host, ask: Ask) -> Findings:
    """The operating system is one that Hawser sets up, with systemd in charge and a Python for the runner."""
    facts = host.facts
    name, version = facts.os.get("id", ""), facts.os.get("version", "")
    if version not in TRIED.get(name, ()):
        known = "Debian 12 and 13, Ubuntu 22.04 and 24.04"
        yield Finding(f"runs {name or 'an unknown system'} {version}".rstrip(), f"use one of {known}", warning=True)
    if not facts.systemd:
        yield Finding("systemd is not in charge of it", "boot it with systemd")
    if facts.uid != 0:
        yield Finding("the runner is not root there", "log in as root, or as a user who may use sudo")
    if facts.python and tuple(int(part) for part in facts.python.split(".")[:2]) < OLDEST_PYTHON:
        yield Finding(f"its python3 is {facts.python}", "update it to 3.8 or later")


@on_host
def python(host: Host, ask: Ask) -> Findings:
    """The host has the Python that the settings name, or can get it."""
    if interpreter_in_doubt(host):
        why = ask(reading.MISSING_PYTHON, **interpreter_question(host))
        if why:
            yield Finding(why, ways_to_python(host))
    here = local_python(host.environment)
    if here is not None and host.runs_code:
        yield from brought_python(host, ask, here)


def brought_python(host: Host, ask: Ask, here: LocalPython) -> Findings:
    """The Python of this machine is one that the host can take, or has."""
    try:
        place, about = uploaded_python(host, here.sha256), here.about
    except InputErrors as error:
        for each in error.problems:
            yield Finding(f"{each.file}: {each.key}: {each.message}", each.hint)
        return
    found = ask(reading.REMOTE_ENTRIES, paths=[place, *filter(None, [about.loader])])
    if found[place] == "folder":
        return
    why = why_not_for(host.facts, about, found.get(about.loader, ""))
    if why:
        yield Finding(f"{KEY} is {here.source!r}: {why}", FOR_HOSTS)
    else:
        told = f"Python {about.version} of {here.source} is not here yet"
        yield Finding(told, f"fab -H {host.environment.name} deploy sends it", warning=True)


@on_host
def units(host: Host, ask: Ask) -> Findings:
    """No unit of systemd has failed."""
    listed = ask(reading.FAILED_UNITS)
    for name in (row["unit"] for row in listed["rows"]):
        service = service_of(host, name)
        ours = bool(service) or name.startswith((f"{host.app.name}-", "hawser-"))
        words = "logs --only services" if service else f'run "journalctl -n 30 --unit={name}"'
        yield Finding(f"{name} has failed", f"fab -H {host.target} {words}", warning=not ours)
    yield from more(listed, "units that have failed")


@on_host
def boot(host: Host, ask: Ask) -> Findings:
    """What starts at boot would come up: no file of systemd or supervisor is refused, whoever wrote it."""
    if not host.facts.bootstrapped:
        return
    units = [f"{each.unit}" for each in live_processes_of(host) if each.setting.manager == "systemd"]
    units = [each for each in units if host.facts.defined(each, "systemd")]
    units += [each.unit for each in managers_of(host) if each.unit]
    units += [host.web_server.unit] if host.web_server is not None and host.facts.current else []
    services = host.environment.services.installed.values()
    units += ["cron", *(each.UNIT for each in services if host.is_in(each.groups))]
    for unit, why in ask(reading.UNBOOTABLE, units=list(dict.fromkeys(units))).items():
        if why:
            next_move = f'fab -H {host.target} run "systemctl cat {unit}", which shows all of its files'
            yield Finding(f"{unit} would not come up after a boot:\n{why}", next_move)


@on_host
def updates(host: Host, ask: Ask) -> Findings:
    """No security update waits, no reboot, and nothing runs code that an update has replaced."""
    found, target = ask(reading.UPGRADES), host.target
    next_move = f"fab -H {target} upgrade"
    if found["trouble"]:
        yield Finding(found["trouble"], f'fab -H {target} run "apt-get check"', warning=True)
    if told := waiting(found):
        yield Finding(told, next_move, warning=True)
    if found["reboot"]:
        yield Finding(f"it wants to be booted: {found['reboot']}", f"{next_move} --reboot", warning=True)
    if found["lists"] and (days := int((host.facts.clock - found["lists"]) / 86400)) > LISTS_WARN:
        yield Finding(f"nobody has asked for updates for {days} days", next_move, warning=True)
    if units := ask(reading.OUTDATED):
        yield Finding(f"{some(units)}: run code that was replaced", f"{next_move}, or restart them", warning=True)


@on_host
def clock(host: Host, ask: Ask) -> Findings:
    """The clock agrees with the one of this machine."""
    before = time.time()
    offset = ask(reading.CLOCK) - (before + time.time()) / 2
    if abs(offset) >= CLOCK_WARNS:
        yield Finding(
            f"its clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine's",
            f'fab -H {host.target} run "timedatectl", and the same here: one of the two is wrong',
            warning=abs(offset) < CLOCK_FAILS,
        )


@on_host
def disk(host: Host, ask: Ask) -> Findings:
    """Every file system that is written to has room, for bytes and for files, and may be written to."""
    own = ["", "/releases", "/envs", "/home", "/log", *(f"/{each}" for each in host.environment.persistent.folders)]
    paths = [*(f"{host.root}{each}" for each in own), *WRITTEN_TO]
    for room in ask(reading.ROOMS, paths=paths):
        path = room["path"]
        full = f'fab -H {host.target} run "du -xh --max-depth=2 {path} | sort -h | tail -20"'
        if room["read_only"]:
            yield Finding(f"the file system of {path} is read-only", f'fab -H {host.target} run "dmesg | tail -20"')
        share = room["free"] / room["total"] if room["total"] else 1.0
        if share < ROOM_WARNS or room["free"] < LEAST_ROOM:
            yield Finding(
                f"{room['free'] / 2**30:.1f} of {room['total'] / 2**30:.0f} GiB are free at {path}",
                f"{full}; old releases: fab -H {host.target} releases.prune",
                warning=share >= ROOM_FAILS and room["free"] >= LEAST_ROOM / 8,
            )
        share = room["files_free"] / room["files_total"] if room["files_total"] else 1.0
        if share < ROOM_WARNS:
            yield Finding(
                f"{room['files_free']} of {room['files_total']} inodes are free at {path}",
                f'fab -H {host.target} run "du -x --inodes --max-depth=2 {path} | sort -n | tail -20"',
                warning=share >= ROOM_FAILS,
            )


@on_host
def memory(host: Host, ask: Ask) -> Findings:
    """There is memory left."""
    found = ask(reading.MEMORY)
    if found["free"] < MEMORY_WARNS * found["total"]:
        yield Finding(
            f"{found['free'] / 2**20:.0f} of {found['total'] / 2**20:.0f} MiB of memory are available",
            f'fab -H {host.target} run "ps -eo rss,args --sort=-rss | head"',
            warning=True,
        )


@on_host
def mounts(host: Host, ask: Ask) -> Findings:
    """What is to be mounted at boot is mounted."""
    for folder in ask(reading.UNMOUNTED):
        yield Finding(
            f"/etc/fstab wants a mount at {folder}, and there is none", f'fab -H {host.target} run "mount -a"'
        )


@on_host
def shares(host: Host, ask: Ask) -> Findings:
    """What the application's programs need mounted is mounted."""
    for name, share in needed(host).items():
        # No table of the system's: that is another check.
        if ask(reading.UNMOUNTED, path="/dev/null", needed=[share.path]):
            hint = f"fab -H {host.target} bootstrap" if share.mounts else f"mount it on {host.name}"
            yield Finding(f"{share.path} is not mounted, and [shares.{name}] needs it", hint)


@on_host
def volumes(host: Host, ask: Ask) -> Findings:
    """Encrypted volumes are open."""
    for name, volume in volumes_of(host).items():
        if ask(reading.UNMOUNTED, path="/dev/null", needed=[volume.mount]):
            yield Finding(f"the volume {name} is not open at {volume.mount}", f"fab -H {host.target} volumes.open")

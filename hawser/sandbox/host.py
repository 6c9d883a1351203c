"""One throwaway host: made from an image, started, awaited, and removed without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import HawserError
from . import archives, cgroups, commands, keys, network
from .model import Address, Place, RunningHost
from .mounts import mounted, remove_tree, unmount_below
from .rights import sudo

START_SECONDS = 90
NSPAWN = Path("/run/systemd/nspawn")
KEEPER_ENVIRONMENT = {"PATH": commands.SYSTEM_FOLDERS, "LC_ALL": "C.UTF-8"}
REBOOTED = 133  # nspawn's exit status after a reboot inside; source: systemd-nspawn(1), "Exit status"

# The keeper's own cgroups and those of the machine are separate: nspawn splits the one it is started in.
KEEPER = f"""\
keepers=$1 machines=$2; shift 2
for procs in $keepers; do echo 0 >"$procs/cgroup.procs" || exit; done
while :; do
    (for procs in $machines; do echo 0 >"$procs/cgroup.procs" || exit; done; exec "$@")
    [ $? = {REBOOTED} ] || exit
done
"""


class HostBroken(HawserError):
    """A throwaway host did not start, or stopped answering."""


@dataclass(frozen=True)
class Record:
    """The record of a host in the state folder.

    :param network: the sandbox's network, e.g. ``10.213.0.0/24``.
    :param number: the host's number in that network.
    :param image: the root folder of its base image.
    :param release: the code name of the release that it runs.
    """

    name: str
    network: str
    number: int
    image: str
    host_keys: tuple[str, ...] = ()
    release: str = ""

    @property
    def address(self) -> Address:
        return Address(IPv4Network(self.network), self.number)


def read_record(place: Place) -> Record | None:
    """Return the record of a host; None when it was never completely recorded."""
    try:
        values = json.loads((place.folder / "host.json").read_text())
        return Record(**{**values, "host_keys": tuple(values["host_keys"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(place: Place, record: Record) -> None:
    """Remember a host; the file is replaced as a whole."""
    place.folder.mkdir(parents=True, exist_ok=True)
    fresh = place.folder / "host.json.new"
    fresh.write_text(json.dumps(asdict(record)))
    fresh.rename(place.folder / "host.json")


def running(place: Place) -> RunningHost | None:
    """Return a host that is up; None when it is not, or only half."""
    record, leader = read_record(place), cgroups.leader(place)
    if record is None or not record.host_keys or leader is None:
        return None
    if not place.namespace.exists() or not cgroups.processes(place, "keeper"):
        return None
    started = _started(leader)
    return None if started is None else RunningHost(place.name, record.address.host, record.host_keys, leader, started)


def create(place: Place, record: Record, public_key: str, store: Path) -> None:
    """Make a host's disk, network and start it, without waiting.

    :param public_key: the line for root's ``authorized_keys``.
    :param store: where downloaded packages are kept for all hosts.
    """
    write_record(place, record)
    place.disk.mkdir(mode=0o700)
    for part in ("upper", "work", "root"):
        (place.disk / part).mkdir()
    layers = f"lowerdir={record.image},upperdir={place.disk / 'upper'},workdir={place.disk / 'work'}"
    mount = ["mount", "-t", "overlay", place.machine, str(place.root), "-o"]
    # A volatile overlay never waits for the disk; else unmounting one writes out all that the machine has in memory.
    if not commands.tried(*mount, f"{layers},volatile"):
        commands.must(*mount, layers)
    host_keys = _furnish(place, public_key)
    archives.fill(store, place.archives)
    network.plug(place, record.address)
    (place.folder / "known_hosts").write_text("".join(f"{record.address.host} {key}\n" for key in host_keys))
    write_record(place, Record(**{**asdict(record), "host_keys": host_keys}))
    start(place)


def start(place: Place) -> None:
    """Start a host under a keeper that outlives this process and starts it again after each reboot."""
    if why := cgroups.why_not_here(place.root, mounted()):
        raise HawserError(f"sandbox: {place.name} cannot start here: {why}")
    keepers, machines = (" ".join(map(str, folders)) for folders in cgroups.make(place))
    with place.log.open("ab") as log:
        argv = ["setsid", "--fork", "sh", "-c", KEEPER, place.machine, keepers, machines, *nspawn_command(place)]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=KEEPER_ENVIRONMENT, cwd="/", check=False
        )
    if done.returncode:
        raise HostBroken(f"sandbox: {place.name}: its keeper cannot be started{_log_tail(place)}")


def nspawn_command(place: Place) -> list[str]:
    """Return the command that boots a host's disk in its own network namespace."""
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={place.root}",
        f"--machine={place.machine}",
        f"--hostname={place.name}",
        f"--network-namespace-path={place.namespace}",
        # Over its own namespace, so that a firewall can be tried.
        "--capability=CAP_NET_ADMIN",
        f"--bind={place.archives}:/var/cache/apt/archives",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
    ]


def wait(place: Place, after: int | None = None, seconds: float = START_SECONDS) -> RunningHost:
    """Wait until a host's SSH answers and its init has started everything.

    :param after: the id of the init that is to be succeeded, after a reboot.
    :raises HostBroken: with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        host = running(place)
        if host and host.pid != after and ssh_answers(host.address) and booted(host, deadline - time.monotonic()):
            return host
        if host is None and not cgroups.processes(place, "keeper") and time.monotonic() > deadline - seconds + 2:
            raise HostBroken(f"sandbox: {place.name} ended while it was starting{_log_tail(place)}")
        time.sleep(0.05)
    raise HostBroken(f"sandbox: {place.name} is not up after {seconds:.0f} s{_ailing(place)}{_log_tail(place)}")


def remove(place: Place, store: Path) -> None:
    """End a host and remove everything of it, however much of it was made."""
    record = read_record(place)
    cgroups.end(place)
    _forget_nspawn(place)
    unmount_below(place.root)
    network.unplug(place, record.number if record else None)
    archives.harvest(place.archives, store)
    remove_tree(place.folder)


def ssh_answers(address: str, port: int = 22) -> bool:
    """Tell whether an SSH server greets."""
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def inside(leader: int, *argv: str) -> list[str]:
    """Return a command that runs in all namespaces of a host, with root's plain environment.

    :param leader: the id of the host's init.
    """
    variables = [
        f"PATH={commands.SYSTEM_FOLDERS}",
        "HOME=/root",
        "LANG=C.UTF-8",
        "TERM=dumb",
        "DEBIAN_FRONTEND=noninteractive",
    ]
    return [*sudo(), "nsenter", f"--target={leader}", "--all", "--", "env", "-i", *variables, *argv]


def _furnish(place: Place, public_key: str) -> tuple[str, ...]:
    """Write the files that differ in each host: its name, its keys, the name servers."""
    root = place.root
    (root / "etc/hostname").write_text(f"{place.name}\n")
    (root / "etc/hosts").write_text(
        f"127.0.0.1 localhost\n127.0.1.1 {place.name}\n::1 localhost ip6-localhost ip6-loopback\n"
    )
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(network.machine_resolver())
    folder = root / "root/.ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(public_key)
    (folder / "authorized_keys").chmod(0o600)
    return keys.make_host_keys(root / "etc/ssh", place.name)


def booted(host: RunningHost, seconds: float = START_SECONDS) -> bool:
    """Wait until a host's init has started everything, and tell whether it has."""
    try:
        done = commands.run(inside(host.pid, "systemctl", "is-system-running", "--wait"), timeout=max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        return False
    return done.stdout.decode().strip() in ("running", "degraded")


def _started(pid: int) -> float | None:
    """Return when a process was started. Source: proc(5), field 22 of ``stat``, and ``btime``."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except OSError:
        return None
    return int(boot) + ticks / os.sysconf("SC_CLK_TCK")


def _ailing(place: Place) -> str:
    leader = cgroups.leader(place)
    if leader is None:
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        listed = commands.run(
            inside(leader, "systemctl", "list-units", "--failed", "--plain", "--no-legend"), timeout=5
        )
        jobs = commands.run(inside(leader, "systemctl", "list-jobs", "--no-legend"), timeout=5)
        lines = (listed.stdout + jobs.stdout).decode(errors="replace").strip().splitlines()
        return "".join(f"\n  {line.strip()}" for line in lines[:12])
    return ""


def _log_tail(place: Place) -> str:
    try:
        lines = place.log.read_text(errors="replace").strip().splitlines()[-15:]
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines)


def _forget_nspawn(place: Place) -> None:
    """Remove the files that nspawn keeps in ``/run`` and leaves there when it is killed."""
    for kind in ("propagate", "unix-export"):
        remove_tree(NSPAWN / kind / place.machine)
    if place.root.exists():
        disk = place.root.stat()
        (NSPAWN / "locks" / f"inode-{disk.st_dev}:{disk.st_ino}").unlink(missing_ok=True)

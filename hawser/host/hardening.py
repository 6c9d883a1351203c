"""What a process under systemd may not do: keys of its unit, by systemd.exec(5).

All of them are known to systemd 245 and later. Left out is what keeps applications from their work: compilers at run
time write memory and run it (`MemoryDenyWriteExecute=`); who computes on a graphics card opens its device
(`PrivateDevices=`, and `ProtectClock=`, which closes all others too); uploads may get a folder with the group's bit
(`RestrictSUIDSGID=`); names of other users are asked for (`PrivateUsers=`); and the process that comes next is the same
user's (`RemoveIPC=`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..formats import systemd_exec, systemd_paths
from . import shares, volumes
from .host import Host
from .processes import ProcessInstance

HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "PrivateTmp": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "LockPersonality": "yes",
    # The C library asks the kernel for addresses over netlink.
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    # As the kernel says it to whoever may not: programs have an answer to it, and none to a signal.
    "SystemCallErrorNumber": "EPERM",
}
TEMPORARY = ("/tmp", "/var/tmp")
WRITABLE, CAPABILITIES, AMBIENT = "ReadWritePaths", "CapabilityBoundingSet", "AmbientCapabilities"
BEFORE = "ExecStartPre"
# Of these keys, what the settings say in `extra` is added.
ADDED = (WRITABLE, BEFORE)
MOUNTED = 'for path in "$0" "$@"; do mountpoint -q "$path" || { echo "$path is not mounted" >&2; exit 1; }; done'
# A path there in what a process is told: others may be told of it too.
_SHARED = re.compile(r"(?<![\w.~-])(?:/var)?/tmp(?![\w.-])")


def hardening(process: ProcessInstance) -> dict[str, str]:
    """Return the keys that keep a process from what a web process needs not; none where its settings say so.

    :returns: by their names; what its settings say in `extra` takes their place, but for `ADDED`.
    """
    setting, extra = process.setting, process.extra
    if not setting.hardened or setting.user == "root":
        return {}
    found = {**HARDENED, CAPABILITIES: extra.get(AMBIENT, "")}
    if shares_temporary_files(process):
        del found["PrivateTmp"]
    found[WRITABLE] = " ".join(filter(None, [systemd_paths(writable(process)), extra.get(WRITABLE)]))
    if first := guard(process.host):
        found[BEFORE] = f"\n{BEFORE}=".join(filter(None, [first, extra.get(BEFORE)]))
    return found


def guard(host: Host) -> str:
    """Return what has a process not start while a share is missing; empty: there is none that it needs."""
    paths = shares.required(host)
    if not paths:
        return ""
    # In its own view each folder that it may write to is a mount, also for root's `+`: systemd's view is asked.
    return "+" + systemd_exec(("/usr/bin/nsenter", "--target", "1", "--mount", "/bin/sh", "-c", MOUNTED, *paths))


def shares_temporary_files(process: ProcessInstance) -> bool:
    """Tell whether the settings name a path among the temporary files, where others may look for it or put it."""
    setting, environment = process.setting, process.host.environment
    told = [
        setting.command,
        setting.directory or "",
        *setting.environment.values(),
        *environment.env.variables.values(),
    ]
    site = environment.site
    return any(map(_SHARED.search, [*told, *([site.extra] if site else [])]))


def writable(process: ProcessInstance) -> list[str]:
    """Return the folders that a process may write to, as its unit has them: one may be missing.

    Those within another one are left out: nothing can be renamed from one to the other.
    """
    return ["-" + each for each in outermost(writable_folders(process))]


def writable_folders(process: ProcessInstance) -> list[str]:
    """Return the folders that a process may write to, as far as their permissions let it."""
    host, setting = process.host, process.setting
    own = [process.directory, f"/home/{setting.user}", *setting.writable]
    temporary = TEMPORARY if shares_temporary_files(process) else ()
    return [host.root, *shares.required(host), *volumes.folders(host), *own, *temporary]


def outermost(folders: Iterable[str]) -> list[str]:
    """Return those of some folders that lie in no other one of them, each once; the whole system is none."""
    found: list[str] = []
    for folder in sorted({each.rstrip("/") or "/" for each in folders} - {"/"}):
        if not any(f"{folder}/".startswith(f"{other}/") for other in found):
            found.append(folder)
    return found

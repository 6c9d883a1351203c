"""Definitions of processes and crontab entries that give nobody more than the application's own users have.

Each is read more strictly than by the program that reads it afterwards: what is not known is refused.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Collection, Dict, Iterator, Tuple

    # Whether root may open a file there, to write a process's output to it.
    Place = Callable[[str], bool]

SECTION = re.compile(r"\[([A-Za-z]+|program:[\w.@-]+)\]", re.ASCII)
SETTING = re.compile(r"([A-Za-z_]+)=(.*)", re.ASCII)
# A line of a crontab in /etc/cron.d: five fields or a word, a user, a command.
ENTRY = re.compile(r"(?:@[a-z]+|(?:[\d*,/a-zA-Z-]+[ \t]+){4}[\d*,/a-zA-Z-]+)[ \t]+([\w.-]+)[ \t]+\S.*", re.ASCII)
CRON_VARIABLES = ("SHELL=/bin/sh", 'MAILTO=""', "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
ANOTHER = re.compile(r"(?:^|\s);(?:\s|$)")
MOUNTS = re.compile(r"(?:[\w.@\\-]+\.mount ?)*", re.ASCII)

# What a unit may say, by section; systemd.unit(5), systemd.service(5) and systemd.exec(5). Nothing that is made
# or given away as root is among them, and what is opened as root has to lie where `Place` says.
UNIT = {"Description", "Documentation", "After", "Before", "StartLimitIntervalSec", "StartLimitBurst", "Wants"}
UNIT |= {"AssertPathIsMountPoint"}
SERVICE = {"User", "Group", "Type", "ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecReload"}
SERVICE |= {"WorkingDirectory", "Restart", "RestartSec", "KillMode", "KillSignal", "SendSIGKILL", "TimeoutSec"}
SERVICE |= {"TimeoutStartSec", "TimeoutStopSec", "SyslogIdentifier", "UMask", "Environment", "SuccessExitStatus"}
SERVICE |= {"StandardOutput", "StandardError", "Nice", "MemoryMax", "MemoryHigh", "MemoryMin"}
SERVICE |= {"CPUQuota", "CPUWeight", "IOWeight", "TasksMax", "LimitNOFILE", "LimitNPROC", "LimitCORE", "LimitAS"}
SERVICE |= {"NoNewPrivileges", "PrivateTmp", "PrivateDevices", "PrivateNetwork", "ProtectSystem", "ProtectHome"}
SERVICE |= {"ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectClock"}
SERVICE |= {"ProtectKernelTunables", "LockPersonality", "MemoryDenyWriteExecute", "RestrictAddressFamilies"}
SERVICE |= {"RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures"}
SERVICE |= {"SystemCallFilter", "SystemCallErrorNumber", "CapabilityBoundingSet", "ReadWritePaths", "WatchdogSec"}
SECTIONS = {"Unit": UNIT, "Service": SERVICE, "Install": {"WantedBy"}}
PROGRAMS = {"ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecReload"}
TYPES = ("exec", "simple", "notify", "oneshot")

PROGRAM = {"command", "directory", "user", "environment", "autostart", "autorestart", "startsecs", "startretries"}
PROGRAM |= {"stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup", "exitcodes", "priority", "umask"}
PROGRAM |= {"redirect_stderr", "stdout_logfile", "stderr_logfile", "stdout_logfile_maxbytes", "stderr_logfile_maxbytes"}
PROGRAM |= {"stdout_logfile_backups", "stderr_logfile_backups"}


class Excess(Exception):
    """What is asked for is more than the application's own; its text says what."""


def lines_of(text: str, comments: str = "#;") -> Iterator[str]:
    """Yield the lines that say something.

    :raises Excess: a line goes on in the next one, or holds what some reader might take for a line's end.
    """
    if re.search(r"[^\t\n\x20-\x7e\xa0-\u2027\u2030-\U0010ffff]", text):
        raise Excess("it holds control characters")
    for line in text.split("\n"):
        if line.endswith("\\") or line[:1] in (" ", "\t"):
            raise Excess("a line of it goes on in the next one: %s" % line.strip()[:60])
        if line and line[0] not in comments:
            yield line


def settings_of(text: str) -> Iterator[Tuple[str, str, str]]:
    """Yield section, key and value of each line of an INI file."""
    section = ""
    for line in lines_of(text):
        head, setting = SECTION.fullmatch(line), SETTING.fullmatch(line)
        if head:
            section = head.group(1)
        elif setting and section:
            yield section, setting.group(1), setting.group(2)
        else:
            raise Excess("this line of it is not understood: %s" % line[:60])


def require_unit(
    text: str, users: Collection[str], groups: Collection[str], lines: Collection[str], place: Place
) -> None:
    """Require that a unit of systemd has no more rights than its user.

    :param users: those that it may run as.
    :param lines: further ones that it may have, each as a whole.
    :param place: whether root may open this file for it.
    :raises Excess: it has.
    """
    found: Dict[str, str] = {}
    for section, key, value in settings_of(text):
        if "%s=%s" % (key, value) in lines and section in SECTIONS:
            continue
        if key not in SECTIONS.get(section, ()):
            raise Excess("the key %s of [%s]" % (key, section))
        if section == "Service" and key in ("User", "Group", "Type") and found.setdefault(key, value) != value:
            raise Excess("two values of %s" % key)
        if key in PROGRAMS and (not value.startswith("/") or ANOTHER.search(value)):
            # "+" and "!" start a program with more rights than its user has, also one that follows another one.
            raise Excess("%s=%s" % (key, value[:60]))
        if key == "CapabilityBoundingSet" and value:
            raise Excess("%s=%s" % (key, value[:60]))
        if key == "WantedBy" and value != "multi-user.target":
            raise Excess("%s=%s" % (key, value[:60]))
        if key == "Wants" and not MOUNTS.fullmatch(value):
            raise Excess("%s=%s" % (key, value[:60]))
        if key in ("StandardOutput", "StandardError") and not is_output(value, place):
            raise Excess("%s=%s" % (key, value[:60]))
    if found.get("User", "root") not in users:
        raise Excess("a process of the user %s" % found.get("User", "root"))
    if found.get("Group", "") not in groups:
        raise Excess("a process of the group %s" % found.get("Group", "root"))
    if found.get("Type") not in TYPES:
        raise Excess("Type=%s" % found.get("Type", ""))


def is_output(value: str, place: Place) -> bool:
    """Whether a process's output goes where it may."""
    if value in ("journal", "null", "inherit"):
        return True
    return value.startswith("append:") and place(value[len("append:") :])


def require_program(text: str, name: str, users: Collection[str], place: Place) -> None:
    """Require that a program of supervisor has no more rights than its user; see `require_unit`.

    :param name: its name.
    """
    found: Dict[str, str] = {}
    for section, key, value in settings_of(text):
        if section != "program:" + name:
            raise Excess("the section [%s]" % section)
        if key not in PROGRAM:
            raise Excess("the key %s" % key)
        if found.setdefault(key, value) != value:
            raise Excess("two values of %s" % key)
        if key in ("stdout_logfile", "stderr_logfile") and value not in ("NONE", "/dev/null") and not place(value):
            raise Excess("%s=%s" % (key, value[:60]))
    if found.get("user", "root") not in users:
        raise Excess("a program of the user %s" % found.get("user", "root")[:60])


def require_crontab(text: str, users: Collection[str]) -> None:
    """Require that the entries of a crontab run as these users; see `require_unit`."""
    for line in lines_of(text, "#"):
        if line in CRON_VARIABLES:
            continue
        entry = ENTRY.fullmatch(line)
        if not entry or entry.group(1) not in users:
            raise Excess("the line %s" % line[:80])

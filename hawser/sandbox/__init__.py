"""Throwaway hosts on one machine: real systemd, real SSH, own addresses, gone without a trace.

They are for trying things out, and no wall against an attacker: root in a host could become root of the machine.
"""

from .access import copy_in, cut, exec_in, join, private_key, processes, reboot, shell
from .lifecycle import down, listing, reset, up
from .model import RunningHost, SandboxSpec
from .requirements import install_requirements, requirements

__all__ = [
    "RunningHost",
    "SandboxSpec",
    "copy_in",
    "cut",
    "down",
    "exec_in",
    "install_requirements",
    "join",
    "listing",
    "private_key",
    "processes",
    "reboot",
    "requirements",
    "reset",
    "shell",
    "up",
]

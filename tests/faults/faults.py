"""What can go wrong in the middle of a rollout: how each fault strikes one host, and how it is over."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hawser import sandbox

from .conftest import ROOT, STATE, Ferry

PUT_BACK = "put back"
# The phases of a deploy onto four hosts, two at a time, and the host that a fault strikes in each: one that has a part
# in it, and the leader where only the leader has. Hosts are put back when the release is not healthy on the last one.
PHASES = {
    "prepare": "web2",
    "backup": "web1",
    "migrate": "web1",
    "switch 1/2": "web2",
    "switch 2/2": "web4",
    "finish": "web3",
    PUT_BACK: "web2",
}


class Fault:
    """A fault that strikes one host, or the controlling machine, in one phase.

    :param ferry: the hosts.
    :param victim: the host.
    :param phase: as the report names it.
    """

    # Strikes when the phase begins; otherwise at the first work of the victim in it.
    early = False

    def __init__(self, ferry: Ferry, victim: str, phase: str) -> None:
        self.ferry = ferry
        self.victim = victim
        self.phase = phase

    @contextmanager
    def around(self) -> Iterator[None]:
        """What has to be there before the deploy begins, and may go when it has been repaired."""
        yield

    def strike(self, process: subprocess.Popen[str]) -> None:
        """Do the harm."""

    def heal(self) -> None:
        """End the harm."""


class Killed(Fault):
    """The runner on the host is killed."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        self.ferry.sh(self.victim, "pkill -KILL -f '[p]ython3 -IBc'")


class CutOff(Fault):
    """Every packet from and to the host is dropped."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        sandbox.cut(self.ferry.name_of(self.victim))

    def heal(self) -> None:
        sandbox.join(self.ferry.name_of(self.victim))


class DiskFull(Fault):
    """The application's folder and the runner's own are on disks without a byte left."""

    early = True

    @contextmanager
    def around(self) -> Iterator[None]:
        self.ferry.sh(self.victim, self.moved(ROOT, "256m") + self.moved(STATE, "8m") + self.restarted())
        try:
            yield
        finally:
            self.ferry.sh(self.victim, self.moved_back(ROOT) + self.moved_back(STATE) + self.restarted())

    def strike(self, process: subprocess.Popen[str]) -> None:
        fill = "".join(f"dd if=/dev/zero of={folder}/filled bs=4k status=none || true\n" for folder in (ROOT, STATE))
        self.ferry.sh(self.victim, fill)

    def heal(self) -> None:
        self.ferry.sh(self.victim, f"rm -f {ROOT}/filled {STATE}/filled")

    def moved(self, folder: str, size: str) -> str:
        keep = f"/mnt/keep{folder}"
        return f"""set -e
            mkdir -p {keep}
            mount --bind {folder} {keep}
            mount --make-private {keep}
            mount -t tmpfs -o size={size},mode=$(stat -c %a {folder}) small {folder}
            cp -a {keep}/. {folder}/
        """

    def moved_back(self, folder: str) -> str:
        keep = f"/mnt/keep{folder}"
        return f"""set -e
            find {keep} -mindepth 1 -delete
            cp -a {folder}/. {keep}/
            umount -l {folder}
            umount {keep}
        """

    def restarted(self) -> str:
        """Processes and their sockets belong to the disk on which they were started."""
        return """
            web=$(systemctl list-units 'ferry-web-*' --state=active --plain --no-legend | cut -d' ' -f1)
            systemctl restart $web
            supervisorctl restart $(supervisorctl status | grep RUNNING | cut -d' ' -f1) >/dev/null
            systemctl restart nginx
        """


class FailingCommand(Fault):
    """A command of the phase fails on the host."""

    @contextmanager
    def around(self) -> Iterator[None]:
        database = f"{ROOT}/data/ferry.sqlite3"
        arm, self.disarm = {
            "prepare": ("mkdir -p /run/fault; touch /run/fault/build", "rm -r /run/fault"),
            "backup": (f"mv {database} /root/kept; seq 9999 > {database}", f"mv /root/kept {database}"),
            "migrate": ("mkdir -p /run/fault; touch /run/fault/migrate", "rm -r /run/fault"),
            "switch 1/2": ("mkdir -p /run/fault; touch /run/fault/start", "rm -r /run/fault"),
            "switch 2/2": ("mkdir -p /run/fault; touch /run/fault/start", "rm -r /run/fault"),
            "finish": (
                "mount --bind /etc/cron.d /etc/cron.d; mount -o remount,ro,bind /etc/cron.d",
                "umount /etc/cron.d",
            ),
            PUT_BACK: ("true", "rm -r /run/fault"),
        }[self.phase]
        self.ferry.sh(self.victim, arm)
        yield

    def strike(self, process: subprocess.Popen[str]) -> None:
        """It was there before, but for what starts again when a host is put back."""
        if self.phase == PUT_BACK:
            self.ferry.sh(self.victim, "mkdir -p /run/fault; touch /run/fault/start")

    def heal(self) -> None:
        self.ferry.sh(self.victim, self.disarm)


class Rebooted(Fault):
    """The host reboots."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        # A host needs a second or two to go down, in which a phase could end: the runner stops where it is.
        self.ferry.sh(self.victim, "pkill -STOP -f '[p]ython3 -IBc' || true")
        sandbox.reboot(self.ferry.name_of(self.victim))


class ControllerKilled(Fault):
    """`fab` itself is killed."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        process.kill()


class Interrupted(Fault):
    """Whoever has typed the command presses Ctrl-C."""

    def strike(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)


FAULTS: dict[str, type[Fault]] = {
    "runner killed": Killed,
    "cut off": CutOff,
    "disk full": DiskFull,
    "command fails": FailingCommand,
    "rebooted": Rebooted,
    "controller killed": ControllerKilled,
    "interrupted": Interrupted,
}


def deploy_under(fault: Fault) -> int:
    """Deploy, with a fault in its phase; returns the exit status of `fab`.

    :raises AssertionError: the deploy ended before the fault could strike.
    """
    struck, said, phase = False, [], ""
    process = fault.ferry.start("deploy")
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        said.append(line)
        told = json.loads(line)
        if told["t"] == "phase":
            phase = told["name"]
        works = told["t"] in ("start", "event") and told.get("host") == fault.victim
        if not struck and phase.startswith(fault.phase) and (fault.early or works):
            fault.strike(process)
            struck = True
    said.append(process.stderr.read())
    process.wait(timeout=120)
    fault.heal()
    assert struck, f"there was no {fault.phase} on {fault.victim}:\n" + "".join(said)
    assert "Traceback" not in said[-1], said[-1]
    return process.returncode


def settle(ferry: Ferry, hosts: tuple[str, ...]) -> None:
    """Wait until no runner of the deploy is left: one that hears nothing gives up after 15 seconds."""
    deadline = time.monotonic() + 40
    while any(ferry.sh(host, "pgrep -f '[p]ython3 -IBc' || true") for host in hosts):
        assert time.monotonic() < deadline, "a runner outlives its deploy"
        time.sleep(0.5)

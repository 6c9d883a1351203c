"""How much a host costs the machine that deploys, when there are many.

A crowd is one throwaway host with as many ports, each of which is a host in the settings: connections,
logins and runners are real, and the host's own processors are not measured. What it computes before it connects is
measured with hosts that are tables in memory and answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.simulated_hosts import NAME, World

from .report import machine, write_part
from .testbed import FOLDER, PEERS, PROJECT, Testbed, environ, fab_command

ENVIRONMENT = "crowd"
FIRST_PORT = 20000
SIZES = (100, 300)
STAND_INS = (100, 300, 1000)
ROUNDS = 3
# All its ports lead to sshd, which takes as many logins at once as there are.
OPEN = """
set -e
command -v nft >/dev/null || { apt-get update -qq; apt-get install -y -qq nftables; } >/dev/null
nft -f - <<'RULES'
table ip crowd { chain incoming { type nat hook prerouting priority dstnat; tcp dport 20000-29999 redirect to :22; }; }
RULES
echo 'MaxStartups 3000' >/etc/ssh/sshd_config.d/crowd.conf
systemctl reload ssh
"""
# A process of its own, for what a process is said to have taken at most counts the memory of whoever has started it.
WEIGHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
taken = resource.getrusage(resource.RUSAGE_CHILDREN)
print(taken.ru_utime + taken.ru_stime, taken.ru_maxrss << 10, file=sys.stderr)
sys.exit(code)
"""
SETTINGS = """\
[app]
name = "{name}"
repo = "."

[processes.back]
command = "back"
port = 8001

[hosts]
{hosts}"""


@dataclass(frozen=True)
class Load:
    """What a command took of the machine that deploys.

    :param cpu: seconds of the processor.
    :param memory: bytes, at most.
    """

    cpu: float
    memory: int


@dataclass(frozen=True)
class Share:
    """What each host added to that.

    :param cpu: seconds.
    :param memory: bytes; None: not measured.
    """

    what: str
    hosts: int
    cpu: float
    memory: float | None = None


def write_settings(testbed: Testbed, count: int) -> None:
    """Write an environment file with so many hosts, and their keys."""
    running = testbed.running(testbed.names[0])
    ports = range(FIRST_PORT, FIRST_PORT + count)
    hosts = "".join(
        f'\n[hosts.host{port}]\naddress = "{running.address}"\nport = {port}\nuser = "{running.user}"\n'
        f'key = "{testbed.key}"\n'
        for port in ports
    )
    (FOLDER / "hosts" / f"{ENVIRONMENT}.toml").write_text(SETTINGS.format(name=ENVIRONMENT, hosts=hosts))
    keys = [f"[{running.address}]:{port} {key}\n" for port in ports for key in running.host_keys]
    (FOLDER / "hosts" / "known_hosts").write_text("".join(keys))


def plain_fabric(testbed: Testbed, count: int) -> list[str]:
    """Return a command that logs in to each of so many hosts with Fabric alone, one after the other."""
    running = testbed.running(testbed.names[0])
    hosts = ",".join(f"{running.user}@{running.address}:{port}" for port in range(FIRST_PORT, FIRST_PORT + count))
    return [sys.executable, "-m", "fabric", "--search-root", str(PEERS), "-i", testbed.key, "-H", hosts, "nothing"]


def load(command: Sequence[str]) -> Load:
    """Run a command on the whole crowd.

    :raises RuntimeError: it failed.
    """
    argv = [sys.executable, "-c", WEIGHED, *command]
    done = subprocess.run(argv, cwd=PROJECT, env=environ(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    cpu, memory = done.stderr.splitlines()[-1].split()
    return Load(float(cpu), int(memory))


def connected(testbed: Testbed, sizes: Sequence[int]) -> list[Share]:
    """Measure commands on real connections: the median of the rounds, less what they take for one host."""
    testbed.inside(testbed.names[0], OPEN)
    commands: dict[str, Callable[[int], Sequence[str]]] = {
        "`run true`": lambda _count: fab_command(ENVIRONMENT, "run", "true"),
        "`status`": lambda _count: fab_command(ENVIRONMENT, "status"),
        "a Fabric task that does nothing": lambda count: plain_fabric(testbed, count),
    }
    found = []
    for what, command in commands.items():
        loads = {}
        for count in (1, *sizes):
            write_settings(testbed, count)
            loads[count] = [load(command(count)) for _ in range(ROUNDS)]
        one = loads.pop(1)
        for count, those in loads.items():
            cpu = statistics.median(each.cpu for each in those) - statistics.median(each.cpu for each in one)
            memory = statistics.median(each.memory for each in those) - statistics.median(each.memory for each in one)
            found.append(Share(what, count, cpu / (count - 1), memory / (count - 1)))
    return found


def computed(count: int) -> Share:
    """Measure what a deploy that finds nothing to do computes, preflight included, where hosts answer at once."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, Path(folder), SETTINGS, name=NAME)
        world.have_commits(monkeypatch)
        world.fleet(**{f"host{number}": "web" for number in range(count)})
        with contextlib.redirect_stdout(io.StringIO()):
            for _ in range(2):
                began = time.process_time()
                if problem := world.fab("deploy"):
                    raise RuntimeError(problem)
        return Share("what a deploy of nothing computes", count, (time.process_time() - began) / count)


def rows(shares: Sequence[Share]) -> list[str]:
    """Return the table of the page: a row a share."""
    found = ["| | hosts | ms of the processor a host | KiB a host |", "| --- | ---: | ---: | ---: |"]
    for each in shares:
        memory = "" if each.memory is None else f"{each.memory / 1024:.0f}"
        found.append(f"| {each.what} | {each.hosts} | {each.cpu * 1000:.1f} | {memory} |")
    return found


def main() -> None:
    """Measure, print, and write the part of docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="*", default=SIZES, help="the sizes of the crowd")
    parser.add_argument("--keep", action="store_true", help="leave the host up")
    options = parser.parse_args()
    console = Console(highlight=False)
    shares = [computed(count) for count in STAND_INS]
    testbed = Testbed(("host1",))
    with testbed.up({}, options.keep):
        shares += connected(testbed, options.hosts)
    for row in rows(shares):
        console.print(row)
    if tuple(options.hosts) == SIZES:
        write_part("crowd", f"`make bench-crowd`, {machine()}.", rows(shares))


if __name__ == "__main__":
    main()

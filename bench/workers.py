"""What the engine of dask.distributed costs and saves, beside the engine of one machine.

A stand-in fleet is one throwaway host with as many ports, each of which is a host in the settings: connections, logins
and channels are real, and behind each is a shell that answers as a runner that has nothing to do. Workers and hosts
share the processors of this machine, so seconds say little of what several machines would do; what the machine that
deploys spends is measured by itself. Distance is a relay: it lies before the hosts for the plain engine, before the
scheduler and the workers for the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hawser import sandbox
from tests.dask_cluster import PREPARED, Cluster
from tests.faults.conftest import APP, Ferry
from tests.hostile.imposter import FACTS
from tests.hosts.conftest import make_repository

from .crowd import FIRST_PORT, OPEN, SETTINGS, WEIGHED
from .relay import far_away
from .report import machine, write_part

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "scale.md"
SLEEP = ("run", "sleep 1000")
ENVIRONMENT = "standins"
HOST = f"{ENVIRONMENT}-host1"
# Answers as a runner: to signs of life with one, to what is asked with success, to a sleep after some signs of life.
PINGS = 5
STAND_IN = """\
#!/bin/sh
IFS= read -r hello
echo '%(hello)s'
pings=0
answer() { echo "{\\"t\\": \\"done\\", \\"id\\": $1, \\"ok\\": true, \\"code\\": 0}"; }
while IFS= read -r line; do
    id=${line#*'"id": '}; id=${id%%%%,*}
    case $line in
    *'"op": "ping"'*)
        echo '{"t": "beat"}'
        pings=$((pings + 1))
        if [ "$waits" ] && [ $pings -ge %(pings)d ]; then answer "$waits"; waits=; fi ;;
    *'"op": "bye"'*) exit ;;
    *'"op": "stream"'*sleep*) waits=$id pings=0 ;;
    *) answer "$id" ;;
    esac
done
"""
# A login costs as little as sshd can: no PAM, no journal of sessions. Hosts are elsewhere, so they come last here.
ANSWER = """
set -e
cat >/usr/local/bin/stand-in <<'TEXT'
%(script)sTEXT
chmod 755 /usr/local/bin/stand-in
printf '%%s\\n' 'ForceCommand /usr/local/bin/stand-in' 'UsePAM no' 'PrintMotd no' >/etc/ssh/sshd_config.d/stand-in.conf
mkdir -p /etc/systemd/system/ssh.service.d
printf '[Service]\\nTasksMax=infinity\\nNice=19\\n' >/etc/systemd/system/ssh.service.d/stand-in.conf
usermod -p '*' root
systemctl daemon-reload
systemctl restart ssh
"""
# What passes between this machine's own processes, and between them and the hosts, by its way out.
COUNT = """
table ip hawser_bench {
    counter hosts {}
    counter workers {}
    counter relayed {}
    chain out {
        type filter hook output priority 0
        ip daddr %(address)s counter name hosts
        ip daddr 127.0.0.1 tcp dport { %(ports)s } counter name workers
        ip daddr 127.0.0.1 tcp sport { %(ports)s } counter name workers
        ip daddr 127.0.0.1 tcp dport { %(relays)s } counter name relayed
        ip daddr 127.0.0.1 tcp sport { %(relays)s } counter name relayed
    }
    chain in {
        type filter hook input priority 0
        ip saddr %(address)s counter name hosts
    }
    chain far {
        type nat hook output priority -100
        ip daddr 127.0.0.1 tcp dport %(first)d-%(last)d redirect to :%(relay)d
    }
}
"""


@dataclass(frozen=True)
class Sample:
    """What a command took.

    :param seconds: of the clock.
    :param cpu: seconds of processors, of the command alone.
    :param memory: bytes, at most, likewise.
    :param near: bytes between the command and its workers.
    :param far: bytes between this machine and the hosts.
    :param workers: seconds of processors of all workers.
    """

    seconds: float
    cpu: float
    memory: int
    near: int
    far: int
    workers: float


class Fleet:
    """So many stand-in hosts, and the settings that name them.

    :param folder: for settings and certificates.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        sandbox.up([sandbox.SandboxSpec(HOST)])
        self.running = next(each for each in sandbox.listing() if each.name == HOST)
        self.inside(OPEN)
        hello = json.dumps({"t": "hello", "facts": {**FACTS, "app": {**FACTS["app"], "journal": None}}})
        self.inside(ANSWER % {"script": STAND_IN % {"hello": hello, "pings": PINGS}})

    def inside(self, script: str) -> None:
        done = sandbox.exec_in(HOST, ["bash", "-s"], script.encode())
        if done.returncode:
            raise RuntimeError(done.stderr.decode())

    def lines(self) -> int:
        """Return how many lines are open."""
        return int(sandbox.exec_in(HOST, ["pgrep", "-c", "-f", "^/bin/sh /usr/local/bin/stand-in"]).stdout or 0)

    def write(self, address: str) -> None:
        """Write the settings, by which the hosts are at an address."""
        (self.folder / "hosts").mkdir(exist_ok=True)
        ports = range(FIRST_PORT, FIRST_PORT + self.count)
        hosts = "".join(
            f'\n[hosts.host{port}]\naddress = "{address}"\nport = {port}\nuser = "{self.running.user}"\n'
            f'key = "{sandbox.private_key()}"\n'
            for port in ports
        )
        (self.folder / "hosts" / f"{ENVIRONMENT}.toml").write_text(SETTINGS.format(name=ENVIRONMENT, hosts=hosts))
        known = (f"[{address}]:{port} {key}\n" for port in ports for key in self.running.host_keys)
        (self.folder / "hosts" / "known_hosts").write_text("".join(known))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def spent(process: int) -> float:
    """Return the seconds of processors that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def counted(address: str, ports: Sequence[int], relays: Sequence[int], relay: int) -> Iterator[None]:
    """Count bytes while this lasts, and have hosts at 127.0.0.1 be behind a relay.

    :param ports: of scheduler and workers, and
    :param relays: of the relays before them.
    """
    listed = {"ports": ", ".join(map(str, ports)), "relays": ", ".join(map(str, relays))}
    text = COUNT % {"address": address, **listed, "first": FIRST_PORT, "last": FIRST_PORT + 9999, "relay": relay}
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "hawser_bench"], check=True)


def counts() -> dict[str, int]:
    """Return the bytes until now, by counter."""
    done = subprocess.run(
        ["nft", "-j", "list", "counters", "table", "ip", "hawser_bench"], capture_output=True, check=True
    )
    found = (each["counter"] for each in json.loads(done.stdout)["nftables"] if "counter" in each)
    return {each["name"]: int(each["bytes"]) for each in found}


class Bench:
    """The measurements.

    :param hosts: the folder of their settings.
    :param cluster: the scheduler and its workers.
    :param scheduler: the port at which it is reached.
    """

    def __init__(self, hosts: Path, environment: str, cluster: Cluster, scheduler: int) -> None:
        self.hosts, self.environment, self.cluster, self.scheduler = hosts, environment, cluster, scheduler
        self.counter = "workers" if scheduler == cluster.port else "relayed"

    def environ(self, by_workers: bool) -> dict[str, str]:
        more = {**self.cluster.variables, "HAWSER_ENGINE": f"dask://127.0.0.1:{self.scheduler}"} if by_workers else {}
        hosts = {"HAWSER_HOSTS": str(self.hosts), "HAWSER_OUTPUT": "json"}
        return {**os.environ, **hosts, **more}

    def start(self, by_workers: bool, words: Sequence[str]) -> subprocess.Popen[str]:
        fab = str(Path(sys.executable).parent / "fab")
        return subprocess.Popen(
            [sys.executable, "-c", WEIGHED, fab, "-H", self.environment, *words],
            cwd=PROJECT,
            env=self.environ(by_workers),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sample(self, by_workers: bool, words: Sequence[str]) -> Sample:
        """Run a command on the whole fleet.

        :raises RuntimeError: it failed.
        """
        before, busy, began = counts(), self.busy(), time.monotonic()
        process = self.start(by_workers, words)
        output, errors = process.communicate()
        seconds = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)}: {process.returncode}\n{output[-3000:]}{errors[-3000:]}")
        cpu, memory = errors.splitlines()[-1].split()
        after = counts()
        near, far = (after[name] - before[name] for name in (self.counter, "hosts"))
        return Sample(seconds, float(cpu), int(memory), near, far, self.busy() - busy)

    def busy(self) -> float:
        return sum(spent(each.process.pid) for each in self.cluster.workers.values())

    def death(self, fleet: Fleet) -> tuple[float, int]:
        """Kill a worker while every host works, for as long as some signs of life take.

        :returns: seconds of the run, and the hosts that it lost.
        """
        process, name = self.start(True, SLEEP), next(iter(self.cluster.workers))
        began = time.monotonic()
        while fleet.lines() < fleet.count:
            time.sleep(1)
        self.cluster.workers.pop(name).kill()
        output, errors = process.communicate()
        return time.monotonic() - began, len(set(re.findall(rf"(host\d+): its worker {name} ", output + errors)))


def median(samples: Sequence[Sample], of: str) -> float:
    return statistics.median(float(getattr(each, of)) for each in samples)


def rows(found: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Return a table: a row a way to the hosts."""
    lines = [
        "| | seconds | processor of `fab`, s | memory of `fab`, MiB | `fab` and workers, MB | hosts, MB "
        "| processor of workers, s |",
        "| --- |" + " ---: |" * 6,
    ]
    for name, those in found.items():
        cells = [f"{median(those, 'seconds'):.1f}", f"{median(those, 'cpu'):.1f}"]
        cells += [f"{median(those, 'memory') / 2**20:.0f}"]
        cells += [f"{median(those, each) / 1e6:.1f}" for each in ("near", "far")]
        lines.append(f"| {name} | {' | '.join(cells)} | {median(those, 'workers'):.1f} |")
    return lines


def measured(options: argparse.Namespace, folder: Path, console: Console) -> list[str]:
    """Measure both engines on the stand-in fleet, near and far, and the death of a worker."""
    fleet = Fleet(folder, options.hosts)
    cluster = Cluster(folder)
    distance, ports = options.distance, [free_port() for _ in range(options.workers)]
    found: dict[str, list[Sample]] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.end)
        hosts = stack.enter_context(far_away(fleet.running.address, fleet.running.port, distance))
        scheduler = stack.enter_context(far_away("127.0.0.1", cluster.port, distance))
        lines = [stack.enter_context(far_away("127.0.0.1", port, distance)) for port in ports]
        relays = [scheduler.port, *(line.port for line in lines)]
        stack.enter_context(counted(fleet.running.address, [cluster.port, *ports], relays, hosts.port))

        def workers(far: bool) -> None:
            for each in cluster.workers.values():
                each.end()
            cluster.workers.clear()
            for number, (port, line) in enumerate(zip(ports, lines, strict=True)):
                contact = line.port if far else port
                places = ["--listen-address", f"tls://127.0.0.1:{port}", "--contact-address"]
                cluster.add(f"w{number}", options=[*places, f"tls://127.0.0.1:{contact}", *PREPARED])

        for far in (False, True):
            workers(far)
            way = f", {distance * 1000:.0f} ms away" if far else ""
            for number in range(options.rounds):
                for by_workers in (False, True) if number % 2 else (True, False):
                    fleet.write("127.0.0.1" if far and not by_workers else fleet.running.address)
                    bench = Bench(folder / "hosts", ENVIRONMENT, cluster, scheduler.port if far else cluster.port)
                    name = f"{options.workers} workers" if by_workers else "this machine alone"
                    sample = bench.sample(by_workers, ["run", "true"])
                    console.print(name + way, sample)
                    found.setdefault(f"`run true`, {name}{way}", []).append(sample)
        bench = Bench(folder / "hosts", ENVIRONMENT, cluster, scheduler.port)
        whole = bench.sample(True, SLEEP)
        seconds, lost = bench.death(fleet)
        again = bench.sample(True, ["run", "true"])
    told = f"One of {options.workers} workers killed while `run 'sleep …'` works on all hosts: {lost} of them lost, "
    told += f"the run ends after {seconds:.1f} s (undisturbed {whole.seconds:.1f} s); `run true` with one worker less "
    return [*rows(found), "", f"{told}takes {again.seconds:.1f} s."]


def on_real_hosts(options: argparse.Namespace, folder: Path, console: Console) -> list[str]:
    """Measure deploys of a small site onto throwaway hosts, each with all that a host has, with both engines."""
    ferry = Ferry(folder, "ferry")
    (folder / "hosts").mkdir()
    make_repository(ferry.repository, APP)
    text = (APP / "faults.toml").read_text().replace('"REPOSITORY"', json.dumps(str(ferry.repository)))
    names = [f"web{number}" for number in range(1, options.real + 1)]
    hosts = "".join(f"[hosts.{name}]\nsandbox = true\n\n" for name in names)
    ferry.file.write_text(text.partition("[hosts.")[0].replace("batch = 2", 'batch = "25%"') + hosts)
    sandbox.up([sandbox.SandboxSpec(ferry.name_of(name)) for name in names])
    cluster, found = Cluster(folder), dict[str, list[Sample]]()
    try:
        ferry.fab("-H", "ferry", "bootstrap", "deploy", timeout=1800)
        for number in range(options.workers):
            cluster.add(f"w{number}")
        ports = [int(each.rpartition(":")[2]) for each in cluster.addresses.values()]
        addresses = "{ " + ", ".join(map(ferry.address, names)) + " }"
        bench = Bench(ferry.hosts, "ferry", cluster, cluster.port)
        with counted(addresses, [cluster.port, *ports], ports, ports[0]):
            for number in range(options.rounds):
                for by_workers in (False, True) if number % 2 else (True, False):
                    ferry.next_commit()
                    for what in ("a new commit", "nothing new"):
                        name = f"{options.workers} workers" if by_workers else "this machine alone"
                        sample = bench.sample(by_workers, ["deploy"])
                        console.print(what, name, sample)
                        found.setdefault(f"`deploy` of {what}, {name}", []).append(sample)
    finally:
        cluster.end()
        if not options.keep:
            sandbox.down([ferry.name_of(name) for name in names])
    return rows(dict(sorted(found.items())))


def main() -> None:
    """Measure, print, and write the part of docs/scale.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000, help="stand-in hosts")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distance", type=float, default=0.05, help="seconds a round trip")
    parser.add_argument("--real", type=int, help="throwaway hosts to deploy a small site to, in place of stand-ins")
    parser.add_argument("--keep", action="store_true", help="leave the hosts up")
    options = parser.parse_args()
    console, folder = Console(highlight=False), Path(tempfile.mkdtemp(prefix="hawser-bench-"))
    try:
        lines = on_real_hosts(options, folder, console) if options.real else measured(options, folder, console)
    finally:
        shutil.rmtree(folder)
        if not options.keep and not options.real:
            sandbox.down([HOST])
    for line in lines:
        console.print(line)
    what = f"--real {options.real}" if options.real else f"--hosts {options.hosts}"
    command = f"`python -m bench.workers {what} --workers {options.workers}`, {machine()}; medians of {options.rounds}."
    write_part("real" if options.real else "fleet", command, lines, PAGE)


if __name__ == "__main__":
    main()

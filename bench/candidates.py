"""The candidates: the command that a user types, the proof that it did its work, and how to undo all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .testbed import FOLDER, HAWSERS, PEER_PACKAGES, PEERS, PROJECT, Testbed, environ, fab_command, git

# What a host knows of one candidate's deploys, as a shell script: services, code, environments, database, nothing else.
# The downloads of uv stay for all, so that the speed of a package index is not measured.
FORGET = """
set -e
name={name} root=/srv/{name}
rm -f /etc/supervisor/conf.d/$name-* /etc/nginx/sites-enabled/$name.conf /etc/cron.d/$name
supervisorctl update >/dev/null
[ ! -e /run/nginx.pid ] || systemctl reload nginx
rm -rf $root/releases/* $root/repository* $root/repo $root/envs/* $root/data/* $root/stamp $root/revisions.log
rm -f $root/current $root/previous $root/source $root/env $root/environment
[ ! -d $root/run ] || rm -rf $root/run/*; [ -d $root/run ] || rm -f $root/run
rm -rf /var/lib/hawser/$name/journal.json /var/lib/hawser/$name/history.jsonl /var/lib/hawser/$name/pending*
rm -rf /var/lib/hawser/$name/migrated*
"""
# Supervisor calls a program running when it has stayed up for a second.
RUNNING = """
for _ in $(seq 50); do
    count=$(supervisorctl status | grep -c '^{name}-.*RUNNING' || true)
    [ "$count" = 2 ] && break
    sleep 0.1
done
echo $count
"""
# A worker of nginx with the configuration of before may still answer.
TRIES = "--retry 20 --retry-delay 0 --retry-all-errors --retry-max-time 10"
HEALTH = f"curl -sfk {TRIES} -o /dev/null --resolve {{domain}}:443:127.0.0.1 https://{{domain}}/health/"


@dataclass(frozen=True)
class Cost:
    """The cost of one run of a command on the controlling machine.

    :param seconds: from its start to its end.
    :param cpu: seconds of the processor, of the command and all its children.
    """

    seconds: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Candidate:
    """One way to deploy.

    :param name: as it stands in the table.
    :param application: what its folder, programs and files on the hosts are named by.
    :param command: what is typed.
    :param variables: those that it is started with besides.
    :param far: those by which it takes the way over a relay; None: it is not sent there.
    :param idle: it deploys nothing, and is measured where nothing is to be done.
    """

    name: str
    application: str
    command: Callable[[Testbed], Sequence[str]]
    variables: Mapping[str, str] = field(default_factory=dict)
    far: Mapping[str, str] | None = None
    idle: bool = False

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def domain(self) -> str:
        return f"{self.application}.test"

    def deploy(self, testbed: Testbed, far: bool = False) -> Cost:
        """Run the command as a user would.

        :param far: over the relay; see `Testbed.at_distance`.
        :raises RuntimeError: it failed.
        """
        commit = git("rev-parse", "main")
        own = {**self.variables, **(self.far or {} if far else {})}
        variables = {**environ(), **{key: value.format(commit=commit) for key, value in own.items()}}
        folder = FOLDER / "far" if far else FOLDER
        command = [word.format(commit=commit, folder=folder) for word in self.command(testbed)]
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=PROJECT if self.application in HAWSERS else PEERS,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{self.name}: exit status {process.returncode}\n{output}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, output)

    def forget(self, testbed: Testbed) -> None:
        """Make every host as it was before this candidate's first deploy."""
        for host in testbed.names:
            testbed.inside(host, FORGET.format(name=self.application))

    def check(self, testbed: Testbed) -> None:
        """Look at the hosts: everything there serves the newest commit.

        :raises RuntimeError: it does not.
        """
        newest = git("rev-parse", "main")
        line = git("show", f"{newest}:harbour/urls.py").splitlines()[-1]
        for host in testbed.names:
            code = f"/srv/{self.application}/current/source/harbour/urls.py"
            there = testbed.inside(host, f"tail -1 {code}")
            if there != line:
                raise RuntimeError(f"{self.name}: {host} does not serve {newest[:10]}")
            testbed.inside(host, HEALTH.format(domain=self.domain))
            running = testbed.inside(host, RUNNING.format(name=self.application))
            if running != "2":
                raise RuntimeError(f"{self.name}: {running} of 2 programs run on {host}")


def script(name: str) -> Callable[[Testbed], Sequence[str]]:
    return lambda testbed: [str(PEERS / f"{name}.sh"), *testbed.names]


def settings(name: str) -> dict[str, str]:
    return {"SETTINGS": str(FOLDER / f"{name}.sh"), "BENCH": str(FOLDER / f"{name}.json"), "COMMIT": "{commit}"}


def far_settings(name: str) -> dict[str, str]:
    return {"SETTINGS": str(FOLDER / "far" / f"{name}.sh")}


def ansible(name: str) -> Callable[[Testbed], Sequence[str]]:
    files = ["-i", str(FOLDER / f"{name}.ini"), "-e", f"@{FOLDER / name}.json", "-e", "commit={commit}"]
    return lambda testbed: ["ansible-playbook", *files, "--ssh-common-args", f"-F {FOLDER / 'ssh_config'}", "site.yml"]


def pyinfra(testbed: Testbed) -> Sequence[str]:
    hosts = ",".join(testbed.running(name).address for name in testbed.names)
    options = ["--ssh-user", "root", "--ssh-key", testbed.key, "--data", f"ssh_config_file={FOLDER / 'ssh_config'}"]
    return ["pyinfra", "-y", *options, "--data", f"ssh_known_hosts_file={FOLDER / 'known_hosts'}", hosts, "site.py"]


def fabric(testbed: Testbed) -> Sequence[str]:
    """One task that does nothing: what starts Python and Fabric, and logs in, takes this long at least."""
    words = ["-m", "fabric", "--ssh-config", "{folder}/ssh_config", "-H", ",".join(testbed.names), "nothing"]
    return [sys.executable, *words]


MITOGEN = next(PEER_PACKAGES.glob("lib/*/site-packages/ansible_mitogen"), PEER_PACKAGES)
USE_MITOGEN = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(MITOGEN / "plugins/strategy")}
FAR_HOSTS = {"HAWSER_HOSTS": str(FOLDER / "far" / "hosts")}
LEAST = Candidate("least", "least", script("least"), settings("least"), far_settings("least"))
CANDIDATES = (
    LEAST,
    Candidate("a Fabric task that does nothing", "fabric", fabric, far={}, idle=True),
    Candidate("lean script", "lean", script("lean"), settings("lean"), far_settings("lean")),
    Candidate("Hawser", "bench", lambda testbed: fab_command("bench", "deploy"), far=FAR_HOSTS),
    Candidate("Hawser, all hosts at once", "atonce", lambda testbed: fab_command("atonce", "deploy")),
    Candidate("pyinfra", "pyinfra", pyinfra, settings("pyinfra")),
    Candidate("Ansible", "ansible", ansible("ansible"), settings("ansible")),
    Candidate("Ansible with Mitogen", "mitogen", ansible("mitogen"), {**settings("mitogen"), **USE_MITOGEN}),
    Candidate("Capistrano", "capistrano", lambda testbed: ["cap", "bench", "deploy"], settings("capistrano")),
)

"""The two that are compared: the command a user types, the proof that it did its work, and how to undo all of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .testbed import PROJECT, Testbed, environ, fab_command, git

# What a host knows of one candidate's deploys, as a shell script: services, code, environments, database, nothing else.
# The downloads of uv stay for both, so that the speed of a package index is not measured.
FORGET = """
set -e
name={name} root=/srv/{name}
systemctl disable --quiet --now $(systemctl list-unit-files --no-legend "$name-*" | cut -d' ' -f1) 2>/dev/null || true
rm -f /etc/systemd/system/$name-* /etc/supervisor/conf.d/$name-* /etc/nginx/sites-enabled/$name.conf /etc/cron.d/$name
systemctl daemon-reload
[ ! -e /run/supervisor.sock ] || supervisorctl update >/dev/null
[ ! -e /run/nginx.pid ] || systemctl reload nginx
rm -rf $root/releases/* $root/repository.git* $root/envs/* $root/run/* $root/ssl/* $root/data/* $root/stamp
rm -f $root/current $root/previous $root/source $root/env
rm -rf /var/lib/hawser/$name/journal.json /var/lib/hawser/$name/history.jsonl /var/lib/hawser/$name/pending*
if [ -e /var/lib/postgresql ]; then
    echo "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION $name" |
        su -s /bin/sh postgres -c "psql -q -v ON_ERROR_STOP=1 -d $name" 2>/dev/null
fi
"""


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
    :param application: what its folder, units and files on the hosts are named by.
    :param idle: what it says when there is nothing to do.
    """

    name: str
    application: str
    idle: str

    def command(self, testbed: Testbed) -> Sequence[str]:
        if self.application == "bench":
            return fab_command("deploy")
        return [str(PROJECT / "bench" / "deploy.sh"), *testbed.hosts]

    def deploy(self, testbed: Testbed) -> Cost:
        """Run the command as a user would.

        :raises RuntimeError: it failed.
        """
        started = time.perf_counter()
        process = subprocess.Popen(
            self.command(testbed),
            cwd=PROJECT,
            env=environ(),
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
        for host in reversed(list(testbed.hosts)):
            testbed.inside(host, FORGET.format(name=self.application))

    def check(self, testbed: Testbed) -> None:
        """Look at the hosts: everything there serves the newest commit.

        :raises RuntimeError: it does not.
        """
        newest = git("rev-parse", "main")[:10]
        for host in testbed.hosts:
            release = testbed.inside(host, f"readlink /srv/{self.application}/current").rpartition("/")[2]
            if not release.startswith(newest):
                raise RuntimeError(f"{self.name}: {host} is on {release}, not on {newest}")
        for host in testbed.of_group("web"):
            testbed.inside(
                host,
                # nginx takes up its new configuration a moment after it was told to
                f"curl -sfk --retry 5 --retry-delay 1 --retry-all-errors -o /dev/null"
                f" --resolve {self.application}.test:443:127.0.0.1 https://{self.application}.test/"
                f" && grep -l {newest} $(readlink -f /srv/{self.application}/current)/environment"
                f" && systemctl list-units --no-legend --state=running '{self.application}-web-*' | grep -q running",
            )
        for host in testbed.of_group("data"):
            running = testbed.inside(host, f"supervisorctl status | grep -c '^{self.application}-.*RUNNING' || true")
            if running != "2":
                raise RuntimeError(f"{self.name}: {running} of 2 programs run on {host}")


SCRIPT = Candidate("script", "scripted", "serves already")
HAWSER = Candidate("Hawser", "bench", "nothing to do")

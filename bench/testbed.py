"""The testbed of both: throwaway hosts, a repository, secrets, and the setup of a script's author."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hawser import sandbox
from hawser.host.places import UV_FOLDER
from hawser.runner.python.installers import pip_settings

PROJECT = Path(__file__).parent.parent
FOLDER = PROJECT / ".sandbox" / "bench"
REPOSITORY = FOLDER / "site"
ENVIRONMENT = "bench"

# What stands once on a host before a script can be used; Hawser's own share of it is `fab bootstrap`.
SETTLE_SCRIPT = """
set -e
id scripted >/dev/null 2>&1 || useradd --system --user-group --home-dir /srv/scripted/home scripted
cd /srv; mkdir -p scripted; cd scripted
mkdir -p releases log ssl envs/.cache home data run
chown scripted:scripted envs envs/.cache home data run
"""


@dataclass(frozen=True)
class Testbed:
    """Hosts that are up and ready for a first deploy.

    :param hosts: name -> groups, in the order in which they are named to the script.
    """

    hosts: Mapping[str, tuple[str, ...]]

    def address(self, host: str) -> str:
        """Return a host's address in the sandbox."""
        return self.running(host).address

    def running(self, host: str) -> sandbox.RunningHost:
        return next(each for each in sandbox.listing() if each.name == f"{ENVIRONMENT}-{host}")

    def inside(self, host: str, script: str) -> str:
        """Run a shell script on a host, not over SSH, and return its output.

        :raises RuntimeError: it failed.
        """
        done = sandbox.exec_in(f"{ENVIRONMENT}-{host}", ["bash", "-s"], script.encode())
        if done.returncode:
            raise RuntimeError(f"{host}: exit status {done.returncode}\n{script}\n{done.stderr.decode()}")
        return done.stdout.decode().strip()

    def of_group(self, group: str) -> list[str]:
        return [name for name, groups in self.hosts.items() if group in groups]

    def up(self) -> None:
        """Bring the hosts up, and set up on them all that belongs to neither candidate's deploy."""
        shutil.rmtree(FOLDER, ignore_errors=True)
        (FOLDER / "hosts").mkdir(parents=True)
        compile_packages()
        self.make_repository()
        self.write_environment()
        sandbox.up([sandbox.SandboxSpec(f"{ENVIRONMENT}-{name}") for name in self.hosts])
        fab("bootstrap")
        for name in self.hosts:
            self.inside(name, SETTLE_SCRIPT)
        self.write_settings()

    def down(self) -> None:
        """Remove the hosts and everything that was made for them."""
        sandbox.down([f"{ENVIRONMENT}-{name}" for name in self.hosts])
        shutil.rmtree(FOLDER, ignore_errors=True)

    def make_repository(self) -> None:
        shutil.copytree(PROJECT / "demo", REPOSITORY, ignore=shutil.ignore_patterns("__pycache__", ".env", "*.sqlite3"))
        git("init", "--quiet", "-b", "main")
        git("config", "user.name", "Bench")
        git("config", "user.email", "bench@example.org")
        commit("The site")

    def write_environment(self) -> None:
        """Write the environment file for Hawser, and the secrets of both."""
        text = (PROJECT / "bench" / "site.toml").read_text()
        for name, groups in self.hosts.items():
            text += f"\n[hosts.{name}]\ngroups = {json.dumps(groups)}\nsandbox = true\n"
        (FOLDER / "hosts" / f"{ENVIRONMENT}.toml").write_text(text)
        names = ["SECRET_KEY", "DB_PASSWORD", "BROKER_PASSWORD", "SCRIPTED_DB_PASSWORD", "SCRIPTED_BROKER_PASSWORD"]
        path = FOLDER / "hosts" / f"{ENVIRONMENT}.env"
        path.touch(0o600)
        path.write_text("".join(f"{name}={secrets.token_urlsafe(48)}\n" for name in names))

    def write_settings(self) -> None:
        """Write the files of the script's author: settings, and an SSH configuration with pinned host keys."""
        known_hosts, ssh = FOLDER / "known_hosts", FOLDER / "ssh_config"
        running = {name: self.running(name) for name in self.hosts}
        known_hosts.write_text(
            "".join(f"{each.address} {key}\n" for each in running.values() for key in each.host_keys)
        )
        ssh.write_text(
            "".join(
                f"Host {name}\n  HostName {each.address}\n  Port {each.port}\n  User {each.user}\n"
                f"  IdentityFile {sandbox.private_key()}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known_hosts}\n"
                "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
                for name, each in running.items()
            )
        )
        values = dict(line.split("=", 1) for line in (FOLDER / "hosts" / f"{ENVIRONMENT}.env").read_text().splitlines())
        data = self.address(self.of_group("data")[0])
        variables = {
            "DJANGO_SETTINGS_MODULE": "harbour.settings",
            "SECRET_KEY": values["SECRET_KEY"],
            "ALLOWED_HOSTS": "scripted.test",
            "DATABASE_URL": f"postgresql://scripted:{values['SCRIPTED_DB_PASSWORD']}@{data}/scripted?connect_timeout=5",
            "CELERY_BROKER_URL": f"amqp://scripted:{values['SCRIPTED_BROKER_PASSWORD']}@{data}/scripted",
        }
        pip = FOLDER / "pip.conf"
        pip.write_text(self.inside(next(iter(self.hosts)), "cat /etc/pip.conf 2>/dev/null || true"))
        index = pip_settings([str(pip)])
        settings = {
            "REPO": str(REPOSITORY),
            "BRANCH": "main",
            "SSH": f"ssh -F {ssh}",
            "WEB": " ".join(self.of_group("web")),
            "DATA": " ".join(self.of_group("data")),
            "DOMAIN": "scripted.test",
            "UV": f"{UV_FOLDER}/bin/uv",
            "INDEX": " ".join(f"{name}={value}" for name, value in index.items()),
            "ENVIRONMENT": "\n".join(f"{name}='{value}'" for name, value in variables.items()),
        }
        path = FOLDER / "settings.sh"
        path.touch(0o600)
        path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))


def environ() -> dict[str, str]:
    """Return the variables with which both candidates are started."""
    ours = {
        "HAWSER_HOSTS": str(FOLDER / "hosts"),
        "SETTINGS": str(FOLDER / "settings.sh"),
        # Python keeps what it has compiled, as it does unless told otherwise; see `compile_packages`.
        "PYTHONPYCACHEPREFIX": str(FOLDER / "pycache"),
    }
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}, **ours}


def compile_packages() -> None:
    """Compile the packages that `fab` needs, as pip does when it installs them, and uv does not."""
    argv = [sys.executable, "-m", "compileall", "-qq", "-j", "0", sysconfig.get_path("purelib")]
    subprocess.run(argv, env=environ(), check=False)


def fab_command(*words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "fab"), "-H", ENVIRONMENT, *words]


def fab(*words: str) -> None:
    """Run `fab` on all hosts; its output is shown only when it fails."""
    done = subprocess.run(fab_command(*words), cwd=PROJECT, env=environ(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"fab {' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def git(*words: str) -> str:
    """Run git in the site's repository and return its output."""
    done = subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(text: str) -> None:
    """Commit a change of one file of the code."""
    with (REPOSITORY / "harbour" / "urls.py").open("a") as stream:
        stream.write(f"# {text}\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", text)

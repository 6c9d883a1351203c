"""The testbed of all candidates: throwaway hosts, a repository and its server, and what stands on hosts beforehand."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from hawser import sandbox
from hawser.host.places import UV_FOLDER
from hawser.runner.python.installers import pip_settings

from .relay import far_away

PROJECT = Path(__file__).parent.parent
PEERS = PROJECT / "bench" / "peers"
FOLDER = PROJECT / ".sandbox" / "bench"
# The environment of the peers, which `make bench` makes.
PEER_PACKAGES = PROJECT / ".sandbox" / "peers"
REPOSITORY = FOLDER / "site"
ENVIRONMENT = "bench"
BRANCH = "main"
SITE = PROJECT / "bench" / "site.toml"
# The applications that Hawser deploys, each with an environment file of its name.
HAWSERS = ("bench", "atonce")
# The files that every candidate writes, by the names of their templates.
TEMPLATES = ("environment", "run", "web.conf", "worker.conf", "nginx.conf", "cron")

# What stands on a host before a candidate's first deploy; Hawser's own share of it is `fab bootstrap`.
SETTLE = """
set -e
id {name} >/dev/null 2>&1 || useradd --system --user-group --home-dir /srv/{name}/home {name}
mkdir -p /srv/{name}; cd /srv/{name}
mkdir -p releases log ssl envs/.cache home data
chown {name}:{name} . releases envs envs/.cache home data log
chmod 755 .
[ -e ssl/site.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj /CN={domain} -addext subjectAltName=DNS:{domain} -keyout ssl/site.key -out ssl/site.crt 2>/dev/null
"""


@dataclass(frozen=True)
class Testbed:
    """Hosts that are up and ready for a first deploy.

    :param names: those of the hosts.
    """

    names: tuple[str, ...]

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

    @contextlib.contextmanager
    def up(self, candidates: Mapping[str, str], keep: bool = False) -> Iterator[None]:
        """Have the hosts, with all that belongs to no candidate's deploy.

        :param candidates: the domain of each that deploys an application of its own, by the name of that.
        :param keep: leave them at the end.
        """
        shutil.rmtree(FOLDER, ignore_errors=True)
        (FOLDER / "hosts").mkdir(parents=True)
        compile_packages()
        make_repository()
        sandbox.up([sandbox.SandboxSpec(f"{ENVIRONMENT}-{name}") for name in self.names])
        try:
            self.write_environments()
            self.write_ssh()
            for each in HAWSERS:
                fab(each, "bootstrap")
            with self.served_repository():
                for name, domain in candidates.items():
                    if name in HAWSERS:
                        continue
                    for host in self.names:
                        self.inside(host, SETTLE.format(name=name, domain=domain))
                    self.write_settings(name, domain)
                yield
        finally:
            if not keep:
                sandbox.down([f"{ENVIRONMENT}-{name}" for name in self.names])
                shutil.rmtree(FOLDER, ignore_errors=True)

    @property
    def key(self) -> str:
        """The file of the key that opens every host."""
        return str(sandbox.private_key())

    @property
    def gateway(self) -> str:
        """The address of this machine as the hosts see it."""
        return self.inside(self.names[0], "ip -4 route show default | cut -d' ' -f3")

    @contextlib.contextmanager
    def served_repository(self) -> Iterator[None]:
        """Serve the repository to the hosts, for whoever fetches the code from there."""
        argv = ["git", "daemon", f"--base-path={FOLDER}", "--export-all", f"--listen={self.gateway}", "--reuseaddr"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as server:
            try:
                yield
            finally:
                server.terminate()

    def write_environments(self) -> None:
        """Write the environment files for Hawser: the site as it is, and one that switches on all hosts at once."""
        hosts = ""
        for name in self.names:
            each = self.running(name)
            hosts += f'\n[hosts.{name}]\naddress = "{each.address}"\nport = {each.port}\nuser = "{each.user}"\n'
            hosts += f'key = "{self.key}"\n'
        for name, release in zip(HAWSERS, ("", 'batch = "100%"\n'), strict=True):
            changes = {'"bench': f'"{name}', "[release]\n": f"[release]\n{release}", '"site"': f'"{REPOSITORY}"'}
            text = replaced(SITE.read_text(), changes)
            (FOLDER / "hosts" / f"{name}.toml").write_text(text + hosts)

    @contextlib.contextmanager
    def at_distance(self, seconds: float) -> Iterator[None]:
        """Make settings by which the only host is reached in so many seconds a round trip; none for no seconds."""
        if not seconds:
            yield
            return
        (name,) = self.names
        running, far = self.running(name), FOLDER / "far"
        shutil.rmtree(far, ignore_errors=True)
        shutil.copytree(FOLDER / "hosts", far / "hosts")
        with far_away(running.address, running.port, seconds) as line:
            way = {f'"{running.address}"': '"127.0.0.1"', f"port = {running.port}\n": f"port = {line.port}\n"}
            for path in (far / "hosts").glob("*.toml"):
                path.write_text(replaced(path.read_text(), way))
            key = running.host_keys[0]
            (far / "hosts" / "known_hosts").write_text(f"[127.0.0.1]:{line.port} {key}\n")
            (far / "known_hosts").write_text(f"[127.0.0.1]:{line.port} {key}\n")
            ssh = (FOLDER / "ssh_config").read_text()
            way = {f"HostName {running.address}": "HostName 127.0.0.1", f"Port {running.port}\n": f"Port {line.port}\n"}
            way[str(FOLDER / "known_hosts")] = str(far / "known_hosts")
            (far / "ssh_config").write_text(replaced(ssh, way))
            way = {str(FOLDER / "ssh_config"): str(far / "ssh_config")}
            for path in FOLDER.glob("*.sh"):
                write(far / path.name, replaced(path.read_text(), way))
            yield

    def write_ssh(self) -> None:
        """Write an SSH configuration with pinned host keys."""
        known_hosts, ssh = FOLDER / "known_hosts", FOLDER / "ssh_config"
        running = {name: self.running(name) for name in self.names}
        known_hosts.write_text(
            "".join(f"{each.address} {key}\n" for each in running.values() for key in each.host_keys)
        )
        shutil.copy(known_hosts, FOLDER / "hosts" / "known_hosts")
        ssh.write_text(
            "".join(
                f"Host {name} {each.address}\n  HostName {each.address}\n  Port {each.port}\n  User {each.user}\n"
                f"  IdentityFile {sandbox.private_key()}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known_hosts}\n"
                "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
                for name, each in running.items()
            )
        )

    def write_settings(self, name: str, domain: str) -> None:
        """Write what a candidate is told, as JSON and for a shell: the same for all, but for names."""
        root = f"/srv/{name}"
        running = [self.running(host) for host in self.names]
        pip = FOLDER / "pip.conf"
        pip.write_text(self.inside(self.names[0], "cat /etc/pip.conf 2>/dev/null || true"))
        index = {**pip_settings([str(pip)]), "UV_CACHE_DIR": f"{root}/envs/.cache", "UV_PYTHON_DOWNLOADS": "never"}
        index["UV_SYSTEM_CERTS"] = "1"
        variables = {
            "DJANGO_SETTINGS_MODULE": "harbour.settings",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "ALLOWED_HOSTS": domain,
            "DATABASE_URL": f"sqlite:///{root}/data/db.sqlite3",
            "CELERY_BROKER_URL": "memory://",
        }
        uv = f"{UV_FOLDER}/bin/uv"
        settings = {
            "application": name,
            "root": root,
            "domain": domain,
            "repo": f"git://{self.gateway}/site",
            "branch": BRANCH,
            "uv": uv,
            "index": index,
            "requirements": hashlib.sha256((REPOSITORY / "requirements.txt").read_bytes()).hexdigest()[:16],
            "variables": variables,
            "servers": [{"address": each.address, "port": each.port, "user": each.user} for each in running],
            "key": str(sandbox.private_key()),
            "known_hosts": str(FOLDER / "known_hosts"),
        }
        loader = jinja2.FileSystemLoader(PEERS / "templates")
        templates = jinja2.Environment(loader=loader, trim_blocks=True, keep_trailing_newline=True, autoescape=False)
        texts = {each: templates.get_template(f"{each}.j2").render(settings) for each in TEMPLATES}
        write(FOLDER / f"{name}.json", json.dumps({**settings, "texts": texts}, indent=1))
        inventory = "".join(f"{each.address} ansible_port={each.port} ansible_user={each.user}\n" for each in running)
        write(FOLDER / f"{name}.ini", f"[all]\n{inventory}")
        shell = {
            "NAME": name,
            "REPO": str(REPOSITORY),
            "BRANCH": BRANCH,
            "SSH": f"ssh -F {FOLDER / 'ssh_config'}",
            "DOMAIN": domain,
            "UV": uv,
            "INDEX": " ".join(f"{key}={value}" for key, value in index.items()),
            "ENVIRONMENT": "\n".join(f"{key}='{value}'" for key, value in variables.items()),
            "SITE": texts["nginx.conf"],
        }
        write(FOLDER / f"{name}.sh", "".join(f"{key}={shlex.quote(value)}\n" for key, value in shell.items()))


def replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def write(path: Path, text: str) -> None:
    """Write a file that holds secrets."""
    path.touch(0o600)
    path.write_text(text)


def make_repository() -> None:
    """Make the repository of the site: the code of the demo."""
    shutil.copytree(PROJECT / "demo", REPOSITORY, ignore=shutil.ignore_patterns("__pycache__", ".env", "*.sqlite3"))
    git("init", "--quiet", "-b", BRANCH)
    git("config", "user.name", "Bench")
    git("config", "user.email", "bench@example.org")
    commit("The site")


def environ() -> dict[str, str]:
    """Return the variables with which all candidates are started."""
    ours = {
        "HAWSER_HOSTS": str(FOLDER / "hosts"),
        # Python keeps what it has compiled, as it does unless told otherwise; see `compile_packages`.
        "PYTHONPYCACHEPREFIX": str(FOLDER / "pycache"),
        "PATH": f"{PEER_PACKAGES / 'bin'}:{os.environ['PATH']}",
    }
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}, **ours}


def compile_packages() -> None:
    """Compile the packages that `fab` needs, as pip does when it installs them, and uv does not."""
    argv = [sys.executable, "-m", "compileall", "-qq", "-j", "0", sysconfig.get_path("purelib")]
    subprocess.run(argv, env=environ(), check=False)


def fab_command(environment: str, *words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "fab"), "-H", environment, *words]


def fab(environment: str, *words: str) -> None:
    """Run `fab` on all hosts of an environment; its output is shown only when it fails."""
    done = subprocess.run(
        fab_command(environment, *words), cwd=PROJECT, env=environ(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"fab {' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def git(*words: str) -> str:
    """Run git in the site's repository and return its output."""
    done = subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(text: str) -> None:
    """Commit a change of one file of the code."""
    with (REPOSITORY / "harbour" / "urls.py").open("a") as stream:
        stream.write(f"# {text} {time.time_ns()}\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", text)

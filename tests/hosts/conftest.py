"""Real hosts for the tests: made once per run in the sandbox, shared by many tests, driven by the real `fab`.

Tests that share hosts run one after the other on one worker; modules with hosts of their own run beside them, on other
workers, each with a sandbox of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hawser import sandbox
from hawser.sandbox.machine import machine_release
from hawser.sandbox.model import DEFAULT_FOLDER
from hawser.sandbox.mounts import remove_tree

from .loaded_fab import loaded_fab

PROJECT = Path(__file__).parent.parent.parent
APPS = Path(__file__).parent / "apps"
ENVIRONMENT = "trial"
# Tests of the shared fleet are many: those of what a deploy does, and all others, may have a fleet each.
OF_DEPLOYS = ("test_deploy", "test_package", "test_processes", "test_repository", "test_rollouts", "test_secrets")
# What takes longest begins first, so that no worker is left with it while the others have nothing to do any more.
LONGEST_FIRST = (ENVIRONMENT, "deploys", "test_paikea", "test_cts", "test_plain_site", "test_siegetank")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
# The applications bring tests of their own, for their own releases.
collect_ignore = ["apps"]

if WORKER:
    # Said once, at the start of the worker, so that the `fab` it runs works in the same sandbox.
    SHARED = os.environ.get("HAWSER_SANDBOX") or str(DEFAULT_FOLDER)
    os.environ.setdefault("HAWSER_SANDBOX_BASE", SHARED)
    os.environ["HAWSER_SANDBOX"] = f"{SHARED}-{WORKER}"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep tests that share hosts on one worker: those of the shared fleet, and those of each other module."""
    item.add_marker(pytest.mark.xdist_group(group_of(item)))


def group_of(item: pytest.Item) -> str:
    """Name the hosts that a test shares."""
    module = item.path.stem
    if "bare_fleet" not in getattr(item, "fixturenames", ()):
        return module
    return "deploys" if module in OF_DEPLOYS else ENVIRONMENT


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the groups begin in their order; what is in one stays as it was collected."""
    places = {group: place for place, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(group_of(item), len(places)))


@pytest.fixture(scope="session", autouse=True)
def worker_sandbox() -> Iterator[None]:
    """Leave nothing of a worker's own sandbox behind."""
    yield
    if WORKER:
        sandbox.down()
        remove_tree(Path(os.environ["HAWSER_SANDBOX"]))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A visitor that looks at a redirect instead of following it."""

    def redirect_request(self, *args: object) -> None:
        return None


def context_of(domain: str) -> ssl.SSLContext:
    """Return how a visitor of a domain speaks TLS with a host that is asked by its address."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wrap = context.wrap_socket
    # The host still has to know which name is meant.
    context.wrap_socket = lambda sock, server_hostname: wrap(sock, server_hostname=domain)  # type: ignore[method-assign, assignment, misc]
    return context


@dataclass(frozen=True)
class Answer:
    """What a visitor got."""

    status: int
    body: str
    headers: Mapping[str, str]


@dataclass
class Fleet:
    """An environment of sandbox hosts, the repository of its application, and the commands of a user.

    :param folder: holds ``hosts/`` and the repository.
    """

    folder: Path
    name: str = ENVIRONMENT

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    @property
    def repository(self) -> Path:
        return self.folder / "site"

    @property
    def file(self) -> Path:
        return self.hosts / f"{self.name}.toml"

    @property
    def text(self) -> str:
        """What the environment file says."""
        return self.file.read_text()

    @property
    def secrets(self) -> dict[str, str]:
        lines = (self.hosts / f"{self.name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def address(self, host: str) -> str:
        return next(each.address for each in sandbox.listing() if each.name == f"{self.name}-{host}")

    def command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).parent / "fab"), *words]

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, "HAWSER_HOSTS": str(self.hosts), "HAWSER_OUTPUT": "plain", **more}

    def fab(
        self, *words: str, code: int | None = 0, timeout: float = 600, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `fab` as a user would; `code` is the exit status that it must have, None for any."""
        result = loaded_fab().run(words, PROJECT, self.environ(**(env or {})), timeout)
        said = result.stdout + result.stderr
        # One of the application, which is shown as its output, is no defect.
        assert not re.search("(?m)^Traceback", result.stderr), said
        assert code is None or result.returncode == code, f"fab {' '.join(words)} -> {result.returncode}\n{said}"
        return result

    def events(self, *words: str, code: int | None = 0) -> list[dict[str, object]]:
        """Run `fab` and return its JSON lines."""
        said = self.fab(*words, code=code, env={"HAWSER_OUTPUT": "json"}).stdout
        return [json.loads(line) for line in said.splitlines()]

    def drifted(self, target: str = "", code: int = 0) -> list[tuple[str, str, str, str]]:
        """Return what `drift` says of hosts: host, status, label and note of all that differs, or is unknown.

        :param target: of which hosts; empty: all of them.
        :param code: the exit status that it must have.
        """
        said = self.events("-H", target or self.name, "drift", code=code)
        rows = [each for each in said if each["t"] == "event"]
        unknown = [each for each in said if each["t"] == "note" and "not compared" in str(each["text"])]
        found = [(*(str(each.get(key, "")) for key in ("host", "status", "label", "note")),) for each in rows]
        return [*found, *((str(each["host"]), "unknown", "", str(each["text"])) for each in unknown)]  # type: ignore[list-item]

    def start(self, *words: str, errors: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start `fab` for all hosts; its JSON lines come from its standard output.

        :param errors: where its error messages go, as `subprocess` says it.
        """
        return subprocess.Popen(
            self.command("-H", self.name, *words),
            cwd=PROJECT,
            env=self.environ(HAWSER_OUTPUT="json"),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def inside(self, host: str, *argv: str, check: bool = True) -> str:
        """Run a program on a host, without SSH, and return what it wrote."""
        result = sandbox.exec_in(f"{self.name}-{host}", list(argv), timeout=120)
        output = result.stdout.decode() if isinstance(result.stdout, bytes) else result.stdout
        errors = result.stderr.decode() if isinstance(result.stderr, bytes) else (result.stderr or "")
        assert not check or result.returncode == 0, f"{host}: {argv} -> {result.returncode}\n{output}{errors}"
        return str(output)

    def reaches(self, host: str, target: str, port: int) -> bool:
        """Tell whether a host can connect to a port of another one."""
        script = f"timeout 3 bash -c '</dev/tcp/{self.address(target)}/{port}' && echo yes"
        return "yes" in self.inside(host, "sh", "-c", script, check=False)

    def visit(
        self, host: str, path: str = "/", scheme: str = "https", domain: str = "demo.test", **headers: str
    ) -> Answer:
        """Ask a host's web server for a page, as a visitor of the domain would."""
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context_of(domain)), NoRedirect)
        request = urllib.request.Request(f"{scheme}://{self.address(host)}{path}", headers={"Host": domain, **headers})
        try:
            with opener.open(request, timeout=30) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), dict(error.headers))

    def git(self, *words: str) -> str:
        result = subprocess.run(["git", "-C", str(self.repository), *words], capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def commit(self, changes: Mapping[str, str], message: str = "a change") -> str:
        """Write files into the application's repository and commit them; returns the full hash."""
        for path, text in changes.items():
            (self.repository / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def release(self, host: str) -> str:
        """Return the release that a host's visitors see."""
        return self.inside(host, "readlink", "/srv/demo/current").strip().rpartition("/")[2]

    def releases(self) -> set[str]:
        return {self.release(host) for host in ("web1", "web2", "data1")}


def make_repository(folder: Path, application: Path = PROJECT / "demo") -> None:
    """Make a repository of an application, or commit what has changed in it; its ``.gitignore`` counts."""
    shutil.copytree(application, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    commit_everything(folder)


def commit_everything(folder: Path) -> None:
    """Make a repository of a folder, or commit what has changed in it."""
    for words in (
        ["init", "--quiet", "-b", "main"],
        ["config", "user.name", "Test"],
        ["config", "user.email", "test@example.org"],
        ["add", "-A"],
        ["commit", "--quiet", "--allow-empty", "-m", "The application"],
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)


def write_secrets(fleet: Fleet, secrets: Mapping[str, str]) -> None:
    """Write ``hosts/NAME.env`` as one who deploys would, where it is missing.

    :param secrets: their values, escaped as they stand in single quotes.
    """
    file = fleet.hosts / f"{fleet.name}.env"
    if secrets and not file.exists():
        file.touch(mode=0o600)
        file.write_text("".join(f"{key}='{value}'\n" for key, value in secrets.items()))


def other_release() -> str:
    """Return a release that is not this machine's own, for hosts that stand beside those of its own."""
    return "bookworm" if machine_release().codename == "trixie" else "trixie"


@contextmanager
def own_environment(
    name: str,
    settings: str,
    files: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    /,
    **values: object,
) -> Iterator[Fleet]:
    """Make the bare hosts of an environment that a module has for itself, and a repository for its application.

    :param name: the environment's.
    :param settings: its file, with places for the ``{repository}`` and for `values`.
    :param files: what is in the repository, by path.
    :param secrets: as `write_secrets` takes them.
    """
    fleet = Fleet(Path(tempfile.mkdtemp(prefix=f"hawser-{name}-")), name)
    fleet.hosts.mkdir()
    fleet.repository.mkdir()
    try:
        for path, text in (files or {}).items():
            (fleet.repository / path).parent.mkdir(parents=True, exist_ok=True)
            (fleet.repository / path).write_text(text)
        commit_everything(fleet.repository)
        fleet.file.write_text(settings.format(repository=fleet.repository, **values))
        write_secrets(fleet, secrets or {})
        fleet.fab("-H", name, "sandbox.reset", timeout=300)
        yield fleet
    finally:
        fleet.fab("-H", name, "sandbox.down", code=None)
        shutil.rmtree(fleet.folder)


def environment_text(fleet: Fleet, name: str) -> str:
    """Return this project's environment file with the repository of a test; what it extends is put beside it."""
    text = (PROJECT / "hosts" / f"{name}.toml").read_text()
    if base := re.search(r'(?m)^extends = "(.+)\.toml"', text):
        (fleet.hosts / f"{base[1]}.toml").write_text(environment_text(fleet, base[1]))
        return text
    text, found = re.subn(r'(?m)^repo = "[^"]*"', f'repo = "{fleet.repository}"', text, count=1)
    assert found == 1, f"hosts/{name}.toml names {found} repositories"
    return text


@contextmanager
def system(
    name: str, application: Path, changes: Mapping[str, str] | None = None, secrets: Mapping[str, str] | None = None
) -> Iterator[Fleet]:
    """Make the bare hosts of an environment of this project, and a repository for its application.

    The environment file, with its templates, is the project's own: only ``app.repo`` is another one. HAWSER_FLEET names
    a folder in which all of it is kept between runs, with the hosts.

    :param name: stands for ``hosts/NAME.toml``.
    :param application: the folder that the repository is made of.
    :param changes: texts of the environment file that are replaced, each of which has to be there.
    :param secrets: what ``hosts/NAME.env`` holds, as one who deploys would write it.
    """
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept) / name if kept else Path(tempfile.mkdtemp(prefix=f"hawser-{name}-"))
    fleet = Fleet(folder, name)
    fleet.hosts.mkdir(parents=True, exist_ok=True)
    try:
        make_repository(fleet.repository, application)
        text = environment_text(fleet, name)
        for old, new in (changes or {}).items():
            assert old in text, old
            text = text.replace(old, new)
        fleet.file.write_text(text)
        write_secrets(fleet, secrets or {})
        fleet.fab("-H", name, "sandbox.up", timeout=300)
        yield fleet
    finally:
        if not kept:
            fleet.fab("-H", name, "sandbox.down", code=None)
            shutil.rmtree(folder)


def make_environment(fleet: Fleet, **changes: str) -> None:
    """Write the environment file: the demo's own, with the repository of the test; `changes` replace texts in it."""
    text = (PROJECT / "hosts" / "demo.toml").read_text()
    text = text.replace('".sandbox/demo"', json.dumps(str(fleet.repository)))
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    fleet.file.write_text(text)


@pytest.fixture(scope="session")
def bare_fleet() -> Iterator[Fleet]:
    """Three bare hosts that are up, and an environment file that names them.

    HAWSER_FLEET names a folder that is kept with its hosts between runs, for work on a single test.
    """
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept or tempfile.mkdtemp(prefix="hawser-fleet-"))
    fleet = Fleet(folder)
    if not fleet.file.exists():
        fleet.hosts.mkdir(parents=True)
        make_repository(fleet.repository)
        make_environment(fleet)
        fleet.fab("-H", fleet.name, "sandbox.reset", timeout=300)
    yield fleet
    if not kept:
        fleet.fab("-H", fleet.name, "sandbox.down")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def fleet(bare_fleet: Fleet) -> Fleet:
    """The same hosts, with the site deployed on them by one command."""
    bare_fleet.fab("-H", bare_fleet.name, "bootstrap", "deploy")
    return bare_fleet


def wait_for(what: str, check: object, seconds: float = 60, every: float = 0.5) -> None:
    """Wait until a check is true."""
    assert callable(check)
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)


@dataclass(frozen=True)
class SandboxHost:
    """One sandbox host, reached without SSH."""

    name: str

    def run(
        self, argv: Sequence[str], input: bytes | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        return sandbox.exec_in(self.name, list(argv), input, timeout)

    def write(self, path: str, content: bytes, mode: int) -> None:
        result = self.run(["sh", "-c", 'cat > "$1" && chmod "$2" "$1"', "sh", path, f"{mode:o}"], content)
        assert result.returncode == 0, result.stderr


@pytest.fixture
def sandbox_host(bare_fleet: Fleet) -> SandboxHost:
    """A host for trying formats on the real programs."""
    return SandboxHost(f"{bare_fleet.name}-data1")

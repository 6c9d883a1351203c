"""The real code of the systems, on throwaway hosts: ``make test-real REAL=FOLDER``.

FOLDER holds a clone for each source that ``tests/real/extract`` names. The environment file is the shipped one,
unchanged but for addresses, secrets and ``sandbox = true``; what it fetches with git comes from the folder as well. Old
Pythons come from ``HAWSER_PYTHONS``, the ``versions`` of pyenv by default.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import PROJECT, Fleet, worker_sandbox, write_secrets
from tests.real.tables import names, sources

__all__ = ["worker_sandbox"]  # a fixture of these tests as well

MISSING = "make test-real REAL=FOLDER: {} (clones of the systems lie in there, see tests/real/extract)"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test of a table every system."""
    if "system_name" in metafunc.fixturenames:
        metafunc.parametrize("system_name", names())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests of one system share its hosts."""
    item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def clones() -> Path:
    """The folder of clones; without it nothing here can be said, so nothing passes or is skipped."""
    named = os.environ.get("HAWSER_REAL", "")
    if not named or not Path(named).is_dir():
        pytest.fail(MISSING.format(f"there is no folder {named!r}" if named else "name the folder"))
    return Path(named)


def clone_of(clones: Path, name: str, place: int = 0) -> Path:
    """Return the clone of a system's source, which must have the commit that its table names."""
    source = sources(name)[place]
    folder = clones / source.folder
    if not folder.is_dir():
        pytest.fail(MISSING.format(f"there is no {folder} (git clone {source.url} {folder})"))
    source.clone(clones).files  # noqa: B018  fails here when the clone lacks the commit
    return folder


def copy_of(clone: Path, commit: str, name: str, branch: str) -> Path:
    """Make a repository whose only commit is one of a clone, for tests that commit more to it.

    A clone that came without its largest files is good enough: the copy lacks them.

    :param name: of the system; with HAWSER_FLEET, its repository is kept between runs, as its hosts are.
    """
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept or tempfile.mkdtemp(prefix="hawser-code-")) / f"code-{name}"
    if (folder / ".git").exists():
        return folder
    folder.mkdir(parents=True)
    git = ["git", "-c", "safe.directory=*", "-C", str(clone)]
    listed = subprocess.run([*git, "ls-tree", "-r", "-z", commit], capture_output=True, check=True).stdout.decode()
    for row in filter(None, listed.split("\0")):
        (mode, kind, blob), path = row.partition("\t")[0].split(), row.partition("\t")[2]
        found = subprocess.run([*git, "cat-file", kind, blob], capture_output=True, check=False)
        if found.returncode:
            continue
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if mode == "120000":
            file.symlink_to(found.stdout.decode())
        else:
            file.write_bytes(found.stdout)
            file.chmod(int(mode[-3:], 8))
    here = ["git", "-C", str(folder), "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run([*here, "init", "--quiet", "-b", branch], check=True)
    for key in ("user.name", "user.email"):
        subprocess.run([*here, "config", key, "test@example.org"], check=True)
    subprocess.run([*here, "add", "--all", "--force"], check=True)
    subprocess.run([*here, "commit", "--quiet", "-m", f"{clone.name} at {commit}"], check=True)
    return folder


@contextmanager
def real_system(
    name: str, repositories: Mapping[str, Path], changes: Mapping[str, str], secrets: Mapping[str, str] | None = None
) -> Iterator[Fleet]:
    """Make the bare hosts of a shipped environment file, whose repositories are clones.

    HAWSER_FLEET names a folder in which all of it is kept between runs, with the hosts.

    :param repositories: addresses that the file has -> clones that take their place.
    :param changes: addresses, secrets and ``sandbox = true``: texts of the file, each of which has to be there.
    :param secrets: what ``hosts/NAME.env`` holds, as one who deploys would write it.
    """
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept or f"/tmp/hawser-real-{os.getpid()}") / f"real-{name}"
    fleet = Fleet(folder, name)
    fleet.hosts.mkdir(parents=True, exist_ok=True)
    text = (PROJECT / "hosts" / f"{name}.toml").read_text()
    for old, new in {**{url: str(path) for url, path in repositories.items()}, **changes}.items():
        assert old in text, f"hosts/{name}.toml has no {old!r}"
        text = text.replace(old, new)
    fleet.file.write_text(text)
    write_secrets(fleet, secrets or {})
    try:
        fleet.fab("-H", name, "sandbox.up", timeout=300)
        yield fleet
    finally:
        if not kept:
            fleet.fab("-H", name, "sandbox.down", code=None)


def bring_python(fleet: Fleet, hosts: list[str], version: str, place: str) -> None:
    """Put an old Python on hosts, where the environment file expects it.

    :param version: as pyenv calls it.
    :param place: the folder on the host; shared libraries of a Python that was built elsewhere are found there.
    """
    versions = Path(os.environ.get("HAWSER_PYTHONS", "~/.pyenv/versions")).expanduser()
    folder = versions / version
    if not folder.is_dir():
        pytest.fail(f"there is no {folder}: build it (pyenv install {version}), or name its folder in HAWSER_PYTHONS")
    for host in hosts:
        if fleet.inside(
            host, "sh", "-c", f"test -e {place}/bin/python3 -o -e {place}/bin/python2 || echo absent"
        ).strip():
            sandbox.copy_in(f"{fleet.name}-{host}", folder, place)
            found = f"echo {place}/lib > /etc/ld.so.conf.d/{Path(place).name}.conf && ldconfig"
            fleet.inside(host, "sh", "-c", found)

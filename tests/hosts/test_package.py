"""The package as a user installs it: a wheel, in an environment of its own, in the user's own repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import hawser
from hawser.installed import this_version

from .conftest import PROJECT, Fleet, commit_everything

# What an installer may leave as `fab`, as pip writes it.
FABRICS = """#!{python}
import sys
from fabric.main import program
if __name__ == "__main__":
    sys.exit(program.run())
"""
FABFILE = "from hawser import namespace as ns\n"
OWN = """
from fabric import task
from hawser import namespace as ns
from hawser.host import Host
from hawser.resources import File, Resources
from hawser.steps import step

@task
def uptime(c):
    c.run("uptime -p")

@step(during="switch")
def motd(host: Host) -> Resources:
    yield File("/etc/motd", f"{host.app.name} on {host.name}\\n")

ns.add_task(uptime)
ns.add_task(motd)
"""
SHOP = """
[app]
name = "shop"
repo = "."
[processes.web]
command = "gunicorn shop.wsgi --bind unix:{{ socket }}"
[hosts.web1]
address = "127.0.0.1"
"""


def run(*words: str | Path, cwd: Path = PROJECT, env: Mapping[str, str] | None = None) -> str:
    """Run a program that must succeed, and return what it says."""
    result = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0 and "Traceback" not in result.stdout, f"{words}\n{result.stdout}"
    return result.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(Path(sys.executable).parent / "uv", "build", "--quiet", "--wheel", "--out-dir", folder, PROJECT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of an environment in which there is nothing but the wheel and what it needs."""
    environment, uv = tmp_path_factory.mktemp("installed") / "venv", Path(sys.executable).parent / "uv"
    run(uv, "venv", "--quiet", "--python", sys.executable, environment)
    run(uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python", wheel)
    return environment / "bin"


@pytest.fixture
def environ() -> dict[str, str]:
    """The variables of somebody who knows nothing of this checkout."""
    ours = ("PYTHONPATH", "HAWSER_HOSTS", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours} | {"HAWSER_OUTPUT": "plain"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The user's own repository, with environment files and a fabfile of one line; they stand in a folder below."""
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "shop.toml").write_text(SHOP)
    (tmp_path / "fabfile.py").write_text(FABFILE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").touch()
    commit_everything(tmp_path)
    return tmp_path


def test_a_wheel_holds_one_package_with_tasks_templates_and_runner(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    about = f"hawser_deploy-{hawser.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"hawser", about}
    inside = {name.removeprefix("hawser/") for name in names}
    assert f"{about}/licenses/LICENSE" in names
    assert {"tasks/deploy.py", "tasks/services/redis.py", "runner/main.py", "sandbox/__main__.py"} <= inside
    assert {f"conf_templates/{path.name}" for path in (PROJECT / "conf_templates").glob("*.j2")} <= inside
    files = (path for path in (PROJECT / "hawser").rglob("*") if path.suffix in (".py", ".css", ".js"))
    modules = {str(path.relative_to(PROJECT / "hawser")) for path in files}
    assert modules <= inside


def test_both_programs_are_ours_and_know_every_task(programs: Path, repository: Path, environ: dict[str, str]) -> None:
    known = {program: run(programs / program, "--list", cwd=repository, env=environ) for program in ("hawser", "fab")}
    assert known["hawser"] == known["fab"] and "  deploy " in known["hawser"]
    fabrics = programs / "fabrics"
    fabrics.write_text(FABRICS.format(python=programs / "python"))
    fabrics.chmod(0o755)
    for words in ([fabrics], [programs / "python", "-m", "fabric"]):
        assert run(*words, "--list", cwd=repository / "deep", env=environ) == known["hawser"]
    assert run(programs / "hawser", "--version", cwd=repository, env=environ).startswith(f"Hawser {this_version()}")


def test_an_empty_folder_has_every_task_too(programs: Path, tmp_path: Path, environ: dict[str, str]) -> None:
    assert "  deploy " in run(programs / "hawser", "--list", cwd=tmp_path, env=environ)


def test_settings_are_checked_from_a_folder_below_before_any_host(
    programs: Path, repository: Path, environ: dict[str, str]
) -> None:
    file = repository / "hosts" / "shop.toml"
    file.write_text(SHOP.replace("[processes.web]", "[processes.web]\ncolour = 1"))
    said = subprocess.run(
        [programs / "hawser", "-R", "-H", "shop", "deploy"],
        cwd=repository / "deep",
        env=environ,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 2 and f"{file}: processes.web.colour: " in said.stderr


def test_an_installed_package_deploys(fleet: Fleet, programs: Path, repository: Path, environ: dict[str, str]) -> None:
    (repository / "fabfile.py").write_text(OWN)
    (repository / "hosts" / "shop.toml").unlink()
    (repository / "hosts").rmdir()
    (repository / "hosts").symlink_to(fleet.hosts)
    commit = fleet.commit({"from-a-wheel.txt": "yes"})
    run(programs / "hawser", "-H", fleet.name, "deploy", cwd=repository / "deep", env=environ)
    assert all(release.startswith(commit[:10]) for release in fleet.releases())
    assert "up " in run(programs / "fab", "-H", "web1", "uptime", cwd=repository / "deep", env=environ)
    assert fleet.inside("web2", "cat", "/etc/motd") == "demo on web2\n"
    # A checkout makes the same release of the same settings.
    assert "serves already" in fleet.fab("-H", fleet.name, "deploy").stdout

"""Which folder is the project of somebody who types a command somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hawser.program import Settings
from hawser.project import fabfile_above, hosts_above, hosts_folder

PROJECT = Path(__file__).parents[2]
SHOP = '[app]\nname = "shop"\nrepo = "."\n[hosts.web1]\naddress = "127.0.0.1"\nport = 9\n'
OURS = '"""The tasks of the shop."""\n\nfrom hawser import namespace as ns\n'
OLD = "from fabric.api import run\n# not hawser\n"


def files(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_nearest_fabfile_counts_and_for_hawser_one_that_imports_it(tmp_path: Path) -> None:
    inner = tmp_path / "app"
    files(tmp_path, fabfile_py=OURS)
    files(inner, fabfile_py=OLD, deep__x="")
    assert fabfile_above(inner / "deep", ours=False) == inner
    assert fabfile_above(inner / "deep", ours=True) == tmp_path


def test_a_fabfile_may_be_a_package(tmp_path: Path) -> None:
    (tmp_path / "fabfile").mkdir()
    (tmp_path / "fabfile" / "__init__.py").write_text(OURS)
    assert fabfile_above(tmp_path, ours=True) == tmp_path


def test_a_folder_hosts_without_environment_files_is_none(tmp_path: Path) -> None:
    files(tmp_path, hosts__shop_toml=SHOP)
    files(tmp_path / "django", hosts__models_py="", deep__x="")
    assert hosts_above(tmp_path / "django" / "deep") == tmp_path


@pytest.mark.parametrize(
    ("setting", "found"), [({}, "hosts"), ({"hosts": "deploy/hosts"}, "deploy/hosts"), ({"hosts": "/x"}, "/x")]
)
def test_settings_are_seen_from_the_project_and_not_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str], found: str
) -> None:
    monkeypatch.delenv("HAWSER_HOSTS", raising=False)
    files(tmp_path, hosts__shop_toml=SHOP, deep__x="")
    monkeypatch.chdir(tmp_path / "deep")
    config = Settings(overrides={"hawser": setting})
    config.set_project_location(str(tmp_path))
    assert hosts_folder(config) == tmp_path / found
    monkeypatch.setenv("HAWSER_HOSTS", "../elsewhere")
    assert hosts_folder(config) == tmp_path / "elsewhere"


def test_where_the_project_has_none_those_above_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAWSER_HOSTS", raising=False)
    files(tmp_path, fabfile_py=OURS, deploy__hosts__shop_toml=SHOP, deploy__deep__x="")
    monkeypatch.chdir(tmp_path / "deploy" / "deep")
    config = Settings()
    config.set_project_location(str(tmp_path))
    assert hosts_folder(config) == tmp_path / "deploy" / "hosts"


def typed(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.argv[0] = 'x'; {program}", *words],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "HAWSER_HOSTS"},
            "PYTHONPATH": str(PROJECT),
            "HAWSER_OUTPUT": "plain",
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "program",
    [
        "from hawser.program import main; main()",
        "from hawser.program import fab; fab()",
        # The one that Fabric brings.
        "from fabric.main import program; program.run()",
    ],
    ids=["hawser", "fab", "fabric"],
)
def test_every_program_asks_the_inventory_of_the_project_from_a_folder_below(tmp_path: Path, program: str) -> None:
    files(tmp_path, fabfile_py=OURS, hosts__shop_toml=SHOP, deep__er__x="")
    (tmp_path / "hosts" / "known_hosts").touch()
    said = typed(tmp_path / "deep" / "er", program, "-H", "shop", "status")
    assert "web1 (" in said.stdout + said.stderr and "Traceback" not in said.stderr


def test_hawser_needs_no_fabfile_and_passes_over_one_for_another_fabric(tmp_path: Path) -> None:
    files(tmp_path, fabfile_py=OLD, hosts__shop_toml=SHOP, deep__x="")
    said = typed(tmp_path / "deep", "from hawser.program import main; main()", "-H", "shop", "run", "true")
    assert "web1 (" in said.stdout + said.stderr and "Traceback" not in said.stderr


@pytest.mark.parametrize("program", ["main", "fab"])
def test_modules_beside_the_fabfile_are_found_and_take_no_place_of_pythons(tmp_path: Path, program: str) -> None:
    files(tmp_path, fabfile_py=OURS + "import ours\n", ours_py="", hosts__shop_toml=SHOP)
    for name in ("calendar", "queue", "secrets", "select", "tasks", "xmlrpc/__init__", "email/__init__"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is the repository of the user')")
    said = typed(tmp_path, f"from hawser.program import {program}; {program}()", "-H", "shop", "run", "true")
    assert "web1 (" in said.stdout + said.stderr and "Traceback" not in said.stderr


def test_a_module_of_a_fabfile_that_is_a_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "fabfile").mkdir()
    (tmp_path / "fabfile" / "__init__.py").write_text(OURS + "from . import more\n")
    (tmp_path / "fabfile" / "more.py").touch()
    assert "  deploy " in typed(tmp_path, "from hawser.program import main; main()", "--list").stdout

"""Environment files of conda: what is read from them, and who installs which part."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hawser.runner.files import sample_formats
from hawser.runner.python import conda
from hawser.runner.python.conda import CondaFile, arguments, find_program
from hawser.runner.python.environments import PythonEnvironment
from hawser.runner.system import Failure

from .test_environments import cache, imports, kind, needs_uv, put, system

__all__ = ["cache", "kind", "system"]

# As a real one has it.
FILE = """\
name: emission
channels:
- conda-forge
- defaults
dependencies:
- python=3.11
- conda-forge::pip=20.2.2
- six=1.17.0
- pip:
  - vine==5.1.0
prefix: /Users/somebody/anaconda/envs/emission
"""

# A stand-in with micromamba's command line: it refuses a folder that is there, and notes what it was given.
MICROMAMBA = """#!/bin/sh
set -e
test "$1 $2 $3 $5" = "create --yes --prefix --file"
test ! -e "$4"
test -z "$FAILS" || {{ echo "could not solve for environment specs"; exit 1; }}
{python} -m venv --without-pip "$4"
cp "$6" "$4/given.json"
env > "$4/variables"
"""


@pytest.fixture(autouse=True)
def python(monkeypatch):
    monkeypatch.setattr(sample_formats, "PYTHON", sys.executable)


@pytest.fixture
def read(system, tmp_path):
    def read(dependencies, mode="uv"):
        (tmp_path / "setup").mkdir(exist_ok=True)
        (tmp_path / "setup" / "environment.yml").write_text(dependencies)
        spec = {"conda": "setup/environment.yml", "conda_packages": mode, "source": str(tmp_path)}
        return CondaFile(system, spec)

    return read


@pytest.fixture
def micromamba(tmp_path):
    path = tmp_path / "bin" / "micromamba"
    path.parent.mkdir()
    path.write_text(MICROMAMBA.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        ("arrow", "arrow"),
        ("numpy=1.19.1", "numpy==1.19.1.*"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy==1.19.1", "numpy==1.19.1"),
        ("numpy 1.19.1", "numpy==1.19.1"),
        ("numpy=1.19.1=py38h8b6ff58_0", "numpy==1.19.1"),
        ("numpy 1.19.1 py38h8b6ff58_0", "numpy==1.19.1"),
        ("conda-forge::numpy >=1.19, <2", "numpy>=1.19,<2"),
        ("python-dateutil=2.8.1", "python-dateutil==2.8.1.*"),
    ],
)
def test_a_package_of_conda_as_the_index_has_it(read, package, requirement):
    assert read(f'dependencies: ["{package}"]').requirements() == [requirement]


def test_packages_that_make_an_environment_of_conda_are_left_out_and_the_pip_part_stays(read):
    file = read(FILE)
    assert file.requirements() == ["six==1.17.0.*", "vine==5.1.0"]
    assert read(FILE, "skip").requirements() == read(FILE, "conda").requirements() == ["vine==5.1.0"]


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("python=3.9.18", "3.9"),
        ("python 3.9", "3.9"),
        ("conda-forge::python=3.11", "3.11"),
        ("python==3.8.*", "3.8"),
        ("python>=3.8", ""),
        ("python", ""),
        ("python-dateutil=3.1", ""),
    ],
)
def test_the_python_that_the_file_asks_for(read, package, version):
    assert read(f'dependencies: ["{package}"]').python() == version


def test_a_requirements_file_in_the_pip_part_lies_beside_the_file(read):
    assert read("dependencies: [{pip: ['-r more.txt', '--requirement=../a.txt']}]").files == ["setup/more.txt", "a.txt"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a", "lists no dependencies"),
        ("dependencies: [{npm: [a]}]", "neither a package nor a list for pip"),
        ("dependencies: [{pip: ['-e .']}]", "'-e .' in pip's part is not understood"),
        ("dependencies: ['numpy 1.1|1.2']", "the version of 'numpy 1.1|1.2' is not understood"),
        ("dependencies: [", "is not YAML that can be read"),
    ],
)
def test_a_line_of_conda_that_cannot_be_understood_is_named(read, text, why):
    with pytest.raises(Failure) as found:
        read(text).requirements()
    assert why in found.value.message


def test_a_host_without_conda_is_told_what_can_be_done(monkeypatch):
    monkeypatch.setattr(conda, "BASE_ENVIRONMENT", {"PATH": "/nowhere"})
    monkeypatch.setattr(conda, "PLACES", ("/nowhere/either",))
    with pytest.raises(Failure, match=r'no micromamba, mamba or conda.*conda_packages = "uv"'):
        find_program("")
    with pytest.raises(Failure, match="no program /opt/x/bin/mamba"):
        find_program("/opt/x/bin/mamba")


def test_conda_and_micromamba_are_asked_each_in_their_way():
    assert arguments("/opt/conda/bin/conda", "/e", "/f") == [
        "/opt/conda/bin/conda",
        "env",
        "create",
        "--prefix",
        "/e",
        "--file",
        "/f",
    ]
    assert arguments("/bin/micromamba", "/e", "/f")[1:3] == ["create", "--yes"]


@needs_uv
class TestEnvironment:
    @pytest.fixture
    def kind(self, kind, tmp_path):
        (tmp_path / "source" / "setup").mkdir()
        (tmp_path / "source" / "setup" / "environment.yml").write_text(FILE)

        def make(**changes):
            spec = {"conda": "setup/environment.yml", "conda_packages": "conda", "conda_program": ""}
            return kind(**{**spec, **changes})

        return make

    def test_uv_installs_both_parts(self, kind):
        environment = put(kind(conda_packages="uv"))
        assert imports(environment, "six") and imports(environment, "vine")

    def test_the_file_says_which_python_unless_the_settings_do(self, kind, tmp_path):
        (tmp_path / "source" / "setup" / "environment.yml").write_text(FILE.replace("python=3.11", "python=3.77"))
        assert kind(conda_packages="uv").check().note == "new, after Python 3.77 is installed"
        assert "new environment" in kind(conda_packages="uv", interpreter=sys.executable).check().note

    def test_uv_installs_the_pip_part_alone(self, kind):
        environment = put(kind(conda_packages="skip"))
        assert imports(environment, "vine") and not imports(environment, "six")

    def test_conda_makes_the_environment_and_uv_adds_the_pip_part(self, kind, micromamba, tmp_path):
        resource = kind(conda_program=micromamba, packages=["amqp==5.2.0"])
        environment = put(resource)
        given = json.loads((environment / "given.json").read_text())
        assert given["channels"] == ["conda-forge", "defaults"]
        assert given["dependencies"] == ["python=3.11", "conda-forge::pip=20.2.2", "six=1.17.0"]
        assert imports(environment, "vine") and imports(environment, "amqp") and not imports(environment, "six")
        assert f"CONDA_PKGS_DIRS={tmp_path}/envs/.conda" in (environment / "variables").read_text()
        assert put(kind(conda_program=micromamba, packages=["amqp==5.2.0", "vine==5.1.0"])) != environment

    def test_an_environment_of_conda_that_was_not_finished_is_made_anew(self, kind, micromamba, tmp_path):
        resource = kind(conda_program=micromamba)
        resource.check()
        (Path(resource.path) / "half").mkdir(parents=True)
        environment = put(kind(conda_program=micromamba))
        assert not (environment / "half").exists()

    def test_words_of_conda_are_passed_on(self, kind, micromamba, monkeypatch, system):
        variables = system.environment
        monkeypatch.setattr(system, "environment", lambda *args: {**variables(*args), "FAILS": "1"})
        resource = kind(conda_program=micromamba)
        with pytest.raises(Failure, match="micromamba cannot make the environment") as found:
            resource.apply(resource.check())
        assert "could not solve" in found.value.output
        assert isinstance(resource, PythonEnvironment)

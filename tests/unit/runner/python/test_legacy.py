"""Old Pythons, pins that uv refuses, and limits for what packages are built with."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from hawser.runner.python.environments import PythonEnvironment
from hawser.runner.python.installers import explain
from hawser.runner.system import Failure, System

from ..conftest import whole

ME = pwd.getpwuid(os.getuid()).pw_name
UV = str(Path(__file__).parents[4] / ".venv" / "bin" / "uv")
PYTHON2 = Path("~/.pyenv/versions/2.7.18/bin/python2.7").expanduser()
needs_uv = pytest.mark.skipif(not os.access(UV, os.X_OK), reason="needs uv in .venv")


@pytest.fixture
def kind(tmp_path):
    for name in ("state", "envs", "release", "source"):
        (tmp_path / name).mkdir()

    def make(**changes):
        spec = {
            "link": str(tmp_path / "release" / "env"),
            "folder": str(tmp_path / "envs"),
            "source": str(tmp_path / "source"),
            "user": ME,
            "uv": UV,
            "interpreter": "",
            "requirements": [],
            "packages": [],
            "lock": "",
            "extras": [],
            "groups": [],
            "own": "",
        }
        return PythonEnvironment(whole("environment", {**spec, **changes}), System(str(tmp_path / "state")))

    return make


@pytest.fixture
def interpreter(tmp_path):
    """A program that says that it is a Python of some version."""

    def make(version, script=""):
        path = tmp_path / f"python{version.split()[-1]}"
        path.write_text(f"#!/bin/sh\n{script or f'echo {version}'}\n")
        path.chmod(0o755)
        return str(path)

    return make


class TestAnInterpreterThatUvDoesNotKnow:
    @pytest.mark.parametrize("version", ["CPython 2.7.18", "CPython 3.5.10", "PyPy 2.7.18"])
    def test_an_old_interpreter_gets_its_environment_from_virtualenv(self, kind, interpreter, version):
        note = kind(packages=["six"], interpreter=interpreter(version)).check().note
        assert note.endswith(f"by virtualenv 20.21.1 and its pip for {version}")

    @pytest.mark.parametrize("version", ["CPython 3.6.15", "CPython 3.13.0"])
    def test_interpreters_from_3_6_on_are_known_to_uv(self, kind, interpreter, version):
        assert kind(packages=["six"], interpreter=interpreter(version)).check().note.endswith("from 1 package")

    @pytest.mark.parametrize("version", ["CPython 2.6.9", "CPython 3.4.10", "CPython 3.0.1"])
    def test_an_interpreter_that_virtualenv_does_not_know_either_is_refused(self, kind, interpreter, version):
        with pytest.raises(Failure, match=f"no environment can be made for {version}: uv knows Python 3.6 and later, "):
            kind(packages=["six"], interpreter=interpreter(version)).check()

    def test_an_old_interpreter_that_the_host_lacks_is_refused_before_anything_is_fetched(self, kind):
        for version in ("2.7", "3.5", "3.7.1"):
            with pytest.raises(Failure, match=f"this host has no Python {version}, and uv fetches none before 3.8"):
                kind(packages=["six"], interpreter=version).check()

    def test_needs_requirements_that_pip_can_read(self, kind, interpreter, tmp_path):
        (tmp_path / "source" / "uv.lock").write_text("")
        (tmp_path / "source" / "pyproject.toml").write_text("")
        resource = kind(interpreter=interpreter("CPython 2.7.18"), lock="uv.lock")
        resource.make_empty = lambda interpreter: ""
        with pytest.raises(Failure, match=r"uv.lock is for uv, and CPython 2.7.18 is filled by pip; next: name req"):
            resource.apply(resource.check())

    @needs_uv
    @pytest.mark.skipif(not PYTHON2.exists(), reason="needs Python 2.7.18 from pyenv")
    def test_python_2_7_runs_what_was_installed(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.16.0\n")
        # A module of the code that pip would take for its own, were it run as one of the code's.
        (tmp_path / "source" / "pip.py").write_text("raise SystemExit('the code of the application')\n")
        resource = kind(interpreter=str(PYTHON2), build_constraints=["setuptools<44.1"])
        resource.apply(resource.check())
        assert resource.check() is None
        python = Path(resource.path) / "bin" / "python"
        ask = "import six, setuptools; print('%s %s %s' % (six.PY2, six.__version__, setuptools.__version__))"
        said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
        assert said[:2] == ["True", "1.16.0"] and said[2].startswith("44.0")


class TestAnInterpreterThatFails:
    def test_an_interpreter_that_fails_is_told_from_one_that_is_closed_to_the_user(self, kind, interpreter):
        missing = "error while loading shared libraries: libpython2.7.so.1.0: cannot open shared object file"
        path = interpreter("2.7", f"echo '{missing}' >&2; exit 127")
        with pytest.raises(Failure, match=f"the interpreter {path} does not run: {missing}"):
            kind(packages=["six"], interpreter=path).check()

    def test_an_interpreter_is_asked_in_words_that_python_2_knows(self, kind, interpreter):
        path = interpreter("2.7", 'case "$*" in *-I*) echo "Unknown option: -I"; exit 2;; esac; echo CPython 2.7.18')
        assert "CPython 2.7.18" in kind(packages=["six"], interpreter=path).check().note


class TestPinsThatContradictEachOther:
    def test_pins_that_contradict_each_other_are_told_with_the_way_out(self):
        why = "Because a==1 depends on b>=2 and you require b==1"
        said = f"  × No solution found when resolving dependencies:\n  ╰─▶ {why}"
        assert 'python.resolver = "pip-legacy"' in explain(said)

    @needs_uv
    def test_pins_that_contradict_each_other_are_taken_by_the_resolver_of_before_2020(self, kind, tmp_path):
        needy = tmp_path / "needy"
        needy.mkdir()
        about = "from setuptools import setup\nsetup(name='needy', version='1', install_requires=['six>=1.17'])\n"
        (needy / "setup.py").write_text(about)
        (tmp_path / "source" / "requirements.txt").write_text(f"six==1.16.0\n{needy}\n")
        with pytest.raises(Failure, match="no set of versions fits what is asked for"):
            resource = kind()
            resource.apply(resource.check())
        resource = kind(resolver="pip-legacy")
        change = resource.check()
        assert change.note.endswith("by pip with its resolver of before 2020")
        resource.apply(change)
        assert resource.check() is None
        ask = [Path(resource.path) / "bin" / "python", "-c", "import six; print(six.__version__)"]
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "1.16.0\n"


class TestWhatPackagesAreBuiltWith:
    def test_setuptools_is_limited_where_a_package_is_too_old_for_it(self, kind, tmp_path):
        assert 'python.build_constraints = ["setuptools<58"]' in explain(
            "error in x setup command: use_2to3 is invalid."
        )

    def test_setuptools_is_limited_where_a_package_imports_what_it_has_no_more(self):
        said = (
            "ImportError: cannot import name 'convert_path' from 'setuptools' (/srv/shop/envs/x/setuptools/__init__.py)"
        )
        assert explain(said) == (
            "a package is built with convert_path of setuptools, which that of today has no more; "
            'python.build_constraints = ["setuptools<60"] lets it build'
        )

    @needs_uv
    def test_counts_in_an_isolated_build_of_uv(self, kind, tmp_path):
        package = tmp_path / "old"
        package.mkdir()
        check = "import setuptools\nassert int(setuptools.__version__.split('.')[0]) < 70, setuptools.__version__\n"
        (package / "setup.py").write_text(f"{check}setuptools.setup(name='old', version='1', py_modules=['old'])\n")
        (package / "old.py").write_text("")
        resource = kind(packages=[str(package)], build_constraints=["setuptools<70"])
        resource.apply(resource.check())
        assert resource.check() is None

    def test_a_limit_of_setuptools_makes_another_environment(self, kind):
        plain = kind(packages=["six"])
        limited = kind(packages=["six"], build_constraints=["setuptools<70"])
        assert plain.check() and limited.check() and plain.path != limited.path

    def test_a_limit_of_setuptools_is_refused_beside_uv_lock(self, kind, tmp_path):
        (tmp_path / "source" / "uv.lock").write_text("")
        (tmp_path / "source" / "pyproject.toml").write_text("")
        resource = kind(build_constraints=["setuptools<70"])
        resource.make_empty = lambda interpreter: ""
        with pytest.raises(Failure, match=r"do not count beside uv.lock; pyproject.toml names them"):
            resource.apply(resource.check())


class TestNoRequirements:
    def test_requirements_of_the_code_are_left_alone_where_none_are_wanted(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("nothing-of-this-name==1\n")
        resource = kind(detect=False)
        assert resource.check().note.endswith("from nothing")
        assert resource.recipe().commands("/env") == []


def test_environments_that_are_there_keep_their_names(kind):
    """What is new in the recipe counts only where it is used: otherwise every host would build everything anew."""
    inputs = kind(packages=["six"]).recipe().inputs
    assert sorted(inputs) == ["extras", "files", "groups", "lock", "own", "packages", "project", "requirements"]

"""Python environments: built once for what goes into them, complete or not there."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from hawser.runner.lock import end_leftovers
from hawser.runner.python import environments
from hawser.runner.python.environments import PythonEnvironment, PythonVersions, Tool
from hawser.runner.python.installers import explain, pip_settings
from hawser.runner.python.requirements import Recipe
from hawser.runner.system import Failure, System

from ..conftest import whole

ME = pwd.getpwuid(os.getuid()).pw_name
UV = str(Path(__file__).parents[4] / ".venv" / "bin" / "uv")
needs_uv = pytest.mark.skipif(not os.access(UV, os.X_OK), reason="needs uv in .venv")


@pytest.fixture
def system(tmp_path):
    (tmp_path / "state").mkdir()
    return System(str(tmp_path / "state"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache of downloads for all tests."""
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def kind(system, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(PythonEnvironment, "cache", lambda self: str(cache))
    (tmp_path / "envs").mkdir()
    (tmp_path / "release").mkdir()
    (tmp_path / "source").mkdir()

    def make(of=PythonEnvironment, **changes):
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
            "kept": str(tmp_path / "release" / "versions.json"),
        }
        return of(whole("versions" if of is PythonVersions else "environment", {**spec, **changes}), system)

    return make


def put(kind):
    """Bring a resource to its state as the engine does, and see that it then holds."""
    change = kind.check()
    assert change is not None
    kind.apply(change)
    assert kind.check() is None
    return Path(kind.path)


def again(kind, tmp_path, **given):
    """The same code in the checkout of another release."""
    source = tmp_path / "another"
    shutil.copytree(tmp_path / "source", source, dirs_exist_ok=True)
    return kind(source=str(source), **given)


def place(resource):
    """The folder of an environment that is not made yet."""
    resource.check()
    return resource.path


def imports(environment, module):
    return subprocess.run([environment / "bin" / "python", "-c", f"import {module}"], check=False).returncode == 0


@needs_uv
class TestRequirements:
    def test_the_usual_file_is_found_and_installed(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\n")
        environment = put(kind())
        assert imports(environment, "six")
        assert (tmp_path / "release" / "env").resolve() == environment
        assert not (tmp_path / "release" / "env").readlink().is_absolute()
        assert len(environment.name) == 16

    def test_listed_packages_come_on_top(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\n")
        environment = put(kind(packages=["vine==5.1.0"]))
        assert imports(environment, "six") and imports(environment, "vine")

    def test_listed_packages_alone_are_enough(self, kind):
        assert imports(put(kind(packages=["six==1.17.0"])), "six")

    def test_the_same_requirements_share_an_environment(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\n")
        first = put(kind())
        started = time.monotonic()
        second = put(kind(link=str(tmp_path / "release" / "env2")))
        assert second == first
        assert time.monotonic() - started < 0.5

    def test_a_line_in_an_included_file_makes_another_environment(self, kind, tmp_path):
        source = tmp_path / "source"
        (source / "requirements").mkdir()
        (source / "requirements" / "base.txt").write_text("six==1.17.0\n")
        (source / "requirements" / "prod.txt").write_text("-r base.txt\n-c limits.txt  # why\nvine\n")
        (source / "requirements" / "limits.txt").write_text("vine==5.1.0\n")
        first = put(kind(requirements=["requirements/prod.txt"]))
        (source / "requirements" / "limits.txt").write_text("vine==5.0.0\n")
        second = put(kind(requirements=["requirements/prod.txt"]))
        assert first != second and (first / "bin" / "python").exists()

    def test_an_unmarked_environment_is_built_anew(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\n")
        environment = put(kind())
        (environment / ".hawser-complete").unlink()
        (environment / "left-over").touch()
        assert put(kind()) == environment
        assert not (environment / "left-over").exists()

    def test_a_package_that_does_not_exist_is_named(self, kind):
        with pytest.raises(Failure, match="hawser-no-such-package") as caught:
            kind(packages=["hawser-no-such-package==1"]).apply(None)
        assert "hawser-no-such-package" in caught.value.output

    def test_a_marker_that_cannot_be_read_does_no_harm(self, kind, tmp_path):
        (tmp_path / "envs" / "0").mkdir()
        (tmp_path / "envs" / "0" / ".hawser-complete").write_text("[1, {")
        put(kind(packages=["six==1.17.0"]))

    def test_a_check_of_what_is_complete_is_fast(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\n")
        put(kind())
        started = time.process_time()
        assert kind().check() is None
        assert time.process_time() - started < 0.02

    def test_the_event_of_an_environment_tells_where_it_is(self, kind, tmp_path):
        resource = kind(packages=["six==1.17.0"])
        environment = put(resource)
        assert resource.facts() == {"facts": {"environment": str(environment)}}


PROJECT = """
[project]
name = "little"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["six==1.17.0"]
[project.optional-dependencies]
more = ["vine==5.1.0"]
"""
BUILD = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
py-modules = ["little"]
"""


@pytest.fixture
def project(tmp_path):
    def write(text):
        (tmp_path / "source" / "pyproject.toml").write_text(text)
        (tmp_path / "source" / "little.py").touch()
        return tmp_path / "source"

    return write


@needs_uv
class TestProjects:
    def lock(self, source, cache):
        environment = {**os.environ, "UV_CACHE_DIR": str(cache), "UV_NO_PROGRESS": "1"}
        subprocess.run([UV, "lock", "-q", "--python", "/usr/bin/python3"], cwd=source, env=environment, check=True)

    def test_a_lock_file_is_installed_as_it_is(self, kind, project, cache):
        self.lock(project(PROJECT), cache)
        environment = put(kind())
        assert imports(environment, "six") and not imports(environment, "vine")
        assert imports(put(kind(extras=["more"])), "vine")

    def test_a_lock_without_a_package_of_its_own_is_shared_by_releases(self, kind, project, cache, tmp_path):
        source = project(PROJECT)
        self.lock(source, cache)
        first = put(kind())
        shutil.copytree(source, tmp_path / "source2")
        second = kind(source=str(tmp_path / "source2"), link=str(tmp_path / "release" / "env2"))
        assert second.check().note.startswith("->")
        assert put(second) == first

    def test_a_project_that_is_built_gets_an_environment_for_each_release(self, kind, project, cache, tmp_path):
        source = project(PROJECT + BUILD)
        self.lock(source, cache)
        first = put(kind())
        assert imports(first, "little") and not list(first.rglob("*.pth"))
        assert Path(os.path.realpath(next(first.glob("lib/*/site-packages/little.py")))).is_relative_to(first)
        assert put(again(kind, tmp_path)) != first

    def test_a_project_without_a_lock_is_installed_with_what_it_needs(self, kind, project):
        project(PROJECT + BUILD)
        environment = put(kind(extras=["more"]))
        assert imports(environment, "little") and imports(environment, "vine")

    def test_settings_of_tools_are_no_project(self, kind, project):
        project("[tool.ruff]\nline-length = 100\n")
        with pytest.raises(Failure, match=r"no uv\.lock, .*, requirements\.txt, pyproject\.toml at the top"):
            kind().check()

    def test_a_standard_lock_file_is_installed(self, kind, project, cache):
        source = project(PROJECT)
        self.lock(source, cache)
        argv = [UV, "export", "-q", "--format", "pylock.toml", "-o", "pylock.toml", "--python", "/usr/bin/python3"]
        subprocess.run(argv, cwd=source, env={**os.environ, "UV_CACHE_DIR": str(cache)}, check=True)
        (source / "uv.lock").unlink()
        assert imports(put(kind()), "six")


class TestWhatGoesIn:
    def test_a_missing_file_is_named_with_the_one_that_names_it(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("-r base.txt\n")
        with pytest.raises(Failure, match=r"there is no .*/base.txt \(named in .*/requirements.txt\)"):
            kind().check()

    def test_requirements_that_include_one_another_are_read_to_an_end(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("-r other.txt\n")
        (tmp_path / "source" / "other.txt").write_text("-rrequirements.txt\n")
        assert "requirements.txt" in kind().check().note

    @pytest.mark.parametrize(
        "line",
        [
            *("-e .", ".", ".[x]", "./libs/a", "../b", "/srv/a", "a @ file:///srv/a", "--editable=libs/a", "-e=libs/a"),
            *("libs/a", "a @ libs/a", "a.whl", "a-1.0.tar.gz ; python_version > '3'", "a @ file://${PROJECT_ROOT}/a"),
            *("${LIBS}/a", "a@./a", "a[x] @ ./a", "git+file:///srv/a", "file:a", "a --no-binary a\n./b", "-f wheels"),
            *("--find-links=./wheels", "--extra-index-url file:wheels/simple", "-i wheels", "-fwheels", "a>=1,./b"),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_a_requirement_from_the_checkout_keeps_the_environment_to_one_release(self, kind, tmp_path, line, encoding):
        (tmp_path / "source" / "requirements.txt").write_text(line + "\n", encoding=encoding)
        assert place(kind()) != place(again(kind, tmp_path))

    @pytest.mark.parametrize(
        "line",
        [
            *("six", "a @ https://h/a.whl", "git+https://h/a", "-i https://h/./x", "-r x.txt", "a==1 ; extra == './x'"),
            *("a[x,y]>=1,<2", "a (>=1)", "a===1", "a~=1.0 --hash=sha256:00", "a==1.*", "-f /opt/wheels", "--pre"),
            *(
                "-i file:///opt/pypi/simple",
                "a @ git+ssh://git@h/a.git@v1",
                "-e git+https://h/a#egg=a",
                "--no-binary a",
            ),
        ],
    )
    def test_requirements_from_the_index_share_the_environment_between_releases(self, kind, tmp_path, line):
        (tmp_path / "source" / "x.txt").touch()
        (tmp_path / "source" / "requirements.txt").write_text(line + "\n")
        assert place(kind()) == place(again(kind, tmp_path))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("limits.txt", "a @ ./libs/a"),
            ("setup.py", "setup(install_requires=open('needs'))"),
            ("pyproject.toml", "[project]\nname = 'x'\n[tool.uv.sources]\na = { path = 'libs/a' }\n"),
            ("pyproject.toml", "[project]\nname = 'x'\n[tool.uv.sources.a]\nworkspace = true\n"),
            ("pyproject.toml", "[project]\nname = 'x'\ndynamic = ['dependencies']\n"),
            ("pyproject.toml", "[project]\nname = 'x'\ndependencies = [\n'a @ file:libs/a']\n"),
            ("pylock.toml", "[[packages]]\nname = 'a'\ndirectory = { path = '.', editable = true }\n"),
            ("pylock.toml", "[[packages]]\nname = 'a'\n[packages.directory]\npath = '.'\n"),
            ("pylock.toml", "[[packages]]\nname = 'a'\nwheels = [{ name = 'a.whl', path = 'wheels/a.whl' }]\n"),
            ("uv.lock", '[[package]]\nname = "a"\nsource = { path = "wheels/a.whl" }\n'),
            ("uv.lock", '[[package]]\nname = "a"\nsource = { registry = "wheels" }\n'),
            ("uv.lock", '[[package]]\nname = "a"\nsource = { directory = "libs/a" }\n'),
            ("uv.toml", "find-links = ['wheels']\n"),
            ("uv.toml", "override-dependencies = ['a @ ./libs/a']\n"),
            ("uv.toml", "[[index]]\nname = 'own'\nurl = './wheels'\n"),
        ],
    )
    def test_a_file_that_names_the_checkout_keeps_the_environment_to_one_release(self, kind, tmp_path, name, text):
        source = tmp_path / "source"
        (source / "pyproject.toml").write_text("[tool.uv]\n")
        (source / "requirements.txt").write_text("a\n-c limits.txt\n")
        (source / "limits.txt").touch()
        (source / name).write_text(text)
        asked = name if name in ("setup.py", "pyproject.toml") else "requirements.txt"
        given = {"lock": name} if "lock" in name else {"requirements": [asked]}
        assert place(kind(**given)) != place(again(kind, tmp_path, **given))

    def test_a_listed_package_from_the_checkout_keeps_the_environment_to_one_release(self, kind, tmp_path):
        for setting in ("packages", "build_constraints"):
            given = {"packages": ["six"], setting: ["a @ libs/a"]}
            assert place(kind(**given)) != place(again(kind, tmp_path, **given))

    def test_a_link_into_the_application_keeps_the_environment_to_one_release(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text(f"-f {tmp_path}/current/source/wheels\na\n")
        assert place(kind()) != place(again(kind, tmp_path))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("uv.toml", "override-dependencies = ['six==1.16.0']\n"),
            ("pyproject.toml", "[tool.uv]\nconstraint-dependencies = ['six==1.16.0']\n"),
            ("pyproject.toml", "[project]\nname = 'x'\n[[tool.uv.index]]\nurl = 'https://h/simple'\n"),
        ],
    )
    def test_the_codes_settings_for_uv_make_another_environment(self, kind, tmp_path, name, text):
        (tmp_path / "source" / "requirements.txt").write_text("six\n")
        first = place(kind())
        (tmp_path / "source" / name).write_text(text)
        second = kind()
        assert place(second) != first
        assert place(again(kind, tmp_path)) == place(second)

    def test_settings_of_other_tools_do_not(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six\n")
        (tmp_path / "source" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
        first = place(kind())
        (tmp_path / "source" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
        assert place(kind()) == first

    @needs_uv
    def test_what_was_installed_from_the_checkout_all_the_same_is_not_shared(
        self, kind, project, tmp_path, monkeypatch
    ):
        (project(PROJECT + BUILD) / "requirements.txt").write_text(".\n")
        monkeypatch.setattr("hawser.runner.python.requirements.is_local", lambda line, root: False)
        first = put(kind())
        second = again(kind, tmp_path)
        assert second.check().note.startswith("new environment")
        assert put(second) != first
        assert "new environment" not in kind().check().note

    def test_each_setting_makes_another_environment(self, kind, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("six\n")
        (tmp_path / "source" / "more.txt").write_text("six\n")
        resources = [
            kind(),
            kind(packages=["vine"]),
            kind(own="r1"),
            kind(own="r2"),
            kind(extras=["a"]),
            kind(groups=["a"]),
            kind(requirements=["more.txt"]),
        ]
        for resource in resources:
            resource.check()
        assert len({resource.path for resource in resources}) == len(resources)

    def test_a_checkout_that_is_not_there_yet_is_named(self, kind):
        with pytest.raises(Failure, match="no checkout at /nowhere"):
            kind(source="/nowhere").check()


@needs_uv
class TestVersions:
    """An index of this machine, to which newer versions come."""

    @pytest.fixture
    def index(self, tmp_path, monkeypatch):
        folder = tmp_path / "index"
        folder.mkdir()
        monkeypatch.setattr(environments, "pip_settings", lambda: {"UV_FIND_LINKS": str(folder), "UV_NO_INDEX": "1"})

        def publish(name, version, needs=""):
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            about = f"{name}-{version}.dist-info"
            with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{name}.py", f"version = {version!r}\n")
                wheel.writestr(f"{about}/METADATA", head + (f"Requires-Dist: {needs}\n" if needs else ""))
                wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{about}/RECORD", "")

        publish("anchor", "1.0", "chain>=1")
        publish("chain", "1.0")
        return publish

    @pytest.fixture
    def release(self, kind, tmp_path):
        """The environment or the versions of a release, by its name."""

        def make(name, **given):
            folder = tmp_path / "releases" / name
            shutil.copytree(tmp_path / "source", folder / "source", dirs_exist_ok=True)
            places = {"link": str(folder / "env"), "kept": str(folder / "versions.json")}
            return kind(**{**places, "source": str(folder / "source"), **given})

        return make

    def version(self, environment, name):
        argv = [environment / "bin" / "python", "-c", f"import {name}; print({name}.version)"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def test_what_was_chosen_stays_for_releases_with_the_same_requirements(self, index, release, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        first = put(release("one"))
        index("chain", "1.1")
        assert put(release("two")) == first
        shutil.rmtree(first)
        assert self.version(put(release("three")), "chain") == "1.0"
        assert self.version(put(release("four", resolved="2026-11-29")), "chain") == "1.1"
        # Back to the first one, whose environment is gone again.
        shutil.rmtree(first)
        assert release("one").check().note.startswith("new environment")
        release("one").apply(None)
        assert self.version((tmp_path / "releases" / "one" / "env").resolve(), "chain") == "1.0"

    def test_other_requirements_have_versions_chosen_anew(self, index, release, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        put(release("one"))
        index("chain", "1.1")
        (tmp_path / "source" / "requirements.txt").write_text("anchor>=1\n")
        assert self.version(put(release("two")), "chain") == "1.1"

    def test_a_host_that_comes_later_gets_the_leaders(self, index, release, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        leader = release("one", of=PythonVersions)
        leader.apply(leader.check())
        assert leader.check() is None
        chosen = (tmp_path / "releases" / "one" / "versions.json").read_text()
        assert json.loads(chosen)["versions"] == ["anchor==1.0", "chain==1.0"]
        index("chain", "1.1")
        shutil.rmtree(tmp_path / "releases")
        assert self.version(put(release("one", chosen=chosen)), "chain") == "1.0"
        assert (tmp_path / "releases" / "one" / "versions.json").read_text() == chosen

    @pytest.fixture
    def by_pip(self, index, release, tmp_path, monkeypatch):
        """The same, filled by pip; pip itself comes from the real index."""
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        monkeypatch.setattr(environments, "pip_settings", dict)
        variables = {"PIP_FIND_LINKS": str(tmp_path / "index"), "PIP_NO_INDEX": "1"}
        return lambda name, **given: release(name, resolver="pip-legacy", variables=variables, **given)

    def test_what_pip_has_chosen_stays_for_releases_with_the_same_requirements(self, index, by_pip, tmp_path):
        first = put(by_pip("one"))
        known = json.loads((tmp_path / "releases" / "one" / "versions.json").read_text())["versions"]
        assert known[:2] == ["anchor==1.0", "chain==1.0"]
        index("chain", "1.1")
        assert put(by_pip("two")) == first
        shutil.rmtree(first)
        assert self.version(put(by_pip("three")), "chain") == "1.0"
        assert self.version(put(by_pip("four", resolved="2026-11-29")), "chain") == "1.1"
        assert self.version(put(by_pip("two")), "chain") == "1.0", "a rollback has what the release had"

    def test_a_host_that_comes_later_gets_what_pip_has_chosen_on_the_leader(self, index, by_pip, tmp_path):
        leader = by_pip("one", of=PythonVersions)
        leader.apply(leader.check())
        assert leader.check() is None
        made = next(path for path in (tmp_path / "envs").iterdir() if (path / "bin").is_dir())
        assert put(by_pip("one")) == made, "it has made its environment by then"
        chosen = (tmp_path / "releases" / "one" / "versions.json").read_text()
        index("chain", "1.1")
        shutil.rmtree(tmp_path / "releases")
        shutil.rmtree(made)
        assert self.version(put(by_pip("one", chosen=chosen)), "chain") == "1.0"

    def test_an_environment_that_pip_has_filled_before_versions_were_kept_stays_and_tells_its_own(
        self, index, by_pip, tmp_path
    ):
        made = put(by_pip("one"))
        about = json.loads((made / ".hawser-complete").read_text())
        assert about.pop("versions")[:2] == ["anchor==1.0", "chain==1.0"]
        (made / ".hawser-complete").write_text(json.dumps(about))
        (tmp_path / "releases" / "one" / "versions.json").unlink()
        assert by_pip("one").check() is None
        index("chain", "1.1")
        assert put(by_pip("two")) == made
        assert json.loads((tmp_path / "releases" / "two" / "versions.json").read_text())["versions"][1] == "chain==1.0"

    def test_versions_for_other_requirements_or_another_python_do_not_count(self, index, release, tmp_path):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        index("chain", "1.1")
        chosen = json.dumps({"identity": "0" * 64, "versions": ["chain==1.0"]})
        assert self.version(put(release("one", chosen=chosen)), "chain") == "1.1"

    @pytest.mark.parametrize(
        "line", ["-e /srv/evil", "evil @ file:///x", "evil @ git+https://evil/x@" + "0" * 40, "x;y"]
    )
    def test_what_another_host_says_adds_nothing(self, index, release, tmp_path, line):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        resource = release("one")
        recipe, interpreter = resource.recipe(), resource.find_interpreter()
        said = ["anchor==1.0", "chain==1.0", line]
        chosen = json.dumps({"identity": resource.identity(recipe, interpreter), "versions": said})
        environment = put(release("one", chosen=chosen))
        assert sorted(path.name for path in environment.glob("lib/*/site-packages/*.dist-info")) == [
            "anchor-1.0.dist-info",
            "chain-1.0.dist-info",
        ]

    def test_what_belongs_to_the_code_follows_it_and_keeps_the_other_versions(self, index, release, tmp_path):
        source = tmp_path / "source"
        (source / "requirements.txt").write_text("-r needs/base.txt\n--find-links wheels\n")
        for folder in ("needs", "wheels"):
            (source / folder).mkdir()
        (source / "needs" / "base.txt").write_text("anchor\n")
        first = put(release("one"))
        index("chain", "1.1")
        second = put(release("two"))
        assert second != first and self.version(second, "chain") == "1.0"

    def test_packages_beside_a_lock_do_not_move_what_it_says(self, index, release, tmp_path):
        index("chain", "1.1")
        wheel = next(tmp_path.glob("index/chain-1.0*"))
        hashed = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (tmp_path / "source" / "pylock.toml").write_text(
            "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = \"chain\"\nversion = \"1.0\"\n"
            f"wheels = [{{ url = '{wheel.as_uri()}', hashes = {{ sha256 = '{hashed}' }} }}]\n"
        )
        environment = put(release("one", packages=["anchor"]))
        assert self.version(environment, "chain") == "1.0" and self.version(environment, "anchor") == "1.0"

    def test_a_branch_of_a_repository_stays_at_its_commit(self, index, release, tmp_path):
        repository = tmp_path / "lib"
        repository.mkdir()
        about = "[project]\nname = 'buoy'\nversion = '1'\n" + BUILD.replace("little", "buoy")
        (repository / "pyproject.toml").write_text(about)

        def commit(text):
            (repository / "buoy.py").write_text(f"version = {text!r}\n")
            git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x"]
            subprocess.run([*git, "add", "."], check=True)
            subprocess.run([*git, "commit", "-qm", text], check=True)

        subprocess.run(["git", "init", "-q", "-b", "main", str(repository)], check=True)
        commit("first")
        (tmp_path / "source" / "requirements.txt").write_text(f"buoy @ git+file://{repository}@main\n")
        put(release("one"))
        commit("second")
        assert self.version(put(release("two")), "buoy") == "first"

    def test_an_environment_that_was_made_before_versions_were_kept_stays(self, index, release, tmp_path, monkeypatch):
        (tmp_path / "source" / "requirements.txt").write_text("anchor\n")
        with monkeypatch.context() as former:
            former.setattr(PythonEnvironment, "known_versions", lambda self, recipe, interpreter: [])
            first = put(release("one"))
        index("chain", "1.1")
        assert release("one").check() is None
        assert release("one", of=PythonVersions).check() is None
        assert (tmp_path / "releases" / "one" / "env").resolve() == first


POETRY = '[[package]]\nname = "Six"\nversion = "1.16.0"\ndescription = ""\n'
PIPFILE = json.dumps({"default": {"six": {"version": "==1.16.0", "hashes": []}}, "develop": {}})


class TestLocksOfOtherTools:
    @pytest.mark.parametrize(
        ("name", "text", "way"),
        [
            ("poetry.lock", POETRY, "poetry export -o requirements.txt"),
            ("pdm.lock", POETRY, "pdm export --prod -o requirements.txt"),
            ("Pipfile.lock", PIPFILE, "pipenv requirements > requirements.txt"),
            ("conda-lock.yml", "version: 1\n", "conda-lock render"),
            ("pixi.lock", "version: 6\n", "pixi workspace export"),
        ],
    )
    def test_a_lock_that_is_not_read_stops_with_the_way_to_one_that_is(self, kind, project, tmp_path, name, text, way):
        (project("[tool.poetry]\nname = 'x'\n") / name).write_text(text)
        with pytest.raises(Failure) as caught:
            kind().check()
        assert name in str(caught.value) and way in str(caught.value)
        project(PROJECT)
        with pytest.raises(Failure, match=f"the versions in {name} would not be installed") as caught:
            kind().check()
        assert way in str(caught.value)
        with pytest.raises(Failure, match=f"{name} is no lock file that is read") as caught:
            kind(lock=name).check()
        assert way in str(caught.value)

    @pytest.mark.parametrize(("name", "text"), [("poetry.lock", POETRY), ("Pipfile.lock", PIPFILE)])
    def test_requirements_beside_it_count_where_they_say_the_same(self, kind, tmp_path, name, text):
        source = tmp_path / "source"
        (source / name).write_text(text)
        for lines in ("six == 1.16.0 ; python_version > '3'\n", "six==1.16.0 \\\n  --hash=sha256:00\nvine==5.1.0\n"):
            (source / "requirements.txt").write_text(lines)
            assert "requirements.txt" in kind().check().note

    @pytest.mark.parametrize(("name", "text"), [("pdm.lock", POETRY), ("Pipfile.lock", PIPFILE)])
    def test_requirements_beside_it_that_say_something_else_stop(self, kind, tmp_path, name, text):
        source = tmp_path / "source"
        (source / name).write_text(text)
        for line, why in (("SIX==1.17.0", "it has SIX 1.17.0, the lock 1.16.0"), ("six>=1", "leaves the version of")):
            (source / "requirements.txt").write_text(f"# compiled\n{line}\n")
            with pytest.raises(Failure, match=f"{name} says: .*{why}"):
                kind().check()
            assert "requirements.txt" in kind(requirements=["requirements.txt"]).check().note

    @needs_uv
    def test_a_lock_that_the_settings_pass_over_is_named(self, kind, tmp_path, system):
        (tmp_path / "source" / "poetry.lock").write_text(POETRY)
        put(kind(detect=False, packages=["six==1.17.0"]))
        assert system.take_warnings() == ["poetry.lock is not read; what is installed: 1 package"]

    @needs_uv
    def test_requirements_that_are_locked_are_installed_before_those_that_are_not(self, kind, project):
        source = project(PROJECT)
        (source / "requirements.txt").write_text("six\n")
        (source / "requirements.lock").write_text("# by rye\n-e file:.\nsix==1.16.0\n")
        assert "requirements.lock" in kind().check().note

    @pytest.mark.parametrize(
        ("name", "move"),
        [
            ("backend/uv.lock", 'lock = "backend/uv.lock"'),
            ("services/api/requirements.txt", 'requirements = ["services/api/requirements.txt"]'),
            ("server/poetry.lock", "poetry export"),
            ("app/pyproject.toml", 'packages = ["./app"]'),
        ],
    )
    def test_a_project_deeper_in_the_code_is_named_with_the_setting(self, kind, tmp_path, name, move):
        source = tmp_path / "source"
        (source / "node_modules" / "gyp").mkdir(parents=True)
        (source / "node_modules" / "gyp" / "pyproject.toml").touch()
        (source / name).parent.mkdir(parents=True)
        (source / name).touch()
        with pytest.raises(Failure) as caught:
            kind().check()
        assert f"deeper in it: {name};" in str(caught.value) and move in str(caught.value)

    def test_a_byte_order_mark_before_a_project_is_named(self, kind, tmp_path):
        (tmp_path / "source" / "pyproject.toml").write_text(PROJECT, encoding="utf-8-sig")
        with pytest.raises(Failure, match=r"pyproject.toml begins with a byte order mark, .* next: save it as UTF-8"):
            kind().check()


class TestInterpreters:
    def test_an_interpreter_that_does_not_exist_is_named(self, kind):
        with pytest.raises(Failure, match="the interpreter /opt/none/python3: No such file"):
            kind(packages=["six"], interpreter="/opt/none/python3").check()
        with pytest.raises(Failure, match="no interpreter 'pypy99'"):
            kind(packages=["six"], interpreter="pypy99").check()

    def test_a_version_that_the_host_lacks_will_be_installed(self, kind):
        assert kind(packages=["six"], interpreter="3.99").check().note == "new, after Python 3.99 is installed"

    def test_the_newest_interpreter_that_uv_installed_is_taken(self, kind, tmp_path):
        for name in ("cpython-3.99.9-linux-x86_64-gnu", "cpython-3.99.10-linux-x86_64-gnu", "cpython-3.9.1-linux"):
            program = tmp_path / "envs" / ".python" / name / "bin" / f"python{name[8:12].rstrip('.')}"
            program.parent.mkdir(parents=True)
            shutil.copy("/bin/true", program)
        (tmp_path / "envs" / ".python" / "cpython-3.99-linux-x86_64-gnu").symlink_to("cpython-3.99.9-linux-x86_64-gnu")
        path = kind(packages=["six"], interpreter="3.99").interpreter_path()
        assert path.endswith("cpython-3.99.10-linux-x86_64-gnu/bin/python3.99")
        path = kind(packages=["six"], interpreter="3.99.9").interpreter_path()
        assert path.endswith("cpython-3.99.9-linux-x86_64-gnu/bin/python3.99")

    def test_a_version_that_the_host_has_is_taken(self, kind):
        version = subprocess.run(
            ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        named, default = kind(packages=["six"], interpreter=version), kind(packages=["six"])
        named.check(), default.check()
        assert named.path == default.path

    @needs_uv
    @pytest.mark.parametrize("run", ["same", "later"])
    def test_an_interpreter_that_is_the_same_file_is_not_started_again(self, kind, tmp_path, system, run):
        program = tmp_path / "python3"
        program.write_text(f'#!/bin/sh\necho x >> {tmp_path}/starts\nexec /usr/bin/python3 "$@"\n')
        program.chmod(0o755)
        resource = kind(packages=["six==1.17.0"], interpreter=str(program))
        resource.check()
        known = resource.find_interpreter().describe()
        if run == "later":
            folder = Path(resource.path)
            folder.mkdir()
            (folder / ".hawser-complete").write_text(json.dumps({"interpreter": known}))
            system.interpreters.clear()
        before = (tmp_path / "starts").read_text()
        resource.check()
        assert (tmp_path / "starts").read_text() == before
        os.utime(program, (1, 1))
        resource.check()
        assert (tmp_path / "starts").read_text() != before

    @pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")
    def test_an_interpreter_that_the_user_cannot_run_is_refused_with_the_folder_in_the_way(self, kind):
        folder = Path(tempfile.mkdtemp())
        try:
            (folder / "bin").mkdir(mode=0o755)
            shutil.copy("/usr/bin/python3", folder / "bin" / "python3")
            with pytest.raises(Failure, match=f"the user nobody cannot run .*: the folder {folder} is closed to it"):
                kind(packages=["six"], interpreter=f"{folder}/bin/python3", user="nobody").check()
        finally:
            shutil.rmtree(folder)


@needs_uv
@pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")
def test_everything_belongs_to_the_user(kind, monkeypatch):
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        monkeypatch.undo()
        for name in ("envs", "source", "release"):
            (folder / name).mkdir()
        uv = shutil.copy(UV, folder / "uv")
        (folder / "source" / "requirements.txt").write_text("six==1.17.0\n")
        resource = kind(
            user="nobody",
            uv=uv,
            folder=str(folder / "envs"),
            source=str(folder / "source"),
            link=str(folder / "release" / "env"),
        )
        environment = put(resource)
        nobody = pwd.getpwnam("nobody").pw_uid
        assert {path.lstat().st_uid for path in environment.rglob("*") if path.name != ".hawser-complete"} == {nobody}
        assert (folder / "envs" / ".cache").stat().st_uid == nobody
        assert folder.joinpath("envs").stat().st_uid == 0
        one = next(environment.rglob("six.py"))
        assert one.stat().st_nlink > 1
    finally:
        shutil.rmtree(folder)


CRASH = """
import json, sys
from hawser.runner.python import environments
from hawser.runner.lock import end_leftovers
from hawser.runner.system import System
name, spec, state, token, cache = json.loads(sys.argv[1])
environments.PythonEnvironment.cache = lambda self: cache
getattr(environments, name)(spec, System(state, token)).apply(None)
"""


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.5])
def test_a_kill_at_any_moment_is_made_good_by_the_next_run(kind, tmp_path, cache, seconds):
    project = Path(__file__).parents[4]
    (tmp_path / "source" / "requirements.txt").write_text("six==1.17.0\nvine==5.1.0\n")
    resource, token = kind(), f"kill-{os.getpid()}-{seconds}"
    words = ["PythonEnvironment", resource.spec, str(tmp_path / "state"), token, str(cache)]
    run = subprocess.Popen([sys.executable, "-c", CRASH, json.dumps(words)], cwd=project)
    time.sleep(seconds)
    run.kill()
    run.wait()
    end_leftovers(token)
    if resource.check() is not None:
        put(resource)
    assert imports(Path(resource.path), "vine") and imports(Path(resource.path), "six")


class PrivateIndex(http.server.BaseHTTPRequestHandler):
    """A package index with one wheel, for whoever has the password."""

    wheel = b""

    def do_GET(self):
        allowed = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:s3cret").decode()
        name = "buoy-1.0-py3-none-any.whl"
        page = f'<!doctype html><html><body><a href="/{name}">{name}</a></body></html>'.encode()
        body = b"" if not allowed else self.wheel if self.path.endswith(".whl") else page
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "text/html" if body == page else "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    do_HEAD = do_GET

    def log_message(self, *_words):
        pass


@needs_uv
class TestPasswords:
    @pytest.fixture
    def index(self, tmp_path, monkeypatch):
        path = tmp_path / "wheel"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("buoy.py", "")
            wheel.writestr("buoy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: buoy\nVersion: 1.0\n")
            wheel.writestr("buoy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr("buoy-1.0.dist-info/RECORD", "")
        monkeypatch.setattr(PrivateIndex, "wheel", path.read_bytes())
        monkeypatch.setattr(environments, "pip_settings", dict)
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PrivateIndex) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"127.0.0.1:{server.server_address[1]}"
            server.shutdown()

    def test_a_variable_of_the_settings_opens_the_index_and_is_no_input(self, kind, tmp_path, index):
        lines = f"--index-url http://user:${{INDEX_TOKEN}}@{index}/simple\nbuoy\n"
        (tmp_path / "source" / "requirements.txt").write_text(lines)
        with pytest.raises(
            Failure, match=rf"index http://{index}/simple refuses the password .*\[python\] environment"
        ):
            kind().apply(None)
        environment = put(kind(variables={"INDEX_TOKEN": "s3cret"}))
        assert imports(environment, "buoy")
        assert not [path for path in environment.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
        assert "s3cret" not in (tmp_path / "release" / "versions.json").read_text()
        assert place(kind(variables={"INDEX_TOKEN": "another"})) == str(environment)

    def test_an_index_of_a_lock_file_opens_likewise(self, kind, project, index, cache):
        named = f"[[tool.uv.index]]\nname = 'own'\nurl = 'http://{index}/simple'\ndefault = true\n"
        source = project(
            f"[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.8'\ndependencies = ['buoy']\n{named}"
        )
        given = {"UV_INDEX_OWN_USERNAME": "user", "UV_INDEX_OWN_PASSWORD": "s3cret"}
        variables = {**os.environ, "UV_CACHE_DIR": str(source.parent / "other-cache"), **given}
        subprocess.run([UV, "lock", "-q", "--python", "/usr/bin/python3"], cwd=source, env=variables, check=True)
        with pytest.raises(Failure, match=r"http://127\S+\.whl is refused for want of a password"):
            kind().apply(None)
        assert imports(put(kind(variables=given)), "buoy")

    def test_a_package_from_the_server_of_the_code_gets_its_key(self, kind, tmp_path):
        path = tmp_path / "source" / "requirements.txt"
        access = {"repo": "git@git.example.org:shop.git", "key": "KEY", "host_keys": ["* ssh-ed25519 AAAA"]}
        for line in ("lib @ git+ssh://git@git.example.org/lib.git", "-e git+ssh://git.example.org/lib@v1#egg=lib"):
            path.write_text(line + "\n")
            resource = kind(**access)
            resource.recipe()
            with resource.repository_access() as found:
                words = shlex.split(found["GIT_SSH_COMMAND"])
                key = Path(words[words.index("-i") + 1])
                assert key.read_text() == "KEY\n" and stat.S_IMODE(key.stat().st_mode) == 0o600
                assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
            assert not key.parent.exists()

    @pytest.mark.parametrize(
        "line", ["six", "lib @ git+ssh://git@example.org/lib", "lib @ git+https://evil.test/git.example.org/lib"]
    )
    def test_no_other_server_gets_it(self, kind, tmp_path, line):
        (tmp_path / "source" / "requirements.txt").write_text(line + "\n")
        resource = kind(repo="https://git.example.org/shop.git", token="TOKEN")
        resource.recipe()
        with resource.repository_access() as found:
            assert set(found) <= {"GIT_TERMINAL_PROMPT"}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("uv.lock", 'source = { git = "https://git.example.org/lib?rev=v1#' + "0" * 40 + '" }\n'),
            ("pylock.toml", "vcs = { type = 'git', url = 'https://git.example.org/lib', commit-id = '0' }\n"),
            ("pyproject.toml", "[tool.uv.sources]\nlib = { git = 'https://git.example.org/lib' }\n"),
        ],
    )
    def test_repositories_of_lock_files_and_sources_count_as_well(self, kind, tmp_path, name, text):
        (tmp_path / "source" / "pyproject.toml").touch()
        (tmp_path / "source" / name).write_text(text)
        given = {"lock": name} if "lock" in name else {"requirements": [name]}
        resource = kind(repo="https://git.example.org/shop.git", token="TOKEN", **given)
        resource.recipe()
        with resource.repository_access() as found:
            assert found["GIT_CONFIG_KEY_0"] == "http.https://git.example.org/.extraHeader"


class TestTools:
    @pytest.fixture
    def tool(self, system, tmp_path):
        return lambda requirement: Tool({"requirement": requirement, "path": str(tmp_path / "tools" / "six")}, system)

    def test_a_tool_gets_an_environment_of_its_own(self, tool, tmp_path):
        resource = tool("six==1.17.0")
        assert resource.check().note == "new"
        resource.apply(None)
        assert resource.check() is None
        assert imports(tmp_path / "tools" / "six", "six")
        assert tool("six==1.16.0").check().note == "six==1.17.0 -> six==1.16.0"
        (tmp_path / "tools" / "six" / ".hawser-complete").unlink()
        assert resource.check().note == "new"

    def test_a_tool_is_built_anew_when_the_hosts_python_became_another(self, tool, tmp_path):
        path = tmp_path / "tools" / "six"
        (path / "bin").mkdir(parents=True)
        (path / "bin" / "python3").symlink_to("/usr/bin/python3")
        (path / "lib" / "python3.2").mkdir(parents=True)
        (path / ".hawser-complete").write_text("six==1.17.0\n")
        assert tool("six==1.17.0").check().note == "the host's Python is another one now"

    def test_a_version_that_does_not_exist_is_named(self, tool):
        with pytest.raises(Failure, match=r"six==99: no version fits what is asked for: six==99"):
            tool("six==99").apply(None)


def test_the_hosts_settings_for_pip_serve_uv_as_well(tmp_path):
    (tmp_path / "a.conf").write_text("[global]\nindex-url = https://one.example/simple\n")
    (tmp_path / "b.conf").write_text(
        "[global]\nindex_url = https://two.example/simple\nextra-index-url = https://a/simple\n  https://b/simple\n"
        "find-links = /a /b\n[install]\ntrusted-host = two.example\n"
    )
    assert pip_settings([str(tmp_path / "a.conf"), str(tmp_path / "b.conf"), str(tmp_path / "none.conf")]) == {
        "UV_DEFAULT_INDEX": "https://two.example/simple",
        "UV_INDEX": "https://a/simple https://b/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INSECURE_HOST": "two.example",
    }


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("error: failed to write: No space left on device (os error 28)", "the disk is full"),
        ("src/x.c:1:10: fatal error: Python.h: No such file or directory", "python3-dev"),
        ("x.c:9:10: fatal error: libpq-fe.h: No such file or directory", "misses the header libpq-fe.h"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "build-essential"),
        ("Error: pg_config executable not found.", "libpq-dev"),
        (
            "  × No solution found when resolving:\n  ╰─▶ Because a was not found\n      we can.",
            "Because a was not found",
        ),
        (
            "hint: An index URL (https://h/simple) could not be queried due to a lack of valid "
            "authentication credentials "
            "(401 Unauthorized)",
            "the package index https://h/simple refuses the password",
        ),
        ("hint: An index URL (https://h/simple) returned a 403 Forbidden error.", "index https://h/simple refuses"),
        (
            "error: Failed to download `a==1`\n  cause: Failed to fetch: https://h/a.whl\n  cause: HTTP "
            "status client error "
            "(403 Forbidden) for url (https://h/a.whl)",
            "https://h/a.whl is refused for want of a password",
        ),
        (
            "  cause: process didn't exit successfully: `/usr/bin/git fetch --force 'ssh://git@h/lib.git' "
            "'+HEAD:x'` (exit "
            "status: 128)\n         --- stderr\n         git@h: Permission denied (publickey).\n         "
            "fatal: Could not "
            "read from remote repository.\n\n         Please make sure you have the correct access rights\n  "
            "       and the "
            "repository exists.",
            "git is not let in at ssh://git@h/lib.git; app.deploy_key",
        ),
        (
            "  cause: process didn't exit successfully: `/usr/bin/git fetch 'ssh://git@h/lib.git' '+HEAD:x'` "
            "(exit status: "
            "128)\n         --- stderr\n         ssh: connect to host h port 22: Connection refused\n        "
            " fatal: Could not "
            "read from remote repository.",
            "git cannot fetch a package: ssh: connect to host h port 22: Connection refused",
        ),
        (
            "  cause: process didn't exit successfully: `/usr/bin/git fetch 'ssh://git@h/lib.git' '+HEAD:x'` "
            "(exit status: "
            "128)\n         --- stderr\n         Host key verification failed.\n         fatal: Could not "
            "read from remote",
            "app.repo_host_keys",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because the current Python "
            "version (3.11.2) does "
            "not satisfy Python>=3.14 and p==1 depends on Python>=3.14, we can conclude that p==1 cannot be used.",
            "p==1 depends on Python>=3.14, which this one is not; next: name another one as python.interpreter",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because the current Python version "
            "(3.11.2) does not satisfy Python>=3.14 and your project depends on Python>=3.14, we can conclude that",
            "the code asks for Python >=3.14, which this one is not; next: name another one as python.interpreter",
        ),
        (
            "error: The requested interpreter resolved to Python 3.11.2, which is incompatible with the "
            "project's Python "
            "requirement: `>=3.14` (from `project.requires-python`)",
            "the code asks for Python >=3.14",
        ),
        (
            'error: Expected `--hash`, found `"--no-binary"`: requirements.txt:1:5',
            "uv takes --no-binary on a line of its own",
        ),
        ("error: Failed to fetch: `https://h/simple/six/`\n  Caused by: dns error", "https://h cannot be reached"),
        (
            "error: Failed to fetch: https://h/simple/six/\n  cause: error sending request for url "
            "(https://h/simple/six/)\n  cause: client error (Connect)\n  cause: invalid peer certificate: "
            "UnknownIssuer",
            "the certificate of https://h is not one that this host trusts",
        ),
        (
            "error: Failed to fetch: https://h/a.whl\n  cause: HTTP status server error (503 Service Unavailable) for "
            "url (https://h/a.whl)",
            "a server of packages answers with an error (503 Service Unavailable) for url (https://h/a.whl)",
        ),
        (
            "  Caused by: HTTP status client error (407 Proxy Authentication Required) for url (https://h/)",
            "the proxy of this host wants a password",
        ),
        (
            "error: Failed to fetch: https://h/simple/six/\n  cause: error sending request for url "
            "(https://h/simple/six/)\n  cause: client error (Connect)\n  cause: tunnel error: proxy authorization "
            "required",
            "the proxy of this host wants a password",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(\"HTTPSConnection("
            "host='h.example', port=443): Failed to establish\")': /simple/six/\nERROR: No matching distribution found "
            "for six",
            "h.example cannot be reached from this host",
        ),
        (
            "Retrying (Retry(total=0)) after connection broken by 'ProtocolError': /simple/six/\n"
            "ERROR: No matching distribution found for six",
            "the package index cannot be reached from this host",
        ),
        # A program that the build of a package runs, and no index.
        (
            "ConnectionRefusedError: [Errno 111] Connection refused\nerror: no licence server",
            "error: no licence server",
        ),
        ("git@h: Permission denied (publickey).\nlast word", "last word"),
        ("error: failed to open file `/srv/a`: Permission denied (os error 13)", "closed to the application's user"),
        (
            "ModuleNotFoundError: No module named 'pkg_resources'",
            "a package is built with pkg_resources, which setuptools of today has no more; python.build_constraints",
        ),
        ("The virtual environment was not created successfully because ensurepip is not available.", "python3-venv"),
        ("ERROR: No matching distribution found for six==99", "no version fits what is asked for: six==99"),
        ("strange\nlast word\n", "last word"),
        ("", "no reason was given"),
    ],
)
def test_failures_of_installers_are_explained(said, meaning):
    assert meaning in explain(said)


@pytest.mark.parametrize(
    ("said", "code", "meaning"),
    [
        ("Building old\n", -15, "was ended by SIGTERM"),
        ("Building old\n", 143, "was ended by SIGTERM"),
        ("", -9, "ended by SIGKILL (dmesg tells"),
        ("", 137, "ended by SIGKILL (dmesg tells"),
        ("gcc: fatal error: Killed signal terminated program cc1\n", 1, "a compiler was ended by SIGKILL"),
        ("No space left on device", -9, "the disk is full"),
    ],
)
def test_an_installer_that_a_signal_ended_has_given_no_reason(said, code, meaning):
    assert meaning in explain(said, code)


class TestWhatTheUserMakesOfItsFolders:
    """Code and environments are the service user's: what root reads of them is hostile input."""

    @pytest.fixture
    def source(self, tmp_path):
        return tmp_path / "source"

    @pytest.mark.parametrize("place", ["/etc/shadow", "../shadow", "sub/../../shadow", "--constraint=/etc/shadow"])
    def test_requirements_include_nothing_outside_of_the_code(self, kind, source, place):
        (source.parent / "shadow").write_text("root:$6$secret")
        line = place if place.startswith("--") else f"-r {place}"
        (source / "requirements.txt").write_text(f"six\n{line}\n")
        with pytest.raises(Failure, match=r"shadow \(named in .*requirements.txt\) lies outside of the code"):
            kind().check()

    @pytest.mark.parametrize("name", ["requirements.txt", "uv.lock", "pyproject.toml", "pylock.toml"])
    def test_no_link_of_the_user_leads_out_of_the_code(self, kind, source, name):
        (source / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        (source / name).unlink(missing_ok=True)
        (source / name).symlink_to("/etc/shadow")
        with pytest.raises(Failure, match="leads out of"):
            kind().check()

    def test_a_link_inside_the_code_is_followed(self, kind, source):
        (source / "requirements").mkdir()
        (source / "requirements" / "base.txt").write_text("six\n")
        (source / "requirements.txt").symlink_to("requirements/base.txt")
        assert "from requirements.txt" in kind().check().note

    @pytest.mark.parametrize("name", ["requirements.txt", "deep/include.txt"])
    def test_a_pipe_is_not_waited_for(self, kind, source, name):
        (source / "deep").mkdir()
        (source / "requirements.txt").write_text("-r deep/include.txt\n")
        (source / name).unlink(missing_ok=True)
        os.mkfifo(source / name)
        with pytest.raises(Failure, match=r"there is no|is no file|no uv\.lock"):
            kind().check()

    def test_files_that_include_each_other_many_times_are_read_once(self, kind, source):
        for number in range(60):
            (source / f"r{number}.txt").write_text(f"-r r{number + 1}.txt\n" * 3)
        (source / "r60.txt").write_text("six\n")
        began = time.monotonic()
        assert kind(requirements=["r0.txt"]).check() is not None
        assert time.monotonic() - began < 10

    def test_ever_more_files_are_not_followed(self, kind, source):
        for number in range(600):
            (source / f"r{number}.txt").write_text(f"-r r{number + 1}.txt\n")
        with pytest.raises(Failure, match="more than 500 files that include each other"):
            kind(requirements=["r0.txt"]).check()

    def test_a_long_line_takes_no_longer_than_its_length(self, kind, source):
        (source / "requirements.txt").write_text("six" + " " * 2_000_000 + "x\n" + "@ " * 500_000 + "\n")
        began = time.monotonic()
        assert kind().check() is not None
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("planted", ["pipe", "link", "folder", "huge", "deep", "odd"])
    def test_no_marker_of_the_user_keeps_a_deploy_from_going_on(self, kind, source, tmp_path, planted):
        (source / "requirements.txt").write_text("six\n")
        folder = tmp_path / "envs" / "x"
        folder.mkdir()
        marker = folder / ".hawser-complete"
        {
            "pipe": lambda: os.mkfifo(marker),
            "link": lambda: marker.symlink_to("/dev/zero"),
            "folder": marker.mkdir,
            "huge": lambda: os.truncate(os.open(marker, os.O_WRONLY | os.O_CREAT), 1 << 40),
            "deep": lambda: marker.write_text("[" * 200_000),
            "odd": lambda: marker.write_text(json.dumps({"interpreter": {"version": 5, "real": [], "stamp": {}}})),
        }[planted]()
        resource = kind()
        assert resource.check() is not None
        # Where it stands in the place of the marker of this very environment, too.
        place = Path(resource.path)
        folder.rename(place)
        assert not environments.complete(str(place)) or planted in ("huge", "deep", "odd")
        environments.unmark_and_remove(str(place))
        assert not place.exists()


class TestApplicationInASubfolder:
    """`app.directory`: the usual files are looked for there, then above it."""

    def test_files_of_the_folder_itself_go_before_those_above_it(self, kind, tmp_path):
        (tmp_path / "source/backend").mkdir()
        (tmp_path / "source/requirements.txt").write_text("six==1.15.0\n")
        (tmp_path / "source/backend/requirements.txt").write_text("six==1.16.0\n")
        assert recipe(kind, directory="backend").requirements == ["backend/requirements.txt"]

    def test_files_above_a_folder_without_any_count(self, kind, tmp_path):
        (tmp_path / "source/services/shop").mkdir(parents=True)
        (tmp_path / "source/requirements.txt").write_text("six==1.15.0\n")
        assert recipe(kind, directory="services/shop").requirements == ["requirements.txt"]

    def test_a_member_of_a_workspace_is_installed_by_the_lock_above_it(self, kind, tmp_path):
        (tmp_path / "source/backend").mkdir()
        (tmp_path / "source/pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["backend"]\n')
        (tmp_path / "source/backend/pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
        member = '[[package]]\nname = "shop"\nversion = "1"\nsource = { virtual = "backend" }\n'
        (tmp_path / "source/uv.lock").write_text(f"version = 1\n{member}")
        found = recipe(kind, directory="backend")
        assert found.lock == "uv.lock"
        assert found.commands("/env")[0][4:6] == ["--project", str(tmp_path / "source/backend")]

    def test_a_folder_that_the_code_lacks_is_named_with_its_setting(self, kind):
        with pytest.raises(Failure, match=r"the code has no folder backend; next: correct app\.directory"):
            recipe(kind, directory="backend", packages=["six"])

    def test_a_project_in_a_folder_is_installed_from_there(self, kind, tmp_path):
        (tmp_path / "source/backend").mkdir()
        (tmp_path / "source/backend/pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
        assert recipe(kind, directory="backend", extras=["pg"]).asked()[1] == [
            str(tmp_path / "source/backend") + "[pg]"
        ]


def recipe(kind, **changes):
    return Recipe(kind(**changes).spec)

"""Commands that do not run again for the same inputs, on real checkouts."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from hawser.runner.code.derived import Derived, unchanged
from hawser.runner.system import Failure

from ..conftest import whole

FILES = {"shop/static/a.css": "a", "shop/views.py": "1", "shop/migrations/0001.py": "m", "static/kept.txt": "tracked"}
# It leaves what it reads, and says in a file beside the releases that it ran.
BUILD = "mkdir -p static && cat shop/static/* > static/all.css && echo ran >> ../../../ran"


class Releases:
    """Releases of one repository, as they lie beside each other on a host."""

    def __init__(self, folder, system):
        self.folder, self.system = folder, system
        self.repository = folder / "repository"
        self.repository.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write(FILES)

    def git(self, *words):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *identity, *words], cwd=self.repository, check=True)

    def write(self, files):
        for name, text in files.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "x", "--allow-empty")

    def add(self, name, variables="A='1'\n", packages="one"):
        """Make a release of what is committed."""
        release = self.folder / "releases" / name
        (release / "done").mkdir(parents=True)
        self.git("clone", "-q", str(self.repository), str(release / "source"))
        own = f"PATH='{release}/env/bin:/usr/bin'\nHAWSER_RELEASE='{name}'\nHAWSER_COMMIT='{name}'\n"
        (release / "environment").write_text(own + variables)
        (release / "env").symlink_to(self.folder / "envs" / packages)
        return release

    def build(self, name, command=BUILD, inputs=("**/static",), outputs=("static",), **more):
        release = self.folder / "releases" / name
        fields = {
            "argv": ["sh", "-c", command],
            "record": str(release / "done" / "build-1"),
            "source": str(release / "source"),
            "cwd": str(release / "source"),
            "inputs": list(inputs),
            "outputs": list(outputs),
            "variables": [str(release / "environment")],
            "releases": str(self.folder / "releases"),
            **more,
        }
        return Derived(whole("derived", fields), self.system)

    def migrate(self, name, **more):
        record = str(self.folder / "state" / "migrated-1")
        return self.build(name, "echo ran >> ../../../ran", ("**/migrations",), (), record=record, releases="", **more)

    @property
    def runs(self):
        path = self.folder / "ran"
        return len(path.read_text().split()) if path.exists() else 0


@pytest.fixture
def releases(tmp_path, system):
    return Releases(tmp_path, system)


def applied(resource):
    change = resource.check()
    if change is not None:
        resource.apply(change)
    return change


class TestBuild:
    def test_what_was_left_of_the_same_inputs_is_copied(self, releases):
        first = releases.add("r1")
        applied(releases.build("r1"))
        releases.write({"shop/views.py": "2"})
        second = releases.add("r2")
        assert applied(releases.build("r2")).note == "as in r1, for what it reads is the same"
        assert releases.runs == 1
        assert (second / "source/static/all.css").read_text() == "a"
        assert len({(each / "source/static/all.css").stat().st_mtime for each in (first, second)}) == 1
        assert releases.build("r2").check() is None

    @pytest.mark.parametrize(
        ("files", "variables", "packages", "command"),
        [
            ({"shop/static/a.css": "b"}, "A='1'\n", "one", BUILD),
            ({"shop/static/b.css": "b"}, "A='1'\n", "one", BUILD),
            ({"static/kept.txt": "another"}, "A='1'\n", "one", BUILD),
            ({}, "A='2'\n", "one", BUILD),
            ({}, "A='1'\n", "two", BUILD),
            ({}, "A='1'\n", "one", BUILD + " && true"),
        ],
    )
    def test_it_runs_where_anything_that_it_reads_differs(self, releases, files, variables, packages, command):
        releases.add("r1")
        applied(releases.build("r1"))
        releases.write(files)
        release = releases.add("r2", variables, packages)
        assert applied(releases.build("r2", command)).note == ""
        assert releases.runs == 2
        assert all((release / "source" / name).read_text() == text for name, text in files.items())

    def test_a_link_and_the_right_to_run_count(self, releases):
        releases.add("r1")
        applied(releases.build("r1"))
        (releases.repository / "shop/static/link").symlink_to("a.css")
        releases.write({})
        releases.add("r2")
        assert applied(releases.build("r2")).note == ""
        (releases.repository / "shop/static/a.css").chmod(0o755)
        releases.write({})
        releases.add("r3")
        assert applied(releases.build("r3")).note == ""

    def test_a_name_that_is_no_text_is_never_known_to_be_the_same(self, releases):
        (releases.repository / "shop/static" / os.fsdecode(b"caf\xe9")).write_text("a")
        releases.write({})
        releases.add("r1")
        applied(releases.build("r1"))
        releases.add("r2")
        assert applied(releases.build("r2")).note == ""

    def test_a_pipe_in_the_place_of_an_input_is_not_waited_for(self, releases):
        releases.add("r1")
        applied(releases.build("r1", "mkdir -p static"))
        path = releases.add("r2") / "source/shop/static/a.css"
        path.unlink()
        os.mkfifo(path)
        assert applied(releases.build("r2", "mkdir -p static")).note == ""

    def test_what_an_earlier_build_has_left_is_an_input_although_git_ignores_it(self, releases):
        releases.write({".gitignore": "dist/\n"})
        for name, text in (("r1", "1"), ("r2", "2")):
            release = releases.add(name)
            (release / "source/dist").mkdir()
            (release / "source/dist/bundle.js").write_text(text)
        applied(releases.build("r1", inputs=("dist",)))
        assert releases.build("r2", inputs=("dist",)).check().note == ""

    def test_what_was_altered_since_is_made_anew(self, releases):
        release = releases.add("r1")
        applied(releases.build("r1"))
        (release / "source/static/all.css").write_text("evil")
        other = releases.add("r2")
        applied(releases.build("r2"))
        assert releases.runs == 2
        assert (other / "source/static/all.css").read_text() == "a"

    def test_what_has_gone_is_made_anew(self, releases):
        release = releases.add("r1")
        applied(releases.build("r1"))
        (release / "source/static").rename(release / "source/away")
        releases.add("r2")
        applied(releases.build("r2"))
        assert releases.runs == 2

    def test_a_command_that_leaves_less_than_it_says_fails_and_is_not_recorded(self, releases):
        releases.add("r1")
        with pytest.raises(Failure, match="left no nothing"):
            applied(releases.build("r1", outputs=("nothing",)))
        assert releases.build("r1", outputs=("nothing",)).check() is not None

    def test_the_record_is_roots_alone(self, releases):
        release = releases.add("r1")
        applied(releases.build("r1"))
        assert stat.S_IMODE((release / "done/build-1").stat().st_mode) == 0o600

    def test_a_damaged_record_is_none(self, releases):
        release = releases.add("r1")
        applied(releases.build("r1"))
        (release / "done/build-1").write_text("{")
        releases.add("r2")
        assert applied(releases.build("r2")).note == ""


class TestMigrate:
    def test_it_runs_once_for_the_same_inputs(self, releases):
        releases.add("r1")
        applied(releases.migrate("r1"))
        releases.write({"shop/views.py": "2"})
        releases.add("r2")
        assert releases.migrate("r2").check() is None
        assert unchanged(releases.system, [releases.migrate("r2").spec])
        assert releases.runs == 1

    def test_a_new_migration_of_any_application_runs(self, releases):
        releases.add("r1")
        applied(releases.migrate("r1"))
        releases.write({"blog/migrations/0001.py": "m"})
        releases.add("r2")
        assert not unchanged(releases.system, [releases.migrate("r1").spec, releases.migrate("r2").spec])
        applied(releases.migrate("r2"))
        assert releases.runs == 2
        # Back to the code before: the database is at another state than that knows.
        assert releases.migrate("r1").check() is not None

    def test_by_hand_it_runs_always(self, releases):
        releases.add("r1")
        applied(releases.migrate("r1"))
        applied(releases.migrate("r1", again=True))
        assert releases.runs == 2
        assert releases.migrate("r1").check() is None

    def test_one_that_fails_runs_again(self, releases):
        releases.add("r1")
        with pytest.raises(Failure):
            applied(releases.migrate("r1", argv=["false"]))
        assert releases.migrate("r1").check() is not None

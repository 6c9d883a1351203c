"""What is built from source once, whatever happens, and found again by every release with the same source."""

from __future__ import annotations

import os
import subprocess

import pytest

from hawser.runner.code.builds import Build
from hawser.runner.code.releases import Prune
from hawser.runner.system import Failure

from ..conftest import ME, MY_GROUP, names


def git(folder, *words):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "protocol.file.allow=always"]
    argv = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


class Site:
    """A repository, and a place for the releases and builds that are made of it."""

    def __init__(self, root, system):
        self.root = root
        self.system = system
        self.repository = root / "repository"
        self.trace = root / "trace"
        for folder in ("repository/lib", "builds", "releases"):
            (root / folder).mkdir(parents=True)
        git(self.repository, "init", "-q")
        self.commit({"lib/a": "1\n", "other": "1\n"})

    def commit(self, files):
        for name, text in files.items():
            (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
            (self.repository / name).write_text(text)
        git(self.repository, "add", "-A")
        git(self.repository, "commit", "-qm", "a change")

    def release(self, name):
        """Check the newest commit out, as a release that has no build yet."""
        folder = self.root / "releases" / name
        (folder / "builds").mkdir(parents=True)
        git(self.root, "clone", "-q", "--recurse-submodules", str(self.repository), str(folder / "source"))

    def build(self, release, name="lib", commands=None, **more):
        folder = self.root / "releases" / release
        prefix = f"{folder}/builds/{name}"
        lines = commands or ["mkdir $PREFIX/share && cp lib/* {{ prefix }}/share", f"echo run >>{self.trace}"]
        spec = {
            "name": name,
            "link": prefix,
            "folder": str(self.root / "builds"),
            "mirror": str(self.repository / ".git"),
            "commit": git(folder / "source", "rev-parse", "HEAD"),
            "source": str(folder / "source"),
            "user": ME,
            "group": MY_GROUP,
            "commands": [line.replace("{{ prefix }}", prefix) for line in lines],
            "inputs": ["lib"],
            "directory": "",
            "outputs": [],
            "env": {},
            "patches": [],
            "timeout": 60,
            **more,
        }
        return Build(spec, self.system)

    def make(self, release, **more):
        """Bring a build to where it shall be; say what changed."""
        resource = self.build(release, **more)
        change = resource.check()
        if change is None:
            return ""
        resource.apply(change)
        assert self.build(release, **more).check() is None
        return change.note

    @property
    def runs(self):
        return len(self.trace.read_text().splitlines()) if self.trace.exists() else 0

    def kept(self):
        return sorted(path.name for path in (self.root / "builds").iterdir())


@pytest.fixture
def site(tmp_path, system):
    return Site(tmp_path / "site", system)


def test_files_of_a_build_lie_behind_the_link_of_the_release(site):
    site.release("one")
    assert site.make("one").startswith("new build lib-")
    link = site.root / "releases/one/builds/lib"
    assert str(link.readlink()).startswith("../../../builds/lib-") and link.readlink().name == "prefix"
    assert (link / "share/a").read_text() == "1\n"
    assert site.make("one") == ""


def test_another_release_with_the_same_source_builds_nothing(site):
    site.release("one")
    site.make("one")
    site.commit({"other": "2\n"})
    site.release("two")
    site.make("two")
    assert site.runs == 1
    links = {(site.root / f"releases/{name}/builds/lib").readlink() for name in ("one", "two")}
    assert len(links) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"commands": ["cp lib/a {{ prefix }}"]},
        {"env": {"CFLAGS": "-O2"}},
        {"patches": [["lib/a", "1\n2\n"]]},
        {"inputs": ["lib", "other"]},
        {"inputs": []},
    ],
)
def test_other_commands_and_other_inputs_make_another_build(site, more):
    site.release("one")
    site.make("one")
    assert site.make("one", **more).startswith("new build")
    assert len(site.kept()) == 2


def test_another_state_of_the_source_is_built_and_the_old_one_stays_for_a_rollback(site):
    site.release("one")
    site.make("one")
    site.commit({"lib/a": "2\n"})
    site.release("two")
    site.make("two")
    assert site.runs == 2
    assert (site.root / "releases/one/builds/lib/share/a").read_text() == "1\n"
    assert (site.root / "releases/two/builds/lib/share/a").read_text() == "2\n"


def test_a_build_is_made_of_files_as_patches_left_them(site):
    site.release("one")
    (site.root / "releases/one/source/lib/a").write_text("patched\n")
    site.make("one", patches=[["lib/a", "1\npatched\n"]])
    assert (site.root / "releases/one/builds/lib/share/a").read_text() == "patched\n"


def test_files_that_git_does_not_know_are_no_part_of_a_build(site):
    site.release("one")
    (site.root / "releases/one/source/lib/stray").write_text("")
    site.make("one")
    assert not (site.root / "releases/one/builds/lib/share/stray").exists()


def test_outputs_come_into_the_code_of_every_release(site):
    outputs = {"commands": ["tr 1 x <a >b", f"echo run >>{site.trace}"], "directory": "lib", "outputs": ["lib/b"]}
    for number, name in enumerate(("one", "two")):
        site.commit({"other": f"{number}\n"})
        site.release(name)
        site.make(name, **outputs)
        assert (site.root / f"releases/{name}/source/lib/b").read_text() == "x\n"
    assert site.runs == 1


@pytest.mark.parametrize("tracked", ["file", "link", "folder"])
def test_an_output_takes_the_place_of_what_git_has_there(site, tracked):
    place = site.repository / "lib" / "out"
    if tracked == "link":
        place.symlink_to("../other")
    else:
        site.commit({"lib/out/.gitkeep" if tracked == "folder" else "lib/out": ""})
    site.commit({"lib/a": "2\n"})
    made = "cp a out" if tracked == "folder" else "mkdir out && cp a out/a"
    outputs = {"commands": [f"rm -rf out && {made}"], "directory": "lib", "outputs": ["lib/out"]}
    for name in ("one", "two"):
        site.release(name)
        site.make(name, **outputs)
        found = site.root / f"releases/{name}/source/lib/out"
        assert not found.is_symlink()
        assert (found if tracked == "folder" else found / "a").read_text() == "2\n"
    assert (site.root / "releases/one/source/other").read_text() == "1\n"


def test_what_git_has_beside_the_outputs_stays(site):
    site.commit({"lib/out/kept": "kept\n"})
    site.release("one")
    site.make("one", commands=["cp lib/a lib/out/new"], outputs=["lib/out"])
    assert names(site.root / "releases/one/source/lib/out") == ["kept", "new"]


def test_an_output_that_went_missing_is_brought_again_without_building(site):
    outputs = {"commands": ["cp lib/a lib/b", f"echo run >>{site.trace}"], "outputs": ["lib/b"]}
    site.release("one")
    site.make("one", **outputs)
    (site.root / "releases/one/source/lib/b").unlink()
    assert site.make("one", **outputs) == "brings lib/b into the code"
    assert site.runs == 1


def test_a_failing_command_is_told_with_its_output_and_counts_for_nothing(site):
    site.release("one")
    with pytest.raises(Failure) as failure:
        site.make("one", commands=["cp lib/a $PREFIX", "echo no compiler; exit 3"])
    assert failure.value.message == "the build lib: echo no compiler; exit 3: sh exited with 3"
    assert "no compiler" in failure.value.output
    assert not (site.root / "releases/one/builds/lib").is_symlink()
    assert site.make("one", commands=["cp lib/a $PREFIX", "true"]).startswith("new build")


def test_a_build_that_a_crash_left_half_is_made_anew(site):
    site.release("one")
    site.make("one")
    (place,) = (site.root / "builds").iterdir()
    (place / "complete").unlink()
    (place / "prefix/half").write_text("")
    assert site.make("one").startswith("new build")
    assert not (place / "prefix/half").exists() and site.runs == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"inputs": ["lib", "libs"]}, "the build lib: the code has no libs"),
        ({"commands": ["true"]}, "the build lib installed nothing into its prefix ({{ prefix }}, $PREFIX)"),
        ({"commands": ["true"], "outputs": ["lib/b"]}, "the build lib left no lib/b"),
    ],
)
def test_a_build_that_gives_nothing_is_a_failure(site, more, message):
    site.release("one")
    with pytest.raises(Failure) as failure:
        site.make("one", **more)
    assert failure.value.message == message


def test_a_build_on_another_one_is_made_anew_with_it_and_only_then(site):
    def both(release):
        site.make(release)
        base = f"{site.root}/releases/{release}/builds/lib"
        commands = [f"cp {base}/share/a {{{{ prefix }}}}/b"]
        return site.make(release, name="tool", inputs=["other"], commands=commands)

    site.release("one")
    assert both("one").startswith("new build tool-")
    site.commit({"third": "1\n"})
    site.release("two")
    # A new link is all that it takes.
    assert "new build" not in both("two")
    site.commit({"lib/a": "2\n"})
    site.release("three")
    assert both("three").startswith("new build tool-")
    assert (site.root / "releases/three/builds/tool/b").read_text() == "2\n"


def test_a_submodule_is_built_and_its_commit_is_the_state_of_the_source(site, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "code").write_text("inner\n")
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "inner")
    git(site.repository, "submodule", "--quiet", "add", str(inner), "redis")
    git(site.repository, "commit", "-qm", "a submodule")
    site.release("one")
    site.make("one", inputs=["redis"], commands=["cp redis/code $PREFIX"])
    assert (site.root / "releases/one/builds/lib/code").read_text() == "inner\n"


def test_builds_that_no_kept_release_uses_go_with_the_last_one(site):
    for age, name in enumerate(("one", "two", "three")):
        site.commit({"lib/a": f"{name}\n"})
        site.release(name)
        site.make(name)
        path = site.root / "releases" / name / "release.json"
        path.write_text("{}")
        os.utime(path, (1000 + age, 1000 + age))
    (site.root / "envs").mkdir()
    prune = Prune({"root": str(site.root), "keep": 2}, site.system)
    change = prune.check()
    assert change is not None
    prune.apply(change)
    used = {(site.root / f"releases/{name}/builds/lib").readlink().parent.name for name in ("two", "three")}
    assert set(site.kept()) == used

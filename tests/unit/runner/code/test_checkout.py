"""A commit arrives on a host through a mirror, whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import functools
import grp
import http.server
import json
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hawser.runner import system as system_module
from hawser.runner.code import checkout, edits
from hawser.runner.code.git import Remote, explain
from hawser.runner.code.mirror import Mirror, between, subjects, tips
from hawser.runner.lock import end_leftovers
from hawser.runner.system import Failure, System

from ..conftest import names, whole

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture(autouse=True)
def open_transport(monkeypatch):
    """Let git fetch submodules from a path, which it refuses by default, and name an author."""
    settings = {"protocol.file.allow": "always", "user.name": "Test", "user.email": "test@example.org"}
    original = System.environment

    def environment(self, user="", env=None):
        return {**original(self, user, env), "GIT_ALLOW_PROTOCOL": "file:ssh:https:http"}

    monkeypatch.setattr(System, "environment", environment)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


class Origin:
    """A real repository, the one that hosts fetch from."""

    def __init__(self, path: Path):
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", self.path, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, text: str, name: str = "app.py") -> str:
        (self.path / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", text[:20] or "empty")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path):
    return Origin(tmp_path / "origin")


@pytest.fixture
def system(tmp_path):
    (tmp_path / "state").mkdir()
    return System(str(tmp_path / "state"))


@pytest.fixture
def kind(system, tmp_path, origin):
    (tmp_path / "release").mkdir()

    def make(commit, **changes):
        spec = {
            "path": str(tmp_path / "release" / "source"),
            "mirror": str(tmp_path / "mirror.git"),
            "commit": commit,
            "named": commit,
            "owner": ME,
            "group": MY_GROUP,
            "repo": str(origin.path),
            "bundle": "",
            "key": "",
            "token": "",
            "host_keys": [],
        }
        return checkout.Checkout(whole("checkout", {**spec, **changes}), system)

    return make


def put(kind):
    """Bring a resource to its state as the engine does, and see that it then holds."""
    change = kind.check()
    assert change is not None
    kind.apply(change)
    assert kind.check() is None


def test_a_commit_is_checked_out_into_its_folder(kind, origin, tmp_path):
    commit = origin.commit("one\n")
    put(kind(commit))
    source = tmp_path / "release" / "source"
    assert (source / "app.py").read_text() == "one\n"
    head = subprocess.run(["git", "-C", source, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert head.stdout.strip() == commit
    assert stat.S_IMODE(source.stat().st_mode) == 0o755
    assert (tmp_path / "release" / "source.complete").read_text() == commit + "\n"


def test_only_its_group_may_read_a_mirror(kind, origin, tmp_path):
    put(kind(origin.commit("one")))
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o7 for path in (tmp_path / "mirror.git").rglob("*")}
    assert modes == {0}
    assert stat.S_IMODE((tmp_path / "mirror.git").stat().st_mode) & 0o777 == 0o750
    packs = list((tmp_path / "mirror.git" / "objects").rglob("*.pack"))
    assert packs and all(pack.stat().st_mode & stat.S_IRGRP for pack in packs)


def test_a_commit_that_the_mirror_holds_is_not_fetched_again(kind, origin, tmp_path):
    first = origin.commit("one")
    origin.commit("two")
    put(kind(first))
    origin.path.rename(tmp_path / "gone")
    second = kind(first, path=str(tmp_path / "release" / "again"))
    put(second)
    assert (tmp_path / "release" / "again" / "app.py").read_text() == "one"


def test_an_unmarked_folder_is_built_anew(kind, origin, tmp_path):
    resource = kind(origin.commit("one"))
    put(resource)
    (tmp_path / "release" / "source.complete").unlink()
    (tmp_path / "release" / "source" / "left-over").touch()
    put(resource)
    assert not (tmp_path / "release" / "source" / "left-over").exists()


def test_another_commit_in_the_same_folder_replaces_the_first(kind, origin, tmp_path):
    first, second = origin.commit("one"), origin.commit("two")
    put(kind(first))
    put(kind(second))
    assert (tmp_path / "release" / "source" / "app.py").read_text() == "two"


def test_locks_of_a_killed_git_do_not_stop_the_next_run(kind, origin, tmp_path):
    put(kind(origin.commit("one")))
    second = origin.commit("two")
    mirror = tmp_path / "mirror.git"
    for name in ("config.lock", "refs/heads/main.lock", "packed-refs.lock", "objects/pack/tmp_pack_abc"):
        (mirror / name).touch()
    put(kind(second))
    assert not (mirror / "objects/pack/tmp_pack_abc").exists()


def test_a_mirror_that_was_only_begun_is_finished(kind, origin, tmp_path):
    (tmp_path / "mirror.git.new").mkdir()
    (tmp_path / "mirror.git.new" / "HEAD").touch()
    put(kind(origin.commit("one")))


def test_a_commit_that_was_pushed_over_upstream_survives_a_clean_up_of_the_mirror(kind, origin, tmp_path):
    first = origin.commit("one")
    put(kind(first))
    origin.git("commit", "-q", "--amend", "-m", "another")
    put(kind(origin.git("rev-parse", "HEAD"), path=str(tmp_path / "release" / "other")))
    subprocess.run(["git", "-C", tmp_path / "mirror.git", "gc", "-q", "--prune=now"], check=True)
    source = tmp_path / "release" / "source"
    subprocess.run(["git", "-C", source, "fsck", "--connectivity-only"], check=True, capture_output=True)


def test_a_branch_that_becomes_a_folder_of_branches_is_followed(kind, origin, tmp_path):
    origin.commit("one")
    origin.git("branch", "topic")
    put(kind(origin.git("rev-parse", "main")))
    origin.git("branch", "-m", "topic", "topic/a")
    put(kind(origin.commit("two"), path=str(tmp_path / "release" / "other")))


def test_a_commit_that_does_not_exist_is_named(kind, origin):
    origin.commit("one")
    missing = "1234567890" * 4
    with pytest.raises(Failure, match=f"commit {missing} does not exist in {origin.path}"):
        kind(missing).apply(None)


class TestACommitOnNoBranchOrTag:
    """Many a server gives it out by its hash: what others have pushed to a copy of the repository, for one."""

    @pytest.fixture
    def astray(self, origin):
        good = origin.commit("good")
        commit = origin.commit("of somebody else")
        origin.git("update-ref", "refs/pull/1/head", commit)
        origin.git("reset", "-q", "--hard", good)
        origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
        return commit

    def test_a_commit_on_no_branch_is_refused_where_a_look_up_has_named_it(self, kind, astray, tmp_path):
        made = kind(astray, named="")
        with pytest.raises(Failure, match="is on no branch or tag of"):
            made.apply(made.check())
        assert not Mirror(made.system, str(tmp_path / "mirror.git")).has(astray)

    @pytest.mark.parametrize("named", ["", "refs/pull/1/head"])
    def test_a_commit_on_no_branch_is_fetched_where_somebody_has_named_it_in_full(self, kind, astray, tmp_path, named):
        put(kind(astray, named=named or astray))
        assert (tmp_path / "release" / "source" / "app.py").read_text() == "of somebody else"

    def test_a_commit_on_no_branch_is_refused_where_the_reference_is_another_one(self, kind, origin, astray):
        other = origin.git("commit-tree", f"{astray}^{{tree}}", "-m", "other")
        made = kind(other, named="refs/pull/1/head")
        with pytest.raises(Failure, match="does not exist"):
            made.apply(made.check())


def test_a_repository_that_does_not_exist_is_named(kind, origin, tmp_path):
    with pytest.raises(Failure, match=r"there is no such repository"):
        kind("1" * 40, repo=str(tmp_path / "nowhere")).apply(None)


def test_a_short_hash_is_no_commit_to_check_out(kind):
    with pytest.raises(Failure, match="no full hash"):
        kind("abcdef").check()


def test_a_commit_comes_as_a_bundle(kind, system, origin, tmp_path):
    first = origin.commit("one")
    origin.git("bundle", "create", str(tmp_path / "first.bundle"), "main")
    system.blobs["b1"] = str(tmp_path / "first.bundle")
    put(kind(first, repo="", bundle="b1"))
    mirror = str(tmp_path / "mirror.git")
    assert tips(system, mirror) == [first]
    assert Mirror(system, mirror).has(first)

    second = origin.commit("two")
    origin.git("bundle", "create", str(tmp_path / "second.bundle"), "main", "^" + first)
    system.blobs["b2"] = str(tmp_path / "second.bundle")
    put(kind(second, repo="", bundle="b2"))
    assert tips(system, mirror) == sorted([first, second])
    assert (tmp_path / "release" / "source" / "app.py").read_text() == "two"


def test_a_bundle_on_top_of_commits_that_are_missing_is_refused(kind, system, origin, tmp_path):
    first, second = origin.commit("one"), origin.commit("two")
    origin.git("bundle", "create", str(tmp_path / "b.bundle"), "main", "^" + first)
    system.blobs["b"] = str(tmp_path / "b.bundle")
    with pytest.raises(Failure, match="builds on commits that are missing"):
        kind(second, repo="", bundle="b").apply(None)


def test_a_bundle_that_was_not_sent_is_missed(kind, origin):
    with pytest.raises(Failure, match="was announced, but not sent"):
        kind(origin.commit("one"), repo="", bundle="b").apply(None)


def test_a_repository_with_more_references_than_can_be_read_is_told_in_a_sentence(system, tmp_path, monkeypatch):
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nyes \"$(printf '%040d\\trefs/heads/x' 1)\" | head -n 100000\n")
    git.chmod(0o755)
    monkeypatch.setitem(system_module.BASE_ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(system_module, "KEPT_OUTPUT", 1 << 20)
    with pytest.raises(Failure, match="git answers with more than 2 MiB; next: "):
        checkout.resolve(system, "https://git.test/x.git", str(tmp_path / "mirror.git"), "main")


def test_a_host_without_a_mirror_has_no_tips(system, tmp_path):
    assert tips(system, str(tmp_path / "mirror.git")) == []
    assert not Mirror(system, str(tmp_path / "mirror.git")).has("1" * 40)


def test_submodules_come_along_with_a_checkout(kind, origin, tmp_path):
    library = Origin(tmp_path / "library")
    library.commit("library", "lib.py")
    origin.commit("one")
    origin.git("submodule", "--quiet", "add", "../library", "lib")
    put(kind(origin.commit("two")))
    assert (tmp_path / "release" / "source" / "lib" / "lib.py").read_text() == "library"


def test_hooks_of_the_hosts_templates_do_not_run(kind, origin, tmp_path, monkeypatch):
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    commit = origin.commit("one")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(f"[init]\n\ttemplateDir = {tmp_path}/template\n")
    resource = kind(commit)
    resource.system.environment = lambda user="", env=None: {
        **System.environment(resource.system, user, env),
        "HOME": str(tmp_path / "home"),
    }
    put(resource)
    assert not (tmp_path / "ran").exists()


def test_the_working_copy_knows_its_origin_without_credentials(kind, origin, tmp_path):
    put(kind(origin.commit("one")))
    argv = ["git", "-C", tmp_path / "release" / "source", "remote", "get-url", "origin"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip() == str(origin.path)


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to another user")
def test_everything_in_the_working_copy_is_given_to_the_owner_and_no_link_is_followed(kind, origin, tmp_path):
    outside = tmp_path / "outside"
    outside.touch()
    (origin.path / "link").symlink_to(outside)
    put(kind(origin.commit("one"), owner="nobody", group="nogroup"))
    nobody = pwd.getpwnam("nobody").pw_uid
    found = [tmp_path / "release" / "source", *(tmp_path / "release" / "source").rglob("*")]
    assert {path.lstat().st_uid for path in found} == {nobody}
    assert outside.stat().st_uid == 0
    assert (tmp_path / "release" / "source.complete").stat().st_uid == 0


@pytest.mark.skipif(os.getuid() != 0, reason="makes a folder of another user")
def test_git_does_not_run_in_a_mirror_that_belongs_to_somebody_else(kind, origin, tmp_path):
    (tmp_path / "mirror.git").mkdir()
    os.chown(tmp_path / "mirror.git", pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(Failure, match="does not belong to root"):
        kind(origin.commit("one")).apply(None)


class TestResolve:
    @pytest.fixture
    def resolve(self, system, origin, tmp_path):
        return lambda revision: checkout.resolve(system, str(origin.path), str(tmp_path / "mirror.git"), revision)

    def test_a_branch_stands_for_its_newest_commit_and_nothing_is_fetched(self, resolve, origin, tmp_path):
        origin.commit("one")
        commit = origin.commit("two")
        assert resolve("main") == commit
        assert not (tmp_path / "mirror.git").exists()

    def test_an_empty_revision_stands_for_the_default_branch(self, resolve, origin):
        commit = origin.commit("one")
        assert resolve("") == commit

    def test_a_tag_stands_for_the_commit_behind_it(self, resolve, origin):
        commit = origin.commit("one")
        origin.git("tag", "-m", "annotated", "v1")
        origin.git("tag", "light")
        assert resolve("v1") == resolve("light") == resolve("tags/v1") == commit

    def test_a_short_hash_stands_for_the_commit_that_it_begins(self, resolve, origin):
        commit = origin.commit("one")
        assert resolve(commit[:7]) == commit

    def test_a_full_hash_is_looked_for(self, resolve, origin):
        commit = origin.commit("one")
        assert resolve(commit) == commit
        with pytest.raises(Failure, match="does not exist"):
            resolve("12" * 20)

    def test_a_short_hash_of_several_commits_lists_them(self, resolve, origin):
        commits: list[str] = []
        tree = origin.git("hash-object", "-t", "tree", "-w", "/dev/null")
        for number in range(2000):
            commit = origin.git("commit-tree", tree, "-m", str(number))
            same = [each for each in commits if each[:4] == commit[:4]]
            commits.append(commit)
            if same:
                origin.git("branch", "a", same[0])
                origin.git("branch", "b", commit)
                break
        with pytest.raises(Failure, match="is short for several commits") as caught:
            resolve(commit[:4])
        assert commit in caught.value.message and same[0] in caught.value.message

    def test_a_name_of_both_a_branch_and_a_tag_asks_for_more(self, resolve, origin):
        origin.commit("one")
        origin.git("tag", "v1")
        origin.git("branch", "v1")
        assert resolve("v1") == origin.git("rev-parse", "main")
        origin.git("branch", "-f", "v1", origin.commit("two"))
        with pytest.raises(Failure, match="both a branch and a tag"):
            resolve("v1")
        assert resolve("heads/v1") != resolve("tags/v1")

    def test_a_mistyped_name_gets_a_suggestion(self, resolve, origin):
        origin.commit("one")
        origin.git("branch", "production")
        origin.git("branch", "what\u2028ends\x85lines")
        with pytest.raises(Failure, match=r"no branch or tag 'prodution' \(did you mean production\?\)"):
            resolve("prodution")

    def test_a_name_like_no_other_gets_the_default_branch(self, resolve, origin):
        origin.commit("one")
        origin.git("branch", "-m", "trunk")
        with pytest.raises(Failure, match=r"no branch or tag 'main' \(its default branch is trunk\)"):
            resolve("main")

    def test_an_empty_repository_says_so(self, resolve):
        with pytest.raises(Failure, match="is empty"):
            resolve("")

    def test_an_option_is_no_repository(self, system, tmp_path):
        with pytest.raises(Failure, match="no address of a repository"):
            checkout.resolve(system, "--upload-pack=id", str(tmp_path / "m"), "main")


CRASH = """
import json, sys
from hawser.runner.code import checkout, edits
from hawser.runner.lock import end_leftovers
from hawser.runner.system import System
spec, state, token = json.loads(sys.argv[1])
checkout.Checkout(spec, System(state, token)).apply(None)
"""


@pytest.mark.parametrize("seconds", [0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.25])
def test_a_kill_at_any_moment_is_made_good_by_the_next_run(kind, origin, tmp_path, seconds):
    for number in range(150):
        (origin.path / f"file{number}").write_text(str(number) * 1000)
    resource, token = kind(origin.commit("many")), f"kill-{os.getpid()}-{seconds}"
    project = Path(__file__).parents[4]
    words = json.dumps([resource.spec, str(tmp_path / "state"), token])
    run = subprocess.Popen([sys.executable, "-c", CRASH, words], cwd=project)
    time.sleep(seconds)
    run.kill()
    run.wait()
    end_leftovers(token)
    if resource.check() is not None:
        put(resource)
    status = subprocess.run(["git", "-C", tmp_path / "release" / "source", "status", "--short"], capture_output=True)
    assert (status.returncode, status.stdout) == (0, b"")


class Website(http.server.SimpleHTTPRequestHandler):
    """A repository on the web that asks for a password."""

    def do_GET(self):
        wanted = "Basic " + base64.b64encode(b"x-access-token:s3cret").decode()
        if self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


class TestHTTP:
    @pytest.fixture
    def url(self, origin):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Website, directory=str(origin.path))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/.git"
        server.shutdown()
        server.server_close()

    def test_a_token_opens_a_repository_over_https(self, kind, origin, url, tmp_path):
        commit = origin.commit("one")
        origin.git("update-server-info")
        put(kind(commit, repo=url, token="s3cret"))
        for path in [
            *tmp_path.glob("mirror.git/**/*"),
            *tmp_path.glob("release/source/.git/*"),
            *tmp_path.glob("state/*"),
        ]:
            assert path.is_dir() or b"s3cret" not in path.read_bytes()

    def test_a_repository_denies_access_without_its_token(self, kind, origin, url):
        with pytest.raises(Failure, match="access denied"):
            kind(origin.commit("one"), repo=url).apply(None)

    def test_a_port_where_nobody_listens_cannot_be_reached(self, kind):
        with pytest.raises(Failure, match="cannot be reached"):
            kind("1" * 40, repo="http://127.0.0.1:1/a").apply(None)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("right", "wrong"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "locked", "-f", folder / "locked"], check=True)
    return {name: (folder / name).read_text() for name in ("right", "wrong", "locked")} | {"folder": folder}


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs the OpenSSH client")
class TestSSH:
    @pytest.fixture
    def server(self, keys):
        """Start an SSH server of our own that lets one key in and runs what git asks for."""
        paramiko = pytest.importorskip("paramiko")
        host_key = paramiko.ECDSAKey.generate()
        allowed = paramiko.PKey.from_path(keys["folder"] / "right")

        class Gate(paramiko.ServerInterface):
            def check_auth_publickey(self, username, key):
                return paramiko.AUTH_SUCCESSFUL if key == allowed else paramiko.AUTH_FAILED

            def get_allowed_auths(self, username):
                return "publickey"

            def check_channel_request(self, kind, number):
                return paramiko.OPEN_SUCCEEDED

            def check_channel_env_request(self, channel, name, value):
                return True

            def check_channel_exec_request(self, channel, command):
                threading.Thread(target=self.serve, args=(channel, command.decode()), daemon=True).start()
                return True

            def serve(self, channel, command):
                child = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

                def feed():
                    while True:
                        data = channel.recv(65536)
                        if not data:
                            break
                        child.stdin.write(data)
                        child.stdin.flush()
                    child.stdin.close()

                threading.Thread(target=feed, daemon=True).start()
                while True:
                    data = child.stdout.read1(65536)
                    if not data:
                        break
                    channel.sendall(data)
                channel.send_exit_status(child.wait())
                channel.close()

        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                try:
                    peer, _address = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(peer)
                transport.add_server_key(host_key)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=Gate())

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        yield port, f"[127.0.0.1]:{port} {host_key.get_name()} {host_key.get_base64()}"
        listener.close()

    @pytest.fixture
    def far(self, kind, origin, server, keys):
        port, host_key = server
        commit = origin.commit("one")
        url = f"ssh://git@127.0.0.1:{port}{origin.path}"
        return lambda key="right", pins=(host_key,): kind(commit, repo=url, key=keys[key], host_keys=list(pins))

    def test_a_deploy_key_opens_a_repository_whose_host_key_is_pinned(self, far, tmp_path):
        put(far())
        for path in [*tmp_path.glob("mirror.git/**/*"), *tmp_path.glob("state/*")]:
            assert path.is_dir() or b"PRIVATE KEY" not in path.read_bytes()

    def test_a_host_key_that_nobody_vouched_for_is_refused(self, far):
        with pytest.raises(Failure, match="host key is not known"):
            far(pins=()).apply(None)

    def test_another_host_key_than_the_pinned_one_is_refused(self, far, server, keys):
        other = " ".join((keys["folder"] / "wrong.pub").read_text().split()[:2])
        with pytest.raises(Failure, match="host key is not known on this host or has changed"):
            far(pins=(f"[127.0.0.1]:{server[0]} {other}",)).apply(None)

    def test_another_key_is_denied(self, far):
        with pytest.raises(Failure, match="access denied"):
            far("wrong").apply(None)

    def test_a_key_with_a_passphrase_is_explained(self, far):
        with pytest.raises(Failure, match="has a passphrase"):
            far("locked").apply(None)

    def test_a_branch_is_looked_up_with_the_same_key(self, far, system, server, keys):
        spec = far().spec
        names = ("repo", "mirror", "key", "host_keys")
        assert checkout.resolve(system, revision="main", **{name: spec[name] for name in names}) == spec["commit"]


def test_a_token_goes_to_its_server_only_and_not_into_arguments():
    remote = Remote("https://deploy:old@git.example.org:8443/a/b.git", token="s3cret")
    assert remote.url == "https://git.example.org:8443/a/b.git"
    with remote.environment() as variables:
        assert variables["GIT_CONFIG_KEY_0"] == "http.https://git.example.org:8443/.extraHeader"
        assert variables["GIT_CONFIG_VALUE_0"] == "Authorization: Basic ZGVwbG95OnMzY3JldA=="
        assert "s3cret" not in variables["GIT_SSH_COMMAND"]


def test_a_key_is_readable_while_git_runs_and_gone_afterwards(system):
    remote = Remote("git@example.org:a/b.git", key="KEY", host_keys=("example.org ssh-ed25519 AAAA",))
    with remote.environment() as variables:
        words = variables["GIT_SSH_COMMAND"].split()
        path = words[words.index("-i") + 1]
        assert system.run(["cat", path]).output == "KEY\n"
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        known = next(word for word in words if word.startswith("UserKnownHostsFile="))
        assert Path(known.split("=")[1]).read_text() == "example.org ssh-ed25519 AAAA\n"
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("fatal: write error: No space left on device", "the disk is full"),
        ("No ED25519 host key is known for h\nHost key verification failed.", "host key"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "access denied"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "access denied"),
        ("fatal: Authentication failed for 'https://h/a'", "access denied"),
        ("ssh: connect to host h port 22: Connection refused", "cannot be reached"),
        ("fatal: unable to access 'https://h/a/': Could not resolve host: h", "cannot be reached"),
        ('Load key "/proc/1/fd/3": error in libcrypto\ngit@h: Permission denied (publickey).', "cannot be read"),
        ("remote: Repository not found.\nfatal: repository 'https://h/a/' not found", "no such repository"),
        ("remote: Not Found\nfatal: unable to access 'https://h/a/': The requested URL returned error: 404", "no such"),
        ("error: cannot run ssh: No such file or directory\nfatal: unable to fork", "lacks the package openssh-client"),
        ("sh: 1: ssh: not found\nfatal: Could not read from remote repository.", "lacks the package openssh-client"),
        ("fatal: unable to access 'https://h/a/': server certificate verification failed.", "the certificate of its"),
        ("fatal: unable to access 'https://h/a/': SSL certificate problem: self-signed certificate", "certificate of"),
        (
            "fatal: unable to access 'https://h/a/': Received HTTP code 407 from proxy after CONNECT",
            "the proxy of this",
        ),
        ("fatal: unable to access 'https://h/a/': Could not resolve proxy: p.example", "the proxy of this host"),
        ("fatal: couldn't find remote ref refs/heads/x: not found", "git could not read R"),
        ("fatal: unable to read tree: No such file or directory", "git could not read R"),
        ("error: unable to write file a: Disk quota exceeded", "the quota of a user on the disk is used up"),
        ("something else", "git could not read R"),
    ],
)
def test_failures_of_git_are_explained(said, meaning):
    assert meaning in explain("R", said)


class TestWhatSomebodyTookAway:
    """The working copy is the service user's, who may remove anything from it."""

    @pytest.fixture
    def release(self, kind, origin, tmp_path):
        """A release whose build has removed ``spare.py``, sealed as the last step of it."""
        for name in ("spare.py", "requirements.txt", "app.py"):
            commit = origin.commit(name, name)
        folder = tmp_path / "release"
        more = {"built": f"{folder}/release.json", "done": f"{folder}/done"}
        put(kind(commit, **more))
        (folder / "source" / "spare.py").unlink()
        (folder / "done").mkdir()
        (folder / "done" / "build-1").touch()
        sealed = checkout.Sealed(kind(commit).spec, kind(commit).system)
        return folder, kind(commit, **more), sealed

    @pytest.mark.parametrize("planted", ["nothing", "pipe", "link", "folder"])
    def test_a_file_that_somebody_took_away_comes_back_and_builds_stay(self, release, planted):
        folder, resource, sealed = release
        put(sealed)
        (folder / "release.json").touch()
        assert resource.check() is None
        taken = folder / "source" / "requirements.txt"
        taken.unlink()
        {"nothing": lambda: None, "pipe": lambda: os.mkfifo(taken), "link": lambda: taken.symlink_to("/etc/passwd"),
         "folder": taken.mkdir}[planted]()  # fmt: skip
        inode = (folder / "source").stat().st_ino
        change = resource.check()
        assert change.note == "brings back requirements.txt"
        put(resource)
        assert taken.read_text() == "requirements.txt"
        assert names(folder / "done") == ["build-1"]
        assert not (folder / "source" / "spare.py").exists()
        # Not made anew: a process may stand in it.
        assert (folder / "source").stat().st_ino == inode

    def test_a_working_copy_that_git_cannot_mend_is_made_and_built_anew(self, release):
        folder, resource, sealed = release
        put(sealed)
        (folder / "release.json").touch()
        (folder / "source" / "requirements.txt").unlink()
        shutil.rmtree(folder / "source" / ".git")
        put(resource)
        assert (folder / "source" / "requirements.txt").exists()
        assert not (folder / "done").exists()
        assert not (folder / "release.json").exists()

    def test_a_release_that_was_never_built_to_its_end_is_made_anew(self, release):
        folder, resource, _sealed = release
        put(resource)
        assert (folder / "source" / "spare.py").exists()
        assert not (folder / "done").exists()

    @pytest.mark.parametrize("text", ["", '["spare', "{}"])
    def test_files_that_a_damaged_record_has_forgotten_are_noted_anew(self, release, text):
        folder, resource, sealed = release
        put(sealed)
        (folder / "release.json").touch()
        (folder / "source.removed").write_text(text)
        assert resource.check() is None
        assert sealed.check().note == "notes what builds have removed from the code"
        put(sealed)
        assert json.loads((folder / "source.removed").read_text()) == ["spare.py"]

    def test_a_working_copy_of_an_older_hawser_is_left_as_it_is(self, release):
        folder, resource, _sealed = release
        (folder / "release.json").touch()
        assert resource.check() is None


@pytest.mark.parametrize("address", ["ext::sh -c touch% {0}/ran", "{0}/library", "file://{0}/library", "../library"])
def test_no_submodule_leads_to_a_command_or_to_another_repository_of_the_host(
    kind, origin, tmp_path, monkeypatch, address
):
    monkeypatch.undo()
    for name, value in (("user.name", "Test"), ("user.email", "test@example.org"), ("protocol.allow", "always")):
        count = int(os.environ.get("GIT_CONFIG_COUNT", 0))
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{count}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{count}", value)
        monkeypatch.setenv("GIT_CONFIG_COUNT", str(count + 1))
    library = Origin(tmp_path / "library")
    commit = library.commit("only root may read this", "lib.py")
    origin.commit("one")
    (origin.path / ".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = {address.format(tmp_path)}\n')
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    origin.git("add", ".gitmodules")
    origin.git("commit", "-qm", "a submodule")
    # The host's administrator may have allowed it for repositories of the host.
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text("[protocol]\n\tallow = always\n")
    resource = kind(origin.git("rev-parse", "HEAD"))
    environment = resource.system.environment
    resource.system.environment = lambda user="", env=None: {**environment(user, env), "HOME": str(tmp_path / "home")}
    with pytest.raises(Failure):
        put(resource)
    assert not (tmp_path / "ran").exists()
    assert not list((tmp_path / "release").rglob("lib.py"))


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away")
def test_the_user_gets_a_copy_of_a_file_with_a_name_elsewhere(tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "objects").write_text("another repository's")
    os.link(tmp_path / "objects", tmp_path / "copy" / "objects")
    checkout.give_away(str(tmp_path / "copy"), 65534, 65534)
    assert (tmp_path / "objects").stat().st_uid == 0
    copy = tmp_path / "copy" / "objects"
    assert (copy.read_text(), copy.stat().st_uid) == ("another repository's", 65534)
    assert names(tmp_path / "copy") == ["objects"]


def test_a_mirror_tells_the_commits_between_two_that_it_holds(system, origin):
    first, *_, last = [origin.commit(f"change {number}") for number in range(4)]
    mirror = str(origin.path / ".git")
    assert between(system, mirror, first, last, 2) == {"brings": 3, "takes": 0, "subjects": ["change 3", "change 2"]}
    assert between(system, mirror, last, first, 9) == {
        "brings": 0,
        "takes": 3,
        "subjects": ["change 3", "change 2", "change 1"],
    }


def test_a_mirror_that_lacks_a_commit_or_is_not_there_tells_nothing(system, origin, tmp_path):
    commit = origin.commit("one")
    assert between(system, str(origin.path / ".git"), "0" * 40, commit, 9) is None
    assert between(system, str(tmp_path / "nowhere"), commit, commit, 9) is None


def test_a_mirror_tells_the_subjects_of_the_commits_that_it_holds(system, origin, tmp_path):
    first, second = origin.commit("one"), origin.commit("two")
    mirror = str(origin.path / ".git")
    asked = ["0" * 40, first, "--all", "", "HEAD", first, second]
    assert subjects(system, mirror, asked) == {first: "one", second: "two"}
    assert subjects(system, mirror, ["0" * 40]) == {} == subjects(system, mirror, [])
    assert subjects(system, str(tmp_path / "nowhere"), [first]) == {}


class TestWhatSomebodyWroteInto:
    """Files of the code with another content, written when the build had long ended."""

    @pytest.fixture
    def release(self, kind, origin, tmp_path):
        """A release of two files, of which the build has changed one, and somebody may edit either."""
        for name in ("app.py", "built.py"):
            commit = origin.commit(name, name)
        put(kind(commit))
        source = tmp_path / "release" / "source"
        (source / "built.py").write_text("by the build")
        put(checkout.Sealed(kind(commit).spec, kind(commit).system))
        spec = {**whole("untouched", {"path": str(source), "mirror": kind(commit).spec["mirror"], "commit": commit})}
        # Times of files come in ticks of the kernel.
        time.sleep(0.02)
        return source, lambda *besides: edits.Untouched({**spec, "besides": list(besides)}, kind(commit).system)

    def test_what_the_build_has_changed_and_what_was_only_touched_is_as_it_was_left(self, release):
        source, resource = release
        assert resource().check() is None
        (source / "app.py").touch()
        (source / "app.py").chmod(0o600)
        (source / "more.py").write_text("no file of the commit")
        assert resource().check() is None

    @pytest.mark.parametrize("how", ["edited", "link", "pipe", "folder"])
    def test_a_file_with_another_content_is_named_unless_it_is_ours(self, release, how):
        source, resource = release
        file = source / "app.py"
        file.unlink()
        {"edited": lambda: file.write_text("by hand"), "link": lambda: file.symlink_to("/etc/passwd"),
         "pipe": lambda: os.mkfifo(file), "folder": file.mkdir}[how]()  # fmt: skip
        assert resource().check().note == "other content: app.py"
        assert resource("app.py").check() is None

    def test_old_times_that_somebody_gives_a_file_hide_nothing(self, release):
        source, resource = release
        (source / "app.py").write_text("by hand")
        os.utime(source / "app.py", (0, 0))
        assert resource().check().note == "other content: app.py"

    def test_a_missing_file_and_a_release_that_was_not_built_to_its_end_are_no_edits(self, release):
        source, resource = release
        (source / "app.py").unlink()
        assert resource().check() is None
        (source / "built.py").write_text("by hand")
        (source.parent / "source.removed").unlink()
        assert resource().check() is None

    def test_nobody_puts_code_right_but_its_author(self, release):
        source, resource = release
        (source / "app.py").write_text("by hand")
        with pytest.raises(Failure, match="deploy a commit"):
            resource().apply(resource().check())
        assert (source / "app.py").read_text() == "by hand"

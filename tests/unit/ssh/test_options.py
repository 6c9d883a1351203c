"""The user's own ssh files, in a home of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fabric.config import Config

from hawser.errors import HawserError
from hawser.ssh import options as module
from hawser.ssh.options import Options, UserFiles

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh to read them")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def asked(home: Path) -> Callable[..., Options]:
    """Return what files say of a host."""

    def asked(text: str, name: str = "web1", user: str = "", port: int = 0, **files: str) -> Options:
        (home / ".ssh" / "config").write_text(text)
        for path, content in files.items():
            (home / ".ssh" / path).write_text(content)
        return UserFiles(Config(lazy=True)).options(name, user, port)

    return asked


def test_name_user_and_port_are_those_of_the_first_block_that_fits(asked):
    found = asked("Host web*\n  HostName %h.example.org\n  User deploy\n  Port 2222\nHost *\n  User other\n")
    assert (found.host, found.user, found.port) == ("web1.example.org", "deploy", 2222)


def test_what_the_environment_file_says_comes_first_and_decides_what_fits(asked):
    text = "Match user deploy\n  IdentityFile /keys/deploy\nHost *\n  User other\n  Port 2222\n"
    found = asked(text, user="deploy", port=23)
    assert (found.user, found.port, found.identities) == ("deploy", 23, (Path("/keys/deploy"),))


@pytest.mark.parametrize(
    "include", ["Include more", "include ~/.ssh/more", 'Include = "m?re"', "Host web*\n Include more"]
)
def test_files_that_are_included_count(asked, include):
    assert asked(f"{include}\n", more="Host web1\n  HostName 10.0.0.5\n").host == "10.0.0.5"


@pytest.mark.parametrize(
    ("text", "jumps"),
    [
        ("ProxyJump outer,me@middle:2222", ("outer", "me@middle:2222")),
        ("ProxyJump none", ()),
        ("ProxyJump gate-%h", ("gate-web1",)),
        ("Host web1\n ProxyJump none\nHost *\n ProxyJump gate", ()),
    ],
)
def test_jump_hosts_are_named_in_their_order(asked, text, jumps):
    assert asked(text).jumps == jumps


def test_a_jump_host_through_itself_is_named_with_what_to_write(asked):
    with pytest.raises(HawserError, match=r"gate reached through gate itself\n.*`Host gate` with `ProxyJump none`"):
        asked("Host *\n  ProxyJump gate\n", "gate")


def test_tokens_variables_and_the_home_are_put_in(asked, home, monkeypatch):
    monkeypatch.setenv("KEYS", "/keys")
    text = (
        "Host web1\n  HostName 10.0.0.5\n  User deploy\n  IdentityFile ~/.ssh/%n-%h\n  IdentityFile ${KEYS}/%r\n"
        "  IdentityAgent %d/agent\n  CertificateFile ~/cert.pub\n  UserKnownHostsFile ~/known %d/.ssh/known-%k\n"
        "  GlobalKnownHostsFile /dev/null\n  HostKeyAlias alias\n  ProxyCommand nc %h %p 100%%\n"
    )
    found = asked(text)
    assert found.identities == (home / ".ssh" / "web1-10.0.0.5", Path("/keys/deploy"))
    assert found.certificates == (home / "cert.pub",) and found.agent == str(home / "agent")
    assert found.known_hosts == (home / "known", home / ".ssh" / "known-alias", Path("/dev/null"))
    assert found.alias == "alias" and found.command == "nc 10.0.0.5 22 100%"


@pytest.mark.parametrize(("text", "agent"), [("", "/tmp/a"), ("IdentityAgent none", ""), ("IdentityAgent $MINE", "/b")])
def test_the_agent_is_the_one_that_is_named(asked, monkeypatch, text, agent):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/a")
    monkeypatch.setenv("MINE", "/b")
    assert asked(text).agent == agent


def test_nothing_that_is_none_is_a_file(asked):
    found = asked("IdentityFile none\nUserKnownHostsFile none\nGlobalKnownHostsFile none\nRevokedHostKeys none\n")
    assert found.identities == () and found.revoked == "" and str(found.known_hosts) == "()"


def test_mistakes_in_the_files_are_told_in_the_words_of_ssh(asked):
    with pytest.raises(HawserError, match=r"line 2: Bad configuration option: hostnam\b(.|\n)*ssh -G web1 tells"):
        asked("Host web1\n  Hostnam x\n")


def test_one_file_may_be_named_and_must_be_there(home, tmp_path):
    config = Config(lazy=True, runtime_ssh_path=str(tmp_path / "mine"))
    with pytest.raises(HawserError, match="No such file"):
        UserFiles(config).options("web1", "", 0)
    (tmp_path / "mine").write_text("Host web1\n  HostName 10.0.0.9\n")
    (home / ".ssh" / "config").write_text("Host web1\n  HostName 10.0.0.5\n")
    assert UserFiles(config).options("web1", "", 0).host == "10.0.0.9"


def test_no_program_is_started_where_no_file_says_anything(home, tmp_path, monkeypatch):
    def start(*_words: object, **_more: object) -> None:
        raise AssertionError("it takes 10 ms for each host")

    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.setattr(module, "SYSTEM", tmp_path)
    (tmp_path / "ssh_config").write_text(
        f"# Debian's\nInclude {tmp_path}/ssh_config.d/*.conf\n\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n"
    )
    found = UserFiles(Config(lazy=True)).options("web1", "", 0)
    assert (found.host, found.port) == ("web1", 22) and home / ".ssh" / "id_ed25519" in found.identities
    (tmp_path / "ssh_config.d").mkdir()
    (tmp_path / "ssh_config.d" / "site.conf").write_text("Port 2222\n")
    with pytest.raises(AssertionError):
        UserFiles(Config(lazy=True)).options("web1", "", 0)


def test_files_that_nothing_can_read_are_not_passed_over(asked, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HawserError, match=r"no ssh that could say what they mean(.|\n)*openssh-client"):
        asked("Host web1\n  ProxyJump gate\n")


def test_the_home_of_the_account_is_the_one_of_the_run(asked, home):
    account = Path(f"~{os.environ.get('USER', 'root')}").expanduser()
    assert account != home
    assert asked("").known_hosts[0] == home / ".ssh" / "known_hosts"

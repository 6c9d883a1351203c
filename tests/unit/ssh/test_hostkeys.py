from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import paramiko
import pytest

from hawser.ssh.hostkeys import HostKeyRefused, KnownHosts, changed_key, fingerprint, known_name, parse_key

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
KEY = parse_key(ED25519)
OTHER = paramiko.ECDSAKey.generate()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "hosts" / "known_hosts"


def trusted(known: KnownHosts, address: str, port: int = 22, pinned: str = "") -> list[str]:
    """Return the keys that a client would accept of a host."""
    client = paramiko.SSHClient()
    known.prepare(client, "web1", address, port, pinned)
    return [key.get_base64() for key in (client.get_host_keys().lookup(known_name(address, port)) or {}).values()]


class TestFingerprint:
    def test_a_fingerprint_is_written_as_openssh_writes_it(self, tmp_path):
        if shutil.which("ssh-keygen") is None:
            pytest.skip("there is no ssh-keygen to compare with")
        (tmp_path / "key.pub").write_text(ED25519)
        said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
        assert fingerprint(KEY) == said.stdout.split()[1]

    def test_a_fingerprint_has_no_padding(self):
        assert fingerprint(KEY).startswith("SHA256:") and "=" not in fingerprint(KEY)


class TestTrusted:
    def test_keys_of_the_project_are_trusted(self, project):
        project.parent.mkdir()
        project.write_text(f"10.0.0.1 {ED25519}\n")
        assert trusted(KnownHosts(project), "10.0.0.1") == [KEY.get_base64()]

    def test_keys_of_the_user_are_trusted_as_well(self, project, home):
        (home / ".ssh" / "known_hosts").write_text(f"10.0.0.1 {ED25519}\n")
        assert trusted(KnownHosts(project), "10.0.0.1") == [KEY.get_base64()]

    def test_no_key_is_trusted_for_a_host_that_nobody_knows(self, project):
        assert trusted(KnownHosts(project), "10.0.0.1") == []

    def test_no_key_is_trusted_for_another_port(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, KEY)
        assert trusted(known, "10.0.0.1", 2222) == []

    def test_the_pinned_key_alone_is_trusted_where_there_is_one(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, OTHER)
        assert trusted(known, "10.0.0.1", pinned=ED25519) == [KEY.get_base64()]

    def test_no_key_is_trusted_that_the_client_knew_before(self, project):
        client = paramiko.SSHClient()
        client.get_host_keys().add("10.0.0.1", OTHER.get_name(), OTHER)
        KnownHosts(project).prepare(client, "web1", "10.0.0.1", 22, "")
        assert client.get_host_keys().lookup("10.0.0.1") is None


class TestPinning:
    def test_pinning_makes_the_file_and_its_folder(self, project):
        assert KnownHosts(project).pin("10.0.0.1", 2222, KEY)
        assert project.read_text() == f"[10.0.0.1]:2222 {ED25519}\n"

    def test_a_pinned_key_counts_at_once_and_in_the_next_run(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, KEY)
        assert trusted(known, "10.0.0.1") == trusted(KnownHosts(project), "10.0.0.1") == [KEY.get_base64()]

    def test_pinning_a_key_that_is_known_changes_nothing(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, KEY)
        assert not known.pin("10.0.0.1", 22, KEY)
        assert project.read_text().count("\n") == 1

    def test_pinning_a_key_leaves_other_lines_alone(self, project):
        project.parent.mkdir()
        project.write_text("# ours\n10.0.0.9 " + ED25519 + "\n")
        KnownHosts(project).pin("10.0.0.1", 22, KEY)
        assert project.read_text().splitlines()[:2] == ["# ours", "10.0.0.9 " + ED25519]


class TestRefusal:
    def test_the_refusal_of_an_unknown_key_shows_it_and_the_next_move(self, project):
        client = paramiko.SSHClient()
        KnownHosts(project).prepare(client, "web1", "10.0.0.1", 22, "")
        with pytest.raises(HostKeyRefused) as caught:
            client._policy.missing_host_key(client, "10.0.0.1", KEY)
        assert f"web1: its host key is not known yet: ssh-ed25519 {fingerprint(KEY)}" in str(caught.value)
        assert "fab -H web1 trust" in str(caught.value)

    def test_the_refusal_of_a_changed_key_shows_both_and_where_the_old_one_stands(self, project):
        message = str(changed_key("web1", OTHER, KEY, project))
        assert f"shows {OTHER.get_name()} {fingerprint(OTHER)}, known is {fingerprint(KEY)}" in message
        assert str(project) in message


class TestAKeyThatIsShown:
    def test_a_key_that_is_shown_is_known_or_not(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, KEY)
        assert known.knows("10.0.0.1", 22, KEY)
        assert not known.knows("10.0.0.1", 22, OTHER)
        assert not known.knows("10.0.0.1", 2222, KEY)

    def test_a_key_shown_instead_of_the_known_one_is_refused_whatever_anybody_answers(self, project):
        known = KnownHosts(project)
        known.pin("10.0.0.1", 22, KEY)
        known.refuse_changed("web1", "10.0.0.1", 22, KEY)
        known.refuse_changed("web1", "10.0.0.2", 22, OTHER)
        with pytest.raises(HostKeyRefused, match="ITS HOST KEY HAS CHANGED"):
            known.refuse_changed("web1", "10.0.0.1", 22, OTHER)

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from hawser.ssh.hostkeys import HostKeyRefused, KnownHosts, Trust, fingerprint, parse_key
from hawser.ssh.options import Options
from hawser.ssh.signed import public_key

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
KEY = parse_key(ED25519)
OTHER = paramiko.ECDSAKey.generate()
HASHED = paramiko.HostKeys.hash_host("web.example.org", f"|1|{base64.b64encode(bytes(20)).decode()}|")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "hosts" / "known_hosts"


def keygen(*words: str | Path) -> None:
    subprocess.run(["ssh-keygen", "-q", *words], stdin=subprocess.DEVNULL, capture_output=True, check=True)


def trust(known: KnownHosts, address: str, port: int = 22, pinned: str = "", alias: str = "") -> Trust:
    home = Path.home() / ".ssh"
    options = Options("web1", address, port, "root", alias=alias, known_hosts=(home / "known_hosts",))
    return known.trust("web1", options, pinned, "fab -H demo/web1 trust")


def trusted(known: KnownHosts, address: str, port: int = 22, pinned: str = "") -> list[str]:
    """Return the keys that a client would accept of a host."""
    return [line.key.get_base64() for line in trust(known, address, port, pinned).of("")]


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
        known.pin(trust(known, "10.0.0.1"), KEY)
        assert trusted(known, "10.0.0.1", 2222) == []

    def test_the_pinned_key_alone_is_trusted_where_there_is_one(self, project):
        known = KnownHosts(project)
        known.pin(trust(known, "10.0.0.1"), OTHER)
        assert trusted(known, "10.0.0.1", pinned=ED25519) == [KEY.get_base64()]


class TestPinning:
    def test_pinning_makes_the_file_and_its_folder(self, project):
        known = KnownHosts(project)
        assert known.pin(trust(known, "10.0.0.1", 2222), KEY)
        assert project.read_text() == f"[10.0.0.1]:2222 {ED25519}\n"

    def test_a_pinned_key_counts_at_once_and_in_the_next_run(self, project):
        known = KnownHosts(project)
        known.pin(trust(known, "10.0.0.1"), KEY)
        assert trusted(known, "10.0.0.1") == trusted(KnownHosts(project), "10.0.0.1") == [KEY.get_base64()]

    def test_pinning_a_key_that_is_known_changes_nothing(self, project):
        known = KnownHosts(project)
        known.pin(trust(known, "10.0.0.1"), KEY)
        assert not known.pin(trust(known, "10.0.0.1"), KEY)
        assert project.read_text().count("\n") == 1

    def test_pinning_a_key_leaves_other_lines_alone(self, project):
        project.parent.mkdir()
        project.write_text("# ours\n10.0.0.9 " + ED25519 + "\n")
        known = KnownHosts(project)
        known.pin(trust(known, "10.0.0.1"), KEY)
        assert project.read_text().splitlines()[:2] == ["# ours", "10.0.0.9 " + ED25519]


class TestRefusal:
    def test_the_refusal_of_an_unknown_key_shows_it_and_the_next_move(self, project):
        with pytest.raises(HostKeyRefused) as caught:
            trust(KnownHosts(project), "10.0.0.1").check(KEY)
        assert f"web1: its host key is not known yet: ssh-ed25519 {fingerprint(KEY)}" in str(caught.value)
        assert "fab -H demo/web1 trust" in str(caught.value)

    def test_a_changed_key_is_refused_with_both_and_the_place_of_the_old_one(self, project, home):
        (home / ".ssh" / "known_hosts").write_text(f"# mine\n10.0.0.1 {ED25519}\n")
        known = KnownHosts(project)
        with pytest.raises(HostKeyRefused, match="ITS HOST KEY HAS CHANGED") as caught:
            trust(known, "10.0.0.1").check(OTHER)
        message = str(caught.value)
        assert f"shows {OTHER.get_name()} {fingerprint(OTHER)}, known is {KEY.get_name()} {fingerprint(KEY)}" in message
        assert f"{home}/.ssh/known_hosts:2" in message

    def test_a_key_is_known_under_its_port_alone(self, project):
        known = KnownHosts(project)
        known.pin(trust(known, "10.0.0.1"), KEY)
        assert trust(known, "10.0.0.1").knows(KEY)
        assert not trust(known, "10.0.0.1").knows(OTHER)
        assert not trust(known, "10.0.0.1", 2222).knows(KEY)

    @pytest.mark.parametrize("hosts", ["*", "web.example.org", "10.0.0.9,*.example.org"])
    @pytest.mark.parametrize("port", [22, 2222])
    def test_a_revoked_key_is_refused_though_it_is_known_or_pinned(self, project, home, hosts, port):
        (home / ".ssh" / "known_hosts").write_text(f"@revoked {hosts} {ED25519}\n")
        known = KnownHosts(project)
        for pinned in ("", ED25519):
            known.pin(trust(known, "web.example.org", port), KEY)
            with pytest.raises(HostKeyRefused, match=r"REVOKED by .*known_hosts:1"):
                trust(known, "web.example.org", port, pinned).check(KEY)


class TestLines:
    @pytest.mark.parametrize(
        "line",
        [
            "@cert-authority *.example.org ssh-ed25519 AAAA ca",
            "@revoked * ssh-ed25519 !!!",
            "@new-marker * " + ED25519,
            "10.0.0.7 ssh-ed25519",
            "10.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
            "10.0.0.7 ssh-dss AAAAB3NzaC1kc3MAAACB",
            "10.0.0.7 sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA",
            "|1|broken|hash= " + ED25519,
            "\xe9\xff",
            "@",
        ],
    )
    def test_a_line_that_cannot_be_read_leaves_the_others_alone(self, project, home, line):
        text = f"{line}\n10.0.0.1  \t{ED25519}   comment\n"
        (home / ".ssh" / "known_hosts").write_bytes(text.encode("latin-1"))
        assert trusted(KnownHosts(project), "10.0.0.1") == [KEY.get_base64()]

    @pytest.mark.parametrize(
        ("hosts", "name", "found"),
        [
            ("WEB.example.org", "web.Example.org", True),
            ("*.example.org", "web.example.org", True),
            ("*.example.org,!db.example.org", "db.example.org", False),
            ("10.0.0.?", "10.0.0.1", True),
            ("10.0.0.?", "10.0.0.11", False),
            ("web[1].example.org", "web1.example.org", False),
            (HASHED, "WEB.example.org", True),
            (HASHED, "db.example.org", False),
        ],
    )
    def test_hosts_are_named_by_patterns_and_hashes_as_for_ssh(self, project, home, hosts, name, found):
        (home / ".ssh" / "known_hosts").write_text(f"{hosts} {ED25519}\n")
        assert trusted(KnownHosts(project), name) == ([KEY.get_base64()] if found else [])

    def test_any_of_several_keys_of_one_kind_is_trusted(self, project, home):
        another = paramiko.ECDSAKey.generate()
        lines = [f"10.0.0.1 {key.get_name()} {key.get_base64()}" for key in (OTHER, another)]
        (home / ".ssh" / "known_hosts").write_text("\n".join(lines))
        for key in (OTHER, another):
            trust(KnownHosts(project), "10.0.0.1").check(key)

    def test_the_kinds_that_are_known_are_asked_for_first(self, project, home):
        (home / ".ssh" / "known_hosts").write_text(f"10.0.0.1 {OTHER.get_name()} {OTHER.get_base64()}\n")
        assert trust(KnownHosts(project), "10.0.0.1").kinds()[0] == "ecdsa-sha2-nistp256"

    def test_a_file_of_the_user_that_is_no_regular_one_holds_no_key(self, project, home):
        (home / ".ssh" / "known_hosts").symlink_to("/dev/null")
        assert trusted(KnownHosts(project), "10.0.0.1") == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen to sign with")
class TestCertificates:
    @pytest.fixture
    def authority(self, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
        keygen("-t", getattr(request, "param", "ed25519"), "-N", "", "-f", tmp_path / "ca")
        return tmp_path / "ca"

    @pytest.fixture
    def certified(self, tmp_path: Path, authority: Path, home: Path) -> Callable[..., paramiko.PKey]:
        """Return a host's key as it is shown, with what the authority signs."""
        marker = f"@cert-authority *.example.org {authority.with_suffix('.pub').read_text()}"
        (home / ".ssh" / "known_hosts").write_text(marker)

        def certified(*options: str, kind: str = "ecdsa") -> paramiko.PKey:
            for each in tmp_path.glob("host*"):
                if each.is_file():
                    each.unlink()
            keygen("-t", kind, "-N", "", "-f", tmp_path / "host")
            keygen("-s", authority, "-I", "web", *options, tmp_path / "host.pub")
            blob = base64.b64decode((tmp_path / "host-cert.pub").read_text().split()[1])
            return public_key(blob)

        return certified

    @pytest.mark.parametrize(
        ("authority", "kind", "port"),
        [("ed25519", "ecdsa", 22), ("rsa", "ed25519", 2222), ("ecdsa", "rsa", 22)],
        indirect=["authority"],
    )
    def test_a_key_that_a_trusted_authority_has_signed_for_the_host_counts(self, project, certified, kind, port):
        found = trust(KnownHosts(project), "web.example.org", port)
        found.check(certified("-h", "-n", "web.example.org,db.example.org", "-V", "-1d:+1d", kind=kind))
        assert found.kinds()[0].endswith("-cert-v01@openssh.com")

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            (("-h", "-n", "db.example.org"), "it is for db.example.org"),
            (("-h", "-n", "web.example.org", "-V", "-2d:-1d"), "it has ended on "),
            (("-h", "-n", "web.example.org", "-V", "+1d:+2d"), "it begins on "),
            (("-n", "web.example.org"), "it is no host's"),
        ],
    )
    def test_a_certificate_for_something_else_is_refused_with_the_reason(self, project, certified, options, problem):
        with pytest.raises(HostKeyRefused, match=f"its certificate 'web' does not count: {problem}"):
            trust(KnownHosts(project), "web.example.org").check(certified(*options))

    def test_a_certificate_counts_under_the_alias_of_the_host(self, project, certified):
        key = certified("-h", "-n", "web.example.org")
        trust(KnownHosts(project), "10.0.0.1", 2222, alias="web.example.org").check(key)
        with pytest.raises(HostKeyRefused, match="not known yet"):
            trust(KnownHosts(project), "10.0.0.1", 2222).check(key)

    def test_a_certificate_of_a_revoked_authority_is_refused(self, project, certified, authority, home):
        with (home / ".ssh" / "known_hosts").open("a") as stream:
            stream.write(f"@revoked * {authority.with_suffix('.pub').read_text()}")
        with pytest.raises(HostKeyRefused, match=r"REVOKED by .*:2"):
            trust(KnownHosts(project), "web.example.org").check(certified("-h", "-n", "web.example.org"))

    def test_a_forged_certificate_is_refused(self, project, certified):
        key = certified("-h", "-n", "web.example.org")
        blob = bytearray(key.public_blob.key_blob)
        blob[-1] ^= 1
        key.public_blob.key_blob = bytes(blob)
        with pytest.raises(HostKeyRefused):
            trust(KnownHosts(project), "web.example.org").check(key)

    def test_the_key_of_a_certificate_by_nobody_we_trust_counts_for_itself(self, project, certified):
        key = certified("-h", "-n", "elsewhere.test")
        found = trust(KnownHosts(project), "elsewhere.test")
        with pytest.raises(HostKeyRefused, match="not known yet"):
            found.check(key)
        known = KnownHosts(project)
        known.pin(found, key)
        trust(known, "elsewhere.test").check(key)

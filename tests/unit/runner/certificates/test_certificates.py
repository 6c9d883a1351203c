"""Self-signed certificates: the right names, long enough to live, and a key that fits."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess

import pytest

from hawser.runner.certificates.certificates import SelfSigned, shown
from hawser.runner.system import Failure, System

from ..conftest import whole

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


@pytest.fixture
def kind(tmp_path):
    (tmp_path / "state").mkdir()

    def make(*names, **changes):
        spec = {
            "certificate": str(tmp_path / "site.pem"),
            "key": str(tmp_path / "site.key"),
            "names": list(names or ("demo.test",)),
            "group": "root",
        }
        return SelfSigned(whole("self_signed", {**spec, **changes}), System(str(tmp_path / "state")))

    return make


def put(kind):
    """Bring a resource to its state as the engine does, and see that it then holds."""
    change = kind.check()
    assert change is not None
    kind.apply(change)
    assert kind.check() is None
    return change.note


def show(path, *what):
    argv = ["openssl", "x509", "-noout", "-in", path, *what]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_pair_is_made_for_all_names(kind, tmp_path):
    assert put(kind("demo.test", "*.Demo.test", "10.0.0.1", "::1")) == "new"
    text = show(tmp_path / "site.pem", "-text")
    assert "DNS:demo.test, DNS:*.demo.test, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1" in text
    assert "P-256" in text
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "site.pem").stat().st_mode) == 0o644


def test_a_server_with_a_self_signed_certificate_is_trusted_by_who_trusts_it(kind, tmp_path):
    put(kind())
    argv = ["openssl", "verify", "-CAfile", tmp_path / "site.pem", "-purpose", "sslserver", tmp_path / "site.pem"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_other_names_make_another_certificate(kind):
    put(kind("demo.test"))
    assert put(kind("demo.test", "www.demo.test")) == "names demo.test -> demo.test, www.demo.test"
    assert put(kind("demo.test")) == "names demo.test, www.demo.test -> demo.test"


def test_a_name_longer_than_a_common_name_is_fine(kind):
    put(kind(".".join(["a" * 30] * 3) + ".test"))


def test_a_key_of_another_pair_is_noticed(kind, tmp_path):
    put(kind())
    other = kind(certificate=str(tmp_path / "other.pem"))
    (tmp_path / "site.key").rename(tmp_path / "kept")
    put(other)
    assert put(kind()) == "key and certificate are no pair, made anew"


def test_damaged_files_are_made_anew(kind, tmp_path):
    put(kind())
    (tmp_path / "site.key").write_text("nonsense")
    assert put(kind()) == "cannot be read, made anew"
    (tmp_path / "site.pem").write_text("")
    assert put(kind()) == "cannot be read, made anew"


def test_a_self_signed_certificate_that_expires_soon_is_made_anew(kind, tmp_path):
    put(kind())
    argv = ["openssl", "req", "-x509", "-key", tmp_path / "site.key", "-days", "20", "-subj", "/CN=demo.test"]
    argv += ["-addext", "subjectAltName=DNS:demo.test", "-out", tmp_path / "site.pem"]
    subprocess.run(argv, check=True, capture_output=True)
    assert put(kind()) == "expires within 30 days"


def test_an_open_key_is_closed_and_kept(kind, tmp_path):
    put(kind())
    key = (tmp_path / "site.key").read_bytes()
    (tmp_path / "site.key").chmod(0o644)
    assert "mode -> 0600" in put(kind())
    assert (tmp_path / "site.key").read_bytes() == key


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to a group")
def test_a_group_may_read_the_key(kind, tmp_path):
    put(kind(group="adm"))
    assert stat.S_IMODE((tmp_path / "site.key").stat().st_mode) == 0o640


def test_a_certificate_for_no_host_name_is_refused(kind):
    for name in ("a/b", "x,DNS:y", "-subj", ""):
        with pytest.raises(Failure, match="no host name"):
            kind(name).apply(None)


def test_a_certificate_tells_its_names_and_days(kind, tmp_path):
    system = System(str(tmp_path / "state"))
    assert shown(system, f"{tmp_path}/site.pem") is None
    put(kind("shop.example.org", "*.shop.example.org"))
    assert shown(system, f"{tmp_path}/site.pem") == {
        "days": 396,
        "names": ["*.shop.example.org", "shop.example.org"],
        "self_signed": True,
    }
    (tmp_path / "odd.pem").write_text("nothing")
    assert shown(system, f"{tmp_path}/odd.pem") is None

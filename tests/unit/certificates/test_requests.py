"""Keys and signing requests: made once, for the right names, and out of git's reach."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hawser.certificates.requests import CertificateRequest, create, signing_request
from hawser.errors import HawserError

NAMES = ("ws1.test", "10.0.0.1")


@pytest.fixture
def order(tmp_path):
    return CertificateRequest(tmp_path / "certs/ws1.crt", tmp_path / "certs/ws1.key", NAMES)


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        return subprocess.run(["git", "-C", tmp_path, *words], capture_output=True, text=True, check=False)

    git("init", "--quiet")
    return git


def test_a_key_that_only_its_owner_may_read_and_a_request_for_all_names(order):
    assert create(order) == "made ws1.key and ws1.csr"
    assert order.key.stat().st_mode & 0o777 == 0o600
    request = x509.load_pem_x509_csr(order.request.read_bytes())
    key = load_pem_private_key(order.key.read_bytes(), None)
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ws1.test"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert request.subject.rfc4514_string() == "CN=ws1.test"


def test_a_key_that_is_there_is_kept(order):
    create(order)
    key = order.key.read_bytes()
    order.key.chmod(0o644)
    order.request.unlink()
    assert create(order) == "made ws1.csr for the key there"
    assert order.key.read_bytes() == key
    assert order.key.stat().st_mode & 0o777 == 0o600
    assert order.request.exists()


def test_a_name_too_long_for_a_common_name_is_among_the_others_only(order):
    create(order)
    key = load_pem_private_key(order.key.read_bytes(), None)
    request = x509.load_pem_x509_csr(signing_request(key, ["a" * 60 + ".example.org"]))
    assert list(request.subject) == []


def test_a_file_that_holds_no_key_is_refused_and_kept(order):
    order.key.parent.mkdir()
    order.key.write_text("nonsense")
    with pytest.raises(HawserError, match="is no PEM private key without a passphrase"):
        create(order)
    assert order.key.read_text() == "nonsense"


def test_git_does_not_keep_the_key(order, repository):
    order.key.parent.mkdir()
    (order.key.parent / ".gitignore").write_text("*.tmp")
    create(order)
    assert (order.key.parent / ".gitignore").read_text() == "*.tmp\n/ws1.key\n"
    repository("add", "-A")
    assert "ws1.key" not in repository("ls-files").stdout
    assert "ws1.csr" in repository("ls-files").stdout
    create(order)
    assert (order.key.parent / ".gitignore").read_text() == "*.tmp\n/ws1.key\n"


def test_a_key_that_git_ignores_already_needs_no_line(order, repository, tmp_path):
    (tmp_path / ".gitignore").write_text("*.key\n")
    create(order)
    assert not (order.key.parent / ".gitignore").exists()


def test_a_key_that_git_keeps_is_refused(order, repository):
    create(order)
    repository("add", "-f", str(order.key))
    with pytest.raises(HawserError, match="a private key that git keeps"):
        create(order)


def test_a_folder_that_cannot_be_written_to_is_named(order, tmp_path):
    (tmp_path / "certs").write_text("a file")
    with pytest.raises(HawserError, match="certs"):
        create(order)

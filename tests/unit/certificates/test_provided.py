from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from hawser.certificates.provided import Fault, check, find_fault, issued, matches, trusted_roots
from hawser.templates.rendering import TemplateError

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key."""

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def make(
    subject: str = "shop",
    names: Sequence[str] = ("shop.test",),
    begins: datetime.datetime = NOW - DAY,
    ends: datetime.datetime = NOW + DAY,
    issuer: Pair | None = None,
) -> Pair:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    return Pair(builder.sign(issuer.private if issuer else private, hashes.SHA256()), private)


@pytest.fixture
def complain() -> Callable[..., str]:
    def complain(chain: str, key: str, domains: Sequence[str] = ("shop.test",)) -> str:
        with pytest.raises(TemplateError) as caught:
            check(chain, key, domains, "shop.toml")
        return str(caught.value.problem)

    return complain


def test_a_pair_for_all_names_fits():
    pair = make(names=["shop.test", "www.shop.test"])
    check(pair.pem, pair.key, ["shop.test", "www.shop.test"], "shop.toml")


def test_a_chain_fits_when_each_was_issued_by_the_next():
    root = make("root", ())
    middle = make("middle", (), issuer=root)
    own = make(issuer=middle)
    check(own.pem + middle.pem, own.key, ["shop.test"], "shop.toml")
    check(own.pem + middle.pem + root.pem, own.key, ["shop.test"], "shop.toml")


def test_a_chain_out_of_order_is_refused(complain):
    root = make("root", ())
    middle = make("middle", (), issuer=root)
    own = make(issuer=middle)
    message = complain(own.pem + root.pem + middle.pem, own.key)
    assert message == "shop.toml: site.certificate: its chain is out of order: CN=root did not issue the one before"


def test_a_chain_that_begins_with_its_issuer_does_not_fit_the_key(complain):
    root = make("root", ())
    own = make(issuer=root)
    assert complain(root.pem + own.pem, own.key) == "shop.toml: site.key: does not belong to site.certificate"


def test_the_key_of_another_certificate_is_refused(complain):
    assert complain(make().pem, make().key) == "shop.toml: site.key: does not belong to site.certificate"


def test_an_expired_certificate_is_refused_with_its_day(complain):
    pair = make(begins=NOW - 3 * DAY, ends=NOW - 2 * DAY)
    assert complain(pair.pem, pair.key) == f"shop.toml: site.certificate: expired on {NOW - 2 * DAY:%Y-%m-%d}"


def test_a_certificate_of_tomorrow_is_refused_with_its_day(complain):
    pair = make(begins=NOW + DAY, ends=NOW + 2 * DAY)
    assert f"is not valid before {NOW + DAY:%Y-%m-%d}" in complain(pair.pem, pair.key)


def test_a_certificate_for_other_names_is_refused_with_both(complain):
    pair = make(names=["shop.test", "old.test"])
    message = complain(pair.pem, pair.key, ["shop.test", "new.test"])
    assert message == "shop.toml: site.certificate: is not for new.test; it is for shop.test, old.test"


def test_a_name_that_stands_in_the_subject_only_does_not_count(complain):
    pair = make("shop.test", ())
    assert complain(pair.pem, pair.key).endswith("is not for shop.test; it is for no name")


def test_text_that_is_no_certificate_is_refused(complain):
    assert "site.certificate: is no PEM certificate" in complain("hello", make().key)


def test_text_that_is_no_key_is_refused(complain):
    assert "site.key: is no PEM private key" in complain(make().pem, "hello")


def test_a_key_with_a_passphrase_is_refused(complain):
    pair = make()
    locked = pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    assert complain(pair.pem, locked) == "shop.toml: site.key: is no PEM private key without a passphrase"


@pytest.mark.parametrize(
    ("name", "domain", "fits"),
    [
        ("shop.test", "shop.test", True),
        ("Shop.Test", "shop.test", True),
        ("shop.test", "www.shop.test", False),
        ("*.shop.test", "www.shop.test", True),
        ("*.shop.test", "shop.test", False),
        ("*.shop.test", "a.b.shop.test", False),
        ("*.shop.test", "*.shop.test", True),
        ("www.shop.test", "*.shop.test", False),
        ("*.Shop.Test", "www.shop.test", True),
    ],
)
def test_a_wildcard_stands_for_one_label(name, domain, fits):
    assert matches(name, domain) == fits


class TestThoseOfTheApplication:
    """With a chain they must lead to a root."""

    @pytest.fixture
    def root(self) -> Pair:
        return make("root", ())

    def test_a_chain_may_end_with_a_root_of_ones_own(self, root):
        middle = make("middle", (), issuer=root)
        own = make(issuer=middle)
        assert find_fault(own.pem, own.key, ["shop.test"], middle.pem + root.pem) is None
        assert find_fault(own.pem + middle.pem, own.key, ["shop.test"], middle.pem + root.pem) is None
        assert find_fault(own.pem + middle.pem + root.pem, own.key, ["shop.test"], "") is None

    def test_a_chain_may_end_below_a_root_that_is_trusted_here(self, root, monkeypatch):
        own = make(issuer=root)
        monkeypatch.setattr("hawser.certificates.provided.trusted_roots", lambda: [make("other", ()).certificate])
        fault = find_fault(own.pem, own.key, ["shop.test"], "")
        assert fault == Fault(
            "chain", "does not complete: CN=shop was issued by CN=root, which is not in it and no root trusted here"
        )
        monkeypatch.setattr("hawser.certificates.provided.trusted_roots", lambda: [root.certificate])
        assert find_fault(own.pem, own.key, ["shop.test"], "") is None

    def test_the_roots_of_this_machine_are_found(self):
        roots = trusted_roots()
        assert roots
        # A few of the oldest ones are signed in a way that is refused by now.
        assert sum(issued(each, each) for each in roots) > len(roots) / 2

    def test_an_issuer_of_the_same_name_and_another_key_is_none(self, root):
        own = make(issuer=make("root", ()))
        fault = find_fault(own.pem, own.key, ["shop.test"], root.pem)
        assert fault == Fault("chain", "its chain is out of order: CN=root did not issue the one before")

    def test_the_order_of_a_chain_of_the_application_counts(self, root):
        middle = make("middle", (), issuer=root)
        own = make(issuer=middle)
        fault = find_fault(own.pem, own.key, ["shop.test"], root.pem + middle.pem)
        assert fault == Fault("chain", "its chain is out of order: CN=root did not issue the one before")

    def test_an_issuer_that_has_expired_is_named(self):
        root = make("root", (), begins=NOW - 3 * DAY, ends=NOW - DAY)
        own = make(issuer=root)
        fault = find_fault(own.pem, own.key, ["shop.test"], root.pem)
        assert fault == Fault("chain", f"CN=root expired on {NOW - DAY:%Y-%m-%d}")

    def test_certificates_that_are_no_chain_are_told(self):
        own = make()
        fault = find_fault(own.pem, own.key, ["shop.test"], "hello")
        assert fault is not None
        assert (fault.part, "holds no PEM certificate" in fault.message) == ("chain", True)

    def test_an_address_must_be_in_the_certificate_as_an_address(self):
        own = make(names=["10.0.0.1"])
        fault = find_fault(own.pem, own.key, ["10.0.0.1"], "")
        assert fault == Fault("certificate", "is not for 10.0.0.1; it is for 10.0.0.1")

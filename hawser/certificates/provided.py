"""Certificates that the team brings: checked before any host is asked."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import re
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ..errors import Problem
from ..templates.rendering import TemplateError

# Where systems keep the roots that they trust, beside what OpenSSL was built with.
TRUSTED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
# Days before its end at which a certificate is spoken of.
EARLY = 21


@dataclass(frozen=True)
class Fault:
    """A problem with a certificate, its key or its chain.

    :param part: ``certificate``, ``key`` or ``chain``: what is to be changed.
    """

    part: str
    message: str


def check(chain: str, key: str, domains: Sequence[str], file: str) -> None:
    """Check that a certificate fits its key and the site's names, that its chain is in order, and that it is valid now.

    :param chain: PEM, the site's own certificate first.
    :param key: PEM, without a passphrase.
    :param file: the environment file, for the message.
    :raises TemplateError: what is wrong, under the key to change.
    """
    fault = find_fault(chain, key, domains, part="site.certificate")
    if fault:
        raise TemplateError(Problem(file, f"site.{fault.part}", fault.message))


def check_own(certificate: str, key: str, chain: str, names: Sequence[str], file: str, at: str) -> None:
    """Check a certificate of the application: as the site's, and that it leads to a root.

    :param chain: PEM, its issuers; may be empty where they stand behind the certificate.
    :param at: the table that names it, for the message.
    :raises TemplateError: what is wrong, under the key to change.
    """
    fault = find_fault(certificate, key, names, chain)
    if fault:
        raise TemplateError(Problem(file, f"{at}.{fault.part}", fault.message))


def find_fault(
    certificate: str, key: str, names: Sequence[str], chain: str | None = None, part: str = "its certificate"
) -> Fault | None:
    """Return the first thing that is wrong with a certificate, or None.

    :param certificate: PEM: the certificate, and maybe its issuers.
    :param key: PEM, without a passphrase.
    :param names: DNS names and addresses that it must be for.
    :param chain: PEM: more of its issuers; together they must then lead to a root. None: only their order is checked.
    :param part: how a message calls the certificate that a key does not belong to.
    """
    try:
        certificates = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError as error:
        return Fault("certificate", f"is no PEM certificate: {error}")
    try:
        private = load_pem_private_key(key.encode(), None)
    except (TypeError, ValueError):
        return Fault("key", "is no PEM private key without a passphrase")
    own = certificates[0]
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        return Fault("key", f"does not belong to {part}")
    return (
        fault_of_time(own, "certificate", "")
        or fault_of_order(certificates, "certificate")
        or (fault_of_chain(certificates, chain) if chain is not None else None)
        or fault_of_names(own, names)
    )


def fault_of_time(certificate: x509.Certificate, part: str, who: str) -> Fault | None:
    """Say that a certificate is not valid now."""
    now = datetime.datetime.now(datetime.UTC)
    if now > certificate.not_valid_after_utc:
        return Fault(part, f"{who}expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        begin = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
        return Fault(part, f"{who}is not valid before {begin}; is the clock right?")
    return None


def fault_of_order(certificates: Sequence[x509.Certificate], part: str) -> Fault | None:
    """Say that one of some certificates was not issued by the one behind it."""
    for lower, upper in itertools.pairwise(certificates):
        if not issued(lower, upper):
            name = upper.subject.rfc4514_string()
            return Fault(part, f"its chain is out of order: {name} did not issue the one before")
    return None


def fault_of_chain(certificates: Sequence[x509.Certificate], chain: str) -> Fault | None:
    """Say why some certificates and a chain do not lead from the first one to a root, in order."""
    try:
        # A file may well hold the issuers once more.
        issuers = [each for each in x509.load_pem_x509_certificates(chain.encode()) if each not in certificates]
    except ValueError as error:
        # Without a file for them, all issuers stand behind the certificate itself.
        if chain:
            return Fault("chain", f"holds no PEM certificate: {error}")
        issuers = []
    path = [*certificates, *issuers]
    if fault := fault_of_order(path, "chain"):
        return fault
    for issuer in path[1:]:
        if fault := fault_of_time(issuer, "chain", f"{issuer.subject.rfc4514_string()} "):
            return fault
    last = path[-1]
    if issued(last, last) or any(issued(last, root) for root in trusted_roots()):
        return None
    who, by = last.subject.rfc4514_string(), last.issuer.rfc4514_string()
    return Fault("chain", f"does not complete: {who} was issued by {by}, which is not in it and no root trusted here")


def fault_of_names(certificate: x509.Certificate, names: Sequence[str]) -> Fault | None:
    """Say which of some names and addresses a certificate is not for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = found.get_values_for_type(x509.DNSName)
        addresses = [str(each) for each in found.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        dns, addresses = [], []
    missing = [
        name
        for name in names
        if not (address_of(name) in addresses if address_of(name) else any(matches(each, name) for each in dns))
    ]
    if missing:
        has = ", ".join([*dns, *addresses]) or "no name"
        return Fault("certificate", f"is not for {', '.join(missing)}; it is for {has}")
    return None


def issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Tell whether a certificate was signed by another one."""
    if lower.issuer != upper.subject:
        return False
    try:
        lower.verify_directly_issued_by(upper)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def trusted_roots() -> list[x509.Certificate]:
    """Return the roots that this machine trusts."""
    for path in (ssl.get_default_verify_paths().cafile, *TRUSTED):
        if path and Path(path).is_file():
            return [*readable(Path(path).read_bytes())]
    return []


def readable(bundle: bytes) -> Iterator[x509.Certificate]:
    """Yield the certificates of a bundle; a few of the oldest roots break rules that are enforced today."""
    for block in re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", bundle, re.S):
        with warnings.catch_warnings(), suppress(ValueError):
            warnings.simplefilter("ignore")
            yield x509.load_pem_x509_certificate(block)


def self_signed(certificate: str) -> bool:
    """Tell whether a certificate, PEM, names itself as its issuer: no browser trusts it by itself."""
    own = x509.load_pem_x509_certificates(certificate.encode())[0]
    return own.issuer == own.subject


def days_left(certificate: str) -> int:
    """Return for how many days a certificate is still valid."""
    own = x509.load_pem_x509_certificate(certificate.encode())
    return (own.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days


def address_of(name: str) -> str:
    """Return an address in its one spelling; empty for a DNS name."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""


def matches(name: str, domain: str) -> bool:
    """Tell whether a certificate's name covers a domain (RFC 6125: a wildcard stands for one label)."""
    name, domain = name.lower(), domain.lower()
    return name == domain or (name.startswith("*.") and domain.partition(".")[2] == name[2:])

"""Certificates that the team brings: checked before any host is asked."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from .errors import Problem
from .templates import TemplateError


def check(chain: str, key: str, domains: Sequence[str], file: str) -> None:
    """Check that a certificate fits its key and the site's names, that its chain is in order, and that it is valid now.

    :param chain: PEM, the site's own certificate first.
    :param key: PEM, without a passphrase.
    :param file: the environment file, for the message.
    :raises TemplateError: what is wrong, under the key to change.
    """

    def wrong(key: str, message: str) -> TemplateError:
        return TemplateError(Problem(file, key, message))

    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise wrong("site.certificate", f"is no PEM certificate: {error}") from None
    try:
        private = load_pem_private_key(key.encode(), None)
    except (TypeError, ValueError):
        raise wrong("site.key", "is no PEM private key without a passphrase") from None
    own = certificates[0]
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise wrong("site.key", "does not belong to site.certificate")
    now = datetime.datetime.now(datetime.UTC)
    if now > own.not_valid_after_utc:
        raise wrong("site.certificate", f"expired on {own.not_valid_after_utc:%Y-%m-%d}")
    if now < own.not_valid_before_utc:
        raise wrong("site.certificate", f"is not valid before {own.not_valid_before_utc:%Y-%m-%d}; is the clock right?")
    for lower, upper in itertools.pairwise(certificates):
        if lower.issuer != upper.subject:
            raise wrong(
                "site.certificate",
                f"its chain is out of order: {upper.subject.rfc4514_string()} did not issue the one before",
            )
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except x509.ExtensionNotFound:
        names = []
    missing = [domain for domain in domains if not any(matches(name, domain) for name in names)]
    if missing:
        raise wrong("site.certificate", f"is not for {', '.join(missing)}; it is for {', '.join(names) or 'no name'}")


def matches(name: str, domain: str) -> bool:
    """Tell whether a certificate's name covers a domain (RFC 6125: a wildcard stands for one label)."""
    name, domain = name.lower(), domain.lower()
    return name == domain or (name.startswith("*.") and domain.partition(".")[2] == name[2:])

"""Certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Resource


@dataclass(frozen=True, eq=False)
class SelfSigned(Resource):
    """A key and a self-signed certificate for these names, remade when a name is missing or 30 days are left.

    :param owner: who owns the key, and may read it alone unless `group` is another one than root.
    :param chain: a third file, which holds the certificate again, for a program that asks for its issuer.
    """

    kind: ClassVar[str] = "self_signed"
    certificate: str
    key: str
    names: tuple[str, ...]
    group: str = "root"
    owner: str = "root"
    chain: str = ""


@dataclass(frozen=True, eq=False)
class OnlyPlaced(Resource):
    """No files of a kind but these: others that were placed before go away.

    A file that was there before anything was placed comes back then.

    It comes before the files themselves, for it notes on the host what is going to be placed.

    :param record: the kind, under which the host remembers what was placed.
    :param paths: the files that stay.
    :param folder: removed as well when nothing is left in it.
    :param adds: the others stay as yet; these are only noted.
    """

    kind: ClassVar[str] = "placed"
    bookkeeping: ClassVar[bool] = True
    record: str
    paths: tuple[str, ...]
    folder: str = ""
    adds: bool = False


@dataclass(frozen=True, eq=False)
class AcmeCertificate(Resource):
    """A certificate that the host's certbot gets from an ACME server; its former one, of another name, goes.

    :param name: under which certbot keeps it; empty: none is wanted.
    :param webroot: the folder that the web server shows under ``/.well-known/acme-challenge/``'s parent; empty where
        the server asks in DNS, and then
    :param plugin: certbot's plugin that writes the answer there,
    :param credentials: the file of its credentials; empty for none, and
    :param propagation: the seconds that the record takes; 0 for the plugin's own time.
    :param hint: what to do where the server refuses, which is a warning.
    """

    kind: ClassVar[str] = "acme_certificate"
    momentary: ClassVar[bool] = True
    name: str
    domains: tuple[str, ...] = ()
    server: str = ""
    email: str = ""
    webroot: str = ""
    plugin: str = ""
    credentials: str = ""
    propagation: int = 0
    hint: str = ""


@dataclass(frozen=True, eq=False)
class AcmeLink(Resource):
    """A link to the folder of a certificate of certbot's, or while there is none, to its stand-in.

    :param name: under which certbot keeps it.
    :param stand_in: a folder with ``fullchain.pem`` and ``privkey.pem``.
    """

    kind: ClassVar[str] = "acme_link"
    path: str
    name: str
    stand_in: str

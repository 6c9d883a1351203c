"""Certificates of the application's own programs: the tables ``[certificates.NAME]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.jinja import check_syntax
from ..values.types import Groups, LinkName, RelativePath, Template, UnixName, some
from .files import ProcessNames

LocalFile = Annotated[RelativePath, AfterValidator(check_syntax), Shape("relative path (Jinja2)")]
Fallback = Literal["self-signed"]


class CertificateFiles(Model):
    """What the files of a certificate are called on a host, in the folder `certs` under `app.root`."""

    certificate: LinkName = Field(
        default="", validate_default=False, description="The certificate. Default: `NAME.crt`."
    )
    key: LinkName = Field(default="", validate_default=False, description="The private key. Default: `NAME.key`.")
    chain: LinkName = Field(default="", validate_default=False, description="The chain. Default: `NAME-chain.crt`.")


class Certificate(Model):
    """A certificate that a program of the application presents itself, with its key and its chain."""

    certificate: LocalFile = Field(
        description="The certificate (PEM), relative to this file; each host may have its own."
    )
    key: LocalFile = Field(description="Its private key (PEM, no passphrase), relative to this file.")
    chain: LocalFile | None = Field(
        default=None,
        description="The certificates of its issuers (PEM), in order, relative to this file. With what stands in "
        "`certificate` they must lead to a root: one of them, or one that this machine trusts.",
    )
    names: Annotated[tuple[Template, ...], AfterValidator(some), Shape("list: text (Jinja2)")] = Field(
        description="The names, or addresses, that it must be for."
    )
    fallback: Fallback | None = Field(
        default=None,
        description='With `"self-signed"`: while the files are missing or wrong, the hosts make their own, with a '
        "warning at every deploy. Default: that is an error.",
    )
    files: CertificateFiles = Field(
        default=CertificateFiles(),
        description="What they are called on the host, in the folder `certs` under `app.root`.",
    )
    owner: UnixName = Field(
        default="", validate_default=False, description="Who may read the key. Default: `app.user`."
    )
    restart: ProcessNames = Field(default=(), description="The processes that must restart when it changes.")
    groups: Groups = Field(default=(), description="The groups whose hosts get it. Default: every host.")

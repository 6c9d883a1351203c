"""Repositories beside the application's own: the table ``[checkouts.NAME]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import (
    AbsolutePath,
    Groups,
    PublicKey,
    RelativePath,
    Repository,
    Revision,
    SecretName,
    UnixName,
    unique,
)


class CheckoutEntry(Model):
    """A repository beside the application's own, such as one of firmware or documents, checked out on the hosts."""

    repo: Repository = Field(description="Where it comes from: an address that the hosts reach.")
    branch: Revision = Field(default="main", description="The branch or tag that is checked out.")
    path: AbsolutePath = Field(
        default="",
        validate_default=False,
        description="Where it is found: a link, which moves to each new working copy in one step. Default: "
        "`checkouts/NAME/current` under `app.root`.",
    )
    deploy_key: SecretName | None = Field(
        default=None, description="The secret that holds the private SSH key with which the hosts fetch it."
    )
    token: SecretName | None = Field(
        default=None, description="The secret that holds the access token with which the hosts fetch over HTTPS."
    )
    repo_host_keys: tuple[PublicKey, ...] = Field(
        default=(), description="Public keys of the repository's server; any other key is refused."
    )
    owner: UnixName = Field(default="", validate_default=False, description="Its owner. Default: `app.user`.")
    group: UnixName = Field(default="", validate_default=False, description="Its group. Default: `app.group`.")
    writable: Annotated[tuple[RelativePath, ...], AfterValidator(unique), Shape("list: relative path")] = Field(
        default=(), description="Folders in it that the application writes to; they are the same in every working copy."
    )
    groups: Groups = Field(default=(), description="The groups whose hosts have it. Default: every host.")

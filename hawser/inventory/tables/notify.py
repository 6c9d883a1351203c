"""Who is told of rollouts: the table ``[notify]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Model
from ..values.types import Template, unique

Moment = Literal["begun", "done", "failed", "put back"]


class Notify(Model):
    """People who are told of rollouts, by mail, in a chat, or however apprise reaches them."""

    urls: tuple[Template, ...] = Field(
        description="Where they are reached (Jinja2), as [apprise](https://appriseit.com/services/) writes it: "
        "`mailtos://…`, `slack://…`, `json://…`. What nobody else may know belongs into a secret: "
        "`{{ secrets.CHAT_URL }}`."
    )
    about: Annotated[tuple[Moment, ...], AfterValidator(unique)] = Field(
        default=("done", "failed", "put back"),
        description="Of what: that a rollout has begun, was done, has failed, or has failed and was put back.",
    )

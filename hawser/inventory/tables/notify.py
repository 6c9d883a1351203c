"""Who is told of rollouts, and of what ages: the table ``[notify]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Model
from ..values.types import AbsolutePath, Moments, Template, unique

Moment = Literal["begun", "done", "failed", "put back"]


class Notify(Model):
    """People who are told, by mail, in a chat, or however apprise reaches them."""

    urls: tuple[Template, ...] = Field(
        description="Where they are reached (Jinja2), as [apprise](https://appriseit.com/services/) writes it: "
        "`mailtos://…`, `slack://…`, `json://…`. What nobody else may know belongs into a secret: "
        "`{{ secrets.CHAT_URL }}`."
    )
    about: Annotated[tuple[Moment, ...], AfterValidator(unique)] = Field(
        default=("done", "failed", "put back"),
        description="Of a rollout: that it has begun, was done, has failed, or has failed and was put back.",
    )
    watch: Moments | None = Field(
        default=None,
        description="When each host looks by itself, as in `hourly` (systemd.time), for cron entries that failed or "
        "stayed away, certificates that end in two weeks, and backups that have not left it; it tells what is new. "
        "Default: never.",
    )
    textfiles: AbsolutePath | None = Field(
        default=None,
        description="The folder of Prometheus' node exporter on the hosts, into which they then write what they see: "
        "`/var/lib/prometheus/node-exporter` is Debian's. Default: nowhere.",
    )

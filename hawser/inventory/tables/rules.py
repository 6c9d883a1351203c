"""Rules for the settings as a whole: ``[[rules]]``."""

from __future__ import annotations

from pydantic import Field

from ..base import Model
from ..values.types import Expression, Groups, Line


class Rule(Model):
    """Something that must be true before any host is asked."""

    that: Expression = Field(description="A Jinja2 expression, without braces, that must be true for each host.")
    message: Line = Field(description="What is wrong where it is not true.")
    groups: Groups = Field(default=(), description="The groups for whose hosts it is asked. Default: every host.")

"""Files that are made on the controlling machine: ``[[local]]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ..base import InvalidValue, Model
from ..values.types import Flag, RelativePath, Template


class LocalEntry(Model):
    """A file for a client of the application, such as an app for phones; `config.render` makes it. Without secrets."""

    path: RelativePath = Field(description="Its name, under the folder that `config.render --to` names.")
    template: RelativePath | None = Field(
        default=None, description="The template, looked up in `conf_templates/NAME/` and `conf_templates/`."
    )
    content: Template | None = Field(default=None, description="The text itself, instead of a template.")
    sample: RelativePath | None = Field(
        default=None,
        description="A JSON file that the client brings along, under the folder that `config.render --to` names. A key "
        "that it has and the file lacks, or the other way round, is an error.",
    )
    new_keys: Flag = Field(default=False, description="With `sample`: keys that the sample lacks are allowed.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template is None) == (self.content is None):
            raise InvalidValue("needs either template or content", "remove one of the two" if self.template else "")
        if self.sample and not self.path.endswith(".json"):
            raise InvalidValue("has a sample, which is for a path that ends in .json", "remove sample")
        if self.new_keys and not self.sample:
            raise InvalidValue("has new_keys, which is for a sample", "remove new_keys")
        return self

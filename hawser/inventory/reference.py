"""The reference of every setting: ``python -m hawser.inventory.reference > docs/settings.md``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from hawser.inventory.base import Model, Shape
from hawser.inventory.lookup import entry_type, keys_of, model_of, plain, shape_of
from hawser.inventory.schema import Environment

INTRODUCTION = """\
# Settings

Every setting of an environment file, `hosts/NAME.toml`, from the schema by `python -m hawser.inventory.reference`.
[`hosts/example.toml`](../hosts/example.toml) shows each of them in use.

- Environments, hosts and groups have names of letters, digits, `-` and `_`. A group exists when a host names it.
- Where `groups` is left out, every host is meant.
- *Jinja2* marks text that is rendered for each host, with `{{ secrets.NAME }}`, `{{ host.address }}`,
  `{{ host.vars.NAME }}`, `{{ group('data')[0].address }}`, `{{ app.root }}`, `{{ release.code }}` (the application's
  folder in the checkout of the release) and the like. An unknown name is an error.
- A command names no secret, since `ps` shows commands to everyone: put it into `env.variables`.

## extends

`extends = "base.toml"`, as the first line of the file, takes everything from another file beside it. Tables are merged,
whatever this file says wins, and a list replaces a list. An entry of a list of tables is changed by its path, or by its
place, counted from 1: `[files."/etc/shop.conf"]` with `mode = "0640"`, `[firewall.rules.2]` with `ports = [8443]`. What
is `false` goes: `files."/etc/shop.conf" = false`.

## requires_hawser

`requires_hawser = ">=0.2"`, at the top of the file, says which versions of Hawser can read it: `>=`, `>`, `<=`, `<`,
`==`, `!=` and `~=` with a version of numbers, several of them with commas between. Another Hawser says nothing else of
the file than this, with the line that brings a fitting one, and asks no host. A file that is extended says its own.
"""


def reference() -> str:
    """Return the whole reference as Markdown."""
    return INTRODUCTION + "".join(_sections(Environment, "", 2))


def _sections(model: type[Model], prefix: str, level: int) -> Iterator[str]:
    """Yield a section for each table below `model`, each followed by those below it."""
    for key, field in keys_of(model).items():
        path = f"{prefix}{key}"
        table, heading = _table_of(field, path)
        if table is not None:
            yield _section(table, heading, level)
            yield from _sections(table, heading.strip("[]") + ".", min(level + 1, 4))
        elif not prefix:
            yield f"\n## [{path}]\n\n{field.description}\n\nIt is a {shape_of(field)}.\n"


def is_text_too(field: FieldInfo) -> bool:
    """Tell whether a key that takes tables takes texts in their place, as its shape says."""
    return any(isinstance(each, Shape) for each in field.metadata)


def _table_of(field: FieldInfo, path: str) -> tuple[type[Model] | None, str]:
    """Return the model of a key that is a table, many tables by name, or a list of tables; and its TOML heading."""
    if (model := model_of(field.annotation)) is not None:
        return model, f"[{path}]"
    if (model := model_of(entry_type(field.annotation))) is not None:
        is_list = getattr(plain(field.annotation), "__origin__", None) is tuple
        return model, f"[[{path}]]" if is_list else f"[{path}.NAME]"
    return None, ""


def _section(model: type[Model], heading: str, level: int) -> str:
    rows = [
        f"| `{key}` | {_cell(shape_of(field))} | {_cell(_default(field))} | {_cell(field.description or '')} |"
        for key, field in keys_of(model).items()
        if _table_of(field, key)[0] is None or is_text_too(field)
    ]
    text = f"\n{'#' * level} {heading}\n\n{(model.__doc__ or '').strip()}\n"
    if rows:
        text += "\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    return text


def _default(field: FieldInfo) -> str:
    """Return the default as TOML has it; an empty text where there is none, or where the description says it."""
    if field.is_required():
        return "*required*"
    if field.default_factory is not None or field.default in (None, "", ()):
        return ""
    if shape_of(field) == "file mode":
        return f'`"{field.default:04o}"`'
    return f"`{json.dumps(field.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())

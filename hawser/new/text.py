"""A draft as the text of an environment file: each value with the place that it is from, and what is open marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from .facts import Draft, Fact, Loc, Value

# The order of the tables in a file.
ORDER = (
    "app",
    "python",
    "packages",
    "env",
    "release",
    "once",
    "processes",
    "cron",
    "persistent",
    "site",
    "services",
    "backup",
    "hosts",
)
# What marks a value that is not certain.
MARK = "OPEN"
_WIDTH = 120


def environment_text(draft: Draft, target: str, about: str) -> str:
    """Return the text of `hosts/NAME.toml`."""
    lines = [f"# {about}", f"#     fab -H {target} bootstrap deploy", ""]
    if any(True for _each in draft.open()):
        lines[1:1] = [f"# What is marked {MARK} was not clear from the code: look at it, and take the mark away."]
    for heading, facts in tables(draft):
        lines.append(f"[{heading}]")
        for key, fact in facts:
            lines += entry(key, fact)
        lines.append("")
    for title, rows in (("Also found", draft.notes), ("Read by the code, with defaults that do", draft.others)):
        if rows:
            lines += [f"# {title}:", *(f"#   {one_line(row)}" for row in rows[:200]), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def tables(draft: Draft) -> Iterator[tuple[str, list[tuple[str, Fact]]]]:
    """Yield the tables in the order of a file, each with its keys."""
    found: dict[Loc, list[tuple[str, Fact]]] = {}
    for loc, fact in draft.facts.items():
        if fact.value == {}:
            found.setdefault(loc, [])
        else:
            found.setdefault(loc[:-1], []).append((loc[-1], fact))
    for table in sorted(found, key=lambda each: (ORDER.index(each[0]), _begin(found, each), len(each))):
        yield ".".join(map(toml_key, table)), found[table]


def _begin(found: Mapping[Loc, object], table: Loc) -> int:
    """Return the place of the first table of the same entry: those of one process stay together."""
    shared = 2 if table[0] in ("processes", "once", "cron", "services", "hosts") else 1
    return next(place for place, each in enumerate(found) if each[:shared] == table[:shared])


def entry(key: str, fact: Fact) -> Iterator[str]:
    """Yield the lines of one key."""
    if fact.open:
        yield f"# {MARK}: {one_line(fact.open)}"
    line = f"{toml_key(key)} = {toml_value(fact.value)}"
    places = fact.where.split(", ")
    where = f"  # {one_line(', '.join([*places[:2], '…'] if len(places) > 3 else places))}" if fact.where else ""
    if isinstance(fact.value, list) and len(line + where) > _WIDTH:
        yield f"{toml_key(key)} = [{where}"
        yield from (f"  {toml_value(each)}," for each in fact.value)
        yield "]"
    else:
        yield line + where


def one_line(text: str) -> str:
    """Return a text as a comment can carry it."""
    clean = "".join(each if each.isprintable() else " " for each in text)
    return clean if len(clean) <= 300 else f"{clean[:297]}…"


def toml_key(key: str) -> str:
    """Return a key as TOML writes it."""
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_value(value: Value) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(each)}" for key, each in value.items()) + " }"
    # Basic strings of TOML have the escapes of JSON (toml.io, String), but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)


def secrets_text(draft: Draft, name: str) -> str:
    """Return the text of `hosts/NAME.env.example`."""
    generated = draft.facts.get(("env", "generated"))
    lines = [f"# Copy to hosts/{name}.env, mode 0600. Its values are placeholders, and refused as they stand."]
    if generated is not None and isinstance(generated.value, list):
        lines.append(f"# The first bootstrap makes and adds {', '.join(generated.value)}: nothing to write for them.")
    lines += [f"{secret}=REPLACEME  # {one_line(why)}" for secret, why in draft.secrets.items()]
    return "\n".join(lines) + "\n"

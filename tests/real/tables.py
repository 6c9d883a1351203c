"""Tables of facts: what the real code of a system says of itself, generated from a clone.

Each lies in ``tests/real/facts/NAME.toml``. ``python -m tests.real.tables FOLDER [NAME …]`` writes them anew from a
folder of clones. Nothing of the code itself stands in them: names, numbers and paths only.

A system has a module in ``tests/real/extract`` with ``SOURCES``: where the code comes from, and a function for each
source that reads facts out of its files. The first source is the code that Hawser deploys; its function reads the
stand-in of that system as well, whose sections in ``STAND_IN_DIFFERS`` are its own.
"""

from __future__ import annotations

import importlib
import json
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .trees import Clone, Folder, Tree

HERE = Path(__file__).parent
TABLES = HERE / "facts"
APPS = HERE.parent / "hosts" / "apps"
HEAD = """\
# What the code of {name} says of itself, generated: python -m tests.real.tables FOLDER {name}
# `make test-real` fails when a clone says something else, `make check` when hosts/{name}.toml or the stand-in does.
"""

Value = str | int | list[str]
Table = dict[str, dict[str, Value]]


@dataclass(frozen=True)
class Source:
    """A repository that a system's facts come from.

    :param folder: its name in the folder of clones.
    :param commit: the full hash of the one that is deployed.
    :param extract: reads its facts: sections of names with a text, a number or a list of texts each.
    """

    folder: str
    url: str
    commit: str
    extract: Callable[[Tree], Table]

    @property
    def section(self) -> str:
        return f"source.{self.folder}-{self.commit[:7]}"

    def clone(self, clones: Path) -> Clone:
        return Clone(clones / self.folder, self.commit)


def names() -> list[str]:
    """Return the systems that have facts."""
    return sorted(path.stem for path in (HERE / "extract").glob("[!_]*.py"))


def sources(name: str) -> list[Source]:
    found: list[Source] = importlib.import_module(f"tests.real.extract.{name}").SOURCES
    return found


def generate(name: str, clones: Path) -> Table:
    """Read all facts of a system out of its clones."""
    table: Table = {}
    for source in sources(name):
        table[source.section] = {"url": source.url, "commit": source.commit}
        table.update(source.extract(source.clone(clones)))
    return table


def of_stand_in(name: str) -> Table:
    """Read the facts of the stand-in for a system's code, without the sections in which it has to differ."""
    module = importlib.import_module(f"tests.real.extract.{name}")
    facts = module.SOURCES[0].extract(Folder(APPS / name))
    return {section: values for section, values in facts.items() if section not in module.STAND_IN_DIFFERS}


def kept(name: str) -> Table:
    """Read a table as it is kept; sections have the names that `generate` gives them."""
    tables = tomllib.loads((TABLES / f"{name}.toml").read_text())
    of_sources = tables.pop("source")
    return {**{f"source.{place}": values for place, values in of_sources.items()}, **tables}


def differences(expected: Mapping[str, Mapping[str, Value]], actual: Mapping[str, Mapping[str, Value]]) -> list[str]:
    """Say what differs between two tables, a line for each name."""
    said = []
    for section in sorted({*expected, *actual}):
        ours, theirs = expected.get(section, {}), actual.get(section, {})
        said += [
            f"[{section}] {key}: {ours.get(key)!r} is {theirs.get(key)!r}"
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)
        ]
    return said


def beyond(stand_in: Table, table: Table) -> list[str]:
    """Say what a stand-in has that the real code has not: a list may be shorter, nothing may be another."""
    said = []
    for section, values in stand_in.items():
        for key, value in values.items():
            real = table.get(section, {}).get(key)
            if isinstance(value, list) and isinstance(real, list):
                said += [f"[{section}] {key}: only the stand-in has {each!r}" for each in value if each not in real]
            elif value != real:
                said.append(f"[{section}] {key}: {value!r} in the stand-in, {real!r} in the real code")
    return said


def written(name: str, table: Table) -> str:
    """Return a table as TOML."""
    lines = [HEAD.format(name=name)]
    for section, values in table.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            name_of_key = key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
            if isinstance(value, list):
                items = "".join(f"  {json.dumps(each)},\n" for each in value)
                lines.append(f"{name_of_key} = [\n{items}]" if value else f"{name_of_key} = []")
            else:
                lines.append(f"{name_of_key} = {json.dumps(value)}")
        lines.append("")
    return "\n".join(lines)


def main(clones: str, *chosen: str) -> None:
    """Write tables anew."""
    TABLES.mkdir(exist_ok=True)
    for name in chosen or names():
        (TABLES / f"{name}.toml").write_text(written(name, generate(name, Path(clones))))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the documents show is true: environment files load, fragments fit, commands and links exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fabfile import namespace
from hawser.inventory import Environment, read_environment

PROJECT = Path(__file__).parents[2]
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
# The first line of a block says what it is: a whole file, or with something behind the name, a part of one.
HEAD = re.compile(r"# hosts/(?P<name>[\w-]+)\.toml(?P<rest>.*)")
TASKS = {name.replace("_", "-") for name in namespace.task_names}


@dataclass(frozen=True)
class Block:
    """A ```toml block of a document.

    :param name: the environment file that its first line names, empty for a fragment.
    :param rest: what else that line says; empty for a whole file.
    """

    place: str
    text: str
    name: str = ""
    rest: str = ""


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text()
    for found in re.finditer(r"^```toml\n(.*?)^```", text, re.M | re.S):
        place = f"{document.relative_to(PROJECT)}:{text[: found.start()].count(chr(10)) + 1}"
        head = HEAD.match(found[1])
        yield Block(place, found[1], head["name"], head["rest"]) if head else Block(place, found[1])


def load(folder: Path, name: str, text: str) -> Environment:
    """Write an environment file, and the certificate that it names, and read it."""
    (folder / "certs").mkdir(exist_ok=True)
    for path in re.findall(r'"(certs/[\w.-]+)"', text):
        (folder / path).touch()
    path = folder / f"{name}.toml"
    path.write_text(text)
    return read_environment(path)


def test_documents_show_environment_files_to_check() -> None:
    assert sum(block.rest == "" and block.name != "" for document in DOCUMENTS for block in blocks(document)) > 3


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_whole_environment_file_loads(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.name and block.rest:
            (tmp_path / f"{block.name}.toml").write_text(block.text)
        elif block.name:
            assert load(tmp_path, block.name, block.text).hosts, block.place


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_fragment_fits_into_the_environment_file_of_the_tutorial(document: Path, tmp_path: Path) -> None:
    whole = [block for block in blocks(PROJECT / "docs" / "tutorial.md") if block.name == "mysite" and not block.rest]
    (tmp_path / "mysite.toml").write_text(whole[-1].text)
    for block in blocks(document):
        if not block.name:
            load(tmp_path, "fragment", f'extends = "mysite.toml"\n{block.text}')


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_an_excerpt_says_what_the_file_says(document: Path) -> None:
    for block in blocks(document):
        if block.rest == " (excerpt)":
            whole = tomllib.loads((PROJECT / "hosts" / f"{block.name}.toml").read_text())
            assert within(tomllib.loads(block.text), whole), block.place


def within(part: object, whole: object) -> bool:
    """Tell whether every value of some tables stands in others too."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    return part == whole


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_tasks_that_are_typed_exist(document: Path) -> None:
    typed = re.findall(r"\bfab (?:-\w+ (?:[\w$\"-]+ )?)*?-H [\w$\"/,-]+ ([a-z.-]+)", document.read_text())
    assert not set(typed) - TASKS - {"uptime"}


def test_the_readme_names_every_task() -> None:
    text = (PROJECT / "README.md").read_text()
    assert not {name for name in TASKS if not re.search(rf"[` ]{re.escape(name)}[` ]", text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_the_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = document.parent / path if path else document
        assert there.exists(), target
        if anchor:
            assert anchor in headings(there), target


def headings(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as a forge makes them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


SYSTEMS = PROJECT / "docs" / "systems" / "README.md"


def test_every_need_of_the_five_systems_has_its_row() -> None:
    found = re.findall(r"^\| ([STECPX]\d+) \|", SYSTEMS.read_text(), re.M)
    counts = {"S": 12, "T": 10, "E": 12, "C": 12, "P": 12, "X": 5}
    assert sorted(found) == sorted(f"{letter}{number + 1}" for letter in counts for number in range(counts[letter]))


def test_every_test_that_the_tables_of_the_systems_name_exists() -> None:
    known = "\n".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))
    for name in set(re.findall(r"\btest_\w+(?!\w*\.py)\b", SYSTEMS.read_text())):
        file = any((PROJECT / "tests").rglob(f"{name}.py"))
        assert file or f"def {name}(" in known, f"{SYSTEMS.name} names {name}"

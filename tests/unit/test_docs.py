"""What the documents show is true: environment files load, fragments fit, commands and links exist."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from invoke.exceptions import ParseError
from invoke.parser import Parser, ParserContext

from hawser import namespace
from hawser.errors import HawserError
from hawser.inventory import Environment, read_environment
from hawser.inventory.base import Model
from hawser.inventory.lookup import entry_type, keys_of, model_of, plain
from hawser.program import Program

PROJECT = Path(__file__).parents[2]
# Those of one system; what they show belongs to its environment file.
SYSTEM_DOCUMENTS = [path for path in sorted((PROJECT / "docs" / "systems").glob("*.md")) if path.name != "README.md"]
DOCUMENTS = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(path for path in sorted((PROJECT / "docs").rglob("*.md")) if path not in SYSTEM_DOCUMENTS),
]


def label(path: Path) -> str:
    return str(path.relative_to(PROJECT))


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_a_whole_environment_file_loads(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.name and block.rest:
            (tmp_path / f"{block.name}.toml").write_text(block.text)
        elif block.name:
            assert load(tmp_path, block.name, block.text).hosts, block.place


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_a_fragment_fits_into_the_environment_file_of_the_tutorial(document: Path, tmp_path: Path) -> None:
    whole = [block for block in blocks(PROJECT / "docs" / "tutorial.md") if block.name == "mysite" and not block.rest]
    (tmp_path / "mysite.toml").write_text(whole[-1].text)
    for block in blocks(document):
        if not block.name:
            load(tmp_path, "fragment", f'extends = "mysite.toml"\n{block.text}')


@pytest.mark.parametrize("document", SYSTEM_DOCUMENTS, ids=label)
def test_a_fragment_of_a_systems_document_fits_into_its_environment_file(document: Path, tmp_path: Path) -> None:
    found = list(blocks(document))
    for path in (PROJECT / "hosts").glob("*.toml") if found else ():
        shutil.copy(path, tmp_path)
    for block in found:
        load(tmp_path, "fragment", f'extends = "{document.stem}.toml"\n{block.text}')


# Of a document of another kind than settings: a service that is still to be written.
UNKNOWN = {"[services.valkey]"}


@pytest.mark.parametrize("document", [*DOCUMENTS, *SYSTEM_DOCUMENTS], ids=label)
def test_a_setting_that_is_named_in_passing_is_one(document: Path, tmp_path: Path) -> None:
    """A part of a table may lack what the whole needs; no key of it is unknown."""
    whole = [block for block in blocks(PROJECT / "docs" / "tutorial.md") if block.name == "mysite" and not block.rest]
    (tmp_path / "mysite.toml").write_text(whole[-1].text)
    for text in inline(document, r"\[{1,2}[\w.-]+\]{1,2}|\w+(?:\.[\w-]+)+ = .+"):
        try:
            part = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if not set(part) <= set(Environment.model_fields) or text in UNKNOWN:
            continue
        try:
            load(tmp_path, "fragment", f'extends = "mysite.toml"\n{text}\n')
        except HawserError as error:
            assert "unknown key" not in str(error), f"{document.name}: {text}"


# A table before a key, as in "[python] mirror"; a key with its tables; a key with a value.
NAMED = r"\[{1,2}[\w.-]+\]{1,2} [\w.-]+(?: = .+)?|[a-z]\w*(?:\.[\w-]+)+|[a-z]\w* = .+"
# What has the form of a key and is none: files, and what other programs and modules of code have.
NO_SETTINGS = {
    *(
        "release.json",
        "site.crt",
        "env.py",
        "secrets.sls",
        "files.append",
        "files.directory",
        "files.exists",
        'extends = "base.toml"',
    ),
    'requires_hawser = ">=0.2"',
    'requires_hawser = ">=…"',
    *("remove = None", "passwords = None", '[[tool.uv.index]] name = "private"', "debug = false"),
    *("skipAuth = False", 'auth = "token_list"', 'filename = "/mnt/logs/webserver.log"'),
}
# For users; what a word stands for there is either a setting, or said by the program.
FOR_USERS = [
    PROJECT / "README.md",
    *(PROJECT / "docs" / f"{name}.md" for name in ("tutorial", "settings", "commands", "deploy", "ci", "upgrading")),
    *sorted((PROJECT / "docs" / "how-to").glob("*.md")),
]
# Words of other programs.
OTHERS = {
    "makemigrations",
    "order_with_respect_to",
    "real_ip_header",
    "serial",
    "set_real_ip_from",
    "version_locations",
}


@pytest.mark.parametrize("document", [*DOCUMENTS, *SYSTEM_DOCUMENTS], ids=label)
def test_a_key_that_stands_in_the_text_alone_is_one_of_the_settings(document: Path) -> None:
    unknown = [text for text in inline(document, NAMED) if text not in NO_SETTINGS and not is_setting(text)]
    assert unknown == []


def test_a_word_that_stands_in_the_text_for_users_is_a_setting_or_one_of_the_programs() -> None:
    sources = (
        path for name in ("hawser", "tasks", "conf_templates", "demo", "hosts") for path in (PROJECT / name).rglob("*")
    )
    said = {
        word
        for path in sources
        if path.suffix in (".py", ".j2", ".toml")
        for word in re.findall(r"\w+", path.read_text())
    }
    known = said.union(OTHERS, *(keys_of(model) for model in tables()))
    unknown = {text for document in FOR_USERS for text in inline(document, "[a-z]+(?:_[a-z]+)*")} - known
    assert unknown == set()


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("release.after_migrate", True),
        ("release.after_migrations", False),
        ("[python] mirror", True),
        ("[python] miror", False),
        ('[python] mirror = "https://files.test"', True),
        ("[[files]] early", True),
        ("[files] soon = true", False),
        ("once.NAME.before", True),
        ("processes.web.health.path", True),
        ("processes.web.healthy", False),
        ("env.variables.DEBUG", True),
        ("python.mirror.address", False),
        ("own = true", True),
        ("owned = true", False),
        ("db.migrate", True),
        ("app.py", False),
    ],
)
def test_a_key_is_known_by_its_place(text: str, true: bool) -> None:
    assert is_setting(text) == true


def is_setting(text: str) -> bool:
    """Tell whether a key that somebody writes about exists; what begins with no table is none that is meant."""
    table, _, rest = text.partition("] ") if text.startswith("[") else ("", "", text)
    key = rest.partition(" = ")[0]
    path = [*table.strip("[]").split("."), *key.split(".")] if table else key.split(".")
    if len(path) == 1:
        return any(key in keys_of(model) for model in tables())
    if not table and (path[0] not in keys_of(Environment) or text in TASKS):
        return True
    return leads_to(Environment, path)


def leads_to(model: type[Model], path: Sequence[str]) -> bool:
    """Tell whether keys lead from a table to something that can be written."""
    keys = keys_of(model)
    if not path:
        return True
    if path[0] not in keys:
        return False
    annotation = keys[path[0]].annotation
    if (inner := model_of(annotation)) is not None:
        return leads_to(inner, path[1:])
    if (inner := model_of(entry_type(annotation))) is not None:
        is_list = getattr(plain(annotation), "__origin__", None) is tuple
        # Of a list the entry may be left out, of tables by name it is there: NAME, or one of them.
        return leads_to(inner, path[1:]) if is_list else len(path) == 1 or leads_to(inner, path[2:])
    is_table = getattr(plain(annotation), "__origin__", None) is dict
    return len(path) <= (2 if is_table else 1)


def tables(model: type[Model] = Environment) -> Iterator[type[Model]]:
    """Yield all tables of the settings."""
    yield model
    for field in keys_of(model).values():
        for inner in (model_of(field.annotation), model_of(entry_type(field.annotation))):
            if inner is not None:
                yield from tables(inner)


def own_words(document: Path) -> str:
    """Return the text of a document; where it sets another program beside Hawser, without the column of the other."""
    text = document.read_text()
    return re.sub(r"^\| .*? \| ", "| ", text, flags=re.M) if document.parent.name == "coming-from" else text


def inline(document: Path, pattern: str) -> Iterator[str]:
    """Yield what stands between backticks in the text of a document, as one line, where a pattern fits it whole."""
    text = re.sub(r"^( *)```.*?^ *```", "", own_words(document), flags=re.M | re.S)
    for found in re.findall(r"`([^`]+)`", text):
        line = " ".join(found.split()).replace("\\|", "|")
        if re.fullmatch(pattern, line):
            yield line


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
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


# A command line as it is typed: what is set for it, and maybe the folder of the program.
TYPED = r"(?:\w+=\S+ )*(?:\.venv/bin/)?fab( .+)"
# Tasks that a document invents, or that another program has which is compared with Hawser.
INVENTED = re.compile(r" (?:NAME\.install|-c ours -H web uptime status|(?:production|staging) .+)")
# What a program of the shell does with a command's output, or a sentence adds to it.
REST = re.compile(r" +(?:# .*|> \S+)$|(?<=\"), or .*")


def typed_lines(document: Path) -> Iterator[str]:
    """Yield the words after each `fab` of a document, in blocks and in the text."""
    for block in re.findall(r"^ *```(?!toml|python|yaml)\w*\n(.*?)^ *```", document.read_text(), re.M | re.S):
        for line in block.splitlines():
            found = re.fullmatch(rf"\s*(?:\$ |next: )?{TYPED}", line)
            if found:
                yield REST.sub("", found[1])
    for line in inline(document, TYPED):
        words = line.partition("fab ")[2]
        # The name of a task alone says what it is about, not how it is typed.
        if words not in TASKS:
            yield f" {words}"


def understood(words: str) -> list[ParserContext]:
    """Read the words after `fab` as the program does."""
    program = Program()
    found = Parser(initial=program.initial_context, contexts=namespace.to_contexts()).parse_argv(shlex.split(words))
    return list(found)


@pytest.mark.parametrize("document", [*DOCUMENTS, *SYSTEM_DOCUMENTS], ids=label)
def test_the_commands_that_are_typed_name_tasks_with_their_options_and_arguments(document: Path) -> None:
    for words in typed_lines(document):
        if not INVENTED.fullmatch(words):
            assert understood(words), f"{document.name}: fab{words}"


@pytest.mark.parametrize("words", [" -H demo depoly", " -H demo deploy --no-such", " -H demo run", " -H demo put FILE"])
def test_a_command_that_is_typed_wrongly_is_not_understood(words: str) -> None:
    with pytest.raises(ParseError):
        understood(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
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


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len((PROJECT / "README.md").read_text().split()) <= 1300


def explained() -> Iterator[str]:
    """Yield the parts of the messages that a table of the troubleshooting page explains, without what differs."""
    rows = re.findall(r"^\| (`.*?) \| ", (PROJECT / "docs" / "troubleshooting.md").read_text(), re.M)
    for message in (each for row in rows for each in re.findall(r"`([^`]+)`", row)):
        yield from (part.strip() for part in re.split(r"…|\d+", message) if len(part.strip()) > 3)


def test_a_message_that_is_explained_is_one_of_the_program() -> None:
    code = "\n".join(path.read_text() for name in ("hawser", "tasks") for path in (PROJECT / name).rglob("*.py"))
    # A long message stands on several lines of code, and names a constant.
    code = re.sub(r'"\n\s*f?"', "", code.replace("{SIGNING_KEY}", "HAWSER_SIGNING_KEY"))
    found = [*explained()]
    assert len(found) > 40
    assert [part for part in found if part not in code] == []


@pytest.mark.parametrize("name", ["bug", "question"])
def test_a_form_for_an_issue_asks_for_what_helps_and_for_no_secret(name: str) -> None:
    form = yaml.safe_load((PROJECT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"] and form["description"]
    fields = {each["id"]: each for each in form["body"] if "id" in each}
    told = {key: f"{each['attributes'].get('description')}" for key, each in fields.items()}
    assert "`fab --version`" in told["version"] and "`-v`" in told["output"]
    assert "without secrets" in told["environment"] and "Never hosts/NAME.env" in told["environment"]
    assert {each["type"] for each in form["body"]} <= {"markdown", "input", "textarea", "checkboxes", "dropdown"}
    for text in told.values():
        for words in re.findall(r"`fab( [^`]+)`", text):
            assert understood(words)

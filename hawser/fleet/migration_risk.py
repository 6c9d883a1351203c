"""Effects of pending migrations on the code that runs meanwhile: Django's plan, judged operation by operation."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..answers.rows import Migration, Operation
from ..runner.code.operations import ADDITIVE, BREAKING, UNCLASSIFIED
from ..runner.code.operations import KINDS as ORDER

# Runs inside the release by `manage.py shell -c`. HAWSER_DESCRIBE names migrations that are to be described besides.
SCRIPT = """
import json, os
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import NOT_PROVIDED

QUIET = {"blank", "choices", "default", "editable", "error_messages", "help_text", "limit_choices_to", "on_delete",
         "related_name", "related_query_name", "validators", "verbose_name", "db_comment"}

def fields_of(state, app, model):
    return dict(state.models[app, model.lower()].fields)

def alters(state, app, operation):
    before = fields_of(state, app, operation.model_name)[operation.name]
    (_, kind, _, old), (_, new_kind, _, new) = before.deconstruct(), operation.field.deconstruct()
    found = ["type"] if kind != new_kind else []
    for key in sorted((set(old) | set(new)) - QUIET):
        was, now = old.get(key), new.get(key)
        wider = key == "max_length" and (now is None or (was is not None and now >= was))
        if repr(was) != repr(now) and not wider and not (key == "null" and now):
            found.append(key)
    return found

def describe(state, app, operation):
    kind = type(operation)
    row = {"kind": kind.__name__, "module": kind.__module__,
           "reversible": bool(getattr(operation, "reversible", False)),
           "model": str(getattr(operation, "model_name", "") or getattr(operation, "name", "") or ""),
           "text": str(operation.describe())}
    field = getattr(operation, "field", None)
    if field is not None:
        row["field"] = str(operation.name)
        row["fills_itself"] = bool(field.null or getattr(field, "many_to_many", False)
                                   or getattr(field, "generated", False)
                                   or getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED)
    if kind.__name__ == "AlterField":
        try:
            row["alters"] = alters(state, app, operation)
        except Exception:
            row["alters"] = ["something"]
    if kind.__name__ == "RunPython":
        row["noop"] = getattr(operation.code, "__name__", "") == "noop"
    if kind.__name__ == "SeparateDatabaseAndState":
        row["inner"] = [describe(state, app, each) for each in operation.database_operations]
    option = getattr(operation, "option_value", None)
    row["empty"] = option is not None and not option
    return row

def migration(state, each):
    rows = []
    for operation in each.operations:
        rows.append(describe(state, each.app_label, operation))
        operation.state_forwards(each.app_label, state)
    return {"key": each.app_label + "." + each.name, "app": each.app_label, "operations": rows}

def replaced(each):
    return [".".join(key) for key in getattr(each, "replaces", ())]

executor = MigrationExecutor(connections[os.environ.get("HAWSER_DATABASE", "default")])
loader = executor.loader
targets = loader.graph.leaf_nodes()
plan = [each for each, backwards in executor.migration_plan(targets)]
state = loader.project_state([key for key in loader.graph.nodes if key in loader.applied_migrations]) if plan else None
named = [name for name in os.environ.get("HAWSER_DESCRIBE", "").split(",") if name]
known = {".".join(key): each for key, each in loader.disk_migrations.items()}
print("hawser-migrations: " + json.dumps({
    "pending": [migration(state, each) for each in plan],
    "described": [{"key": name, "app": known[name].app_label, "replaces": replaced(known[name]),
                   "operations": [describe(None, known[name].app_label, each) for each in known[name].operations]}
                  for name in named if name in known],
    "applied": sorted(".".join(key) for key in loader.applied_migrations),
    "known": sorted(set(known).union(*map(replaced, known.values())))}))
"""
# Lines of a list of migrations that are shown.
_MOST = 12
# Django before 1.10 has a `shell` that takes no command. This runs the program, where it is a file, up to the point at
# which it would obey its arguments, in which its settings are known, and then SCRIPT.
BEFORE_DJANGO_1_10 = """
import os, runpy, sys
from django.core import management

def answer(argv=None):
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        if name == "--settings":
            os.environ["DJANGO_SETTINGS_MODULE"] = value
        if name == "--pythonpath":
            sys.path.insert(0, value)
    import django
    if django.VERSION < (1, 7):
        print('hawser-migrations: {"error": "a Django before 1.7 has no migrations of its own"}')
        return
    django.setup()
    exec(compile(SCRIPT, "<hawser>", "exec"), {"__name__": "hawser"})

management.execute_from_command_line = answer
sys.argv = sys.argv[1:]
if os.path.isfile(sys.argv[0]):
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    answer()
"""
# What divides a line of the shell into commands that `questions` follows, and what sends input and output elsewhere.
_DIVIDERS = ("&&", ";")
_REDIRECTIONS = (">", ">>", ">|", ">&", "&>", "&>>", "<", "<&")
_PUNCTUATION = "();<>|&"
_VALUED = ("--database", "--settings", "--pythonpath", "-v", "--verbosity")
_CREATE = "CreateModel"
_HARMLESS = {
    "AddIndex",
    "AddIndexConcurrently",
    "AlterIndexTogether",
    "AlterModelManagers",
    "AlterModelOptions",
    "AlterModelTableComment",
    "CreateCollation",
    "CreateExtension",
    "RemoveConstraint",
    "RemoveIndex",
    "RemoveIndexConcurrently",
    "RenameIndex",
    "ValidateConstraint",
}
_HARMFUL = {
    "AlterModelTable": "renames the table of {model}",
    # The code that runs neither fills the column, nor gets on without it.
    "AlterOrderWithRespectTo": "adds or removes the column _order of {model}",
    "DeleteModel": "removes {model}",
    "RemoveField": "removes a field of {model}",
    "RenameField": "renames a field of {model}",
    "RenameModel": "renames {model}",
}
_RESTRICTS = {"AddConstraint", "AddConstraintNotValid", "AlterUniqueTogether"}


@dataclass(frozen=True)
class Question:
    """How Django is asked for the plan of one migrate command.

    :param words: the program, without the shell.
    :param instance: whose variables it gets; empty for those of the release.
    :param database: the alias of the database.
    :param folder: where it starts, relative to the code.
    """

    words: tuple[str, ...]
    instance: str = ""
    database: str = "default"
    folder: str = ""

    @property
    def program(self) -> str:
        """The program as a person names it, with the settings that it is given."""
        program = " ".join(word for word in self.words[: self.words.index("-c")] if word != "shell")
        return f"cd {self.folder} && {program}" if self.folder else program

    @property
    def otherwise(self) -> tuple[str, ...]:
        """The same for a Django before 1.10; empty where nobody knows which interpreter the program has."""
        place = self.words.index("shell")
        *interpreter, program = self.words[:place]
        if not program.endswith(".py") and program != "django-admin":
            # After `-m`.
            interpreter.pop()
        if not any(word.rpartition("/")[2].startswith("python") for word in interpreter):
            if any(word != "env" and "=" not in word for word in interpreter):
                return ()
            # One that starts by itself finds it where the release's variables say.
            interpreter.append("python")
        script = f"SCRIPT = {SCRIPT!r}\n{BEFORE_DJANGO_1_10}"
        options = self.words[place + 1 : self.words.index("-c")]
        return (*interpreter, "-c", script, program, *options)


def questions(command: str) -> tuple[Question, ...]:
    """Return how to ask for the plans of a command that does nothing but migrate with Django; none for any other.

    :param command: with ``@NAME `` before it where it gets the variables of an instance. It may be several that are
        joined by ``&&`` or ``;``, all of them such ones.
    """
    line = divided(command, _DIVIDERS)
    found = [_question(part, line) for part in line.parts]
    return () if None in found else tuple(each for each in found if each is not None)


@dataclass(frozen=True)
class Line:
    """A line of the shell.

    :param instance: whose variables it gets; empty for those of the release.
    :param folder: where it changes to at first.
    :param parts: the words of the commands that it is joined of; none where the shell would do more than to divide it.
    """

    instance: str = ""
    folder: str = ""
    parts: tuple[tuple[str, ...], ...] = ()


def divided(command: str, dividers: Sequence[str]) -> Line:
    """Return the commands that a line is joined of."""
    instance = ""
    if command.startswith("@"):
        instance, _, command = command[1:].partition(" ")
    if "`" in command or "$" in command:
        return Line(instance)
    # Operators are words of their own, also where no blank is around them.
    split = shlex.shlex(command, posix=True, punctuation_chars=_PUNCTUATION)
    split.whitespace_split, split.commenters = True, ""
    try:
        words = list(split)
    except ValueError:
        return Line(instance)
    if any(word.startswith("~") for word in words):
        return Line(instance)
    if words and words[-1] == ";":
        words.pop()
    folder = ""
    if len(words) > 2 and words[0] == "cd" and words[2] == "&&":
        folder, words = words[1], words[3:]
    parts = [_without_exec(part) for divides, part in groupby(words, dividers.__contains__) if not divides]
    return Line(instance, folder, tuple(parts))


def _without_exec(words: Iterable[str]) -> tuple[str, ...]:
    """Return a command without the shell's word that it takes the shell's place."""
    found = tuple(words)
    return found[1:] if found[0] == "exec" and len(found) > 1 else found


def _question(words: Sequence[str], line: Line) -> Question | None:
    """Return how to ask for the plan of one command."""
    words = without_redirections(words)
    if words and "=" in words[0]:
        words = ["env", *words]
    if "migrate" not in words or any(word.strip(_PUNCTUATION) == "" for word in words):
        return None
    place = words.index("migrate")
    program = words[:place]
    if not _is_django(program):
        return None
    kept: list[str] = []
    database = "default"
    rest = iter(words[place + 1 :])
    for word in rest:
        name, equals, value = word.partition("=")
        if name in _VALUED:
            value = value if equals else next(rest, "")
            if name == "--database":
                database = value
            elif name in ("--settings", "--pythonpath"):
                kept.append(f"{name}={value}")
        elif not word.startswith("-") or any(each.startswith(name) for each in _VALUED):
            # To a migration that is named, or with an option that is cut short: not the plan that we would be told.
            return None
    return Question((*program, "shell", *kept, "-c", SCRIPT), line.instance, database, line.folder)


def without_redirections(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word not in _REDIRECTIONS:
            kept.append(word)
            continue
        next(rest, "")
        if kept and kept[-1].isdigit():
            # The number of what is redirected; no app is called so.
            kept.pop()
    return kept


def _is_django(program: Sequence[str]) -> bool:
    last = program[-1].rpartition("/")[2] if program else ""
    return last in ("manage.py", "django-admin", "django-admin.py") or list(program[-2:]) == ["-m", "django"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of one migration.

    :param kind: how it gets on with the code that runs meanwhile.
    :param reasons: why, unless it is additive.
    :param reversible: it can be undone by Django.
    :param place: in which of several databases, as `places_of` names it.
    """

    key: str
    kind: str
    reasons: tuple[str, ...] = ()
    reversible: bool = True
    place: str = ""

    def __str__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"{self.key}{where}: {self.kind}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


def places_of(asked: Sequence[Question]) -> list[str]:
    """Return, in words, the difference of each question from the others: database, instance, program."""
    databases, instances, programs = (
        len({getattr(each, part) for each in asked}) > 1 for part in ("database", "instance", "program")
    )
    found = []
    for each in asked:
        parts = [f"database {each.database}"] if databases else []
        parts += [f"instance {each.instance}" if each.instance else "no instance"] if instances else []
        parts += [f"`{each.program}`"] if programs else []
        found.append(" of ".join(parts))
    return found


def summaries(verdicts: Iterable[Verdict]) -> list[str]:
    """Return verdicts in words; the same verdict of several places is told once."""
    found: dict[Verdict, list[str]] = {}
    for each in verdicts:
        found.setdefault(replace(each, place=""), []).append(each.place)
    return [str(replace(each, place=", ".join(where))) for each, where in found.items()]


def shortened(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts that deserve a look first, as many as a person reads."""
    return sorted(verdicts, key=lambda each: -ORDER.index(each.kind))[:_MOST]


def more_than(shown: Sequence[object], of: Sequence[object]) -> list[str]:
    """Say how many more there are than are shown."""
    left = len(of) - len(shown)
    return [f"and {left} more that are no worse"] if left else []


def judge(migrations: Iterable[Migration], place: str = "") -> list[Verdict]:
    """Judge migrations in their order; changes to a table that they make themselves harm nobody.

    :param place: which of several databases they are for.
    """
    made: set[tuple[str, str]] = set()
    found = []
    for each in migrations:
        judged = [judge_operation(each["app"], row, made) for row in each["operations"]]
        kind = max((kind for kind, _why in judged), key=ORDER.index, default=ADDITIVE)
        reasons = tuple(dict.fromkeys(why for _kind, why in judged if why))
        found.append(Verdict(each["key"], kind, reasons, all(row["reversible"] for row in each["operations"]), place))
    return found


def judge_operation(app: str, row: Operation, made: set[tuple[str, str]]) -> tuple[str, str]:
    """Return the kind of an operation for the code that runs, and the reason.

    :param made: the tables that were made by what came before; those that this one makes are added.
    """
    name, model = row["kind"], f"{app}.{row['model']}"
    table = (app, row["model"].lower())
    if not row["module"].startswith("django."):
        return UNCLASSIFIED, f"{name} is not one of Django's own operations"
    if name == "SeparateDatabaseAndState":
        inner = [judge_operation(app, each, made) for each in row["inner"]]
        return max(inner, key=lambda pair: ORDER.index(pair[0]), default=(ADDITIVE, ""))
    if name in ("RunPython", "RunSQL"):
        return (ADDITIVE, "") if row.get("noop") else (UNCLASSIFIED, f"{name}: {row['text']}")
    if name == _CREATE:
        made.add(table)
        return ADDITIVE, ""
    if table in made or name in _HARMLESS or name.endswith("Extension"):
        return ADDITIVE, ""
    if name in _HARMFUL:
        return BREAKING, _HARMFUL[name].format(model=model)
    if name == "AddField":
        field = f"{model}.{row['field']}"
        return (ADDITIVE, "") if row["fills_itself"] else (BREAKING, f"the code that runs does not fill {field}")
    if name == "AlterField":
        changed = ", ".join(row["alters"])
        return (BREAKING, f"changes {model}.{row['field']}: {changed}") if changed else (ADDITIVE, "")
    if name in _RESTRICTS:
        return (ADDITIVE, "") if row["empty"] else (BREAKING, f"restricts what {model} may hold")
    return UNCLASSIFIED, f"{name}: {row['text']}"

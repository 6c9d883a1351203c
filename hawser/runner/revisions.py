"""What Alembic's revisions do to the code that runs meanwhile: their files are read, and never run.

The source of this module is a program of its own, too. The system's Python runs it as the application's user, inside
the release, so that what a file holds can harm nobody else: ``pending`` prints what an upgrade would apply, and
``generate`` runs a command that generates revisions and refuses what goes beyond what is allowed.

Alembic can print the SQL instead (``upgrade --sql``), but runs the files for that, knows no column that exists, and
writes what every database understands in another way. Its operations are the same everywhere.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import stat
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

    Row = Dict[str, Any]

MARK = "hawser-migrations: "
ADDITIVE, UNCLASSIFIED, BREAKING = KINDS = ("additive", "unclassified", "breaking")
ALLOWED = {"additive": 0, "unclassified": 1, "all": 2}
# Bytes of a file, and files, that are read.
LONGEST, MOST = 256 * 1024, 5000
# Seconds that Alembic has to tell where the database is.
PATIENCE = 150
HARMLESS = {"create_table_comment", "drop_constraint", "drop_index", "drop_table_comment", "get_bind", "get_context"}
RESTRICTS = {"create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_primary_key"}
RESTRICTS.add("create_unique_constraint")
TEXTS = {"CHAR", "NVARCHAR", "String", "Unicode", "VARCHAR"}
# What `alter_column` is told of what stays as it is, and what no code notices.
QUIET = re.compile(r"existing_|comment$|schema$|autoincrement$|postgresql_using$|mssql_|insert_")


class Judge:
    """Judges the operations of one revision, in their order.

    What they do to a table that they make themselves harms nobody.

    :param names: what the file calls Alembic's operations.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.made: Set[str] = set()
        self.found: List[Tuple[str, str]] = []
        # What operations are called on, and the table that it stands for.
        self.names = dict.fromkeys(names, "")

    def function(self, body: Sequence[ast.stmt]) -> None:
        for each in body:
            self.statement(each)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return
        if isinstance(node, ast.With) and len(node.items) == 1:
            item = node.items[0]
            if self.operation(item.context_expr) == "batch_alter_table" and isinstance(item.optional_vars, ast.Name):
                self.names[item.optional_vars.id] = text(item.context_expr, 0, "table_name")
                self.function(node.body)
                return
        if isinstance(node, ast.Expr) and self.operation(node.value):
            self.call(node.value)
            return
        self.found.append((UNCLASSIFIED, "code of its own in line %d" % node.lineno))
        for each in ast.walk(node):
            # In a condition or a loop, an operation is still one.
            if self.operation(each) and self.operation(each) != "batch_alter_table":
                self.call(each)

    def operation(self, node: ast.AST) -> str:
        """Return the name of the operation that a call is of; empty for any other."""
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return function.attr if function.value.id in self.names else ""
        return ""

    def call(self, node: Any) -> None:
        """Judge one call of an operation."""
        name, table = node.func.attr, self.names[node.func.value.id]
        first = 0
        if not table:
            # These name the constraint or the index first, then the table.
            place = 1 if name in RESTRICTS or name == "create_index" else 0
            table = text(node, place, "source_table" if name == "create_foreign_key" else "table_name")
            first = place + 1
        if name == "create_table":
            self.made.add(table)
            # What is not written out may be any table.
            self.made.discard("?")
        elif table not in self.made:
            kind, why = judge(node, name, table, first)
            if kind != ADDITIVE:
                self.found.append((kind, why))


def judge(node: ast.Call, name: str, table: str, first: int) -> Tuple[str, str]:
    """Return what an operation on a table that exists means for the code that runs, and why.

    :param first: the place of its first argument after the table.
    """
    given = {each.arg: each.value for each in node.keywords}
    if name in HARMLESS:
        return ADDITIVE, ""
    if name == "create_index":
        return (BREAKING, "restricts what %s may hold" % table) if is_true(given.get("unique")) else (ADDITIVE, "")
    if name in RESTRICTS:
        return BREAKING, "restricts what %s may hold" % table
    if name == "drop_table":
        return BREAKING, "removes %s" % table
    if name == "rename_table":
        return BREAKING, "renames %s" % table
    if name == "drop_column":
        return BREAKING, "removes %s.%s" % (table, text(node, first, "column_name"))
    if name == "add_column":
        column = node.args[first] if len(node.args) > first else given.get("column")
        return added(column, table)
    if name == "alter_column":
        changed = list(alterations(given))
        column_name = "%s.%s" % (table, text(node, first, "column_name"))
        return (BREAKING, "changes %s: %s" % (column_name, ", ".join(changed))) if changed else (ADDITIVE, "")
    return UNCLASSIFIED, "%s in line %d" % (name, node.lineno)


def added(column: Optional[ast.expr], table: str) -> Tuple[str, str]:
    """Judge a new column."""
    if not isinstance(column, ast.Call):
        return UNCLASSIFIED, "a column of %s that is not written out" % table
    given = {each.arg: each.value for each in column.keywords}
    made = {called(each) for each in column.args}
    fills_itself = "server_default" in given or {"Computed", "Identity"} & made
    if not fills_itself and ("primary_key" in given or is_false(given.get("nullable"))):
        return BREAKING, "the code that runs does not fill %s.%s" % (table, text(column, 0, "name"))
    return ADDITIVE, ""


def alterations(given: Dict[Any, ast.expr]) -> Iterator[str]:
    """Yield what of a column changes so that the code that runs may notice."""
    for key, value in given.items():
        if key is None:
            yield "something"
        elif key == "new_column_name":
            yield "name"
        elif key == "type_":
            if not wider(given.get("existing_type"), value):
                yield "type"
        elif key == "server_default":
            if isinstance(value, ast.Constant) and value.value is None:
                yield "server_default"
        elif key == "nullable":
            if not is_true(value):
                yield "nullable"
        elif not QUIET.match(key):
            yield key


def wider(old: Optional[ast.expr], new: ast.expr) -> bool:
    """Tell whether both are texts, and the new one holds all that the old one does."""
    lengths = []
    for each in (old, new):
        if not isinstance(each, ast.Call) or called(each) not in TEXTS:
            return False
        values = [*each.args, *(word.value for word in each.keywords if word.arg == "length")]
        length = values[0].value if values and isinstance(values[0], ast.Constant) else None
        if not isinstance(length, int):
            return False
        lengths.append(length)
    return lengths[0] <= lengths[1]


def called(node: Optional[ast.expr]) -> str:
    """Return what a call such as ``sa.String(9)`` calls, without the module; empty for anything else."""
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def text(node: Any, place: int, keyword: str) -> str:
    """Return an argument of a call that is a text; a question mark for any other."""
    values = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == keyword)]
    value = values[0].value if values and isinstance(values[0], ast.Constant) else None
    return value if isinstance(value, str) else "?"


def is_true(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def is_false(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def understand(source: str, key: str) -> Row:
    """Judge the source of one revision.

    :param key: what it is called.
    :returns: a dict with key, revision, down (the revisions that it follows), kind, reasons and reversible.
    """
    row: Row = {"key": key, "revision": "", "down": [], "kind": UNCLASSIFIED, "reasons": [], "reversible": False}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        row["reasons"] = ["it cannot be read"]
        return row
    functions = {each.name: each.body for each in tree.body if isinstance(each, ast.FunctionDef)}
    values = assigned(tree.body)
    row["revision"] = str(values.get("revision", ""))
    for name in ("down_revision", "depends_on"):
        value = values.get(name) or ()
        row["down"] += [value] if isinstance(value, str) else [str(one) for one in value]
    # Of several databases each has its own, and the one that all begin with calls them.
    bodies = [body for name, body in functions.items() if name.startswith("upgrade_")]
    imports = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == "alembic"]
    found = Judge([one.asname or one.name for each in imports for one in each.names if one.name == "op"])
    for body in bodies or [functions.get("upgrade", [])]:
        found.function(body)
    row["kind"] = max((kind for kind, _why in found.found), key=KINDS.index, default=ADDITIVE)
    row["reasons"] = list(dict.fromkeys(why for _kind, why in found.found))[:20]
    back = [each for name, body in functions.items() if name.startswith("downgrade") for each in body]
    row["reversible"] = any(isinstance(each, (ast.Expr, ast.With)) and not is_text(each) for each in back)
    return row


def assigned(body: Sequence[ast.stmt]) -> Dict[str, Any]:
    """Return the values that a file gives to names, where they are written out."""
    found = {}
    for each in body:
        target = each.targets[0] if isinstance(each, ast.Assign) else getattr(each, "target", None)
        value = getattr(each, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, (ast.Constant, ast.List, ast.Tuple)):
            try:
                found[target.id] = ast.literal_eval(value)
            except (ValueError, RecursionError, MemoryError):
                continue
    return found


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def folder_of(location: str) -> str:
    """Return the folder of Alembic's environment: the one that is named, or that a file of settings names."""
    if not location.endswith(".ini"):
        return location
    settings = configparser.RawConfigParser()
    settings.read(location, encoding="utf-8")
    found = settings.get("alembic", "script_location", fallback="alembic")
    return found.replace("%(here)s", os.path.dirname(os.path.abspath(location)))


def read(folder: str) -> Dict[str, Row]:
    """Return the revisions of a folder, by the name of their file; others than regular files are passed over."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".py") and name != "__init__.py")
    except OSError:
        return {}
    found = {}
    for name in names[:MOST]:
        handle = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                data = stream.read(LONGEST + 1)
                source = data.decode("utf-8", "replace") if len(data) <= LONGEST else "("
                found[name] = understand(source, name[: -len(".py")])
    return found


def heads(rows: Sequence[Row]) -> Set[str]:
    """Return the revisions that no other one follows."""
    return {row["revision"] for row in rows} - {each for row in rows for each in row["down"]}


def later(rows: Sequence[Row], current: Set[str]) -> List[Row]:
    """Return the revisions that a database lacks which is at some others, in an order in which they can be applied."""
    known = {row["revision"]: row for row in rows}
    applied: Set[str] = set()
    left = list(current)
    while left:
        each = left.pop()
        if each in known and each not in applied:
            applied.add(each)
            left += known[each]["down"]
    found: List[Row] = []
    rest = [row for row in rows if row["revision"] not in applied]
    while rest:
        ready = [row for row in rest if not set(row["down"]) & {other["revision"] for other in rest}] or rest
        found += ready
        rest = [row for row in rest if row not in ready]
    return found


def set_aside(folder: str, release: str) -> str:
    """Return the folder that keeps what was generated for a release, and refused."""
    return os.path.join(folder, "refused", release)


def fitting(folder: str, release: str, rows: Sequence[Row]) -> List[str]:
    """Return the files that were refused for a release and still follow what is there."""
    kept = read(set_aside(folder, release))
    fits = kept and all(set(row["down"]) <= heads(rows) | heads(list(kept.values())) for row in kept.values())
    return sorted(kept) if fits else []


def pending(location: str, release: str, program: Sequence[str]) -> Row:
    """Return what an upgrade would apply, and what was generated for this release before, and refused.

    :param program: what says at which revision the database is.
    """
    folder = folder_of(location)
    rows = list(read(os.path.join(folder, "versions")).values())
    kept = read(set_aside(folder, release))
    again = [kept[name] for name in fitting(folder, release, rows)]
    if not rows:
        return {"pending": again}
    ended = subprocess.run(list(program), stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    if ended.returncode:
        return {"error": "`%s` exited with %d" % (" ".join(program), ended.returncode)}
    # The application may print lines of its own.
    told = (
        re.fullmatch(r"([\w.-]+)( \(\w+\))*", line) for line in ended.stdout.decode("utf-8", "replace").splitlines()
    )
    words = [each.group(1) for each in told if each]
    known = {row["revision"] for row in rows}
    current = {word for word in words if word in known}
    strange = [word for word in words if word not in known and re.fullmatch(r"[0-9a-f]{8,40}", word)]
    if strange:
        return {"error": "the database is at %s, of which no file tells" % ", ".join(strange)}
    return {"pending": later(rows, current) + again}


def generate(location: str, release: str, allowed: str, program: Sequence[str]) -> int:
    """Generate revisions, or take those that were refused for this release; set aside what goes beyond what is allowed.

    :returns: the exit code: that of the program, or 1 when something was refused.
    """
    folder = folder_of(location)
    versions = os.path.join(folder, "versions")
    before = read(versions)
    kept = fitting(folder, release, list(before.values()))
    if kept:
        # Exactly what was shown: generated anew, it could be something else.
        move(kept, set_aside(folder, release), versions)
    else:
        code = subprocess.run(list(program), check=False).returncode
        if code:
            return code
    new = {name: row for name, row in read(versions).items() if name not in before}
    for row in new.values():
        print("generated %s: %s" % (row["key"], said(row)))
    if all(KINDS.index(row["kind"]) <= ALLOWED[allowed] for row in new.values()):
        return 0
    aside = set_aside(folder, release)
    move(new, versions, aside)
    print("what `%s` generated may break the code that serves; nothing of it was applied" % " ".join(program))
    print("it is kept in %s; next, one of:" % os.path.abspath(aside))
    print("  the same deploy with --maintenance or --accept-migrations, which applies exactly that")
    print("  a file whose migrate does not generate any, for code that gets on with the database as it is")
    return 1


def move(names: Any, here: str, there: str) -> None:
    os.makedirs(there, exist_ok=True)
    for name in names:
        os.rename(os.path.join(here, name), os.path.join(there, name))


def said(row: Row) -> str:
    """Say in words what a revision does."""
    return str(row["kind"]) + (" (%s)" % "; ".join(row["reasons"]) if row["reasons"] else "")


def main(words: Sequence[str]) -> int:
    """Run as a program: ``pending LOCATION RELEASE PROGRAM…`` or ``generate LOCATION RELEASE ALLOWED PROGRAM…``."""
    if words[0] == "generate":
        return generate(words[1], words[2], words[3], words[4:])
    print(MARK + json.dumps(pending(words[1], words[2], words[3:])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What Alembic's revisions do to the code that runs meanwhile: their files are read, and what they would do never runs.

The source of this module is a program of its own, too. The system's Python runs it as the application's user, inside
the release, so that what a file holds can harm nobody else: ``pending`` prints what an upgrade would apply, and
``generate`` runs a command that generates revisions and refuses what goes beyond what is allowed. Which files those
are, Alembic itself says: settings, packages and the application's own code have a say in where they lie.

Alembic can print the SQL instead (``upgrade --sql``), but runs the files for that, knows no column that exists, and
writes what every database understands in another way. Its operations are the same everywhere.

What is not written out is unclassified, never additive.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

    Row = Dict[str, Any]
    # The schema and the name of a table.
    Table = Tuple[str, str]

MARK = "hawser-migrations: "
ADDITIVE, UNCLASSIFIED, BREAKING = KINDS = ("additive", "unclassified", "breaking")
ALLOWED = {"additive": 0, "unclassified": 1, "all": 2}
# Bytes of a file that are read.
LONGEST = 256 * 1024
# What no Python is.
UNREADABLE = b"("
# Seconds that Alembic has for each of two answers.
PATIENCE = 85
HARMLESS = {"create_table_comment", "drop_constraint", "drop_index", "drop_table_comment", "get_bind", "get_context"}
# How many arguments an operation has after the table, without their names: older versions of Alembic take more, and
# what the next ones mean is not written out.
ARGUMENTS = {
    **dict.fromkeys(("add_column", "alter_column", "create_index", "drop_column", "rename_table"), 1),
    **dict.fromkeys(("create_check_constraint", "create_primary_key", "create_unique_constraint"), 1),
    **dict.fromkeys(("create_exclude_constraint", "create_table"), 999),
    "create_foreign_key": 3,
    "drop_table": 0,
}
RESTRICTS = {"create_check_constraint", "create_exclude_constraint", "create_foreign_key", "create_primary_key"}
RESTRICTS.add("create_unique_constraint")
# Texts that hold the same characters.
TEXTS = ({"String", "VARCHAR"}, {"NVARCHAR", "Unicode"}, {"CHAR"})
# What an argument that is left out stands for.
NONE, FALSE = ast.Constant(None), ast.Constant(False)
# Operations that do nothing but to mark a text.
NAMES = ("f", "inline_literal")
# What `alter_column` is told of what stays as it is, and what no code notices.
QUIET = re.compile(r"existing_|comment$|schema$|autoincrement$|postgresql_using$|mssql_|insert_")


class Names:
    """What the names of a file stand for.

    :ivar operations: what Alembic's operations are called on.
    :ivar direct: the operations that are called by a name of their own.
    :ivar imported: what comes from another file.
    :ivar library: what comes from SQLAlchemy, and from nowhere else.
    :ivar bound: each name, as often as something is given to it.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.operations: Set[str] = set()
        self.direct: Dict[str, str] = {}
        self.imported: Set[str] = set()
        self.library: Counter[str] = Counter()
        self.bound: Counter[str] = Counter()
        self.functions: Dict[str, List[ast.FunctionDef]] = {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for one in node.names:
                    self.take(getattr(node, "module", ""), one)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.bound[node.id] += 1
            elif isinstance(node, ast.arg):
                self.bound[node.arg] += 1
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.bound[node.name] += 1
        for each in tree.body:
            if isinstance(each, ast.FunctionDef):
                self.functions.setdefault(each.name, []).append(each)
        for name in [name for name, times in self.library.items() if times != self.bound[name]]:
            del self.library[name]

    def take(self, module: Optional[str], one: ast.alias) -> None:
        """Take in a name that is imported.

        :param module: where it is imported from; empty where it is a module itself, None for the file's own package.
        """
        called = one.asname or one.name.partition(".")[0]
        self.bound[called] += 1
        self.imported.add(called)
        if (module or one.name if module is not None else "").partition(".")[0] == "sqlalchemy":
            self.library[called] += 1
        if (module, one.name) == ("alembic", "op") or (module == "" and one.name == "alembic.op" and one.asname):
            self.operations.add(called)
        elif module == "" and one.name.partition(".")[0] == "alembic":
            self.operations.add(called + ".op")
        elif module == "alembic.op":
            self.direct[called] = one.name

    def again(self) -> bool:
        """Tell whether what operations are called on may be something else by then."""
        called = {name.partition(".")[0] for name in (*self.operations, *self.direct)}
        return any(self.bound[name] > 1 for name in called)

    def function(self, name: str) -> Optional[ast.FunctionDef]:
        """Return a function of this file, where nothing else may be meant by its name."""
        found = self.functions.get(name, [])
        return found[0] if len(found) == self.bound[name] == 1 and not found[0].decorator_list else None


class Judge:
    """Judges what one revision does, in its order.

    What is done to a table that it makes itself harms nobody.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.names = Names(tree)
        self.made: Set[Table] = set()
        self.found: List[Tuple[str, str]] = []
        # What stands for a table in a block of its own, with its name.
        self.batches: Dict[str, Tuple[Optional[Table], str]] = {}
        # The functions and calls that were judged. The first time, the fewest tables are made.
        self.seen: Set[int] = set()
        # In a condition or a loop, nobody knows what happens.
        self.certain = True
        for each in tree.body:
            if not self.only_names(each):
                self.own(each)
        if self.names.again():
            self.found.append((UNCLASSIFIED, "its operations may be others than Alembic's"))
        function = self.names.function("upgrade")
        if function is None:
            self.found.append((UNCLASSIFIED, "no upgrade() that is written out"))
        for one in [function] if function else self.names.functions.get("upgrade", []):
            self.function(one)

    def only_names(self, node: ast.stmt) -> bool:
        """Tell whether a statement of the file itself does nothing but to give names."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return all(one.name != "*" for one in node.names)
        if isinstance(node, ast.FunctionDef):
            return not node.decorator_list and self.plain(node.args) and (not node.returns or self.plain(node.returns))
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return all(isinstance(each, ast.Name) for each in targets) and self.plain(node)
        return is_text(node)

    def function(self, node: ast.FunctionDef) -> None:
        if id(node) not in self.seen:
            self.seen.add(id(node))
            self.block(node.body)

    def block(self, body: Sequence[ast.stmt]) -> None:
        for each in body:
            self.statement(each)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Pass) or is_text(node):
            return
        value = node.value if isinstance(node, ast.Expr) else node
        if self.is_batch(node):
            self.batch(node, self.statement)
        elif self.operation(value):
            self.call(value)
        elif self.calls_here(value):
            for each in self.calls_here(value):
                self.function(each)
        elif self.calls_each(value):
            for each in self.calls_each(value):
                made = set(self.made)
                self.function(each)
                # The next one is for another database.
                self.made = made
        else:
            self.own(node)

    def is_batch(self, node: ast.AST) -> bool:
        """Tell whether a statement is a block of operations on one table, or on several."""
        return isinstance(node, ast.With) and all(
            self.operation(each.context_expr) == "batch_alter_table" and isinstance(each.optional_vars, ast.Name)
            for each in node.items
        )

    def batch(self, node: Any, judge_one: Callable[[Any], None]) -> None:
        """Judge a block of operations on a table."""
        for each in node.items:
            opened = each.context_expr
            if not self.written(opened, 1):
                self.own(opened)
            shown = text(opened, 0, "table_name")
            self.batches[each.optional_vars.id] = table_of(opened, 0, "table_name", "schema"), shown
        for each in node.body:
            judge_one(each)
        for each in node.items:
            self.batches.pop(each.optional_vars.id, None)

    def operation(self, node: ast.AST) -> str:
        """Return the name of the operation that a call is of; empty for any other."""
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Name):
            return self.names.direct.get(function.id, "")
        if isinstance(function, ast.Attribute):
            base = dotted(function.value)
            return function.attr if base in self.names.operations or base in self.batches else ""
        return ""

    def calls_here(self, node: Any) -> List[ast.FunctionDef]:
        """Return the function of this file that a statement does nothing but to call."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not self.written(node, 99):
            return []
        found = self.names.function(node.func.id)
        return [found] if found else []

    def calls_each(self, node: Any) -> List[ast.FunctionDef]:
        """Return the functions of several databases, where a statement calls them as the templates have it."""
        if not isinstance(node, ast.Call) or arguments(node) or not isinstance(node.func, ast.Subscript):
            return []
        inside = list(ast.walk(node.func))
        texts = [each.value for each in inside if isinstance(each, ast.Constant)]
        calls = [each for each in inside if isinstance(each, ast.Call)]
        if texts != ["upgrade_%s"] or calls != [node.func.value] or dotted(calls[0].func) != "globals":
            return []
        found = [self.names.function(name) for name in sorted(self.names.bound) if name.startswith("upgrade_")]
        return [] if None in found else [each for each in found if each]

    def own(self, node: ast.AST) -> None:
        """Take code of the file's own for what it is, and judge the operations in it, and in what it calls."""
        self.found.append((UNCLASSIFIED, "code of its own in line %d" % getattr(node, "lineno", 0)))
        certain, self.certain = self.certain, False
        self.search(node)
        self.certain = certain

    def search(self, node: ast.AST) -> None:
        if self.is_batch(node):
            self.batch(node, self.search)
            return
        if self.operation(node):
            self.call(node)
        elif isinstance(node, ast.Name):
            for name, functions in self.names.functions.items():
                if name == node.id or (node.id == "globals" and name.startswith("upgrade_")):
                    for one in functions:
                        self.function(one)
        for each in ast.iter_child_nodes(node):
            self.search(each)

    def call(self, node: Any) -> None:
        """Judge one call of an operation."""
        if id(node) in self.seen:
            return
        self.seen.add(id(node))
        name = self.operation(node)
        # These name the constraint or the index first, then the table.
        first = 1 if name in RESTRICTS or name == "create_index" else 0
        base = dotted(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if base in self.batches:
            where, shown = self.batches[base]
        else:
            foreign = name == "create_foreign_key"
            keyword, schema = ("source_table", "source_schema") if foreign else ("table_name", "schema")
            where, shown = table_of(node, first, keyword, schema), text(node, first, keyword)
            first += 1
        written = self.written(node, first + ARGUMENTS.get(name, 999))
        kind, why = judge(node, name, shown, first, self.names.library)
        if name in ARGUMENTS and where in self.made:
            kind = ADDITIVE
        if kind != ADDITIVE:
            self.found.append((kind, why))
        elif not written:
            self.found.append((UNCLASSIFIED, "%s in line %d is not written out" % (name, node.lineno)))
        elif name == "create_table" and where and self.certain and not given(node).get("if_not_exists"):
            self.made.add(where)
        for each in arguments(node):
            if not self.plain(each):
                self.own(each)

    def written(self, node: Any, most: int) -> bool:
        """Tell whether the arguments of a call are written out: at most so many without a name, none unpacked."""
        unpacked = any(isinstance(each, ast.Starred) for each in node.args) or None in given(node)
        return not unpacked and len(node.args) <= most and all(self.plain(each) for each in arguments(node))

    def plain(self, node: ast.AST) -> bool:
        """Tell whether an expression calls nothing but what describes a table: SQLAlchemy, and types of columns."""
        types: Set[ast.AST] = set()
        for each in ast.walk(node):
            if isinstance(each, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
                return False
            if isinstance(each, ast.keyword) and each.arg in ("existing_type", "type_"):
                types.update(ast.walk(each.value))
            if not isinstance(each, ast.Call):
                continue
            if called(each) == "Column" and len(each.args) > 1:
                types.update(ast.walk(each.args[1]))
            root = dotted(each.func).partition(".")[0]
            if self.operation(each):
                if self.operation(each) not in NAMES:
                    return False
            elif root:
                if root not in (self.names.imported if each in types else self.names.library):
                    return False
            elif called(each) != "with_variant":
                return False
        return True


def judge(node: ast.Call, name: str, table: str, first: int, library: Container[str]) -> Tuple[str, str]:
    """Return what an operation on a table that exists means for the code that runs, and why.

    :param first: the place of its first argument after the table.
    :param library: what comes from SQLAlchemy.
    """
    words = given(node)
    if name in HARMLESS or name == "create_table":
        return ADDITIVE, ""
    if name in RESTRICTS or (name == "create_index" and not is_false(words.get("unique", FALSE))):
        return BREAKING, "restricts what %s may hold" % table
    if name == "create_index":
        return ADDITIVE, ""
    if name == "drop_table":
        return BREAKING, "removes %s" % table
    if name == "rename_table":
        return BREAKING, "renames %s" % table
    if name == "drop_column":
        return BREAKING, "removes %s.%s" % (table, text(node, first, "column_name"))
    if name == "add_column":
        column = node.args[first] if len(node.args) > first else words.get("column")
        return added(column, table, library)
    if name == "alter_column":
        changed = list(alterations(words, library)) + ["something"] * (len(node.args) > first + 1)
        column_name = "%s.%s" % (table, text(node, first, "column_name"))
        return (BREAKING, "changes %s: %s" % (column_name, ", ".join(changed))) if changed else (ADDITIVE, "")
    return UNCLASSIFIED, "%s in line %d" % (name, node.lineno)


def added(column: Optional[ast.expr], table: str, library: Container[str]) -> Tuple[str, str]:
    """Judge a new column."""
    words = given(column)
    flags = [words.get(name, FALSE) for name in ("nullable", "primary_key", "unique")]
    if not is_column(column, library) or not all(isinstance(each, ast.Constant) for each in flags):
        return UNCLASSIFIED, "a column of %s that is not written out" % table
    name, made = text(column, 0, "name"), {called(each) for each in arguments(column)}
    if is_true(words.get("unique")) or "CheckConstraint" in made:
        return BREAKING, "restricts what %s.%s may hold" % (table, name)
    needed = is_true(words.get("primary_key")) or is_false(words.get("nullable"))
    if needed and not {"Computed", "Identity"} & made and not is_default(words.get("server_default"), library):
        return BREAKING, "the code that runs does not fill %s.%s" % (table, name)
    return ADDITIVE, ""


def is_column(node: Optional[ast.expr], library: Container[str]) -> bool:
    """Tell whether this is a column of SQLAlchemy's that is written out."""
    if not isinstance(node, ast.Call) or called(node) != "Column" or None in given(node):
        return False
    starred = any(isinstance(each, ast.Starred) for each in node.args)
    return dotted(node.func).partition(".")[0] in library and not starred


def is_default(node: Optional[ast.expr], library: Container[str]) -> bool:
    """Tell whether a default of the server is one for certain."""
    if isinstance(node, ast.Constant):
        return node.value is not None
    return isinstance(node, ast.Call) and dotted(node.func).partition(".")[0] in library


def alterations(words: Dict[Any, ast.expr], library: Container[str]) -> Iterator[str]:
    """Yield what of a column changes so that the code that runs may notice."""
    for key, value in words.items():
        if key is None:
            yield "something"
        elif key == "new_column_name":
            yield "name"
        elif key == "type_":
            if not wider(words.get("existing_type"), value, library):
                yield "type"
        elif key == "server_default":
            if not is_default(value, library) or called(value) in ("Computed", "Identity"):
                yield "server_default"
        elif key == "nullable":
            if not is_true(value):
                yield "nullable"
        elif not QUIET.match(key):
            yield key


def wider(old: Optional[ast.expr], new: ast.expr, library: Container[str]) -> bool:
    """Tell whether both are texts of one kind, and the new one holds all that the old one does."""
    lengths, others = [], []
    for each in (old, new):
        if not isinstance(each, ast.Call) or dotted(each.func).partition(".")[0] not in library:
            return False
        words = given(each)
        values = [*each.args, *([words.pop("length")] if "length" in words else [])]
        length = values[0].value if values and isinstance(values[0], ast.Constant) else None
        if not isinstance(length, int) or None in words:
            return False
        lengths.append(length)
        # Another collation takes other texts for the same.
        others.append((list(map(ast.dump, values[1:])), {key: ast.dump(value) for key, value in words.items()}))
    alike = any(called(old) in texts and called(new) in texts for texts in TEXTS)
    return alike and others[0] == others[1] and lengths[0] <= lengths[1]


def dotted(node: Optional[ast.AST]) -> str:
    """Return a name with what it is looked up in, such as ``sa.String``; empty for anything else."""
    parts: List[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def called(node: Optional[ast.AST]) -> str:
    """Return what a call such as ``sa.String(9)`` calls, without the module; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def given(node: Any) -> Dict[Any, ast.expr]:
    """Return the arguments of a call that have a name; those that are unpacked have the name None."""
    return {each.arg: each.value for each in getattr(node, "keywords", ())}


def arguments(node: Any) -> List[ast.AST]:
    """Return all the arguments of a call, with their names."""
    return [*node.args, *node.keywords]


def text(node: Any, place: int, keyword: str) -> str:
    """Return an argument of a call that is a text; a question mark for any other."""
    values = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == keyword)]
    value = values[0].value if values and isinstance(values[0], ast.Constant) else None
    return value if isinstance(value, str) else "?"


def table_of(node: Any, place: int, keyword: str, schema: str) -> Optional[Table]:
    """Return the table that a call names; None where that may be any."""
    name, within = text(node, place, keyword), given(node).get(schema, NONE)
    if name == "?" or None in given(node) or not isinstance(within, ast.Constant):
        return None
    return str(within.value or ""), name


def is_true(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def is_false(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def understand(source: Union[str, bytes], key: str) -> Row:
    """Judge the source of one revision.

    :param source: as bytes, in the encoding that it names itself.
    :param key: what it is called.
    :returns: a dict with key, revision, down (the revisions that it follows), kind, reasons and reversible.
    """
    row: Row = {"key": key, "revision": "", "down": [], "kind": UNCLASSIFIED, "reasons": [], "reversible": False}
    try:
        tree = ast.parse(source)
        found = Judge(tree).found
    except (LookupError, SyntaxError, ValueError, RecursionError, MemoryError):
        row["reasons"] = ["it cannot be read"]
        return row
    values = assigned(tree.body)
    row["revision"] = str(values.get("revision", ""))
    for name in ("down_revision", "depends_on"):
        value = values.get(name) or ()
        row["down"] += [value] if isinstance(value, str) else [str(one) for one in value]
    row["kind"] = max((kind for kind, _why in found), key=KINDS.index, default=ADDITIVE)
    row["reasons"] = list(dict.fromkeys(why for _kind, why in found))[:20]
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    back = [each for one in functions if one.name.startswith("downgrade") for each in one.body]
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


class Unanswered(Exception):
    """Alembic does not say what it is asked."""


def said_by(program: str, what: str) -> str:
    """Return what Alembic prints of all its revisions (``history``), or of those that are applied (``current``).

    :param program: as a shell would read it, with ``{}`` for what is asked.
    :raises Unanswered:
    """
    words = [what if word == "{}" else word for word in shlex.split(program)]
    try:
        ended = subprocess.run(words, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unanswered("`%s`: %s" % (" ".join(words), error)) from error
    if ended.returncode:
        raise Unanswered("`%s` exited with %d" % (" ".join(words), ended.returncode))
    return os.fsdecode(ended.stdout)


def known(program: str) -> Dict[str, Row]:
    """Return the revisions that Alembic knows, by the path of their file: revision, and down, which it follows.

    :raises Unanswered:
    """
    found: List[Dict[str, str]] = []
    # Other lines than these may be the application's own; those of a file's text are indented.
    for line in said_by(program, "history").split("\n"):
        name, _, value = line.partition(": ")
        if name == "Rev":
            found.append({name: value.partition(" ")[0]})
        elif name in ("Parent", "Merges", "Also depends on", "Path"):
            if not found or name in found[-1]:
                raise Unanswered("what Alembic says of its revisions is not understood: %r" % line[:200])
            found[-1][name] = value
    rows: Dict[str, Row] = {}
    for each in found:
        if "Path" not in each:
            raise Unanswered("Alembic does not say where %s lies" % each["Rev"])
        before = [each[name].split(", ") for name in ("Parent", "Merges", "Also depends on") if name in each]
        down = [one for some in before for one in some if one != "<base>"]
        rows[os.path.abspath(each["Path"])] = {"revision": each["Rev"], "down": down}
    return rows


def applied(program: str, rows: Sequence[Row]) -> List[Set[str]]:
    """Return the revisions at which each of the databases is.

    :raises Unanswered: Alembic does not say it, or knows no such revision.
    """
    found: List[Set[str]] = []
    revisions = {row["revision"] for row in rows}
    for line in said_by(program, "current").split("\n"):
        name, _, value = line.partition(": ")
        if line.startswith("Current revision(s) for "):
            found.append(set())
        elif name == "Rev":
            revision = value.partition(" ")[0]
            if not found or revision not in revisions:
                raise Unanswered("the database is at %s, of which no file tells" % revision)
            found[-1].add(revision)
    # Where it speaks of none at all, nothing is applied for certain.
    return found or [set()]


def judged(path: str) -> Row:
    """Judge a file; others than regular ones are not read."""
    key = os.path.splitext(os.path.basename(path))[0]
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return understand(UNREADABLE, key)
    with os.fdopen(handle, "rb") as stream:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        source = stream.read(LONGEST + 1) if regular else UNREADABLE
    return understand(source if len(source) <= LONGEST else UNREADABLE, key)


def heads(rows: Sequence[Row]) -> Set[str]:
    """Return the revisions that no other one follows."""
    return {row["revision"] for row in rows} - {each for row in rows for each in row["down"]}


def lacking(rows: Sequence[Row], current: Set[str]) -> Set[str]:
    """Return the revisions that a database lacks which is at some others."""
    below = {row["revision"]: row["down"] for row in rows}
    found: Set[str] = set()
    left = list(current)
    while left:
        each = left.pop()
        if each in below and each not in found:
            found.add(each)
            left += below[each]
    return set(below) - found


def ordered(rows: Sequence[Row]) -> List[Row]:
    """Return revisions in an order in which they can be applied."""
    found: List[Row] = []
    rest = list(rows)
    while rest:
        missing = {row["revision"] for row in rest}
        ready = [row for row in rest if not missing.intersection(row["down"])] or rest
        found += ready
        rest = [row for row in rest if row not in ready]
    return found


def set_aside(location: str, release: str) -> str:
    """Return the folder that keeps what was generated for a release, and refused: at its path, from there on.

    :param location: the folder of Alembic's environment, or a file of settings, which may name that.
    """
    folder = location
    if location.endswith((".ini", ".toml")):
        # Where a package holds it, or nothing is written out here: beside the settings.
        here = os.path.dirname(os.path.abspath(location))
        settings = configparser.RawConfigParser()
        settings.read(location if location.endswith(".ini") else [], encoding="utf-8")
        named = settings.get("alembic", "script_location", fallback=here).replace("%(here)s", here)
        folder = named if ":" not in named else here
    return os.path.join(os.path.abspath(folder), "refused", release)


def fitting(aside: str, rows: Sequence[Row]) -> Dict[str, Row]:
    """Return what was refused and still follows what is there, by the path at which it was generated."""
    kept = {}
    for folder, _folders, names in os.walk(aside):
        for path in (os.path.join(folder, name) for name in sorted(names)):
            kept["/" + os.path.relpath(path, aside)] = judged(path)
    tops = heads(rows) | heads(list(kept.values()))
    fits = all(set(row["down"]) <= tops and (row["down"] or not rows) for row in kept.values())
    return kept if fits else {}


def pending(location: str, release: str, program: str) -> Row:
    """Return what an upgrade would apply, and what was generated for this release before, and refused.

    :param program: says what revisions there are and where the database is, as `said_by` has it.
    """
    try:
        there = known(program)
        rows = list(there.values())
        again = fitting(set_aside(location, release), rows)
        # Without a revision there is nothing to apply, and perhaps no database yet.
        lacks = {each for current in (applied(program, rows) if rows else []) for each in lacking(rows, current)}
    except Unanswered as error:
        return {"error": str(error)}
    paths = {row["revision"]: path for path, row in there.items()}
    missing = ordered([row for row in rows if row["revision"] in lacks])
    found = [{**judged(paths[row["revision"]]), **row} for row in missing]
    return {"pending": [*found, *again.values()]}


def generate(location: str, release: str, allowed: str, program: str, words: Sequence[str]) -> int:
    """Generate revisions, or take those that were refused for this release; set aside what goes beyond what is allowed.

    :param program: says what revisions there are, as `said_by` has it.
    :param words: the command that generates.
    :returns: the exit code: that of the command, or 1 when something was refused.
    """
    aside = set_aside(location, release)
    try:
        before = known(program)
        kept = fitting(aside, list(before.values()))
        for path in kept:
            # Exactly what was shown: generated anew, it could be something else.
            move(aside + path, path)
        code = 0 if kept else subprocess.run(list(words), check=False).returncode
        if code:
            return code
        new = {path: judged(path) for path in known(program) if path not in before}
    except Unanswered as error:
        print("what `%s` generates cannot be judged: %s; nothing of it was applied" % (" ".join(words), error))
        return 1
    for row in new.values():
        print("generated %s: %s" % (row["key"], said(row)))
    if all(KINDS.index(row["kind"]) <= ALLOWED[allowed] for row in new.values()):
        return 0
    for path in new:
        move(path, aside + path)
    print("what `%s` generated may break the code that serves; nothing of it was applied" % " ".join(words))
    print("it is kept in %s; next, one of:" % aside)
    print("  the same deploy with --maintenance or --accept-migrations, which applies exactly that")
    print("  a file whose migrate does not generate any, for code that gets on with the database as it is")
    return 1


def move(here: str, there: str) -> None:
    os.makedirs(os.path.dirname(there), exist_ok=True)
    shutil.move(here, there)


def said(row: Row) -> str:
    """Say in words what a revision does."""
    return str(row["kind"]) + (" (%s)" % "; ".join(row["reasons"]) if row["reasons"] else "")


def main(words: Sequence[str]) -> int:
    """Run as a program: ``pending LOCATION RELEASE ASKED`` or ``generate LOCATION RELEASE ALLOWED ASKED PROGRAM…``."""
    if words[0] == "generate":
        return generate(words[1], words[2], words[3], words[4], words[5:])
    print(MARK + json.dumps(pending(words[1], words[2], words[3])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The effect of Alembic's operations on the code that runs meanwhile: a revision is read, and never run.

What is not written out is unclassified, never additive.
"""

from __future__ import annotations

import ast
import re
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Container, Dict, Iterator, List, Optional, Sequence, Set, Tuple

    # The schema and the name of a table.
    Table = Tuple[str, str]
    Words = Dict[Optional[str], ast.expr]

ADDITIVE, UNCLASSIFIED, BREAKING = KINDS = ("additive", "unclassified", "breaking")
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
    """The meanings of the names in a file.

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
        """Tell whether a name on which operations are called is bound again."""
        called = {name.partition(".")[0] for name in (*self.operations, *self.direct)}
        return any(self.bound[name] > 1 for name in called)

    def function(self, name: str) -> Optional[ast.FunctionDef]:
        """Return a function of this file, where nothing else may be meant by its name."""
        found = self.functions.get(name, [])
        return found[0] if len(found) == self.bound[name] == 1 and not found[0].decorator_list else None


class Judge:
    """Judges the operations of one revision, in their order.

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
        if isinstance(node, ast.With) and self.opened(node):
            self.batch(node, self.statement)
        elif isinstance(value, ast.Call) and self.operation(value):
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

    def opened(self, node: ast.With) -> List[Tuple[ast.Call, str]]:
        """Return the tables of a block of operations, with the name of each in it; none for any other block."""
        found = [
            (each.context_expr, each.optional_vars.id)
            for each in node.items
            if isinstance(each.context_expr, ast.Call)
            and self.operation(each.context_expr) == "batch_alter_table"
            and isinstance(each.optional_vars, ast.Name)
        ]
        return found if len(found) == len(node.items) else []

    def batch(self, node: ast.With, judge_one: Callable[[ast.stmt], None]) -> None:
        """Judge a block of operations on a table."""
        tables = self.opened(node)
        for opened, name in tables:
            if not self.written(opened, 1):
                self.own(opened)
            self.batches[name] = table_of(opened, 0, "table_name", "schema"), text(opened, 0, "table_name")
        for each in node.body:
            judge_one(each)
        for _opened, name in tables:
            self.batches.pop(name, None)

    def operation(self, node: ast.AST) -> str:
        """Return the name of the operation that a call is of; empty for any other."""
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Name):
            return self.names.direct.get(function.id, "")
        if isinstance(function, ast.Attribute):
            base = dotted(function.value)
            return function.attr if base in self.names.operations or base in self.batches else ""
        return ""

    def calls_here(self, node: ast.AST) -> List[ast.FunctionDef]:
        """Return the function of this file that a statement does nothing but to call."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not self.written(node, 99):
            return []
        found = self.names.function(node.func.id)
        return [found] if found else []

    def calls_each(self, node: ast.AST) -> List[ast.FunctionDef]:
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
        """Note code of the file's own as unclassified, and judge the operations in it and in its functions."""
        self.found.append((UNCLASSIFIED, "code of its own in line %d" % getattr(node, "lineno", 0)))
        certain, self.certain = self.certain, False
        self.search(node)
        self.certain = certain

    def search(self, node: ast.AST) -> None:
        if isinstance(node, ast.With) and self.opened(node):
            self.batch(node, self.search)
            return
        if isinstance(node, ast.Call) and self.operation(node):
            self.call(node)
        elif isinstance(node, ast.Name):
            for name, functions in self.names.functions.items():
                if name == node.id or (node.id == "globals" and name.startswith("upgrade_")):
                    for one in functions:
                        self.function(one)
        for each in ast.iter_child_nodes(node):
            self.search(each)

    def call(self, node: ast.Call) -> None:
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

    def written(self, node: ast.Call, most: int) -> bool:
        """Tell whether the arguments of a call are written out: at most so many without a name, none unpacked."""
        unpacked = any(isinstance(each, ast.Starred) for each in node.args) or None in given(node)
        return not unpacked and len(node.args) <= most and all(self.plain(each) for each in arguments(node))

    def plain(self, node: ast.AST) -> bool:
        """Tell whether an expression calls nothing but descriptions of tables: SQLAlchemy, and types of columns."""
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
    """Return the risk of an operation on an existing table for the code that runs, and the reason.

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
    if (
        not isinstance(column, ast.Call)
        or not is_column(column, library)
        or not all(isinstance(each, ast.Constant) for each in flags)
    ):
        return UNCLASSIFIED, "a column of %s that is not written out" % table
    name, made = text(column, 0, "name"), {called(each) for each in arguments(column)}
    if is_true(words.get("unique")) or "CheckConstraint" in made:
        return BREAKING, "restricts what %s.%s may hold" % (table, name)
    needed = is_true(words.get("primary_key")) or is_false(words.get("nullable"))
    if needed and not {"Computed", "Identity"} & made and not is_default(words.get("server_default"), library):
        return BREAKING, "the code that runs does not fill %s.%s" % (table, name)
    return ADDITIVE, ""


def is_column(node: ast.Call, library: Container[str]) -> bool:
    """Tell whether this is a column of SQLAlchemy's that is written out."""
    if called(node) != "Column" or None in given(node):
        return False
    starred = any(isinstance(each, ast.Starred) for each in node.args)
    return dotted(node.func).partition(".")[0] in library and not starred


def is_default(node: Optional[ast.expr], library: Container[str]) -> bool:
    """Tell whether a default of the server is one for certain."""
    if isinstance(node, ast.Constant):
        return node.value is not None
    return isinstance(node, ast.Call) and dotted(node.func).partition(".")[0] in library


def alterations(words: Words, library: Container[str]) -> Iterator[str]:
    """Yield the changes of a column that the running code may notice."""
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
    """Return a dotted name such as ``sa.String``; empty for anything else."""
    parts: List[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def called(node: Optional[ast.AST]) -> str:
    """Return the name that a call such as ``sa.String(9)`` calls, without the module; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def given(node: Optional[ast.AST]) -> Words:
    """Return the named arguments of a call; unpacked ones have the name None."""
    return {each.arg: each.value for each in node.keywords} if isinstance(node, ast.Call) else {}


def arguments(node: ast.Call) -> List[ast.AST]:
    """Return all the arguments of a call, with their names."""
    return [*node.args, *node.keywords]


def text(node: ast.Call, place: int, keyword: str) -> str:
    """Return an argument of a call that is a text; a question mark for any other."""
    values = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == keyword)]
    value = values[0].value if values and isinstance(values[0], ast.Constant) else None
    return value if isinstance(value, str) else "?"


def table_of(node: ast.Call, place: int, keyword: str, schema: str) -> Optional[Table]:
    """Return the table that a call names; None where that may be any."""
    name, within = text(node, place, keyword), given(node).get(schema, NONE)
    if name == "?" or None in given(node) or not isinstance(within, ast.Constant):
        return None
    return str(within.value or ""), name


def is_true(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def is_false(node: Optional[ast.expr]) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

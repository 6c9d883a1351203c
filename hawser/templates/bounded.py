"""Jinja2 in its sandbox, and bounded: no template reaches more than data, runs for long, or fills the memory.

Jinja's sandbox bounds neither time nor memory. So everything that can repeat or grow (loops, calls, filters, operators,
texts that are joined) is counted here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from types import BuiltinMethodType, MethodType
from typing import TypeVar

import jinja2
from jinja2 import nodes
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from .budget import CALL, STEP, TooMuch, budget, counted, items, refuse_over, size
from .operations import (
    BOUNDED,
    PLAIN,
    WIDEST,
    Formatter,
    add,
    bound_search,
    bound_widths,
    join_with,
    joined,
    modulo,
    multiply,
    power,
    replaced,
    text,
    wide,
)

# The longest source: no file on a server is longer, and reading it takes seconds at most.
LONGEST_SOURCE = 200_000
# How many names a source may set, multiplied with its branches and loops: Jinja2 goes through all names for each.
NAMES = 500_000
# What looks through a text for another one, or for any of its characters.
SEARCHES = {
    "count", "find", "index", "lstrip", "partition", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip",
    "split", "strip",
}  # fmt: skip
# Others (punycode, idna) take time that grows with the square of a text.
ENCODINGS = {"utf-8", "ascii", "latin-1", "strict", "ignore", "replace"}
# Filters whose work grows faster than their input, and those whose numbers say how large the result is.
SLOW = {"striptags": 20_000, "urlize": 20_000, "pprint": 20_000, "wordwrap": 200_000}
SIZED = {"batch", "center", "indent", "int", "round", "slice", "tojson", "truncate", "wordwrap"}
OWN = (Macro, LoopContext, BlockReference, TemplateReference, Cycler, Joiner, Namespace, jinja2.Undefined)
LEAVES = (nodes.TemplateData, nodes.Name, nodes.Const)
SETTING = (nodes.Macro, nodes.Import, nodes.FromImport, nodes.Block)
SCOPES = (nodes.If, nodes.For, nodes.CallBlock, nodes.FilterBlock, nodes.With, nodes.AssignBlock, nodes.CondExpr)
T = TypeVar("T")
EACH, JOINED, MADE = "each item", "joined", "made"


class Environment(ImmutableSandboxedEnvironment):
    """An environment of Jinja2 in which values are data and every rendering ends; see the module."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))

    def __init__(self, **options: object) -> None:
        # What is worked out when a template is read would not be counted.
        super().__init__(optimized=False, finalize=written, **options)
        self.lengths: dict[str, int] = {}
        del self.globals["lipsum"]
        self.binop_table.update({"+": add, "*": multiply, "**": power, "%": modulo})
        self.adopt(self.filters)
        # By its own types, Jinja2's tests are functions that nobody can call.
        self.tests.update({name: self.bounded(name, each) for name, each in self.tests.items()})  # type: ignore[arg-type]
        self.filters.update(
            {
                "format": self.bounded("format", lambda value, *more, **named: modulo(text(value), named or more)),
                "join": self.bounded("join", self.join),
                "replace": self.bounded("replace", replaced),
                "sum": self.bounded("sum", self.sum),
                EACH: items,
                JOINED: self.bounded(JOINED, joined),
                MADE: self.bounded(MADE, lambda value: value),
            }
        )
        for name in ("urlize", "striptags"):
            self.filters[name] = self.bounded(name, self.filters[name])

    def adopt(self, filters: Mapping[str, Callable[..., object]]) -> None:
        """Take filters over, each with bounds."""
        self.filters.update({name: self.bounded(name, function) for name, function in filters.items()})

    def bounded(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        """Return a filter or a test whose input and result are counted."""

        @functools.wraps(function)
        def apply(*arguments: object, **named: object) -> object:
            given = (*arguments, *named.values())
            plain = [each for each in given if isinstance(each, PLAIN) and not isinstance(each, Context)]
            budget.spend(STEP + sum(map(size, plain)))
            if name in SLOW:
                refuse_over(max(map(size, plain)), SLOW[name])
            if name == "trim":
                bound_search(*plain)
            if name in SIZED:
                bound_widths(name, arguments, named)
            return counted(function(*arguments, **named))

        return apply

    def join(self, values: Iterable[object], d: str = "", attribute: str | int | None = None) -> str:
        """Join values, or an attribute of each."""
        found = values if attribute is None else (self.getitem(each, attribute) for each in values)
        return join_with(text(d), found)

    def sum(self, values: Iterable[object], attribute: str | int | None = None, start: object = 0) -> object:
        """Add numbers, or an attribute of each value."""
        found = values if attribute is None else (self.getitem(each, attribute) for each in values)
        for each in items(found):
            start = counted(add(start, each))
        return start

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Tell whether a template may see this: data that we give it, methods of plain values only."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        return isinstance(obj, (*PLAIN, *OWN)) or not (callable(value) or attr.startswith("model_"))

    def is_safe_callable(self, obj: object) -> bool:
        """Tell whether a template may call this: methods of plain values, and functions that we give it for that."""
        owner = getattr(obj, "__self__", None)
        if isinstance(obj, OWN) or isinstance(owner, (*PLAIN, *OWN)):
            return super().is_safe_callable(obj)
        return getattr(obj, "for_templates", False) is True or any(obj is each for each in self.globals.values())

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:
        """Call a function that a template may call, and count its result."""
        budget.spend(CALL + size(args) + size(kwargs))
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str | bytes):
            if name in BOUNDED and isinstance(owner, str):
                return counted(BOUNDED[name](owner, *args, **kwargs))
            if name == "translate":
                raise TooMuch("translate is not for templates")
            if name in SEARCHES:
                bound_search(owner, *args, *kwargs.values())
            if name in ("encode", "decode") and not ENCODINGS.issuperset((*args, *kwargs.values())):
                raise TooMuch(f"templates {name} with {', '.join(sorted(ENCODINGS))} only")
            if name == "expandtabs":
                tabs = owner.count("\t") if isinstance(owner, str) else owner.count(b"\t")
                refuse_over(tabs * WIDEST)
        if isinstance(owner, str | bytes | int | float) and any(wide(each) for each in (*args, *kwargs.values())):
            raise TooMuch("a width is too large")
        return counted(super().call(__context, __obj, *args, **kwargs))

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        """Return ``str.format`` with bounded widths; None for anything else."""
        if not isinstance(value, MethodType | BuiltinMethodType) or super().wrap_str_format(value) is None:
            return None
        pattern = str(value.__self__)

        def apply(*args: object, **kwargs: object) -> str:
            return Formatter(self).vformat(pattern, args, kwargs)

        def apply_mapped(values: Mapping[str, object]) -> str:
            return Formatter(self).vformat(pattern, (), values)

        return for_templates(apply_mapped if value.__name__ == "format_map" else apply)

    def _load_template(self, name: str, globals: MutableMapping[str, object] | None) -> jinja2.Template:
        budget.spend(STEP + self.lengths.get(name, 0))
        return super()._load_template(name, globals)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > LONGEST_SOURCE:
            raise jinja2.TemplateSyntaxError(f"longer than {LONGEST_SOURCE} characters", 1, name, filename)
        made = super()._parse(source, name, filename)
        names = sum(1 for each in made.find_all(nodes.Name) if each.ctx != "load")
        parts = [*made.find_all(SETTING), *made.find_all(SCOPES)]
        if (names + len(parts)) * len(parts) > NAMES:
            raise jinja2.TemplateSyntaxError("sets too many names, in too many branches and loops", 1, name, filename)
        return made

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        watched(source)
        return super()._generate(source, name, filename, defer_init)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Work out the result of an operator, and count it and its operands."""
        budget.spend(size(left) + size(right))
        return counted(super().call_binop(context, operator, left, right))


def watched(node: nodes.Node) -> nodes.Node:
    """Return a part of a template with all counted in it that repeats, or makes a new value of others."""
    if isinstance(node, LEAVES):
        return node
    for field in node.fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            value[:] = [watched(each) if isinstance(each, nodes.Node) else each for each in value]
        elif isinstance(value, nodes.Node):
            setattr(node, field, watched(value))
    if isinstance(node, nodes.For):
        written = sum(len(each.data) for part in node.body for each in part.find_all(nodes.TemplateData))
        node.iter = through(EACH, node.iter, nodes.Const(written))
    elif isinstance(node, nodes.Compare):
        node.expr = through(MADE, node.expr)
        for operand in node.ops:
            operand.expr = through(MADE, operand.expr)
    elif isinstance(node, nodes.Concat):
        return through(JOINED, *node.nodes)
    elif isinstance(node, nodes.List | nodes.Dict) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
        return through(MADE, node)
    return node


def through(name: str, first: nodes.Node, *more: nodes.Node) -> nodes.Filter:
    """Return an expression that goes through one of our filters."""
    return nodes.Filter(first, name, list(more), [], None, None, lineno=first.lineno)


@jinja2.pass_context
def written(_context: Context, value: object) -> str:
    """Return a value as it is written into the output. It takes the context, or Jinja2 would call it while reading."""
    made = text(value)
    budget.spend(len(made) + 1)
    return made


def for_templates(function: Callable[..., T]) -> Callable[..., T]:
    """Mark a function of ours as one that templates may call."""
    function.for_templates = True  # type: ignore[attr-defined]
    return function


def mistake(error: Exception) -> str:
    """Say in words why something could not be rendered."""
    if isinstance(error, jinja2.TemplateError):
        return str(error.message)
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or calls itself without an end"
    if isinstance(error, MemoryError):
        return "it becomes too large"
    if isinstance(error, SyntaxError):
        return f"Jinja2 cannot read it: {error.msg}"
    return f"{type(error).__name__}: {error}"


# What goes wrong while a template is read or rendered, whatever is in it.
MISTAKES = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    NameError,
    AssertionError,
    RuntimeError,
    MemoryError,
    SyntaxError,
)

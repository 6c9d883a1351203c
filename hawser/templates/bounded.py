"""Jinja2 in its sandbox, and bounded: no template reaches more than data, runs for long, or fills the memory.

Jinja's sandbox bounds neither time nor memory. So everything that can repeat or grow (loops, calls, filters, operators,
texts that are joined) is counted here, before it grows where one step could grow without end. What a rendering may take
is far more than any file on a server needs, and does not depend on how fast or busy a machine is.
"""

from __future__ import annotations

import datetime
import functools
import operator
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from types import BuiltinMethodType, MethodType
from typing import TypeVar

import jinja2
from jinja2 import nodes
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace

# What one rendering may take, in characters that are made on the way.
BUDGET = 20_000_000
# The longest value, in characters.
LONGEST = 4_000_000
# The longest source: no file on a server is longer, and reading it takes seconds at most.
LONGEST_SOURCE = 200_000
# How many names a source may set, multiplied with its branches and loops: Jinja2 goes through all names for each.
NAMES = 500_000
# What an item of a list or a turn of a loop counts as, in characters; and what a call does.
STEP, CALL = 20, 200
# Seconds of work (not of waiting) for one rendering, for what takes long without growing.
SECONDS = 10.0
# How wide a text may be filled up, and how many digits a number may have after its point.
WIDEST = 10_000
# Bits of the largest number that is worked out, and of the largest that is let through: as much as any program's, and
# few enough that no table is slow because all of its numbers have the same place in it.
BITS, NUMBER = 20_000, 64
# Comparisons of one character with another that one search may take.
SEARCH = 10**8
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
PLAIN: tuple[type, ...] = (
    str, bytes, int, float, list, tuple, set, frozenset, range, Mapping, datetime.date, datetime.time,
    datetime.timedelta, type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip
OWN = (Macro, LoopContext, BlockReference, TemplateReference, Cycler, Joiner, Namespace, jinja2.Undefined)
LEAVES = (nodes.TemplateData, nodes.Name, nodes.Const)
SETTING = (nodes.Macro, nodes.Import, nodes.FromImport, nodes.Block)
SCOPES = (nodes.If, nodes.For, nodes.CallBlock, nodes.FilterBlock, nodes.With, nodes.AssignBlock, nodes.CondExpr)
T = TypeVar("T")
EACH, JOINED, MADE = "each item", "joined", "made"


class TooMuch(jinja2.TemplateRuntimeError):
    """A rendering takes more time or memory than any file needs."""

    def __init__(self, what: str = "it takes too long or becomes too large") -> None:
        super().__init__(f"{what}; is there a loop without an end?")


class Budget(threading.local):
    """What the rendering of this thread may still take; nothing is counted outside of one."""

    left = 0
    until: float | None = None
    looked = 0

    def __enter__(self) -> None:
        self.left, self.until, self.looked = BUDGET, time.thread_time() + SECONDS, 0

    def __exit__(self, *_exception: object) -> None:
        self.until = None

    def spend(self, amount: int) -> None:
        """Count something.

        :raises TooMuch: this is more than is left.
        """
        if self.until is None:
            return
        self.left -= amount
        self.looked += 1
        if self.left < 0 or ((self.looked % 64 == 0 or amount > CALL) and time.thread_time() > self.until):
            raise TooMuch


budget = Budget()


def size(value: object) -> int:
    """Return how large a value is, in characters: all that is in it, each part as often as it is seen.

    :raises TooMuch: larger than any value needs to be, or it contains itself.
    """
    if isinstance(value, str | bytes):
        found = len(value) + 1
    else:
        found, left = 0, [value]
        while left:
            each = left.pop()
            found += STEP
            if isinstance(each, str | bytes):
                found += len(each)
            elif isinstance(each, list | tuple | set | frozenset):
                left += each
            elif isinstance(each, int):
                if each.bit_length() > NUMBER:
                    raise TooMuch("a number becomes too large")
            elif isinstance(each, Mapping):
                left += [*each.keys(), *each.values()]
            elif isinstance(each, Namespace):
                left.append(each._Namespace__attrs)
            elif isinstance(each, Cycler):
                left.append(each.items)
            if found + STEP * len(left) > LONGEST:
                break
    if found > LONGEST:
        raise TooMuch("a value becomes too large")
    return found


def counted(value: object) -> object:
    """Return a value that was made just now, counted; what comes one by one is made a list."""
    if isinstance(value, Iterator):
        value = list(items(value))
    budget.spend(size(value))
    return value


def items(values: Iterable[object], extra: int = 0) -> Iterator[object]:
    """Yield what there is, and count the turns.

    :param extra: the characters that a turn writes besides.
    """
    for each in values:
        budget.spend(STEP + extra)
        yield each


def refuse_over(amount: int, limit: int = LONGEST) -> None:
    """Refuse what would become too large, before it is made.

    :raises TooMuch: it would.
    """
    if amount > limit:
        raise TooMuch("a value becomes too large")


def add(left: object, right: object) -> object:
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        refuse_over((len(left) + len(right)) * (1 if isinstance(left, str | bytes) else STEP))
    return operator.add(left, right)


def multiply(left: object, right: object) -> object:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, int) and isinstance(other, Sequence):
            refuse_over(size(other) * max(one, 0))
    if isinstance(left, int) and isinstance(right, int):
        refuse_over(left.bit_length() + right.bit_length(), BITS)
    return operator.mul(left, right)


def power(left: object, right: object) -> object:
    if isinstance(left, int) and isinstance(right, int):
        refuse_over(left.bit_length() * max(right, 0), BITS)
    return operator.pow(left, right)


def modulo(left: object, right: object) -> object:
    """Return a remainder, or a text with values in the places that ``%`` marks."""
    if isinstance(left, str | bytes):
        pattern = left if isinstance(left, str) else left.decode("latin-1")
        if "*" in pattern or re.search(r"\d{5}", pattern):
            raise TooMuch("a width is too large")
        values = right.values() if isinstance(right, Mapping) else right if isinstance(right, tuple) else (right,)
        widest = max((len(text(each)) for each in values), default=0)
        refuse_over(len(pattern) + pattern.count("%") * max(widest, 1))
    return operator.mod(left, right)


def text(value: object) -> str:
    """Return a value as text; one that contains itself, or the same many times, is too large for it."""
    if not isinstance(value, str):
        size(value)
    return str(value)


def joined(first: object, *rest: object) -> str:
    """Return texts one after the other, as ``~`` does."""
    parts = []
    for each in (first, *rest):
        parts.append(text(each))
        budget.spend(len(parts[-1]))
    return "".join(parts)


def join_with(separator: str, values: Iterable[object], /) -> str:
    """Return texts with something between them."""
    parts = []
    for each in values:
        parts.append(text(each))
        budget.spend(STEP + len(parts[-1]) + len(separator))
    return separator.join(parts)


def replaced(value: object, old: object, new: object, count: int | None = None) -> str:
    """Return a text with another text in the place of one."""
    whole, part, instead = text(value), text(old), text(new)
    times = whole.count(part) if count is None or count < 0 else count
    refuse_over(len(whole) + min(times, len(whole) + 1) * len(instead))
    return whole.replace(part, instead, -1 if count is None else count)


# Methods of texts that would make a large one before it could be counted.
BOUNDED: dict[str, Callable[..., object]] = {"join": join_with, "replace": replaced}


class Formatter(SandboxedFormatter):
    """``str.format`` with bounded widths."""

    def format_field(self, value: object, format_spec: str) -> str:
        if re.search(r"\d{5}", format_spec):
            raise TooMuch("a width is too large")
        size(value)
        made = str(super().format_field(value, format_spec))
        budget.spend(STEP + len(made))
        return made


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
        """Take filters over, each with what it may take."""
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
        """Join what there is, or an attribute of it."""
        found = values if attribute is None else (self.getitem(each, attribute) for each in values)
        return join_with(text(d), found)

    def sum(self, values: Iterable[object], attribute: str | int | None = None, start: object = 0) -> object:
        """Add numbers, or an attribute of what there is."""
        found = values if attribute is None else (self.getitem(each, attribute) for each in values)
        for each in items(found):
            start = counted(add(start, each))
        return start

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Tell whether a template may see this: data of what we give it, methods of plain values only."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        return isinstance(obj, (*PLAIN, *OWN)) or not (callable(value) or attr.startswith("model_"))

    def is_safe_callable(self, obj: object) -> bool:
        """Tell whether a template may call this: methods of plain values, and what we give it for that."""
        owner = getattr(obj, "__self__", None)
        if isinstance(obj, OWN) or isinstance(owner, (*PLAIN, *OWN)):
            return super().is_safe_callable(obj)
        return getattr(obj, "for_templates", False) is True or any(obj is each for each in self.globals.values())

    def call(__self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:
        """Call what a template may call, and count what comes of it."""
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
        if name is not None:
            self.lengths[name] = len(source)
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
        """Work out what an operator makes, and count it, and what it is made of."""
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


def bound_widths(name: str, arguments: Sequence[object], named: Mapping[str, object]) -> None:
    """Refuse numbers that say how wide or how many, when no file needs that much.

    :raises TooMuch: there is one.
    """
    values = [each for each in arguments if isinstance(each, PLAIN)]
    more = [*values[1:], *named.values()]
    if any(wide(each) for each in more):
        raise TooMuch("a width is too large")
    lines = values[0].count("\n") + 1 if values and isinstance(values[0], str) else 1
    widths = [each if isinstance(each, int) else len(each) for each in more if isinstance(each, int | str)]
    if name == "indent":
        refuse_over(lines * max(widths, default=0))
    if name == "wordwrap" and values:
        refuse_over(len(text(values[0])) * max((len(each) for each in more if isinstance(each, str)), default=1))


def bound_search(owner: object = "", *wanted: object) -> None:
    """Refuse to look through a text for another one where both are so long that it takes long.

    :raises TooMuch: they are.
    """
    longest = max((len(each) for each in wanted if isinstance(each, str | bytes)), default=0)
    refuse_over(len(owner) * longest if isinstance(owner, str | bytes) else 0, SEARCH)


def wide(value: object) -> bool:
    """Whether a number is larger than a width or a count of digits needs to be."""
    return isinstance(value, int) and abs(value) > WIDEST


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

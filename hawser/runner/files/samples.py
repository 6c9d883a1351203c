"""Settings files made from the sample that the code brings along: its keys, its types, our values."""

from __future__ import annotations

import difflib
import os
import re

from ..rows import counted
from ..system import Failure
from .disk import beneath, read, read_beneath, read_itself, write_atomically
from .files import WholeFile
from .sample_formats import dump, parse
from .walk import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

    from ..specs.answers import Counted, Sample
    from ..specs.files import SettingsSpec
    from ..system import Change, System
    from .sample_formats import Table

    Keys = Tuple[str, ...]

# Bytes that a sample may have.
LONGEST = 4 << 20
PLACEHOLDER = re.compile(r"\b(CHANGE_?ME|REPLACE_?ME)\b")
# How samples say in prose that somebody is to write something else. It may be meant, so it can be said to be.
PROSE = re.compile(
    r"(?:get|obtain|copy|download|fill|insert|enter|put|replace|specify|choose|ask|run|use)\s\S+\s\S"
    r"|<[a-z][\w ./-]*>(?!.*</)|.*(?:\be\.g\.|\bpath/to\b|\byour[ _-]\w|\bx{4,}|%%[a-z_]+(?::\w+)?%%)",
    re.I | re.S,
)
SHOWN = 40
# What samples say of themselves; nobody reads these keys.
COMMENT = re.compile(r"^_*comment", re.I)


class Original:
    """The original contents of a file of the code, kept because the file itself is changed.

    :param source: the checkout.
    :param folder: where originals are kept, under the names that they have in the checkout.
    """

    def __init__(self, source: str, folder: str, path: str) -> None:
        self.source = source
        self.path = path
        self.copy = os.path.join(folder, os.path.relpath(path, source))

    def data(self) -> bytes:
        kept = read(self.copy)
        if kept is not None:
            return kept
        try:
            return read_itself(beneath(self.source, self.path))
        except FileNotFoundError:
            raise Failure("%s does not exist" % self.path) from None

    def keep(self) -> None:
        """Keep it, unless a run before has: then the file itself may be changed already."""
        if read(self.copy) is None:
            os.makedirs(os.path.dirname(self.copy), mode=0o700, exist_ok=True)
            write_atomically(self.copy, self.data(), 0o600)


def find_keys(data: object, at: Keys = ()) -> Iterator[Keys]:
    """Yield the way to every key of nested tables, comments left out."""
    if isinstance(data, dict):
        for key, value in data.items():
            if not COMMENT.match(str(key)):
                yield (*at, str(key))
                yield from find_keys(value, (*at, str(key)))


def find_placeholders(data: object, at: Keys = ()) -> Iterator[str]:
    """Yield a complaint about every text that somebody was to replace."""
    if isinstance(data, str):
        found = PLACEHOLDER.search(data)
        if found:
            yield "%s is still %s" % (dotted(at), found.group())
        return
    rows = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, (list, tuple)) else ()
    for key, value in rows:
        if not COMMENT.match(str(key)):
            yield from find_placeholders(value, (*at, str(key)))


def find_prose(data: object, given: object, at: Keys = ()) -> Iterator[str]:
    """Yield a complaint about every text of a sample that reads as an instruction, where nothing is given for it."""
    if isinstance(data, str):
        if given is None and PROSE.match(data.strip()) and not PLACEHOLDER.search(data):
            text = data if len(data) <= SHOWN else data[:SHOWN] + "…"
            yield '%s is still the sample\'s "%s"; write it under values, the same text if it is meant' % (
                dotted(at),
                text,
            )
        return
    rows = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, (list, tuple)) else ()
    for key, value in rows:
        if not COMMENT.match(str(key)):
            inner = given.get(str(key)) if isinstance(given, dict) else given
            yield from find_prose(value, inner, (*at, str(key)))


def dotted(at: Keys) -> str:
    return ".".join('"%s"' % key if "." in key else key for key in at)


def as_in(sample: object, value: object) -> object:
    """Return a value in the type that the sample has; where it has nothing, or is to be replaced, in its own.

    :raises ValueError: it cannot be one; says what the sample has.
    """
    if sample is None or (isinstance(sample, str) and PLACEHOLDER.fullmatch(sample)):
        return value
    if isinstance(sample, bool):
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if isinstance(sample, (int, float)):
        if isinstance(value, str):
            try:
                return int(value)
            except ValueError:
                return number(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        raise ValueError("a number")
    if isinstance(sample, str):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str):
            return value
        raise ValueError("text")
    if isinstance(sample, (list, tuple)):
        if isinstance(value, list):
            return type(sample)(value)
        raise ValueError("a list")
    return value


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


class Merge:
    """Values laid over a sample; the misfits are collected, so that all are told at once.

    :param new_keys: whether values may have keys that the sample lacks.
    """

    def __init__(self, new_keys: bool) -> None:
        self.new_keys = new_keys
        self.problems: List[str] = []

    def lay(self, sample: Table, values: Mapping[str, object], at: Keys = ()) -> Table:
        """Return the sample's table with these values in it."""
        result = dict(sample)
        for key, value in values.items():
            where, former = (*at, key), sample.get(key)
            if key not in sample:
                self.unknown(where, list(sample))
                result[key] = value
            elif isinstance(value, dict) and isinstance(former, dict):
                result[key] = self.lay(former, value, where)
            elif isinstance(value, dict) != isinstance(former, dict) and former is not None:
                kind = "a table" if isinstance(former, dict) else "no table"
                self.problems.append("%s is %s in the sample" % (dotted(where), kind))
            else:
                try:
                    result[key] = as_in(former, value)
                except ValueError as error:
                    self.problems.append("%s is %s in the sample" % (dotted(where), error))
        return result

    def unknown(self, where: Keys, known: Sequence[str]) -> None:
        if not self.new_keys:
            near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.6)
            hint = " (did you mean %s?)" % near[0] if near else " (new_keys = true allows it)"
            self.problems.append("%s is not in the sample%s" % (dotted(where), hint))

    def compare(self, sample: object, given: object, optional: Sequence[str]) -> None:
        """Find the keys of the sample that a whole text lacks, and its keys beyond the sample."""
        have, want = set(find_keys(given)), list(find_keys(sample))
        for where in want:
            lacks = where not in have and (len(where) == 1 or where[:-1] in have)
            if lacks and dotted(where) not in optional:
                self.problems.append("%s is in the sample and not in the file" % dotted(where))
        for where in find_keys(given):
            if where not in want and (len(where) == 1 or where[:-1] in want):
                self.unknown(where, [each[-1] for each in want if each[:-1] == where[:-1]])


class Settings(WholeFile):
    """See `hawser.resources.Settings`."""

    spec: SettingsSpec

    def __init__(self, spec: SettingsSpec, system: System) -> None:
        super().__init__(spec, system)
        self.opaque = spec["opaque"]
        self.code = spec["source"] if spec["path"].startswith(spec["source"].rstrip("/") + "/") else ""
        self.made: Optional[bytes] = None

    def original(self) -> Original:
        return Original(self.spec["source"], self.spec["originals"], self.spec["sample"])

    def in_the_code(self) -> bool:
        return self.spec["sample"] == self.spec["path"]

    def wanted(self) -> bytes:
        if self.made is None:
            try:
                self.made = self.make()
            except RecursionError:
                raise Failure("the tables of %s are nested too deeply" % self.spec["sample"]) from None
        return self.made

    def make(self) -> bytes:
        spec = self.spec
        data = self.original().data() if self.in_the_code() else self.sample()
        text = data.decode("utf-8", "surrogateescape")
        sample = parse(self.system, spec["format"], text, spec["sample"])
        merge = Merge(spec["new_keys"])
        if spec["content"]:
            content = spec["content"]
            result = parse(self.system, spec["format"], content, spec["path"])
            merge.compare(sample, result, spec["optional"])
        else:
            result = merge.lay(sample, spec["values"])
            merge.problems += find_prose(sample, spec["values"])
            content = dump(self.system, spec["format"], text, result) if not merge.problems else ""
        problems = [*merge.problems, *find_placeholders(result)]
        if problems:
            lines = "".join("\n  " + problem for problem in problems)
            raise Failure("%s cannot be made from %s:%s" % (spec["path"], spec["sample"], lines))
        return content.encode("utf-8", "surrogateescape")

    def sample(self) -> bytes:
        path, source = self.spec["sample"], self.spec["source"]
        inside = path.startswith(source.rstrip("/") + "/")
        data = read_beneath(source, path, LONGEST) if inside else read(path, LONGEST)
        if data is None:
            raise Failure("the sample %s does not exist" % path)
        return data

    def apply(self, change: Change) -> None:
        if self.in_the_code():
            self.original().keep()
        super().apply(change)


def listing(system: System, source: str, made: Sequence[str]) -> Counted[Sample]:
    """List the samples in a checkout: their path in it, and whether the file without the suffix exists.

    :param made: the samples that the settings use, which come first.
    """
    found: List[Sample] = []
    for folder, names, files in walk(source):
        names[:] = [name for name in names if name != ".git"]
        for name in files:
            base, suffix = os.path.splitext(name)
            if suffix in (".sample", ".example", ".dist", ".template"):
                path = os.path.join(folder, name)
                target = os.path.join(folder, base)
                used = path in made
                exists = os.path.lexists(target)
                found.append({"sample": os.path.relpath(path, source), "exists": exists, "used": used})
    return counted(sorted(found, key=lambda row: (not row["used"], row["sample"])), len(found))

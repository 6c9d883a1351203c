"""Formats of settings files, read as nested tables and written back: JSON, YAML, INI and Python."""

from __future__ import annotations

import ast
import configparser
import io
import json
import re

from ..system import Failure
from .validate import PYTHON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Tuple

    from ..system import System

    Table = Dict[str, object]

# Texts are matched first, so that what stands in them is no comment. One without an end is matched as well, or looking
# for the end would begin anew at every place.
JSON_PARTS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
JSON_COMMA = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|,(?=\s*[}\]])', re.S)

# Characters of a settings file as JSON: in YAML, aliases of aliases make a text of a few lines as large as one likes.
LARGEST = 4 << 20
YAML_TO_JSON = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    import yaml
except ImportError:
    sys.exit(3)
try:
    written = 0
    for piece in json.JSONEncoder().iterencode(yaml.safe_load(sys.stdin.read())):
        written += len(piece)
        if written > int(sys.argv[1]):
            raise MemoryError
        sys.stdout.write(piece)
except (yaml.YAMLError, TypeError, ValueError) as error:
    sys.exit(str(error))
except (MemoryError, RecursionError):
    sys.exit("it is too large, or nested too deeply")
"""
JSON_TO_YAML = """
import json, sys, yaml
sys.stdout.write(yaml.safe_dump(json.load(sys.stdin), sort_keys=False, allow_unicode=True, default_flow_style=False))
"""


class Expression:
    """A value of a Python file that is no literal; only its place is known."""


def parse(system: System, format: str, text: str, path: str) -> Table:
    """Read a settings file.

    :raises Failure: it is not of this format, or holds no table.
    """
    if format == "json":
        data = parse_json(text, path)
    elif format == "yaml":
        data = parse_yaml(system, text, path)
    elif format == "ini":
        parser = parse_ini(text, path)
        data = {name: dict(parser.items(name)) if name != "DEFAULT" else dict(parser.defaults()) for name in parser}
        if not data["DEFAULT"]:
            del data["DEFAULT"]
    else:
        data = {name: value for name, (value, _first, _last) in assignments(text, path).items()}
    if not isinstance(data, dict):
        raise Failure("%s holds no table of keys and values" % path)
    return data


def dump(system: System, format: str, text: str, data: Table) -> str:
    """Write a settings file.

    :param text: the sample, whose order and, in Python, whose comments are kept.
    """
    if format == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if format == "yaml":
        return system.run([PYTHON, "-c", JSON_TO_YAML], stdin=json.dumps(data), whole=True).output
    if format == "ini":
        return dump_ini(data)
    return dump_python(text, data)


def parse_json(text: str, path: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        # Comments and a comma after the last entry are what people write into samples.
        bare = JSON_PARTS.sub(lambda part: part.group() if part.group().startswith('"') else "", text)
        bare = JSON_COMMA.sub(lambda part: part.group() if part.group() != "," else "", bare)
        try:
            return json.loads(bare)
        except ValueError:
            pass
        # Some write it as a table of Python, with single quotes.
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise Failure("%s is not valid JSON: %s" % (path, error)) from None


def parse_yaml(system: System, text: str, path: str) -> object:
    result = system.run([PYTHON, "-c", YAML_TO_JSON, str(LARGEST)], stdin=text, check=False, whole=True)
    if result.code == 3:
        raise Failure('reading YAML needs the package python3-yaml on this host (packages.all = ["python3-yaml"])')
    if result.code:
        raise Failure("%s is not YAML that can be read" % path, result.output)
    return json.loads(result.output)


def parse_ini(text: str, path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise Failure("%s is not valid: %s" % (path, error)) from None
    return parser


def dump_ini(data: Table) -> str:
    parser = configparser.RawConfigParser(allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for section, values in data.items():
        if section != "DEFAULT":
            parser.add_section(section)
        if not isinstance(values, dict):
            raise Failure("%s is no section of a table, as INI wants it" % section)
        for key, value in values.items():
            word = str(value).lower() if isinstance(value, bool) else value
            parser.set(section, key, word if word is None else str(word).replace("\n", "\n\t"))
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def assignments(text: str, path: str) -> Dict[str, Tuple[object, int, int]]:
    """Return the names that a Python file assigns at its top: their values, and first and last line (from 0)."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise Failure("%s is not valid Python: %s" % (path, error)) from None
    found: Dict[str, Tuple[object, int, int]] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and statement.end_lineno is not None:
                try:
                    value = ast.literal_eval(statement.value)
                except (ValueError, TypeError, MemoryError, RecursionError):
                    value = Expression()
                found[target.id] = (value, statement.lineno - 1, statement.end_lineno)
    return found


def dump_python(text: str, data: Table) -> str:
    # As Python counts them: a form feed is no end of a line.
    lines = list(io.StringIO(text, newline=""))
    known = assignments(text, "")
    for name, (value, first, last) in sorted(known.items(), key=lambda each: -each[1][1]):
        if not isinstance(data[name], Expression) and data[name] != value:
            lines[first:last] = ["%s = %r\n" % (name, data[name])]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines += ["%s = %r\n" % (name, value) for name, value in data.items() if name not in known]
    return "".join(lines)

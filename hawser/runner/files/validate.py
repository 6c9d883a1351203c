"""Validators: a file is checked by the program that will read it before it replaces anything."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex

from ..system import Failure
from ..webservers import TRAITS
from .definitions import accepted_before
from .disk import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence, Tuple

    from ..system import System

    Check = Callable[[System, str, str], None]


# The system's own: it has the libraries of the packages that will read the files.
PYTHON = "/usr/bin/python3"


class Validator:
    """One way to check a file.

    :param check: called with (system, path of the copy, final path); raises `Failure`.
    :param in_place: the program can only judge the file in its final place.
    """

    def __init__(self, check: Check, in_place: bool = False) -> None:
        self.check = check
        self.in_place = in_place


def check_json(system: System, copy: str, path: str) -> None:
    try:
        with open(copy, encoding="utf-8") as stream:
            json.load(stream)
    except ValueError as error:
        raise Failure("%s would not be valid JSON: %s" % (path, error)) from None


def check_python(system: System, copy: str, path: str) -> None:
    import ast

    try:
        with open(copy, "rb") as stream:
            ast.parse(stream.read(), path)
    except SyntaxError as error:
        raise Failure("%s would not be valid Python: line %s: %s" % (path, error.lineno, error.msg)) from None
    except ValueError as error:
        raise Failure("%s would not be valid Python: %s" % (path, error)) from None


# Composed, not loaded: tags that only the file's reader knows are no mistake.
YAML_PARSER = """
import sys
try:
    import yaml
except ImportError:
    sys.exit(3)
try:
    list(yaml.compose_all(open(sys.argv[1], encoding="utf-8"), yaml.SafeLoader))
except (yaml.YAMLError, UnicodeDecodeError) as error:
    sys.exit(str(error))
"""


def check_yaml(system: System, copy: str, path: str) -> None:
    result = system.run([PYTHON, "-c", YAML_PARSER, copy], check=False)
    if result.code == 3:
        raise Failure('checking YAML needs the package python3-yaml on this host (packages.all = ["python3-yaml"])')
    if result.code:
        raise Failure("%s would not be valid YAML" % path, result.output.replace(copy, path))


def check_sudoers(system: System, copy: str, path: str) -> None:
    result = system.run(["visudo", "-cf", copy], check=False)
    if result.code:
        raise Failure("%s would not be a valid sudoers file" % path, result.output.replace(copy, path))


def copy_under_its_name(folder: str, copy: str, path: str) -> str:
    """Copy a file into a folder under the name that it will have, which its reader goes by."""
    place = os.path.join(folder, os.path.basename(path))
    with open(copy, "rb") as source, open(place, "xb") as target:
        target.write(source.read())
    return place


def check_systemd(system: System, copy: str, path: str) -> None:
    name = os.path.basename(path)
    with scratch(system.state) as folder:
        unit = copy_under_its_name(folder, copy, path)
        result = system.run(["systemd-analyze", "verify", "--man=no", unit], check=False)
    # What it says of other units is not our business.
    about = "\n".join(line.replace(folder + "/", "") for line in result.output.splitlines() if name in line)
    if result.code and about:
        raise Failure("%s would not be a valid unit" % path, about)


SUPERVISOR_PARSER = """
import os, sys
from supervisor.options import ServerOptions
main = os.path.join(os.path.dirname(sys.argv[1]), "supervisord.conf")
with open(main, "w") as stream:
    stream.write("[supervisord]\\n[include]\\nfiles = %s\\n" % sys.argv[1])
ServerOptions().realize(["-c", main, "-n"])
"""


def check_supervisor(system: System, copy: str, path: str) -> None:
    with scratch(system.state) as folder:
        program = copy_under_its_name(folder, copy, path)
        result = system.run([PYTHON, "-W", "ignore", "-c", SUPERVISOR_PARSER, program], check=False)
    if result.code:
        said = result.output.replace(program, path).partition("\nFor help")[0]
        raise Failure("%s would not be a valid supervisor program" % path, said)


MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# crontab(5): the first and the last number of each field, and the names that stand for numbers.
CRON_FIELDS: Sequence[Tuple[int, int, List[str]]] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, ["", *MONTHS]),
    (0, 7, DAYS),
)
CRON_NICKNAMES = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
CRON_PART = re.compile(r"^(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([1-9][0-9]*))?$", re.ASCII)
CRON_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\s*=")


def is_cron_field(text: str, lowest: int, highest: int, names: List[str]) -> bool:
    """Tell whether cron takes a field of a schedule."""
    for part in text.lower().split(","):
        found = CRON_PART.match(part)
        if not found:
            return False
        first, last, step = found.groups()
        words = [word for word in (first, last) if word]
        numbers = [names.index(word) if word in names else int(word) if word.isdigit() else -1 for word in words]
        if numbers != sorted(numbers) or any(not lowest <= number <= highest for number in numbers):
            return False
        # It would read 5/10 as 5.
        if step and first and not last:
            return False
    return True


def cron_fault(line: str) -> str:
    """Return the fault of a line of a system crontab, for which cron would ignore the whole file; empty: none."""
    if not line.strip() or line.lstrip().startswith("#") or CRON_VARIABLE.match(line.lstrip()):
        return ""
    nickname = line.lstrip().startswith("@")
    words = line.split(None, 2 if nickname else 6)
    if len(words) < (3 if nickname else 7):
        return "is no crontab line (schedule, user, command)"
    if nickname and words[0] not in CRON_NICKNAMES:
        return "has no schedule that cron knows: %s" % words[0]
    for word, (lowest, highest, names) in zip([] if nickname else words, CRON_FIELDS):
        if not is_cron_field(word, lowest, highest, names):
            return "has no schedule that cron knows: %s" % word
    user = words[1 if nickname else 5]
    try:
        pwd.getpwnam(user)
    except KeyError:
        return "names a user that is not on this host: %s" % user
    return ""


def check_cron(system: System, copy: str, path: str) -> None:
    if not re.match(r"^[A-Za-z0-9_-]+$", os.path.basename(path)):
        raise Failure("%s: cron ignores files whose names have other characters than letters, digits, _ and -" % path)
    with open(copy, encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read()
    if text and not text.endswith("\n"):
        raise Failure("%s: cron ignores a last line without a line end" % path)
    for number, line in enumerate(text.split("\n"), 1):
        fault = cron_fault(line)
        if fault:
            raise Failure("%s: line %d %s" % (path, number, fault))


def check_in_place(program: str, argv: Sequence[str]) -> Check:
    """Return the check by a command that reads all the configuration there is."""

    def check(system: System, copy: str, path: str) -> None:
        result = system.run(list(argv), check=False)
        if result.code:
            raise Failure("%s refuses %s; what was there before is back in its place" % (program, path), result.output)

    return check


def unless_accepted_before(check: Check) -> Check:
    """Return a check of definitions that starts no program for one that was accepted under other names."""

    def checked(system: System, copy: str, path: str) -> None:
        with open(copy, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        if not accepted_before(text, path):
            check(system, copy, path)

    return checked


VALIDATORS = {
    "json": Validator(check_json),
    "python": Validator(check_python),
    "yaml": Validator(check_yaml),
    "sudoers": Validator(check_sudoers),
    "systemd": Validator(unless_accepted_before(check_systemd)),
    "supervisor": Validator(unless_accepted_before(check_supervisor)),
    "cron": Validator(check_cron),
    "exports": Validator(check_in_place("exportfs", ("exportfs", "-ra")), in_place=True),
    **{name: Validator(check_in_place(server.label, server.judge), in_place=True) for name, server in TRAITS.items()},
}


def validate_with(validator: str, system: System, copy: str, path: str) -> None:
    """Check a temporary copy with a named validator, or with a command line in which ``{}`` stands for it."""
    if validator in VALIDATORS:
        VALIDATORS[validator].check(system, copy, path)
        return
    try:
        words = shlex.split(validator)
    except ValueError as error:
        raise Failure("%s: the command that checks it cannot be read: %s" % (path, error)) from None
    result = system.run([word.replace("{}", copy) for word in words], check=False)
    if result.code:
        raise Failure("%s would not pass %s" % (path, validator), result.output.replace(copy, path))

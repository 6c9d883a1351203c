"""Validators: a file is checked by the program that will read it before it replaces anything."""

import ast
import json
import os
import re
import shlex
import shutil
import tempfile

from .system import Failure


class Validator:
    """One way to check a file.

    :param check: called with (system, path of the copy, final path); raises `Failure`.
    :param in_place: the program can only judge the file in its final place.
    """

    def __init__(self, check, in_place=False):
        self.check = check
        self.in_place = in_place


def check_json(system, copy, path):
    with open(copy, encoding="utf-8") as stream:
        try:
            json.load(stream)
        except ValueError as error:
            raise Failure("%s would not be valid JSON: %s" % (path, error)) from None


def check_python(system, copy, path):
    with open(copy, encoding="utf-8") as stream:
        try:
            ast.parse(stream.read(), path)
        except SyntaxError as error:
            raise Failure("%s would not be valid Python: line %s: %s" % (path, error.lineno, error.msg)) from None


def check_yaml(system, copy, path):
    program = "import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1], encoding='utf-8')))"
    result = system.run(["/usr/bin/python3", "-c", program, copy], check=False)
    if "No module named" in result.output:
        raise Failure('checking YAML needs the package python3-yaml on this host (packages.all = ["python3-yaml"])')
    if result.code:
        raise Failure("%s would not be valid YAML" % path, result.output.strip().rsplit("yaml.", 1)[-1])


def check_sudoers(system, copy, path):
    result = system.run(["visudo", "-cf", copy], check=False)
    if result.code:
        raise Failure("%s would not be a valid sudoers file" % path, result.output)


def check_systemd(system, copy, path):
    folder = tempfile.mkdtemp(prefix="hawser-verify-")
    try:
        unit = os.path.join(folder, os.path.basename(path))
        shutil.copyfile(copy, unit)
        result = system.run(["systemd-analyze", "verify", "--man=no", unit], check=False)
        about = "\n".join(line for line in result.output.splitlines() if os.path.basename(path) in line)
        if result.code and about:
            raise Failure("%s would not be a valid unit" % path, about)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


SUPERVISOR_PARSER = """
import sys, tempfile
from supervisor.options import ServerOptions
with tempfile.NamedTemporaryFile("w", suffix=".conf") as main:
    main.write("[supervisord]\\n[include]\\nfiles = %s\\n" % sys.argv[1])
    main.flush()
    options = ServerOptions()
    try:
        options.realize(["-c", main.name, "-n"])
    except SystemExit:
        raise
"""


def check_supervisor(system, copy, path):
    folder = tempfile.mkdtemp(prefix="hawser-verify-")
    try:
        program = os.path.join(folder, os.path.basename(path))
        shutil.copyfile(copy, program)
        os.chmod(program, 0o600)
        result = system.run(["/usr/bin/python3", "-W", "ignore", "-c", SUPERVISOR_PARSER, program], check=False)
        if result.code:
            raise Failure("%s would not be a valid supervisor program" % path, result.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


CRON_FIELD = r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?)*"
CRON_LINE = re.compile(r"^(@[a-z]+|(%s\s+){4}%s)\s+\S+\s+\S.*$" % (CRON_FIELD, CRON_FIELD))
CRON_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\s*=")


def check_cron(system, copy, path):
    if "." in os.path.basename(path):
        raise Failure("%s: cron ignores files with a dot in their name" % path)
    with open(copy, encoding="utf-8") as stream:
        text = stream.read()
    if not text.endswith("\n"):
        raise Failure("%s: cron ignores a last line without a line end" % path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#") and not CRON_VARIABLE.match(line) and not CRON_LINE.match(line):
            raise Failure("%s: line %d is no crontab line" % (path, number))


def check_nginx(system, copy, path):
    result = system.run(["nginx", "-t", "-q"], check=False)
    if result.code:
        raise Failure("nginx refuses %s; the former file is back in its place" % path, result.output)


VALIDATORS = {
    "json": Validator(check_json),
    "python": Validator(check_python),
    "yaml": Validator(check_yaml),
    "sudoers": Validator(check_sudoers),
    "systemd": Validator(check_systemd),
    "supervisor": Validator(check_supervisor),
    "cron": Validator(check_cron),
    "nginx": Validator(check_nginx, in_place=True),
}


def validate_with(validator, system, copy, path):
    """Check a temporary copy with a named validator, or with a command line in which ``{}`` stands for it."""
    if validator in VALIDATORS:
        VALIDATORS[validator].check(system, copy, path)
        return
    result = system.run([word.replace("{}", copy) for word in shlex.split(validator)], check=False)
    if result.code:
        raise Failure("%s would not pass %s" % (path, validator), result.output)

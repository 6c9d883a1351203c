"""What single fields of a row may hold, by rules that know the application's bounds."""

from __future__ import annotations

import os
import re

from ..files.definitions import RELEASE
from .bounds import WORD, Bounds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    Rule = Callable[[Bounds, Any], bool]

COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
PAGE = re.compile(r"/etc/(?:nginx|apache2|caddy)/[\w./-]+", re.ASCII)
REPOSITORY = re.compile(r"(?:https?|ssh|git)://[^\s-]\S*|[\w.-]+@[\w.-]+:[^\s-]\S*", re.ASCII)


def anything(_bounds: Bounds, _value: Any) -> bool:
    return True


def inside(bounds: Bounds, value: Any) -> bool:
    return bounds.inside(value)


def within(bounds: Bounds, value: Any) -> bool:
    return bounds.within(value)


def in_release(bounds: Bounds, value: Any) -> bool:
    return bounds.inside(value) and value.startswith((bounds.root + "/releases/", bounds.root + "/checkouts/"))


def inside_or_none(bounds: Bounds, value: Any) -> bool:
    return not value or bounds.inside(value)


def place(bounds: Bounds, value: Any) -> bool:
    return bounds.is_place(value)


def variables(bounds: Bounds, value: Any) -> bool:
    # Root reads it for the program: no user may put a link there.
    return not value or (bounds.inside(value) and bounds.is_roots(os.path.dirname(value)))


def release(_bounds: Bounds, value: Any) -> bool:
    return not value or (isinstance(value, str) and bool(RELEASE.fullmatch(value)))


def entry(bounds: Bounds, value: Any) -> bool:
    # Paths are made of its name.
    return isinstance(value, dict) and release(bounds, value.get("release", ""))


def relative(_bounds: Bounds, value: Any) -> bool:
    # Root looks and removes there, below a folder that another field names.
    paths = [value] if isinstance(value, str) else value
    return all(isinstance(each, str) and not each.startswith("/") and ".." not in each.split("/") for each in paths)


def commit(_bounds: Bounds, value: Any) -> bool:
    return isinstance(value, str) and bool(COMMIT.fullmatch(value))


def reference(_bounds: Bounds, value: Any) -> bool:
    # git takes anything else for an option.
    return isinstance(value, str) and not value.startswith("-")


def pattern(_bounds: Bounds, value: Any) -> bool:
    return isinstance(value, str) and "/" not in value


def names(_bounds: Bounds, value: Any) -> bool:
    return all(map(WORD.fullmatch, value))


def words_in(*fields: str) -> Rule:
    """Return the rule of a row in which these fields hold words alone, or nothing."""

    def rule(_bounds: Bounds, row: Any) -> bool:
        found = [each for name in fields for each in (row[name] if isinstance(row[name], list) else [row[name]])]
        return all(each == "" or WORD.fullmatch(each) for each in found)

    return rule


def user(bounds: Bounds, value: Any) -> bool:
    return bounds.is_user(value)


def owner(bounds: Bounds, value: Any) -> bool:
    return value == "root" or bounds.is_user(value)


def group(bounds: Bounds, value: Any) -> bool:
    return value in ("root", "www-data") or value in bounds.groups


def mode_of_file(_bounds: Bounds, value: Any) -> bool:
    # A file of root's that takes its user's rights along would give them to everybody.
    return isinstance(value, int) and not value & ~0o777


def mode_of_folder(_bounds: Bounds, value: Any) -> bool:
    return isinstance(value, int) and not value & ~0o3777


def unit(bounds: Bounds, value: Any) -> bool:
    return bounds.is_unit(value)


def unit_or_none(bounds: Bounds, value: Any) -> bool:
    return not value or bounds.is_unit(value)


def units(bounds: Bounds, value: Any) -> bool:
    return all(map(bounds.is_unit, value))


def log(bounds: Bounds, value: Any) -> bool:
    return not value or bounds.is_log(value)


def manager(_bounds: Bounds, value: Any) -> bool:
    return value in ("systemd", "supervisor")


def server(_bounds: Bounds, value: Any) -> bool:
    return value in ("", "nginx", "apache", "caddy")


def root(bounds: Bounds, value: Any) -> bool:
    return bool(value == bounds.root)


def application(bounds: Bounds, value: Any) -> bool:
    return bool(value == bounds.application)


def mirror(bounds: Bounds, value: Any) -> bool:
    return not value or value == bounds.root + "/repository.git"


def repository(_bounds: Bounds, value: Any) -> bool:
    return not value or bool(REPOSITORY.fullmatch(value))


def word(_bounds: Bounds, value: Any) -> bool:
    return isinstance(value, str) and bool(WORD.fullmatch(value))


def address(bounds: Bounds, value: Any) -> bool:
    return not value or not value.startswith("/") or bounds.inside(value)


def addresses(bounds: Bounds, value: Any) -> bool:
    return all(address(bounds, each) for each in value)


def validator(_bounds: Bounds, value: Any) -> bool:
    return value in ("", "json", "python", "yaml", "systemd", "supervisor", "cron")


def page(_bounds: Bounds, value: Any) -> bool:
    return isinstance(value, str) and bool(PAGE.fullmatch(value)) and os.path.normpath(value) == value


def uv(bounds: Bounds, value: Any) -> bool:
    # A program that root has installed, and that runs as the application's user.
    return isinstance(value, str) and bounds.is_roots(os.path.dirname(os.path.realpath(value)))


def holds(rules: Mapping[str, Rule], bounds: Bounds, arguments: Mapping[str, Any]) -> bool:
    """Whether each argument has a rule, and is as that says."""
    # Without one it would run as root.
    if rules.get("user") is user and "user" not in arguments:
        return False
    return all(name in rules and rules[name](bounds, value) for name, value in arguments.items())

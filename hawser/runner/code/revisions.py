"""Alembic's pending and generated revisions: by its own words, and judged by their files.

The source of this module, behind that of `operations`, is a program of its own, too. The system's Python runs it as the
application's user, inside the release, so that what a file holds can harm nobody else: ``pending`` prints what an
upgrade would apply, ``known`` the revisions that there are, ``beyond`` what is applied beside some, and ``generate``
runs a command that generates revisions and refuses what goes beyond what is allowed. Which files those are, Alembic
itself says: settings, packages and the application's own code have a say in where they lie.

Alembic can print the SQL instead (``upgrade --sql``), but runs the files for that, knows no column that exists, and
writes what every database understands in another way. Its operations are the same everywhere.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys

if __name__ != "__main__":
    from .operations import ADDITIVE, KINDS, UNCLASSIFIED, Judge, is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Sequence, Set, TypedDict, Union

    class Place(TypedDict):
        """A revision, and its predecessors."""

        revision: str
        down: List[str]

    class Row(Place):
        key: str
        kind: str
        reasons: List[str]
        reversible: bool


MARK = "hawser-migrations: "
ALLOWED = {"additive": 0, "unclassified": 1, "all": 2}
# Bytes of a file that are read.
LONGEST = 256 * 1024
# What no Python is.
UNREADABLE = b"("
# Seconds that Alembic has for each of two answers.
PATIENCE = 85


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
        row["down"] += [str(one) for one in (value if isinstance(value, (list, tuple)) else [value])]
    row["kind"] = max((kind for kind, _why in found), key=KINDS.index, default=ADDITIVE)
    row["reasons"] = list(dict.fromkeys(why for _kind, why in found))[:20]
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    back = [each for one in functions if one.name.startswith("downgrade") for each in one.body]
    row["reversible"] = any(isinstance(each, (ast.Expr, ast.With)) and not is_text(each) for each in back)
    return row


def assigned(body: Sequence[ast.stmt]) -> Dict[str, object]:
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


class Unanswered(Exception):
    """Alembic does not answer a question.

    :param crashed: it failed, as the release's own code may.
    """

    def __init__(self, why: str, crashed: bool = False) -> None:
        super().__init__(why)
        self.crashed = crashed


def output_of(program: str, what: str) -> str:
    """Return Alembic's list of all its revisions (``history``), or of the applied ones (``current``).

    :param program: as a shell would read it, with ``{}`` for what is asked.
    :raises Unanswered:
    """
    words = [what if word == "{}" else word for word in shlex.split(program)]
    try:
        ended = subprocess.run(words, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unanswered("`%s`: %s" % (" ".join(words), error), crashed=True) from error
    if ended.returncode:
        raise Unanswered("`%s` exited with %d" % (" ".join(words), ended.returncode), crashed=True)
    return os.fsdecode(ended.stdout)


def revisions_by_path(program: str) -> Dict[str, Place]:
    """Return the revisions that Alembic knows, by the path of their file: revision, and down, which it follows.

    :raises Unanswered:
    """
    found: List[Dict[str, str]] = []
    # Other lines than these may be the application's own; those of a file's text are indented.
    for line in output_of(program, "history").split("\n"):
        name, _, value = line.partition(": ")
        if name == "Rev":
            found.append({name: value.partition(" ")[0]})
        elif name in ("Parent", "Merges", "Also depends on", "Path"):
            if not found or name in found[-1]:
                raise Unanswered("what Alembic says of its revisions is not understood: %r" % line[:200])
            found[-1][name] = value
    rows: Dict[str, Place] = {}
    for each in found:
        if "Path" not in each:
            raise Unanswered("Alembic does not say where %s lies" % each["Rev"])
        before = [each[name].split(", ") for name in ("Parent", "Merges", "Also depends on") if name in each]
        down = [one for some in before for one in some if one != "<base>"]
        rows[os.path.abspath(each["Path"])] = {"revision": each["Rev"], "down": down}
    return rows


def applied(program: str, rows: Sequence[Place]) -> List[Set[str]]:
    """Return the revisions at which each of the databases is.

    :raises Unanswered: Alembic does not say it, or knows no such revision.
    """
    found: List[Set[str]] = []
    revisions = {row["revision"] for row in rows}
    for line in output_of(program, "current").split("\n"):
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


def heads(rows: Sequence[Place]) -> Set[str]:
    """Return the revisions that no other one follows."""
    return {row["revision"] for row in rows} - {each for row in rows for each in row["down"]}


def lacking(rows: Sequence[Place], current: Set[str]) -> Set[str]:
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


def ordered(rows: Sequence[Place]) -> List[Place]:
    """Return revisions in an order in which they can be applied."""
    found: List[Place] = []
    rest = list(rows)
    while rest:
        missing = {row["revision"] for row in rest}
        ready = [row for row in rest if not missing.intersection(row["down"])] or rest
        found += ready
        rest = [row for row in rest if row not in ready]
    return found


def set_aside(location: str, release: str) -> str:
    """Return the folder that keeps the refused revisions of a release: each at its path, from there on.

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


def fitting(aside: str, rows: Sequence[Place]) -> Dict[str, Row]:
    """Return the refused revisions that still follow the present ones, by the path at which they were generated."""
    kept = {}
    for folder, _folders, names in os.walk(aside):
        for path in (os.path.join(folder, name) for name in sorted(names)):
            kept["/" + os.path.relpath(path, aside)] = judged(path)
    tops = heads(rows) | heads(list(kept.values()))
    fits = all(set(row["down"]) <= tops and (row["down"] or not rows) for row in kept.values())
    return kept if fits else {}


def pending(location: str, release: str, program: str) -> Mapping[str, object]:
    """Return the revisions that an upgrade would apply, and the refused ones of this release.

    :param program: says what revisions there are and where the database is, as `output_of` has it.
    """
    try:
        there = revisions_by_path(program)
        rows = list(there.values())
        again = fitting(set_aside(location, release), rows)
        # Without a revision there is nothing to apply, and perhaps no database yet.
        lacks = {each for current in (applied(program, rows) if rows else []) for each in lacking(rows, current)}
    except Unanswered as error:
        return {"error": str(error), "crashed": error.crashed}
    paths = {row["revision"]: path for path, row in there.items()}
    missing = ordered([row for row in rows if row["revision"] in lacks])
    found = [{**judged(paths[row["revision"]]), **row} for row in missing]
    return {"pending": [*found, *again.values()]}


def known(program: str) -> int:
    """Print the revisions that Alembic knows, one a line; it needs no database for that."""
    try:
        rows = revisions_by_path(program).values()
    except Unanswered as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(row["revision"] for row in rows))
    return 0


def beyond(program: str, others: Sequence[str]) -> Mapping[str, object]:
    """Return, as pending ones, the revisions that are applied in any of the databases and are none of some others."""
    try:
        there = revisions_by_path(program)
        rows = list(there.values())
        databases = applied(program, rows) if rows else []
    except Unanswered as error:
        return {"error": str(error), "crashed": error.crashed}
    everything = {row["revision"] for row in rows}
    more = {each for current in databases for each in everything - lacking(rows, current)} - set(others)
    paths = {row["revision"]: path for path, row in there.items()}
    return {"pending": [{**judged(paths[each["revision"]]), **each} for each in rows if each["revision"] in more]}


def generate(location: str, release: str, allowed: str, program: str, words: Sequence[str]) -> int:
    """Generate revisions, or take the refused ones of this release; set aside all that goes beyond the allowed kind.

    :param program: says what revisions there are, as `output_of` has it.
    :param words: the command that generates.
    :returns: the exit code: that of the command, or 1 when something was refused.
    """
    aside = set_aside(location, release)
    try:
        before = revisions_by_path(program)
        kept = fitting(aside, list(before.values()))
        for path in kept:
            # Exactly what was shown: generated anew, it could be something else.
            move(aside + path, path)
        code = 0 if kept else subprocess.run(list(words), check=False).returncode
        if code:
            return code
        new = {path: judged(path) for path in revisions_by_path(program) if path not in before}
    except Unanswered as error:
        print("what `%s` generates cannot be judged: %s; nothing of it was applied" % (" ".join(words), error))
        return 1
    for row in new.values():
        print("generated %s: %s" % (row["key"], summary(row)))
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


def summary(row: Row) -> str:
    """Return the kind of a revision with the reasons, in words."""
    return str(row["kind"]) + (" (%s)" % "; ".join(row["reasons"]) if row["reasons"] else "")


def main(words: Sequence[str]) -> int:
    """Run as a program.

    The words are ``pending LOCATION RELEASE ASKED``, ``generate LOCATION RELEASE ALLOWED ASKED PROGRAM…``, ``known
    ASKED``, or ``beyond ASKED REVISION…``.
    """
    if words[0] == "generate":
        return generate(words[1], words[2], words[3], words[4], words[5:])
    if words[0] == "known":
        return known(words[1])
    found = beyond(words[1], words[2:]) if words[0] == "beyond" else pending(words[1], words[2], words[3])
    print(MARK + json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

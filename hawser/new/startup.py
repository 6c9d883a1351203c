"""What start scripts of a checkout do beside migrating: whenever a container starts, and so with each release."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from .checkout import Checkout
from .commands import NOT_SERVING, PROGRAMS, Found, dockerfiles, joined_lines, words_of
from .packages import table
from .project import Project

# Of Django, or of a person: no part of a release, or one that it has already.
_OTHERS = re.compile(
    r"(migrate|makemigrations|showmigrations|sqlmigrate|collectstatic|runserver\w*|createsuperuser|shell\w*|dbshell"
    r"|test|check|flush|reset_db|.*(wait|startup|check|superuser|dev|demo|sample|debug).*)"
)
# Of a program of the application's own: what stays, or waits.
_SERVES = re.compile(r"-.*|(run|serve|start|web|work|wait|check|test)[\w-]*")
# What makes files of the release.
_MAKES_FILES = re.compile(r"(compile|build|compress)[\w-]*|tailwind")
_CONDITION = re.compile(r"\$\{?[A-Za-z_]\w*")


def steps_of(checkout: Checkout, path: str) -> Iterator[tuple[tuple[str, ...], int, bool]]:
    """Yield the commands of a script, the numbers of their lines, and whether they run whatever its variables are.

    A condition about its first argument alone, such as which server it shall start, is none.
    """
    depth: list[bool] = []
    for number, line in joined_lines(checkout.text(path)):
        text = line.strip()
        if re.match(r"(if|while|until|for|case)\b", text) or re.match(r"(function\s+)?[\w-]+\s*\(\)\s*\{$", text):
            depth.append(not text.startswith("if") or bool(_CONDITION.search(text)))
        if re.match(r"(else|elif)\b", text) and depth:
            depth[-1] = True
        if re.search(r"(^|;\s*)(fi|done|esac)\b", text) or text == "}":
            depth = depth[:-1]
        words = words_of(re.split(r"\s*(?:\|\||&&|[;|>])\s*", text)[0])
        if words:
            yield words, number, not any(depth)


def managed(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a management command of Django without what starts it; nothing where it is none."""
    for place, word in enumerate(words[:2]):
        if posixpath.basename(word) in ("manage.py", "django-admin"):
            return words[place + 1 :]
    return ()


def describe(project: Project) -> None:
    """Put the management commands that a start script runs into the draft: with the build, or after the migration."""
    for path in dict.fromkeys(
        found.where.rpartition(":")[0]
        for found in project.commands
        if found.kind == "script" and not NOT_SERVING.search(found.where)
    ):
        rows = list(steps_of(project.checkout, path))
        migration = next((number for words, number, _always in rows if managed(words)[:1] == ("migrate",)), 0)
        if not migration:
            continue
        for words, number, always in rows:
            plain = always and not any(re.search(r"[$`{}]", word) for word in words)
            own, command = managed(words), " ".join(map(shlex.quote, words))
            where = f"{path}:{number}"
            if plain and own and not _OTHERS.fullmatch(own[0].replace("-", "_")):
                command = " ".join(("python manage.py", *map(shlex.quote, own)))
                if _MAKES_FILES.fullmatch(own[0]):
                    _build(project, command, where)
                elif number > migration:
                    _migrate(project, command, where)
            elif plain and words[0] in _programs(project) and words[1:] and not _SERVES.fullmatch(words[1]):
                _migrate(project, command, where, first=number < migration)
        return


def _programs(project: Project) -> list[str]:
    """Return the programs that the application installs."""
    found = project.packages.project.get("project", {}).get("scripts", {})
    return list(found) if isinstance(found, dict) else []


_CATALOGS = re.compile(
    r"(flask\s+translate\s+compile|pybabel\s+compile(?:\s+-{1,2}[\w-]+(?:[= ][\w./-]+)?)*"
    r"|(?:manage\.py|django-admin)\s+compilemessages)"
)


def catalogs(project: Project) -> None:
    """Have catalogs of translations compiled where an image or a start does, and the checkout has none that are."""
    if any(path.endswith(".mo") for path in project.checkout.files):
        return
    scripts = [found.where.rpartition(":")[0] for found in project.commands if found.kind in ("script", "procfile")]
    for path in dict.fromkeys([*dockerfiles(project.checkout), *scripts]):
        if NOT_SERVING.search(path):
            continue
        for number, line in joined_lines(project.checkout.text(path)):
            match = _CATALOGS.search(line) if not line.lstrip().startswith("#") else None
            if match:
                django = match[1].endswith("compilemessages")
                if django:
                    project.draft.add("packages", "all", value="gettext", where=f"{path}:{number}")
                command = "python manage.py compilemessages" if django else " ".join(match[1].split())
                _build(project, command, f"{path}:{number}")
                return


def version_file(project: Project) -> None:
    """Have the module written that says which version this is, where only a build of the package writes it."""
    path = posixpath.join(project.base, "pyproject.toml")
    tools = table(project.checkout.text(path)).get("tool", {})
    scm = tools.get("setuptools_scm", tools.get("setuptools-scm", {}))
    if not isinstance(scm, dict):
        return
    key = next((each for each in ("version_file", "write_to") if isinstance(scm.get(each), str)), "")
    if key and posixpath.join(project.base, scm[key]) not in project.checkout.names:
        where = project.checkout.where(path, key)
        project.package("setuptools-scm>=8", where)
        _build(project, "python -m setuptools_scm --force-write-version-files", where)


def _build(project: Project, command: str, where: str) -> None:
    """Put a command before static files are collected: it makes some of them."""
    fact = project.draft.facts.get(("release", "build"))
    former = list(fact.value) if fact is not None and isinstance(fact.value, list) else []
    rest = [each for each in former if "collectstatic" in str(each) or " compress" in str(each)]
    if command in former:
        return
    project.draft.facts.pop(("release", "build"), None)
    for each in [*(each for each in former if each not in rest), command, *rest]:
        place = where if each == command else fact.where if fact else ""
        project.draft.add("release", "build", value=str(each), where=place)


def _migrate(project: Project, command: str, where: str, first: bool = False) -> None:
    fact = project.draft.facts.pop(("release", "migrate"), None)
    former = fact.value if fact is not None and isinstance(fact.value, list) else [fact.value] if fact else []
    places = [*filter(None, [fact.where if fact else ""]), where]
    value = [command, *map(str, former)] if first else [*map(str, former), command]
    project.draft.put("release", "migrate", value=value, where=", ".join(places))


def filled(project: Project, where: str) -> list[str]:
    """Return the programs of the checkout that a start script runs between a migration and the server."""
    path, _, place = where.rpartition(":")
    found: list[str] = []
    for words, number, always in steps_of(project.checkout, path):
        if number <= int(place) or not always:
            continue
        if Found(words, "", "").program in PROGRAMS:
            break
        if re.fullmatch(r"python[0-9.]*", words[0]) and len(words) > 1 and project.has(words[1]):
            found.append(" ".join(("python", *map(shlex.quote, words[1:]))))
    return found

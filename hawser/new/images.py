"""What the Dockerfiles of a checkout build with Node in one stage, and where a later stage has it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .checkout import Checkout
from .commands import dockerfiles, joined_lines

_SCRIPT = re.compile(r"\b(?:npm|yarn|pnpm|bun)\s+(?:(?:--?[\w-]+(?:=\S+)?)\s+)*(?:run(?:-script)?\s+)?([a-z][\w:.-]*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass
class Stage:
    """One stage of an image.

    :ivar copies: what it has of the checkout: the path in the image, and that in the checkout.
    :ivar taken: what it has of other stages: the stage, the path there, the path here, and the place that says so.
    :ivar scripts: the scripts of a package.json that it runs, each with its folder in the image.
    """

    name: str
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    copies: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, str, str, str]] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)

    def path(self, text: str) -> str:
        """Return a path as the stage means it."""
        return posixpath.normpath(posixpath.join(self.folder, expanded(text, self.env)))

    def source(self, path: str) -> str | None:
        """Return the path in the checkout of which a path in the image is a copy; None where it is none."""
        for place in sorted(self.copies, key=len, reverse=True):
            if path == place or path.startswith(place if place.endswith("/") else f"{place}/"):
                inside = posixpath.relpath(path, place)
                return re.sub(r"^\.$", "", posixpath.normpath(posixpath.join(self.copies[place], inside)))
        return None


@dataclass(frozen=True)
class Built:
    """A folder that Node has built, and where the application looks for it.

    :param source: the folder, seen from the checkout.
    :param place: the folder in the checkout that the image has it in; empty where it lies elsewhere.
    :param variables: those of the image that name the place.
    """

    source: str
    place: str
    variables: tuple[str, ...]
    where: str


def expanded(text: str, env: Mapping[str, str]) -> str:
    """Return a word with the variables of an image filled in."""
    return _VARIABLE.sub(lambda match: env.get(match[1] or match[2], match[0]), text.strip("\"'"))


def stages_of(checkout: Checkout, path: str) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    stages: list[Stage] = []
    for number, line in joined_lines(checkout.text(path)):
        word, _, rest = line.strip().partition(" ")
        command = word.upper()
        if command == "FROM":
            words = rest.split()
            named = words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(stages))
            former = next((each for each in stages if words and each.name == words[0]), Stage(""))
            stages.append(Stage(named, dict(former.env), former.folder, dict(former.copies)))
        elif stages and command in ("ENV", "ARG", "WORKDIR", "RUN", "COPY", "ADD"):
            _instruct(stages[-1], command, rest, checkout, f"{path}:{number}")
    return stages


def _instruct(stage: Stage, command: str, rest: str, checkout: Checkout, where: str) -> None:
    if command == "WORKDIR":
        stage.folder = stage.path(rest.strip())
    elif command in ("ENV", "ARG"):
        for match in re.finditer(r"(\w+)=(\"[^\"]*\"|\S*)", rest):
            stage.env[match[1]] = expanded(match[2], stage.env)
        plain = re.fullmatch(r"(\w+)\s+([^=]+)", rest.strip())
        if plain:
            stage.env[plain[1]] = expanded(plain[2], stage.env)
    elif command == "RUN":
        stage.scripts += [(match[1], stage.folder) for match in _SCRIPT.finditer(rest)]
    else:
        words = rest.split()
        given = next((each.partition("=")[2] for each in words if each.startswith("--from=")), "")
        paths = [each for each in words if not each.startswith("--")]
        if len(paths) > 1 and given:
            stage.taken += [(given, each, stage.path(paths[-1]), where) for each in paths[:-1]]
        elif len(paths) > 1:
            _copied(stage, paths, checkout)


def _copied(stage: Stage, paths: list[str], checkout: Checkout) -> None:
    """Note what a stage takes from the checkout: the content of folders, and files by their names."""
    target = stage.path(paths[-1])
    for each in paths[:-1]:
        source = posixpath.normpath(each.strip("\"'").lstrip("/") or ".")
        if source == "." or any(path.startswith(f"{source}/") for path in checkout.files):
            stage.copies[target] = "" if source == "." else source
        elif len(paths) > 2 or paths[-1].endswith(("/", ".")):
            stage.copies[posixpath.join(target, posixpath.basename(source))] = source


def scripts_of(checkout: Checkout) -> Iterator[tuple[str, str | None, str]]:
    """Yield the scripts of a package.json that images run: the script, its folder in the checkout, the Dockerfile."""
    for path in dockerfiles(checkout):
        for stage in stages_of(checkout, path):
            for script, folder in stage.scripts:
                yield script, stage.source(folder), path


def tools_of(checkout: Checkout) -> list[str]:
    """Return the packages of Node that images install for all: programs that scripts then find."""
    found: list[str] = []
    for path in dockerfiles(checkout):
        for _number, line in joined_lines(checkout.text(path)):
            for match in re.finditer(r"\bnpm\s+(?:install|i|add)\s+(?:-g|--global)\s+([^&|;]+)", line):
                found += [each for each in match[1].split() if re.fullmatch(r"(@[\w-]+/)?[\w-]+(@[\w.^~-]+)?", each)]
    return list(dict.fromkeys(found))


def variables_of(checkout: Checkout) -> dict[str, str]:
    """Return the variables of the stages that run scripts of a package.json, or install what those need."""
    found: dict[str, str] = {}
    for path in dockerfiles(checkout):
        for stage in stages_of(checkout, path):
            if stage.scripts:
                found |= stage.env
    return found


def built_folders(checkout: Checkout) -> Iterator[Built]:
    """Yield what a stage with Node builds and a later stage takes, wherever that is not where it was built."""
    for path in dockerfiles(checkout):
        stages = stages_of(checkout, path)
        by_name = {each.name: each for each in stages if each.scripts}
        for stage in stages:
            for name, text, target, where in stage.taken:
                builder = by_name.get(name)
                source = builder.source(builder.path(text)) if builder else None
                if source is None or "*" in source:
                    continue
                place = stage.source(target)
                named = tuple(key for key, value in stage.env.items() if posixpath.normpath(value or "-") == target)
                if place != source:
                    yield Built(source, place or "", named, where)

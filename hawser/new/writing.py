"""The files that a new environment consists of: checked as a whole, then written all at once."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hawser.errors import HawserError, InputErrors, Problem
from hawser.inventory import read_environment

from .facts import Draft
from .text import environment_text, secrets_text

FABFILE = (
    '"""The tasks of Hawser; tasks of your own come below."""\n\nfrom hawser import namespace as ns  # noqa: F401\n'
)
IGNORED = ("hosts/*.env", "hosts/**/*.key")


def problems_of(draft: Draft, name: str) -> tuple[Problem, ...]:
    """Return what the reader of environment files says against a draft."""
    with tempfile.TemporaryDirectory(prefix="hawser-new-") as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(environment_text(draft, name, ""), encoding="utf-8")
        try:
            read_environment(path)
        except InputErrors as errors:
            return errors.problems
    return ()


def leave_out(draft: Draft, name: str) -> None:
    """Take away what was found and no environment file can carry, with a note of it.

    :raises InputErrors: something else is wrong, such as the name.
    """
    for _round in range(20):
        problems = problems_of(draft, name)
        found = [(loc, each) for each in problems for loc in draft.facts if _named(".".join(loc), each.key)]
        if not problems:
            return
        if not found or any(
            loc[0] in ("app", "hosts", "site") and loc[-1] in ("name", "address", "domains") for loc, _each in found
        ):
            raise InputErrors([Problem(f"{name}.toml", each.key, each.message, each.hint) for each in problems])
        for loc, each in found:
            fact = draft.facts.pop(loc, None)
            if fact is not None:
                draft.note(f"{'.'.join(loc)} = {fact.value!r} ({fact.where}) cannot stand here: {each.message}")
    raise InputErrors(problems_of(draft, name))


def _named(key: str, place: str) -> bool:
    bare = place.replace('"', "")
    return bool(key) and (bare == key or bare.startswith((f"{key}.", f"{key}[")) or key.startswith(f"{bare}."))


class NewFiles:
    """The files of a new environment.

    :param project: the folder that holds `hosts`.
    """

    def __init__(self, project: Path, hosts: Path, name: str) -> None:
        self.project, self.hosts, self.name = project, hosts, name
        self.texts: dict[Path, str] = {}

    @property
    def target(self) -> str:
        """What stands after ``-H``."""
        return self.name

    @property
    def path(self) -> Path:
        """The environment file."""
        return self.hosts / f"{self.name}.toml"

    @property
    def sample(self) -> Path:
        """The sample of its secrets."""
        return self.hosts / f"{self.name}.env.example"

    def collect(self, draft: Draft, about: str) -> None:
        """Prepare all texts: the environment file last, so that it is there when all is."""
        ignore = self.project / ".gitignore"
        former = _text(ignore)
        missing = [line for line in IGNORED if line not in former.splitlines()]
        if missing and not ignore.is_symlink():
            gap = "" if not former or former.endswith("\n") else "\n"
            self.texts[ignore] = f"{former}{gap}{chr(10).join(missing)}\n"
        if not any((self.project / each).exists() for each in ("fabfile.py", "fabfile")):
            self.texts[self.project / "fabfile.py"] = FABFILE
        self.texts[self.sample] = secrets_text(draft, self.name)
        self.texts[self.path] = environment_text(draft, self.name, about)

    def taken(self) -> list[Path]:
        """Return the files that would be overwritten."""
        return [path for path in (self.path, self.sample) if path.exists() or path.is_symlink()]

    def write(self) -> None:
        """Write all files, or none.

        :raises HawserError: one cannot be written.
        """
        ready: list[tuple[Path, Path]] = []
        made = _make_folder(self.hosts)
        try:
            for path, text in self.texts.items():
                ready.append((_beside(path, text), path))
            for temporary, path in ready:
                temporary.replace(path)
        except OSError as error:
            for temporary, _path in ready:
                temporary.unlink(missing_ok=True)
            if made:
                _quietly(self.hosts.rmdir)
            where = getattr(error, "filename", None) or self.hosts
            raise HawserError(f"{where} cannot be written: {(error.strerror or str(error)).lower()}", code=2) from None


def _make_folder(folder: Path) -> bool:
    if folder.is_dir():
        return False
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise HawserError(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}", code=2) from None
    return True


def _beside(path: Path, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.fchmod(stream.fileno(), mode)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""
    except OSError as error:
        raise HawserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", code=2) from None


def name_for(folder: Path) -> str:
    """Return a name for the application in a folder, as `app.name` allows it."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-").lstrip("0123456789-")
    return name[:32].rstrip("-") or "site"


def other_name(name: str, taken: Sequence[str]) -> str:
    """Return a name like another one that no environment has."""
    return next(each for each in (f"{name}-{number}" for number in range(2, 1000)) if each not in taken)

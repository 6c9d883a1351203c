"""Commands by which a checkout starts its programs: Procfile, Dockerfile, compose, supervisor, systemd, scripts."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from invoke.vendor import yaml

from .checkout import Checkout
from .packages import section

# Programs that serve, work or migrate; everything else in a script is its own affair.
PROGRAMS = frozenset(
    ["gunicorn", "uvicorn", "daphne", "hypercorn", "granian", "uwsgi", "waitress-serve", "celery", "flask", "alembic",
     "rq", "rqworker", "dramatiq", "arq", "huey_consumer", "huey_consumer.py", "saq", "taskiq", "procrastinate",
     "litestar"]
)  # fmt: skip
_WRAPPERS = (("poetry", "run"), ("uv", "run"), ("pipenv", "run"), ("pdm", "run"), ("exec",), ("sudo", "-E"))
_COMPOSE = re.compile(r"(^|/)(docker-)?compose(\.(prod|production|deploy))?\.ya?ml$")
_DOCKERFILE = re.compile(r"([A-Za-z0-9._-]*\.)?[Dd]ockerfile(\.[A-Za-z0-9_-]+)?")
NOT_SERVING = re.compile(
    r"(^|[./_-])(dev|develop|development|test|tests|ci|local|frontend|docs|nginx|devcontainer)([./_-]|$)"
)
_SCRIPT = re.compile(
    r"(^|/)[^/]*(entry|start|run|boot|server|serve|worker|celery|launch|init|Procfile)[^/]*\.?(sh|bash)?$"
)


@dataclass(frozen=True)
class Found:
    """A command as the checkout has it.

    :param name: of the process, where the checkout gives it one.
    :param kind: the file that says so: ``procfile``, ``docker``, ``compose``, ``supervisor``, ``systemd``, ``uwsgi`` (a
        program that runs beside the server), ``script``.
    """

    words: tuple[str, ...]
    where: str
    kind: str
    name: str = ""

    @property
    def program(self) -> str:
        """The program, without its folder; a management command of Django as ``manage NAME``."""
        first = posixpath.basename(self.words[0])
        if re.fullmatch(r"python[0-9.]*", first) and len(self.words) > 1:
            if self.words[1] == "-m" and len(self.words) > 2:
                return self.words[2]
            if posixpath.basename(self.words[1]) == "manage.py":
                return f"manage {self.words[2] if len(self.words) > 2 else ''}"
        if first == "manage.py" and len(self.words) > 1:
            return f"manage {self.words[1]}"
        return first

    @property
    def literal(self) -> bool:
        """Whether every word is what it says: nothing that a shell would fill in."""
        return not any(re.search(r"[$`{}]|%\(|&&|\|\||[;<>|]", word) for word in self.words)


def commands_of(checkout: Checkout) -> list[Found]:
    """Return all commands, those that say most clearly what runs in production first."""
    return [
        *_procfile(checkout),
        *_docker(checkout),
        *_supervisor(checkout),
        *_systemd(checkout),
        *_daemons(checkout),
        *_compose(checkout),
        *_scripts(checkout),
    ]


def words_of(line: str) -> tuple[str, ...]:
    """Return the words of a command, without what only wraps it; none where it cannot be read."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return ()
    while words:
        wrapper = next((each for each in _WRAPPERS if tuple(words[: len(each)]) == each), None)
        if wrapper:
            words = words[len(wrapper) :]
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", words[0], re.DOTALL):
            words = words[1:]
        elif words[0] in ("sh", "bash", "/bin/sh", "/bin/bash") and len(words) > 2 and words[1] in ("-c", "-lc"):
            return words_of(words[2])
        elif posixpath.basename(words[0]) in ("start-nginx", "start-nginx-solo", "start-pgbouncer"):
            words = words[1:]
        else:
            break
    return tuple(words)


def _procfile(checkout: Checkout) -> Iterator[Found]:
    for number, line in enumerate(checkout.text("Procfile").splitlines(), 1):
        match = re.match(r"([A-Za-z0-9_-]+):\s*(.+)", line)
        words = words_of(match[2]) if match else ()
        if match and words:
            yield Found(words, f"Procfile:{number}", "procfile", match[1])


def dockerfiles(checkout: Checkout) -> list[str]:
    """Return the Dockerfiles, the one at the top first."""
    found = [
        path
        for path in checkout.files
        if _DOCKERFILE.fullmatch(posixpath.basename(path)) and not NOT_SERVING.search(path)
    ]
    return sorted(found, key=lambda path: (path.count("/"), len(path)))


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a script or Dockerfile with those that go on joined, and their numbers."""
    number, whole = 1, ""
    for place, line in enumerate(text.splitlines(), 1):
        if not whole:
            number = place
        if whole and line.lstrip().startswith("#"):
            continue
        whole += line.rstrip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            whole += " "
            continue
        yield number, whole
        whole = ""
    if whole:
        yield number, whole


def _docker(checkout: Checkout) -> Iterator[Found]:
    for path in dockerfiles(checkout):
        for number, line in joined_lines(checkout.text(path)):
            match = re.match(r"\s*(?:CMD|ENTRYPOINT)\s+(.+)", line, re.IGNORECASE)
            words = _docker_words(match[1]) if match else ()
            if words:
                yield Found(words, f"{path}:{number}", "docker", "web")


def _docker_words(text: str) -> tuple[str, ...]:
    try:
        listed = json.loads(text)
    except ValueError:
        return words_of(text)
    return words_of(shlex.join(map(str, listed))) if isinstance(listed, list) else ()


def _supervisor(checkout: Checkout) -> Iterator[Found]:
    for path in checkout.files:
        if path.endswith((".conf", ".ini")) and "[program:" in checkout.text(path):
            parsed = section(checkout.text(path))
            for name in parsed.sections():
                words = words_of(parsed.get(name, "command", fallback=""))
                if name.startswith("program:") and words:
                    yield Found(words, checkout.where(path, f"[{name}]"), "supervisor", name.removeprefix("program:"))


def _systemd(checkout: Checkout) -> Iterator[Found]:
    for path in checkout.files:
        if path.endswith(".service"):
            match = re.search(r"^ExecStart=(.+)$", checkout.text(path), re.MULTILINE)
            once = re.search(r"^Type=oneshot\s*$", checkout.text(path), re.MULTILINE)
            words = words_of(match[1]) if match and not once else ()
            if words:
                name = posixpath.basename(path).removesuffix(".service")
                yield Found(words, checkout.where(path, "ExecStart="), "systemd", name)


def _daemons(checkout: Checkout) -> Iterator[Found]:
    """Yield the management commands that uWSGI starts beside its server, whatever its variables are."""
    for path in checkout.files:
        text = checkout.text(path) if path.endswith(".ini") and not NOT_SERVING.search(path) else ""
        condition = False
        for number, line in enumerate(text.splitlines() if "[uwsgi]" in text else (), 1):
            condition = not line.startswith("endif") and (condition or bool(re.match(r"if-(not-)?\w+\s*=", line)))
            match = re.match(r"(?:smart-)?attach-daemon2?\s*=\s*(.+)", line)
            words = words_of(match[1]) if match and not condition else ()
            found = Found(words, f"{path}:{number}", "uwsgi") if words else None
            if found and found.program.startswith("manage "):
                yield replace(found, name=found.program.removeprefix("manage "))


def compose_services(checkout: Checkout) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield file, name and settings of each service of compose, those of production last, so that they count."""
    for path in sorted(filter(_COMPOSE.search, checkout.files), key=lambda path: (path.count("/"), len(path))):
        try:
            parsed = yaml.safe_load(checkout.text(path))  # type: ignore[no-untyped-call]
        except (yaml.YAMLError, ValueError, RecursionError):
            continue
        services = parsed.get("services") if isinstance(parsed, dict) else None
        for name, service in services.items() if isinstance(services, dict) else ():
            if isinstance(service, dict):
                yield path, str(name), service


def _compose(checkout: Checkout) -> Iterator[Found]:
    for path, name, service in compose_services(checkout):
        command = service.get("command") or service.get("entrypoint")
        line = shlex.join(map(str, command)) if isinstance(command, list) else str(command or "")
        words = words_of(line)
        if words:
            yield Found(words, checkout.where(path, f"  {name}:"), "compose", name)


def _scripts(checkout: Checkout) -> Iterator[Found]:
    """Yield the commands of start scripts that name a program of a server, worker or migration."""
    for path in checkout.files:
        folder = posixpath.dirname(path)
        if (
            folder.count("/") > 2
            or not _SCRIPT.search(path)
            or re.search(r"(^|/)([a-z-]*tests?|docs?|node_modules|\.[a-z]+)/", path)
        ):
            continue
        text = checkout.text(path)
        if not text.startswith("#!") or "sh" not in text.partition("\n")[0]:
            continue
        for number, line in joined_lines(text):
            words = words_of(line.strip().removesuffix("&"))
            found = Found(words, f"{path}:{number}", "script") if words else None
            if found and (found.program in PROGRAMS or found.program.startswith("manage ")):
                yield found

"""Processes: the server in front of an application's code, its workers, and the commands that migrate."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from . import programs, startup
from .apps import App, find_apps, home_of, target_of
from .checkout import module_name
from .commands import PROGRAMS, Found, dockerfiles, joined_lines
from .facts import Fact
from .project import Project
from .reads import dotted

_SERVERS = ("gunicorn", "uvicorn", "daphne", "hypercorn", "granian", "uwsgi", "waitress-serve")
_KEPT = {
    "gunicorn": {"-k", "--worker-class", "-w", "--workers", "--threads", "-t", "--timeout", "--max-requests",
                 "--max-requests-jitter", "--graceful-timeout", "--preload", "--keep-alive", "--limit-request-line"},
    "uvicorn": {"--factory", "--workers", "--lifespan", "--ws", "--loop", "--http", "--timeout-keep-alive",
                "--interface"},
}  # fmt: skip
_FLAGS = ("--preload", "--factory")
_TARGET = re.compile(
    r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(\([^{}]*\))?"
    r"|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+(\(\))?"
)
_WORKERS = {"celery", "rq", "rqworker", "dramatiq", "arq", "huey_consumer", "huey_consumer.py", "saq", "taskiq",
            "procrastinate", "manage qcluster", "manage run_huey", "manage rqworker", "manage rqscheduler",
            "manage rundramatiq", "manage db_worker", "manage process_tasks", "manage runworker",
            "manage procrastinate", "manage rq", "manage scheduler"}  # fmt: skip
_ASKS = ("--app", "--wsgi", "-a", "--module")


def served(found: Found) -> str:
    """Return the application that a server's command names; empty where it names none."""
    if found.program not in _SERVERS:
        return ""
    words = found.words[1:] if found.words[0].rpartition("/")[2] == found.program else found.words[3:]
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        takes_value = before.startswith("-") and "=" not in before and before not in _FLAGS
        if takes_value and before not in _ASKS and not before.startswith("--proxy"):
            continue
        if _TARGET.fullmatch(word) and not word.endswith((".py", ".conf", ".ini")):
            return word
    return ""


def options(found: Found) -> list[str]:
    """Return the options of a server's command that do not say where it listens or logs."""
    kept, words, place = [], found.words, 1
    known = _KEPT.get(found.program, set())
    while place < len(words):
        name, sign, _value = words[place].partition("=")
        plain = not re.search(r"[$`{}]", words[place])
        if name in known and (sign or name in _FLAGS):
            kept += [words[place]] if plain else []
        elif name in known and place + 1 < len(words):
            place += 1
            kept += [name, words[place]] if plain and not re.search(r"[$`{}]", words[place]) else []
        place += 1
    return kept


def web(project: Project, target: str, asgi: bool, where: str, extra: list[str], doubt: str = "") -> None:
    """Put the process that serves into the draft."""
    program = "uvicorn" if asgi else "gunicorn"
    project.package("uvicorn>=0.30" if asgi else "gunicorn>=22", f"serves {target}; the code does not ask for it")
    quoted = f"'{target}'" if "(" in target else target
    if asgi:
        # Only the web server reaches the socket.
        command = [program, quoted, *extra, "--uds", "{{ socket }}", "--forwarded-allow-ips='*'"]
    else:
        command = [program, quoted, *extra, "--bind", "unix:{{ socket }}"]
    project.draft.put("processes", "web", "command", value=" ".join(command), where=where, open=doubt)


def describe_django(project: Project, module: str, where: str, asgi: bool) -> None:
    """Put the server of a Django project into the draft."""
    for found in project.commands:
        target = served(found)
        if target and found.program in ("gunicorn", "uvicorn") and found.words[0].endswith(found.program):
            worker = " ".join(found.words)
            asynchronous = found.program == "uvicorn" or "UvicornWorker" in worker
            if target.partition(":")[0].partition("(")[0].rpartition(".")[2] in ("wsgi", "asgi"):
                kept = [] if "UvicornWorker" in worker else options(found)
                if found.program == "gunicorn" and "gevent" in worker and "gevent" not in project.packages:
                    kept = []
                web(project, target, asynchronous, found.where, kept)
                return
    if module:
        web(project, f"{module}:application", asgi, where, [])
    else:
        project.draft.note("there is neither wsgi.py nor asgi.py: processes.web has to be written.")


def describe_app(project: Project) -> tuple[App | None, str]:
    """Put the server of an application of Flask or ASGI into the draft; return it and the folder of its modules."""
    apps = find_apps(project)
    for found in project.commands:
        target = served(found)
        app = _named(project, apps, target.partition("(")[0]) if target else None
        if app is not None:
            home = home_of(project, app.path)
            named = target_of(app, home) + ("()" if app.factory and not app.asgi else "")
            kept = options(found) if found.program == ("uvicorn" if app.asgi else "gunicorn") else []
            if app.factory and app.asgi and "--factory" not in kept:
                kept.append("--factory")
            web(project, named, app.asgi, found.where, kept)
            return app, home
    if not apps:
        return None, ""
    app, home = apps[0], home_of(project, apps[0].path)
    others = [
        each for each in apps[1:] if each.factory == app.factory and each.name == app.name and each.path != app.path
    ]
    doubt = f"there are others: {', '.join(each.where for each in others[:3])}" if others else ""
    named = target_of(app, home) + ("()" if app.factory and not app.asgi else "")
    web(project, named, app.asgi, app.where, ["--factory"] if app.factory and app.asgi else [], doubt)
    return app, home


def _named(project: Project, apps: list[App], target: str) -> App | None:
    """Return the application that a server's argument means."""
    module, _, name = target.partition(":")
    ends = (module.replace(".", "/") + ".py", module.replace(".", "/") + "/__init__.py")
    fitting = [each for each in apps if each.path.endswith(ends)]
    return next((each for each in fitting if each.name == name), None) or (fitting[0] if fitting and not name else None)


def workers(project: Project) -> None:
    """Put the workers that the checkout's own commands start into the draft."""
    for found in project.commands:
        known = found.program in _WORKERS or found.kind == "uwsgi" or _litestar(found, "workers", "run")
        known = known or _stays(found)
        if not known or (found.kind == "script" and _has_workers(project) and not _clock(found)):
            continue
        beat = "beat" in found.words
        name = "beat" if beat else "scheduler" if _clock(found) else _process_name(project, found)
        if beat and ("processes", "beat", "command") in project.draft.facts:
            continue
        if _same(project, found):
            continue
        found = _bare(found)
        command, doubt = (" ".join(_quoted(each) for each in found.words), "") if found.literal else _canonical(found)
        if not command:
            continue
        project.draft.put("processes", name, "command", value=command, where=found.where, open=doubt)
        _once(project, name, found, beat)
    _celery(project)


def _stays(found: Found) -> bool:
    """Tell whether a management command goes on running: a program of a process manager that is about Django."""
    managed = found.program.startswith("manage ") and found.literal
    once = found.kind == "procfile" and found.name in ("release", "web")
    return (
        managed
        and found.kind in ("systemd", "supervisor", "procfile")
        and not once
        and not re.fullmatch(r"manage (runserver\w*|migrate|collectstatic|shell\w*|test|check)", found.program)
    )


def _litestar(found: Found, *words: str) -> bool:
    """Tell whether a command is one of Litestar's own, with the application that `LITESTAR_APP` names."""
    return found.program == "litestar" and found.words[1:3] == words and found.literal


def _bare(found: Found) -> Found:
    """Return a command whose program is looked up in the environment, wherever the checkout's own had it."""
    first = posixpath.basename(found.words[0])
    if first == "manage.py":
        return replace(found, words=("python", "manage.py", *found.words[1:]))
    known = first in PROGRAMS or re.fullmatch(r"python[0-9.]*", first)
    return replace(found, words=(first, *found.words[1:])) if known else found


def _has_workers(project: Project) -> bool:
    return any(loc[0] == "processes" and loc[1] != "web" for loc in project.draft.facts)


def _same(project: Project, found: Found) -> bool:
    """Tell whether a process of this kind is in the draft already, out of a file that says more."""
    kind = _kind(list(found.words))
    kinds = [
        _kind(str(fact.value).split())
        for loc, fact in project.draft.facts.items()
        if loc[0] == "processes" and loc[-1] == "command"
    ]
    return kind in kinds


def _kind(words: list[str]) -> tuple[str, ...]:
    """Return what a worker does: its program, its task, and its queues."""
    found = Found(tuple(words), "", "")
    queues = [words[place + 1] for place, each in enumerate(words[:-1]) if each in ("-Q", "--queues")]
    tasks = [each for each in words if each in ("worker", "beat", "scheduler", "flower")]
    return (found.program, *tasks[:1], *queues)


def _quoted(word: str) -> str:
    return f"'{word}'" if re.search(r"[\s*?&|;<>()!#]", word) and "'" not in word else word


def _process_name(project: Project, found: Found) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", found.name.lower()).strip("-").removeprefix(f"{project.name}-")
    return name if re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name) and name != "web" else "worker"


def _canonical(found: Found) -> tuple[str, str]:
    """Return a worker's command without what a shell would fill in, and why it is not certain."""
    words = [each for each in found.words if not re.search(r"[$`{}]|%\(|&&|\|\||[;<>|]", each)]
    kept = [
        each
        for place, each in enumerate(words)
        if not (each.startswith("-") and place + 1 == len(words) and each in ("-c", "--concurrency", "-l"))
    ]
    if found.program == "celery" and not any(each in ("worker", "beat") for each in kept):
        return "", ""
    left = [each for each in kept if each not in ("-c", "--concurrency") or each in found.words[:1]]
    return " ".join(map(_quoted, left)), "a shell fills in parts of the original command"


def _clock(found: Found) -> bool:
    """Tell whether a worker is the one that says when: it starts tasks, and there must not be two of it."""
    return any(each in ("beat", "scheduler", "rqscheduler") for each in found.words)


def _once(project: Project, name: str, found: Found, beat: bool) -> None:
    if _clock(found):
        project.draft.put("processes", name, "single", value=True)
    command = project.draft.facts["processes", name, "command"]
    text = str(command.value)
    if beat and "Database" not in text and "--schedule" not in text and " -s " not in text:
        project.folder("data", found.where)
        value = f"{text} --schedule {{{{ app.root }}}}/data/beat"
        project.draft.facts["processes", name, "command"] = Fact(value, command.where, command.open)


def _celery(project: Project) -> None:
    """Start a worker of celery where the code has an application of it and no file starts one."""
    if "celery" not in project.packages or any("celery" in str(fact.value) for fact in _commands(project)):
        return
    for path in project.python:
        text = project.checkout.text(path)
        made = re.search(r"^(\w+)\s*=\s*(?:\w*Celery)\(", text, re.MULTILINE)
        if made:
            home = home_of(project, path)
            inside = path.removeprefix(f"{home}/") if home else path
            module = module_name(inside)
            name = module.removesuffix(".celery") if module.endswith(".celery") else module
            where = project.checkout.where(path, "Celery(")
            prepared = _prepared(project, made[1])
            if prepared:
                name, where = f"{project.module_name(prepared)}:{made[1]}", prepared
            project.draft.put("processes", "worker", "command", value=f"celery -A {name} worker -l INFO", where=where)
            if re.search(r"beat_schedule|BEAT_SCHEDULE", "".join(map(project.checkout.text, project.python))):
                command = f"celery -A {name} beat -l INFO --schedule {{{{ app.root }}}}/data/beat"
                project.draft.put("processes", "beat", "command", value=command, where=where)
                project.draft.put("processes", "beat", "single", value=True)
                project.folder("data", where)
            return


def _prepared(project: Project, name: str) -> str:
    """Return the module that makes the application for the workers, beside an object of celery that it imports."""
    for path in project.python:
        tree = project.checkout.tree(path) if "celery" in posixpath.basename(path) else None
        body = tree.body if tree else []
        imported = any(isinstance(each, ast.ImportFrom) and name in [one.name for one in each.names] for each in body)
        if imported and any(
            isinstance(each, ast.Assign)
            and isinstance(each.value, ast.Call)
            and re.search(r"(^|\.)(create|make)_", dotted(each.value.func))
            for each in body
        ):
            return path
    return ""


def _commands(project: Project) -> Iterator[Fact]:
    return (fact for loc, fact in project.draft.facts.items() if loc[0] == "processes" and loc[-1] == "command")


def _links(project: Project, path: str, line: str) -> Iterator[str]:
    """Yield the links that an image makes in the code before it builds bundles: to packages of Node, as a rule."""
    folder = re.search(r"^WORKDIR\s+(\S+)", project.checkout.text(path), re.MULTILINE)
    for match in re.finditer(r"\bln\s+-s\w*\s+([\w.@/-]+)\s+([\w.@/-]+)", line):
        place = match[2].removeprefix(f"{folder[1].rstrip('/')}/" if folder else "/")
        if not match[1].startswith("/") and not place.startswith(("/", "..")):
            yield f"ln -sfn {match[1]} {place}"


def bundles(project: Project, target: str) -> None:
    """Put the command of Flask-Assets into the draft, with the variables that an image gives it."""
    if "flask-assets" not in project.packages:
        return
    for path in dockerfiles(project.checkout):
        for number, line in joined_lines(project.checkout.text(path)):
            match = re.search(r"((?:[A-Z][A-Z0-9_]*=[\w./:-]+ +)*)flask +assets +build\b", line)
            if match:
                where = f"{path}:{number}"
                for link in _links(project, path, line[: match.start()]):
                    project.draft.add("release", "build", value=link, where=where)
                project.draft.add("release", "build", value=f"{match[1]}flask assets build", where=where)
                project.variable("FLASK_APP", target.replace("'", ""), where)
                return


# Of a command of the application's own that makes the tables of an empty database, and says that they are up to date.
_MAKES_TABLES = re.compile(r"(create|init|setup)[-_]?(db|database|tables)|db[-_](create|init|setup)")


def _tables(project: Project) -> None:
    """Have the tables of an empty database made as a start script offers it, where migrations change what is there."""
    for found in project.commands:
        own = found.program.startswith("manage ") or (found.program == "flask" and found.words[1:2] != ("db",))
        if found.kind == "script" and own and found.literal and _MAKES_TABLES.fullmatch(found.words[-1]):
            command = " ".join(_quoted(each) for each in _bare(found).words)
            project.draft.put("once", "database", "command", value=command, where=found.where)
            project.draft.put("once", "database", "before", value="migrate")
            return


def migrations(project: Project, target: str) -> None:
    """Put the command that migrates the database of an application without Django into the draft."""
    _tables(project)
    for found in project.commands:
        line = " ".join(found.words)
        if found.program == "alembic" and "upgrade" in found.words and found.literal:
            filled = startup.filled(project, found.where) if found.kind == "script" else []
            project.draft.put("release", "migrate", value=[line, *filled] if filled else line, where=found.where)
        if _litestar(found, "database", "upgrade"):
            asked = [*found.words, *(() if "--no-prompt" in found.words else ("--no-prompt",))]
            project.draft.put("release", "migrate", value=" ".join(asked), where=found.where)
        if found.program == "flask" and "upgrade" in found.words and found.literal:
            project.draft.put("release", "migrate", value=line, where=found.where)
            project.variable("FLASK_APP", target.replace("'", ""), found.where)
    if any(found.program == "litestar" for found in project.commands):
        project.variable("LITESTAR_APP", target.replace("'", ""), "the commands of Litestar take it")
    if project.has("alembic.ini"):
        project.draft.put("release", "migrate", value="alembic upgrade head", where="alembic.ini")
        return
    found_env = next((path for path in project.checkout.files if path.endswith("migrations/env.py")), "")
    if found_env and project.packages.first("flask-migrate", "flask-alembic"):
        folder = project.relative(posixpath.dirname(found_env))
        command = "flask db upgrade" + ("" if folder == "migrations" else f" --directory {folder}")
        project.draft.put("release", "migrate", value=command, where=found_env)
        project.variable("FLASK_APP", target.replace("'", ""), found_env)
    if ("release", "migrate") not in project.draft.facts:
        own, place = programs.migration(project)
        if own:
            project.draft.put("release", "migrate", value=own, where=place)

"""Django: settings modules, servers' entry points, static and uploaded files, databases, and workers of its apps."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import Any

from . import services
from .checkout import SRC
from .commands import dockerfiles, joined_lines
from .evaluate import TOP, UNKNOWN, Alternative, FromVariable, Module, plain
from .facts import Fact
from .project import Project

_MODULE = re.compile(r"""DJANGO_SETTINGS_MODULE["']?\s*[,:=\]]\s*=?\s*["']?([A-Za-z_][A-Za-z0-9_.]*)""")
_FOR_DEVELOPMENT = ("local", "dev", "develop", "development", "test", "testing", "ci", "debug")
_FOR_PRODUCTION = ("production", "prod", "live", "deploy", "heroku")
_KINDS = {
    "postgresql": "postgresql",
    "postgis": "postgresql",
    "mysql": "mariadb",
    "sqlite3": "sqlite",
    "spatialite": "sqlite",
}
# What builds make, and nobody's data.
_MADE = ("node_modules", "static", "staticfiles", "assets", "dist", "build", "locale", "templates", "collected-static")
_PORTS = {"postgresql": "5432", "mariadb": "3306"}
# Workers of apps, by what stands in INSTALLED_APPS: the process, its command, and whether one is enough.
_WORKERS = {
    "django_q": ("worker", "python manage.py qcluster"),
    "huey.contrib.djhuey": ("worker", "python manage.py run_huey"),
    "bx_django_utils.huey": ("worker", "python manage.py run_huey"),
    "django_rq": ("worker", "python manage.py rqworker"),
    "django_dramatiq": ("worker", "python manage.py rundramatiq"),
    "procrastinate.contrib.django": ("worker", "python manage.py procrastinate worker"),
    "django_tasks.backends.database": ("worker", "python manage.py db_worker"),
    "django_tasks_db": ("worker", "python manage.py db_worker"),
    "background_task": ("worker", "python manage.py process_tasks"),
}


def manage_files(project: Project) -> list[str]:
    """Return the `manage.py` of Django projects, the one nearest to the top first."""
    found = [path for path in project.checkout.files if posixpath.basename(path) == "manage.py"]
    texts = {path: project.checkout.text(path) for path in found}
    ours = ("DJANGO_SETTINGS_MODULE", "django.core.management", "execute_from_command_line")
    fitting = [path for path, text in texts.items() if any(each in text for each in ours)]
    return sorted(fitting, key=lambda path: path.count("/"))


def settings_module(project: Project, manage: str) -> tuple[str, str, str]:
    """Return the settings module for production, its place, and why it is not certain.

    :raises LookupError: none of the modules that are named is in the checkout.
    """
    named: list[tuple[str, str]] = []
    paths = [
        path
        for path in project.checkout.files
        if re.search(r"([Dd]ockerfile[^/]*|Procfile|fly\.toml|app\.json)$", path)
    ]
    paths += [path for path in project.checkout.files if re.search(r"(^|/)(wsgi|asgi|celery)\.py$", path)]
    for path in [*paths, manage]:
        if re.search(r"(^|/)(tests?|docs?|\.devcontainer)/|[.-](dev|test|ci)\b", path):
            continue
        for number, line in project.checkout.lines(path):
            if not re.match(r"\s*(RUN|#)", line):
                named += [(match[1], f"{path}:{number}") for match in _MODULE.finditer(line)]
    present = [(name, where) for name, where in named if project.checkout.module(name, project.base)]
    best = next((each for each in present if each[0].rpartition(".")[2] not in _FOR_DEVELOPMENT), None)
    if best is not None:
        package = best[0]
        sibling = _production_beside(project, package)
        if sibling and package.rpartition(".")[2] not in _FOR_PRODUCTION and "base" in package:
            return sibling, project.checkout.module(sibling, project.base), f"{best[1]} says {package}"
        return *best, ""
    for name, where in named:
        sibling = _production_beside(project, name)
        if sibling:
            return (
                sibling,
                project.checkout.module(sibling, project.base),
                f"{where} says {name}, which is for development",
            )
    for name, where in named:
        found = _for_production(project, name)
        if found:
            return project.module_name(found), found, f"{where} says {name}, which is for development"
    if present:
        return *present[0], f"{present[0][0]} is for development by its name; write a module for production"
    found = _guessed(project)
    if found:
        return project.module_name(found), found, "no file says which settings module counts"
    raise LookupError(", ".join(f"{name} ({where})" for name, where in named) or manage)


def _production_beside(project: Project, name: str) -> str:
    package = name.rpartition(".")[0]
    names = [f"{package}.{each}" if package else each for each in _FOR_PRODUCTION]
    return next((each for each in names if project.checkout.module(each, project.base)), "")


def _for_production(project: Project, name: str) -> str:
    """Return the only module beside another one that turns DEBUG off and takes its secret from a variable."""
    folder = posixpath.join(project.base, *name.split(".")[:-1])
    found = []
    for path in project.checkout.inside(folder):
        stem = posixpath.basename(path).removesuffix(".py")
        if path.endswith(".py") and stem not in (*_FOR_DEVELOPMENT, "__init__", "base", "common"):
            module = Module(project.checkout, path, project.base)
            if module.names.get("DEBUG") is False and "SECRET_KEY" in module.fed and "INSTALLED_APPS" in module.names:
                found.append(path)
    return found[0] if len(found) == 1 else ""


def _guessed(project: Project) -> str:
    found = [path for path in project.python if re.search(r"(^|/)settings(/__init__|/base|/main)?\.py$", path)]
    return next((path for path in sorted(found, key=len) if "INSTALLED_APPS" in project.checkout.text(path)), "")


def describe(project: Project, manage: str) -> frozenset[str]:
    """Put what a Django project is into the draft; return the files of its settings.

    :raises LookupError: its settings are not in the checkout.
    """
    name, where, doubt = settings_module(project, manage)
    settings = Module(project.checkout, project.checkout.module(name, project.base), project.base)
    project.variable("DJANGO_SETTINGS_MODULE", name, where, open=doubt)
    if project.src and settings.path.startswith(f"{project.src}/"):
        project.variable("PYTHONPATH", f"{{{{ release.code }}}}/{SRC}", f"{settings.path} is imported as {name}")
    root = plain(settings.names.get("ROOT_URLCONF"))
    project.root_urls = project.checkout.module(root, project.base) if isinstance(root, str) else ""
    _security(project, settings)
    _databases(project, settings)
    _static(project, settings)
    _uploads(project, settings)
    _own_folders(project, settings)
    migrate = "python manage.py migrate --noinput"
    project.draft.put("release", "migrate", value=migrate, where=manage)
    if "backends.db.DatabaseCache" in str(settings.names.get("CACHES", "")):
        # No migration makes the tables of caches; the command leaves those alone that are there.
        tables = [migrate, "python manage.py createcachetable"]
        project.draft.facts["release", "migrate"] = Fact(tables, f"{manage}, {settings.lines.get('CACHES', '')}")
    _workers(project, settings)
    return _files_of(project, settings)


def _files_of(project: Project, settings: Module) -> frozenset[str]:
    """Return the files whose variables count; of those that they need under a condition alone, none is required."""
    project.reads = [replace(each, required=False) for each in project.reads] + list(settings.needed.values())
    files = {where.rpartition(":")[0] for where in settings.lines.values()} | {settings.path}
    # Those of another program, a worker's, that begin with these.
    name = re.escape(project.module_name(settings.path))
    files |= {
        path
        for path in project.python
        if "settings" in path and re.search(rf"^from {name} import \*", project.checkout.text(path), re.MULTILINE)
    }
    return frozenset(files & project.checkout.names)


def _direct(settings: Module, name: str) -> FromVariable | None:
    """Return the variable that decides a setting, also where it only does so under a condition."""
    value = settings.names.get(name)
    if isinstance(value, FromVariable):
        return value
    for each in settings.alternatives.get(name, []):
        if isinstance(each.value, FromVariable):
            return each.value
        if isinstance(each.value, list) and len(each.value) == 1 and isinstance(each.value[0], FromVariable):
            return each.value[0]
    return settings.fed.get(name)


def _security(project: Project, settings: Module) -> None:
    secret = _direct(settings, "SECRET_KEY")
    if secret is not None:
        project.variable(secret.read.name, project.secret(secret.read.name, secret.read.where), secret.read.where)
    elif isinstance(settings.names.get("SECRET_KEY"), str):
        project.draft.note(
            f"SECRET_KEY stands in the code ({settings.lines['SECRET_KEY']}): whoever reads it can sign sessions."
        )
    debug = _direct(settings, "DEBUG")
    if debug is not None and (debug.read.required or _on(plain(debug))):
        project.variable(debug.read.name, "False", debug.read.where)
    elif debug is None and settings.names.get("DEBUG") is True:
        project.draft.note(f"DEBUG is on in the code ({settings.lines['DEBUG']}): visitors see tracebacks.")
    _hosts(project, settings)
    origins = _direct(settings, "CSRF_TRUSTED_ORIGINS")
    if origins is not None and origins.direct:
        project.variable(origins.read.name, "https://{{ site.domains[0] }}", origins.read.where)


def _on(value: object) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on")


def _hosts(project: Project, settings: Module) -> None:
    allowed = _direct(settings, "ALLOWED_HOSTS")
    if allowed is not None and allowed.read.name not in ("SITE_ROOT", "SITE_URL"):
        separator = allowed.separator or ("," if allowed.read.kind in ("list", "csv") else "")
        value = (
            f"{{{{ site.domains | join('{separator}') }}}}" if separator in (",", " ", ";") else "{{ site.domains[0] }}"
        )
        project.variable(allowed.read.name, value, allowed.read.where)
        return
    listed = plain(settings.names.get("ALLOWED_HOSTS", UNKNOWN))
    texts = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    domains = [each.lstrip(".") for each in texts if re.fullmatch(r"\.?([a-z0-9-]+\.)+[a-z]{2,}", each)]
    if domains and "*" not in texts:
        project.draft.put(
            "site",
            "domains",
            value=domains[:3],
            where=settings.lines["ALLOWED_HOSTS"],
            open="those of the code; is it yours?",
        )
    elif not texts and isinstance(listed, list) and UNKNOWN not in listed:
        project.draft.note(
            f"ALLOWED_HOSTS is empty ({settings.lines.get('ALLOWED_HOSTS')}): Django then answers no visitor."
        )


def _databases(project: Project, settings: Module) -> None:
    found = settings.names.get("DATABASES")
    choices: list[tuple[Any, Alternative | None]] = [(_default(found), None)] if isinstance(found, dict) else []
    choices += [(_default(each.value), each) for each in settings.alternatives.get("DATABASES", [])]
    others = [each for name, found in settings.alternatives.items() if name != "DATABASES" for each in found]
    choices += [(each.value, each) for each in others if isinstance(each.value, dict) and "ENGINE" in each.value]
    choices = [each for each in choices if each[0] is not None]
    wanted = services.database_kind(project)
    where = settings.lines.get("DATABASES", settings.path)
    for kind in dict.fromkeys((wanted, "postgresql", "mariadb", "sqlite")):
        for entry, condition in choices:
            if kind in _kinds_of(entry, wanted) and _database(project, entry, kind, where):
                project.database = kind
                if condition is not None and condition.equals:
                    project.variable(condition.read.name, condition.equals, condition.read.where)
                _further(project, found)
                return
    if where == settings.path and not choices:
        project.draft.note(f"{settings.path} has no DATABASES that can be read from its text.")


def _default(databases: Any) -> Any:
    return databases.get("default") if isinstance(databases, dict) else None


def _kinds_of(entry: Any, wanted: str) -> tuple[str, ...]:
    """Return the kinds of databases that an entry may mean."""
    if isinstance(entry, FromVariable):
        return (wanted,)
    engine = plain(entry.get("ENGINE")) if isinstance(entry, dict) else None
    if isinstance(entry, dict) and isinstance(entry.get("ENGINE"), FromVariable) and entry["ENGINE"].direct:
        return (wanted,)
    kind = _KINDS.get(engine.rpartition(".")[2].partition("_")[0], "") if isinstance(engine, str) else ""
    return (kind,) if kind else ()


def _database(project: Project, entry: Any, kind: str, where: str) -> bool:
    if isinstance(entry, FromVariable):
        scheme = services.scheme_for(project, entry.read, "")
        scheme = scheme if services.is_kind(scheme, kind) else kind
        project.variable(entry.read.name, services.url(project, scheme, entry.read.where), entry.read.where)
        return True
    engine = entry.get("ENGINE")
    if isinstance(engine, FromVariable) and not services.is_kind(str(plain(engine) or "").rpartition(".")[2], kind):
        backend = {"postgresql": "postgresql", "mariadb": "mysql", "sqlite": "sqlite3"}[kind]
        project.variable(engine.read.name, f"django.db.backends.{backend}", engine.read.where)
    return _sqlite(project, entry.get("NAME"), where) if kind == "sqlite" else _server(project, entry, kind, where)


def _server(project: Project, entry: dict[str, Any], kind: str, where: str) -> bool:
    """Ask for a database of a server; those of its values that are variables are set, the others kept."""
    given = {key: entry.get(key) for key in ("NAME", "USER")}
    fixed = {
        key: each for key, each in given.items() if isinstance(each, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", each)
    }
    name = fixed.get("NAME", services.role(project))
    user = fixed.get("USER", services.role(project))
    services.database(project, kind, where, name, user)
    if str(plain(entry.get("ENGINE"))).endswith("postgis"):
        services.geography(project, where)
    values = {
        "NAME": name,
        "USER": user,
        "PASSWORD": "{{ secrets.DB_PASSWORD }}",
        "HOST": "127.0.0.1",
        "PORT": _PORTS[kind],
    }
    for key, value in values.items():
        setting = entry.get(key)
        if isinstance(setting, FromVariable):
            project.variable(setting.read.name, value, setting.read.where)
    if not isinstance(entry.get("PASSWORD"), FromVariable):
        project.draft.note(
            f"the password of the database is no variable ({where}): the role gets DB_PASSWORD of the secrets."
        )
    options = entry.get("OPTIONS")
    mode = options.get("sslmode") if isinstance(options, dict) else None
    if isinstance(mode, FromVariable) and str(plain(mode)).startswith(("verify", "require")):
        project.variable(mode.read.name, "prefer", mode.read.where)
    return True


def _sqlite(project: Project, name: Any, where: str) -> bool:
    text = plain(name)
    file = posixpath.basename(text) if isinstance(text, str) else "db.sqlite3"
    if isinstance(name, FromVariable):
        project.variable(name.read.name, services.sqlite(project, file, name.read.where), name.read.where)
        return True
    place = inside(project, text)
    if place is None:
        project.draft.note(
            f"the place of the database is not clear from {where}; it must lie in one of persistent.folders."
        )
        return True
    folder = posixpath.dirname(place)
    if folder and not any(
        path.endswith(".py") for path in project.checkout.inside(posixpath.join(project.base, folder))
    ):
        project.folder(folder, where, linked=True)
        project.draft.add("backup", "sqlite", value=place, where=where)
        return True
    target = services.sqlite(project, file, where)
    project.draft.add(
        "release", "build", value=f"ln -sfn {target} {place}", where=f"{where}: the database outlives releases"
    )
    return True


def _further(project: Project, databases: Any) -> None:
    """Point further databases that a variable tells to the same server."""
    for key, entry in databases.items() if isinstance(databases, dict) else ():
        if key != "default" and isinstance(entry, FromVariable):
            value = services.url(project, services.scheme_for(project, entry.read, ""), entry.read.where)
            doubt = f"DATABASES[{key!r}] is a second database; this is the address of the first one"
            project.variable(entry.read.name, value, entry.read.where, open=doubt)


def inside(project: Project, path: object) -> str | None:
    """Return a path of the settings as the application sees it; None where it lies elsewhere."""
    # A template would read braces.
    if not isinstance(path, str) or not path or re.search(r"[{}%\n]", path):
        return None
    if not path.startswith("/"):
        found = posixpath.normpath(path)
    elif path.startswith(f"{TOP}/"):
        found = posixpath.relpath(path, posixpath.join(TOP, project.base))
    else:
        return None
    return None if found.startswith("..") or found == "." else found


def _url_path(value: object, otherwise: str) -> str:
    text = plain(value)
    if not isinstance(text, str) or text.startswith(("http:", "https:", "//")):
        return otherwise
    if re.search(r"[^A-Za-z0-9/._~-]", text):
        return otherwise
    return f"/{text.strip('/')}/" if text.strip("/") else otherwise


def _static(project: Project, settings: Module) -> None:
    root, where = settings.names.get("STATIC_ROOT"), settings.lines.get("STATIC_ROOT", "")
    place = inside(project, plain(root))
    if place is None and isinstance(root, FromVariable):
        place = "collected-static"
        project.variable(root.read.name, f"{{{{ release.code }}}}/{place}", root.read.where)
    project.defaults.add(where)
    if place is None:
        if plain(root) not in (None, UNKNOWN, ""):
            project.draft.note(
                f"STATIC_ROOT lies outside of the code ({where}): see site.static and persistent.collected."
            )
        elif root is None and "STATIC_URL" in settings.names:
            url = settings.lines["STATIC_URL"]
            project.draft.note(f"STATIC_ROOT is not set ({url}): static files are neither collected nor served.")
        return
    manifest = posixpath.join(project.base, place, "staticfiles.json")
    if manifest in project.checkout.names:
        # Collecting again would list what finders find, which is less where assets were built elsewhere.
        project.draft.note(
            f"static files are in the checkout as they were collected ({manifest}): nothing collects them."
        )
    else:
        module, image = _collected_with(project)
        command = f"{module}python manage.py collectstatic --noinput"
        project.draft.add("release", "build", value=command, where=image or where)
    if settings.names.get("COMPRESS_OFFLINE") is True:
        # django-compressor then answers 500 until its command has run.
        compress = "python manage.py compress"
        project.draft.add("release", "build", value=compress, where=settings.lines.get("COMPRESS_OFFLINE", ""))
    project.draft.put(
        "site", "static", _url_path(settings.names.get("STATIC_URL"), "/static/"), value=place, where=where
    )


def _collected_with(project: Project) -> tuple[str, str]:
    """Return what an image collects static files with where those are other settings, and its place."""
    for path in dockerfiles(project.checkout):
        for number, line in joined_lines(project.checkout.text(path)):
            match = re.search(r"DJANGO_SETTINGS_MODULE=([\w.]+)\s[^;&|]*manage\.py\s+collectstatic", line)
            if match and project.checkout.module(match[1], project.base):
                return f"DJANGO_SETTINGS_MODULE={match[1]} ", f"{path}:{number}"
    return "", ""


def _uploads(project: Project, settings: Module) -> None:
    root, where = settings.names.get("MEDIA_ROOT"), settings.lines.get("MEDIA_ROOT", "")
    place = inside(project, plain(root))
    if place is not None:
        project.folder(place, where, linked=True)
        project.defaults.add(where)
    elif isinstance(root, FromVariable):
        place = "media"
        project.folder(place, where)
        project.variable(root.read.name, "{{ app.root }}/media", root.read.where)
    else:
        return
    if "MEDIA_URL" not in settings.names:
        project.draft.note(
            f"MEDIA_URL is not set ({where}): the web server does not serve {place}, which may be private."
        )
        return
    path = _url_path(settings.names.get("MEDIA_URL"), "/media/")
    project.draft.put("site", "static", path, value=place, where=where)


def _own_folders(project: Project, settings: Module) -> None:
    """Keep the folders in the code that settings name and the checkout lacks: the application writes there."""
    static = inside(project, plain(settings.names.get("STATIC_ROOT"))) or ""
    kept = {str(each) for loc in ("linked", "folders") for each in _listed(project, loc)}
    for name, value in settings.names.items():
        for text in _texts(value) if name.isupper() else ():
            place = inside(project, text) if text.startswith(TOP) else None
            first, _slash, rest = (place or "").partition("/")
            made = first in _MADE or f"{place}/".startswith(f"{static or '-'}/")
            if made or not place or (not rest and "." in first):
                continue
            prefix = f"{posixpath.join(project.base, first)}/"
            if first not in kept and not any(path.startswith(prefix) for path in project.checkout.files):
                kept.add(first)
                project.folder(first, settings.lines.get(name, settings.path), linked=True)


def _listed(project: Project, key: str) -> list[str]:
    fact = project.draft.facts.get(("persistent", key))
    return fact.value if fact is not None and isinstance(fact.value, list) else []


def _texts(value: Any, depth: int = 0) -> list[str]:
    """Return the texts in a setting that no variable decides."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each, depth + 1)] if depth < 5 else []


def _workers(project: Project, settings: Module) -> None:
    installed = plain(settings.names.get("INSTALLED_APPS", []))
    apps = [each for each in installed if isinstance(each, str)] if isinstance(installed, list) else []
    where = settings.lines.get("INSTALLED_APPS", "")
    for app, (process, command) in _WORKERS.items():
        if app in apps or any(each.startswith(f"{app}.") for each in apps):
            project.draft.put("processes", process, "command", value=command, where=f"{where}: {app}")
    if "django_celery_beat" in apps:
        project.draft.note(f"django_celery_beat is installed ({where}): the schedule of beat is in the database.")
    if isinstance(settings.names.get("CACHES"), dict) and "redis" in str(settings.names["CACHES"]).lower():
        project.draft.note(f"a cache of the settings is Redis ({settings.lines.get('CACHES')}).")
    sites = settings.names.get("SITE_ID")
    if sites is not None and "django.contrib.sites" in apps:
        project.draft.note("django.contrib.sites keeps the site's name in the database: set it in the admin.")


def entry_point(project: Project) -> tuple[str, str, bool]:
    """Return the module that a server loads, its place, and whether it is ASGI."""
    asynchronous = project.packages.first("channels", "daphne", "django-channels")
    for kind, found in (("asgi", True), ("wsgi", False)) if asynchronous else (("wsgi", False), ("asgi", True)):
        paths = [path for path in project.python if posixpath.basename(path) == f"{kind}.py"]
        fitting = [
            path
            for path in paths
            if "get_" in project.checkout.text(path) or "application" in project.checkout.text(path)
        ]
        if fitting:
            path = min(fitting, key=lambda each: (each.count("/"), each))
            return project.module_name(path), path, found
    return "", "", False

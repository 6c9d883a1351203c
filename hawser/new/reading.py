"""From a checkout to the draft of an environment file."""

from __future__ import annotations

import posixpath
import re

from hawser.errors import HawserError

from . import django, node, services, serving, startup, surroundings, variables
from .apps import App, find_apps, home_of
from .checkout import Checkout
from .commands import commands_of
from .facts import Draft, Value
from .packages import Packages, read_packages
from .project import Project
from .reads import reads_of

# What lies in the folder that the rest of an application is seen from.
_HOME = (
    "pyproject.toml",
    "uv.lock",
    "requirements.txt",
    "Pipfile",
    "setup.py",
    "setup.cfg",
    "poetry.lock",
    "pylock.toml",
)
_FRAMEWORKS = ("django", "flask", "fastapi", "starlette", "quart", "litestar", "sanic")
_DOMAIN, _ADDRESS = "www.example.org", "203.0.113.10"
# Values that no real site has: whoever takes them has not answered.
PLACEHOLDERS: tuple[Value, ...] = ([_DOMAIN], _ADDRESS)


def read(checkout: Checkout, name: str, framework: str = "") -> Draft:
    """Return the draft of an environment file.

    :param framework: the one to take where the checkout has several.
    :raises HawserError: the checkout is no web application, or it is not clear which one.
    """
    if framework and framework not in _FRAMEWORKS:
        raise HawserError(
            f"--framework: {framework} is none of those that are known", next=", ".join(_FRAMEWORKS), code=2
        )
    project = Project(name, checkout, "", Draft(), Packages(), commands_of(checkout), [])
    manage = django.manage_files(project)
    apps = find_apps(project)
    _require_one(project, manage, apps, framework)
    uses_django = bool(manage) and framework in ("", "django")
    if uses_django:
        project.base = posixpath.dirname(manage[0])
        others = [each for each in manage[1:] if each.count("/") == manage[0].count("/")]
        doubt = f"there are other projects: {', '.join(others[:3])}" if others else ""
    else:
        project.base, doubt = _base(project, apps), ""
    project.draft.put("app", "name", value=name)
    if project.base:
        project.draft.put(
            "app", "directory", value=project.base, where=manage[0] if uses_django else apps[0].where, open=doubt
        )
    project.packages = read_packages(checkout, project.base, project.draft)
    project.reads = reads_of(checkout, project.python)
    central = _django(project, manage[0]) if uses_django else _application(project)
    serving.workers(project)
    startup.version_file(project)
    startup.catalogs(project)
    node.describe(project)
    surroundings.system_packages(project)
    surroundings.health(project)
    surroundings.clocks(project)
    surroundings.former_deployments(project)
    surroundings.other_services(project)
    surroundings.samples_of_code(project)
    surroundings.visitors_addresses(project)
    variables.settle(project, central)
    services.extensions(project)
    _redis_of_workers(project)
    _host(project)
    return project.draft


def _require_one(project: Project, manage: list[str], apps: list[App], framework: str) -> None:
    """Refuse a checkout without an application, and one in which several frameworks have one.

    :raises HawserError: says what there is.
    """
    if framework:
        apps[:] = [each for each in apps if each.framework.lower() == framework]
        if not apps and not (framework == "django" and manage):
            raise HawserError(f"{project.checkout.folder} has no application of {framework}", code=2)
    if not manage and not apps:
        raise HawserError(
            f"{project.checkout.folder} has no web application that can be told from its code: no manage.py of Django, "
            "and no application of Flask, FastAPI, Starlette, Quart or Litestar",
            next="docs/tutorial.md shows a short environment file to write by hand",
            code=2,
        )
    objects = {each.framework: each.where for each in reversed(apps) if not each.factory}
    served = {target.partition(":")[0] for found in project.commands if (target := serving.served(found))}
    named = [each for each in apps if project.module_name(each.path) in served]
    if manage and not framework and objects and not (served and not named):
        objects = {"Django": manage[0], **objects}
    elif named:
        return
    if len(objects) > 1 and not framework:
        listed = ", ".join(f"{kind} ({where})" for kind, where in objects.items())
        first = next(iter(objects)).lower()
        raise HawserError(
            f"two frameworks have an application here: {listed}", next=f"--framework {first} takes one", code=2
        )


def _base(project: Project, apps: list[App]) -> str:
    """Return the folder of an application: the nearest one above it that says which packages it needs."""
    named = filter(None, (serving.served(found) for found in project.commands))
    ends = [f"{each.partition(':')[0].replace('.', '/')}.py" for each in named]
    target = next((app for end in ends for app in apps if app.path.endswith(end)), apps[0])
    folder = home_of(project, target.path)
    while folder and not any(posixpath.join(folder, each) in project.checkout.names for each in _HOME):
        folder = posixpath.dirname(folder)
    return folder


def _django(project: Project, manage: str) -> frozenset[str]:
    try:
        central = django.describe(project, manage)
    except LookupError as error:
        raise HawserError(
            f"the settings of Django are not in the checkout: {error.args[0]}",
            next="commit a settings module that reads its secrets from variables",
            code=2,
        ) from None
    broken = [path for path in central if project.checkout.tree(path) is None]
    if broken:
        raise HawserError(
            f"{', '.join(broken)} cannot be read as Python 3", next="correct its syntax, and commit", code=2
        )
    serving.describe_django(project, *django.entry_point(project))
    startup.describe(project)
    return central


def _application(project: Project) -> frozenset[str]:
    app, home = serving.describe_app(project)
    if app is None:
        raise HawserError(f"{project.base} has no application that a server could load", code=2)
    if home != project.base:
        inside = project.relative(home)
        project.variable("PYTHONPATH", f"{{{{ release.code }}}}/{inside}", app.where)
    command = str(project.draft.facts["processes", "web", "command"].value)
    target = re.search(r"(\S+:\w+)", command)
    served = target[1].removesuffix("()") if target else ""
    serving.migrations(project, served)
    serving.bundles(project, served)
    settings = [
        path
        for path in project.python
        if re.search(r"(^|/)[a-z_]*(config|settings|conf|env)[a-z_]*(/__init__)?\.py$|/(configs?|settings)/", path)
    ]
    return frozenset(
        [*settings, app.path, *(path for path in project.python if "BaseSettings" in project.checkout.text(path))]
    )


def _redis_of_workers(project: Project) -> None:
    """Ask for Redis where a worker needs a broker and no variable says where it is."""
    commands = [
        str(fact.value) for loc, fact in project.draft.facts.items() if loc[0] == "processes" and loc[-1] == "command"
    ]
    needs = any(re.search(r"celery|\brq\b|rqworker|arq|saq|rundramatiq", command) for command in commands)
    brokers = (("services", "redis"), ("services", "rabbitmq"))
    known = any(loc[:2] in brokers for loc in project.draft.facts)
    if needs and not known and project.packages.first("redis", "django-redis", "rq", "django-rq", "arq", "saq"):
        project.draft.put("services", "redis", value={})


def _host(project: Project) -> None:
    draft = project.draft
    doubt = "the name that visitors type; DNS points it to the host"
    draft.put("site", "domains", value=[_DOMAIN], open=doubt)
    draft.put("hosts", "web1", "address", value=_ADDRESS, open="the address of the host, and who logs in there")
    draft.put("hosts", "web1", "user", value="root")

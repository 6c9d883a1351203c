"""Variables of the application: values for those that it needs, and notes about the rest."""

from __future__ import annotations

import re

from . import services
from .checkout import Checkout
from .commands import compose_services
from .project import Project
from .reads import Read

# Secrets that an application only has to keep to itself: any value will do.
_OWN_SECRET = re.compile(r"(^|_)(SECRET_KEY|SECRET|SALT|ENCRYPTION_KEY|SIGNING_KEY|SECRET_KEY_BASE|HASH_KEY)$")
# Those that sign sessions and the like, whatever the code does without one; others may switch on what nobody uses.
_ALWAYS = re.compile(r"(^|_)(SECRET_KEY(_BASE)?|SALT|(JWT|COOKIE|SESSION|APP|CSRF|FLASK|DJANGO)_SECRET)$|^SECRET$")
_OF_OTHERS = re.compile(
    r"(AWS|S3|STRIPE|GITHUB|GOOGLE|GITLAB|AZURE|OIDC|OAUTH|SAML|LDAP|SLACK|DISCORD|TWITTER|FACEBOOK|MAIL|SMTP|SENTRY|"
    r"CAPTCHA|TWILIO|OPENAI|CLIENT|CONSUMER|API|WEBHOOK|SSO|B2|MINIO|STORAGE|PAYPAL|SUPERUSER|ADMIN)"
)
_SECRET = re.compile(r"(SECRET|PASSWORD|PASSWD|TOKEN|PRIVATE|CREDENTIAL|API_KEY|ACCESS_KEY|LICENSE_KEY|_KEY$|DSN$)")
_DOMAIN = re.compile(
    r"(^|_)(DOMAIN|DOMAIN_NAME|HOST_NAME|HOSTNAME|SITE_HOST|SERVER_NAME|PRIMARY_HOST|VIRTUAL_HOST|PARENT_HOST|FQDN)$"
)
_ADDRESS = re.compile(
    r"(^|_)(SITE|BASE|PUBLIC|APP|SERVER|ROOT|EXTERNAL|FRONTEND|BACKEND|WEB|WEBSITE|WAGTAILADMIN_BASE|SELF|PRIMARY|"
    r"INSTANCE|PROJECT)_(URL|URI|ROOT|BASE_URL|HOST)$|^(URL|HOST_URL)$"
)
_FOLDER = re.compile(r"(UPLOAD|DATA|MEDIA|STORAGE|FILES|ATTACHMENT)[A-Z_]*(DIR|FOLDER|PATH|ROOT|DIRECTORY)$")
# What an application writes to, wherever it looks for it when nothing says so.
_DATA = re.compile(r"([A-Z0-9]+_)?DATA_(DIR|FOLDER|PATH|ROOT|DIRECTORY)")
_SAMPLE = re.compile(
    r"(^|/)(\.env|\.?env[._-]?(file)?[._-]?(example|sample|template|dist|prod|production|default)s?"
    r"|(example|sample|template)[._-]env|\.env\.[a-z]+\.example)$",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*(?:export\s+)?#?\s*([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$")
# Of Django and others; a mail server on the host takes mail so.
_MAIL = {"EMAIL_HOST": "localhost", "EMAIL_PORT": "25", "EMAIL_HOST_USER": "", "SMTP_HOST": "localhost",
         "SMTP_PORT": "25", "MAIL_SERVER": "localhost", "MAIL_PORT": "25",
         "DEFAULT_FROM_EMAIL": "webmaster@{{ site.domains[0] }}",
         "SERVER_EMAIL": "webmaster@{{ site.domains[0] }}"}  # fmt: skip
# Nobody sets these for one application.
_OF_MACHINES = frozenset(
    ["HOME", "PATH", "USER", "LANG", "SHELL", "PWD", "TERM", "TMPDIR", "CI", "PYTHONPATH", "HOSTNAME", "DYNO", "PORT"]
)


def samples(checkout: Checkout) -> dict[str, str]:
    """Return {variable: value} of the samples of dotenv files in a checkout; of comments, addresses of databases."""
    found: dict[str, str] = {}
    aside: dict[str, str] = {}
    paths = sorted((path for path in checkout.files if _SAMPLE.search(path)), key=lambda path: path.count("/"))
    for path in paths[:10]:
        for _number, line in checkout.lines(path):
            match = _LINE.match(line)
            value = match[2].strip("\"'") if match else ""
            if match and not line.lstrip().startswith("#"):
                found.setdefault(match[1], value)
            elif match and services.of_database(value):
                aside.setdefault(match[1], value)
    return aside | found


def compose_reads(project: Project) -> list[Read]:
    """Return the variables that compose gives to services which are built from the checkout."""
    found = []
    for path, _name, service in compose_services(project.checkout):
        given = service.get("environment")
        rows = [each.partition("=") for each in given if isinstance(each, str)] if isinstance(given, list) else []
        rows += [(str(name), "=", str(value)) for name, value in given.items()] if isinstance(given, dict) else []
        for name, _sign, value in rows if "build" in service else ():
            if re.fullmatch("[A-Z][A-Z0-9_]*", name):
                text = "" if "${" in value else value
                found.append(Read(name, text, False, project.checkout.where(path, name), "compose"))
    return found


def is_secret(name: str) -> bool:
    """Tell whether a variable is a secret, by its name."""
    return bool(_SECRET.search(name)) and not re.search(
        r"(PUBLIC_KEY|KEY_PREFIX|KEY_ID|EXPIRE|TIMEOUT|LENGTH|_ALGORITHM|MINUTES|SECONDS|HOURS|DAYS)", name
    )


def settle(project: Project, central: frozenset[str]) -> None:
    """Set the variables that the code cannot do without, and list the others.

    :param central: the files whose variables count for every process: the settings. Others may belong to a script.
    """
    given = samples(project.checkout)
    by_name: dict[str, list[Read]] = {}
    composed = compose_reads(project)
    central |= {read.where.rpartition(":")[0] for read in composed}
    for read in [*project.reads, *composed]:
        by_name.setdefault(read.name, []).append(read)
    others: dict[str, str] = {}
    for name, reads in sorted(by_name.items()):
        if name in _OF_MACHINES or ("env", "variables", name) in project.draft.facts:
            continue
        inside = [read for read in reads if read.where.rpartition(":")[0] in central]
        read = next((each for each in inside if each.required), (inside or reads)[0])
        if not inside or read.where in project.defaults or not _set(project, read, given.get(name, "")):
            default = "" if read.default in (None, "") or is_secret(name) else f" = {str(read.default)[:60]!r}"
            others[name] = f"{name}{default}, {read.where}"
    project.draft.others = sorted(others.values())


def _set(project: Project, read: Read, sample: str) -> bool:
    """Set a variable where its name, its default or a sample says to what; tell whether it was."""
    name = read.name
    if services.set_variable(project, read, sample):
        return True
    # One that has a form, such as a salt of bcrypt's, is none that any value will do for.
    formed = isinstance(read.default, str) and read.default.startswith("$")
    used = bool(_ALWAYS.search(name)) or read.required or read.default not in (None, "")
    own = _OWN_SECRET.search(name) and (not _OF_OTHERS.search(name) or "JWT" in name)
    if own and used and not formed:
        project.variable(name, project.secret(name, read.where), read.where)
        return True
    if _ADDRESS.search(name) and (read.required or _local(read.default)):
        project.variable(name, "https://{{ site.domains[0] }}", read.where)
        return True
    if _DOMAIN.search(name) and (read.required or _local(read.default)):
        project.variable(name, "{{ site.domains[0] }}", read.where)
        return True
    place = read.default if isinstance(read.default, str) else ""
    bare = bool(_DATA.fullmatch(name)) and not place
    if _FOLDER.search(name) and (read.required or bare or re.fullmatch(r"[./]*[A-Za-z][\w./-]*", place)):
        project.folder("data", read.where)
        project.variable(name, "{{ app.root }}/data", read.where)
        return True
    if not read.required:
        return False
    if name in _MAIL:
        project.variable(name, _MAIL[name], read.where, open=f"{name} has no default in the code; write its value")
    elif read.kind == "bool":
        doubt = "" if name in ("PRODUCTION", "DEBUG", "TESTING") else f"{name} has no default in the code"
        project.variable(name, "true" if name == "PRODUCTION" else "false", read.where, open=doubt)
    elif is_secret(name):
        project.variable(name, project.secret(name, read.where, generated=False), read.where)
    else:
        project.variable(
            name, _harmless(sample), read.where, open=f"{name} has no default in the code; write its value"
        )
    return True


def _harmless(sample: str) -> str:
    """Return the value of a sample as text that no template changes."""
    return "" if "{{" in sample or "{%" in sample or "\n" in sample else sample


def _local(default: object) -> bool:
    return isinstance(default, str) and bool(
        re.search(r"localhost|127\.0\.0\.1|example\.(org|com)|\.local\b|0\.0\.0\.0", default)
    )

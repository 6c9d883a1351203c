"""Databases and brokers: which ones the application speaks to, and the variables that tell it where they are."""

from __future__ import annotations

import re

from .project import Project
from .reads import Read

POSTGRES = ("psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "psycopg-binary", "psycopg-c", "pg8000")
MYSQL = ("mysqlclient", "pymysql", "aiomysql", "asyncmy", "mysql-connector-python")
REDIS = ("redis", "django-redis", "rq", "django-rq", "arq", "aioredis", "channels-redis", "saq", "celery", "hiredis")
_PARTS = re.compile(
    r"(?P<group>(?:[A-Z0-9]+_)*?(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|SQL|SQLALCHEMY))_?"
    r"(?P<part>HOST|HOSTNAME|SERVER|ADDRESS|PORT|USER|USERNAME|LOGIN|PASSWORD|PASS|PASSWD|NAME|DB|DATABASE|DBNAME|CREDENTIALS)"
)
_URL = re.compile(
    r"(^|_)(DATABASE|DB|SQLALCHEMY|POSTGRES|POSTGRESQL|PG|MYSQL)(_DATABASE|_A?SYNC)?_?(URL|URI|DSN|CONNECTION|CONNECTION_STRING)S?$"
)
_REDIS_URL = re.compile(
    r"(REDIS|BROKER|RESULT_BACKEND|CACHE|CELERY|RQ|HUEY|CHANNEL)[A-Z_]*(URL|URI|DSN|LOCATION|BACKEND|BROKER)$"
)
_REDIS_PART = re.compile(
    r"(?P<group>(?:[A-Z0-9]+_)*REDIS(?:_[A-Z0-9]+)*?)_(?P<part>HOST|HOSTNAME|SERVER|PORT|PASSWORD|PASS)$"
)
# Of a broker by its name alone.
_BARE = re.compile(r"(REDIS|BROKER)(?!.*TLS)[A-Z_]*(URL|URI|BROKER)$|CELERY_(BROKER|RESULT_BACKEND)(_URL)?$")
# Which kind of database there is, where an application has a choice.
_KIND = re.compile(r"([A-Z0-9]+_)?(DB|DATABASE)_(ENGINE|TYPE|KIND|BACKEND|DRIVER|PROVIDER)")
_HERE = "127.0.0.1"
_SCHEME = re.compile(r"^([a-z][a-z0-9+]*)://")
_SQL = {"postgres": "postgresql", "postgresql": "postgresql", "pgsql": "postgresql", "psql": "postgresql",
        "postgis": "postgresql", "mysql": "mariadb", "mariadb": "mariadb", "sqlite": "sqlite",
        "sqlite3": "sqlite"}  # fmt: skip


def database_kind(project: Project) -> str:
    """Return the kind of database that the packages can speak to: a server's where there is a driver, else SQLite."""
    if project.database:
        return project.database
    if project.packages.first(*POSTGRES):
        return "postgresql"
    return "mariadb" if project.packages.first(*MYSQL) else "sqlite"


def is_kind(scheme: str, kind: str) -> bool:
    """Tell whether the scheme of an address, or the name of an engine, means a kind of database."""
    return _SQL.get(scheme.partition("+")[0].partition("_")[0].replace("sqlite3", "sqlite")) == kind


def of_database(text: str) -> bool:
    """Tell whether a text is the address of a database."""
    match = _SCHEME.match(text)
    return match is not None and match[1].partition("+")[0] in _SQL


def password(project: Project, where: str) -> str:
    """Name the password of the database, and return the expression that stands for it."""
    return project.secret("DB_PASSWORD", where)


def database(project: Project, kind: str, where: str, name: str = "", owner: str = "") -> None:
    """Ask for a database of a server, with the role that owns it."""
    service = "services", kind, "databases", name or role(project)
    project.draft.put(*service, "password", value=password(project, where), where=where)
    if owner and owner != service[3]:
        project.draft.put(*service, "owner", value=owner, where=where)


def geography(project: Project, where: str) -> None:
    """Ask for PostGIS in the database, which its owner cannot create, and for the libraries that GeoDjango loads."""
    for loc in [loc for loc in project.draft.facts if loc[:3] == ("services", "postgresql", "databases")]:
        project.draft.put(*loc[:4], "extensions", value=["postgis"], where=where)
    for each in ("postgresql-postgis", "gdal-bin"):
        project.draft.add("packages", "all", value=each, where=where)


# Of Django, by the operations that migrations have for them (django.contrib.postgres.operations).
_EXTENSIONS = {
    "BloomExtension": "bloom", "BtreeGinExtension": "btree_gin", "BtreeGistExtension": "btree_gist",
    "CITextExtension": "citext", "CryptoExtension": "pgcrypto", "HStoreExtension": "hstore",
    "TrigramExtension": "pg_trgm", "UnaccentExtension": "unaccent",
}  # fmt: skip
# With the server itself; others come in packages of their own.
_CONTRIB = frozenset(
    [*_EXTENSIONS.values(), "cube", "earthdistance", "fuzzystrmatch", "intarray", "isn", "ltree", "pg_stat_statements",
     "pgstattuple", "tablefunc", "uuid-ossp"]
)  # fmt: skip


def extensions(project: Project) -> None:
    """Ask for the extensions that migrations create: an owner of a database may not create every one."""
    databases = [loc[:4] for loc in project.draft.facts if loc[:3] == ("services", "postgresql", "databases")]
    found: dict[str, str] = {}
    for path in project.checkout.files if databases else ():
        if path.endswith((".py", ".sql")) and not re.search(r"(^|/)(tests?|docs?)/", path):
            text = project.checkout.text(path)
            names = [_EXTENSIONS[each] for each in re.findall(r"\b(\w+Extension)\(\)", text) if each in _EXTENSIONS]
            names += re.findall(r"""CreateExtension\(\s*["']([\w-]+)["']""", text)
            names += re.findall(r"""(?i)CREATE EXTENSION IF NOT EXISTS \\?["']?([\w-]+)""", text)
            found |= {each: path for each in names if each not in found}
    for name, path in found.items():
        if name in _CONTRIB:
            for loc in dict.fromkeys(databases):
                project.draft.add(*loc, "extensions", value=name, where=path)
        elif name not in ("postgis", "plpgsql"):
            project.draft.note(f"{path} creates the extension {name}; its package is not one of PostgreSQL itself.")


def role(project: Project) -> str:
    """Return the name of the application's database and role."""
    return project.name.replace("-", "_")


def url(project: Project, scheme: str, where: str, file: str = "") -> str:
    """Return the address of the application's database by a scheme, and ask for the database."""
    kind = _SQL.get(scheme.partition("+")[0], "sqlite")
    if kind == "sqlite":
        return f"{scheme}:///{sqlite(project, file, where)}"
    database(project, kind, where)
    if scheme == "postgis":
        geography(project, where)
    name = role(project)
    return f"{scheme}://{name}:{{{{ secrets.DB_PASSWORD | urlquote }}}}@{_HERE}/{name}"


def sqlite(project: Project, file: str, where: str) -> str:
    """Return the place of a database of SQLite that outlives releases."""
    name = file if re.fullmatch(r"[\w][\w.-]*", file, re.ASCII) else f"{project.name}.sqlite3"
    project.folder("data", where)
    project.draft.add("backup", "sqlite", value=f"data/{name}", where=where)
    return f"{{{{ app.root }}}}/data/{name}"


def redis(project: Project, where: str) -> None:
    """Ask for a Redis server."""
    project.draft.put("services", "redis", value={}, where=where)


def scheme_for(project: Project, read: Read, sample: str) -> str:
    """Return the scheme of a database's address: that of the default or the sample where its driver is there."""
    kind = database_kind(project)
    for text in (read.default, sample):
        match = _SCHEME.match(text) if isinstance(text, str) else None
        if match and _SQL.get(match[1].partition("+")[0]) == kind:
            return match[1]
    told = _told(project, read) if kind == "postgresql" else ""
    if told:
        return told
    if (
        kind == "postgresql"
        and "django" not in project.packages
        and not project.packages.first("psycopg2", "psycopg2-binary")
    ):
        driver = project.packages.first("asyncpg", "psycopg")
        sql = "sqlalchemy" in project.packages or "sqlmodel" in project.packages
        return f"postgresql+{driver}" if driver and sql else "postgresql"
    if kind == "mariadb":
        return "mysql+pymysql" if "pymysql" in project.packages and "django" not in project.packages else "mysql"
    return kind


def _told(project: Project, read: Read) -> str:
    """Return the scheme that the file which reads an address asks for; empty where it asks for none, or for several."""
    text = project.checkout.text(read.where.rpartition(":")[0])
    found = set(re.findall(r"""\.startswith\(\s*["'](postgres|postgresql)://["']""", text))
    return found.pop() if len(found) == 1 else ""


def _settled(project: Project, read: Read) -> bool:
    """Tell whether a database's variable can be left alone: the settings have one, or it is for tests."""
    return bool(project.database and not read.required) or bool(re.search(r"(^|_)TEST(S|ING)?(_|$)", read.name))


def set_variable(project: Project, read: Read, sample: str = "") -> bool:
    """Set a variable that says where a database or a broker is; tell whether it is such a one.

    :param sample: its value in the checkout's sample of a dotenv file.
    """
    text = read.default if isinstance(read.default, str) else sample
    if _URL.search(read.name) or read.kind in ("db", "db_url", "dj_db_url"):
        if _settled(project, read):
            return False
        scheme = scheme_for(project, read, sample)
        project.variable(read.name, url(project, scheme, read.where), read.where)
        return True
    if _KIND.fullmatch(read.name) and _choose(project, read, text):
        return True
    told = (text or "").startswith(("redis://", "rediss://", "amqp://", "pyamqp://"))
    if _REDIS_URL.search(read.name) and (told or (not text and _BARE.search(read.name))):
        return _broker(project, read, text or sample)
    return _part(project, read, text or "")


def _choose(project: Project, read: Read, text: str) -> bool:
    """Set a variable that names the kind of database, by the word that the code compares it with."""
    kind = database_kind(project)
    if project.database or kind == "sqlite" or not text or text not in _SQL or is_kind(text, kind):
        return False
    words = [word for word, means in _SQL.items() if means == kind]
    texts = [project.checkout.text(path) for path in project.python]
    word = next((word for word in words if any(f'"{word}"' in each or f"'{word}'" in each for each in texts)), "")
    if word:
        project.variable(read.name, word, read.where)
    return bool(word)


def _broker(project: Project, read: Read, text: str) -> bool:
    if text.startswith(("amqp", "pyamqp")):
        secret = project.secret("BROKER_PASSWORD", read.where)
        user = role(project)
        project.draft.put("services", "rabbitmq", "users", user, "password", value=secret, where=read.where)
        project.variable(
            read.name, f"amqp://{user}:{{{{ secrets.BROKER_PASSWORD | urlquote }}}}@{_HERE}/{user}", read.where
        )
        return True
    if not project.packages.first(*REDIS):
        return False
    number = re.search(r"/(\d+)$", text)
    redis(project, read.where)
    project.variable(read.name, f"redis://{_HERE}:6379/{number[1] if number else 0}", read.where)
    return True


def _part(project: Project, read: Read, text: str) -> bool:
    match = _REDIS_PART.fullmatch(read.name)
    if match and project.packages.first(*REDIS):
        redis(project, read.where)
        if match["part"].startswith("PASS"):
            return True
        project.variable(read.name, "6379" if match["part"] == "PORT" else _HERE, read.where)
        return True
    match = _PARTS.fullmatch(read.name)
    kind = database_kind(project)
    if not match or kind == "sqlite" or _settled(project, read):
        return False
    values = {"PORT": "5432" if kind == "postgresql" else "3306"}
    values |= dict.fromkeys(("HOST", "HOSTNAME", "SERVER", "ADDRESS"), _HERE)
    values |= dict.fromkeys(("USER", "USERNAME", "LOGIN", "NAME", "DB", "DATABASE", "DBNAME"), role(project))
    values |= dict.fromkeys(("PASSWORD", "PASS", "PASSWD"), "{{ secrets.DB_PASSWORD }}")
    values["CREDENTIALS"] = f"{role(project)}:{{{{ secrets.DB_PASSWORD }}}}"
    database(project, kind, read.where)
    project.variable(read.name, values[match["part"]], read.where)
    return True

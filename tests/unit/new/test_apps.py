"""Applications of Flask and of ASGI frameworks."""

from __future__ import annotations

import pytest

from hawser.errors import HawserError

from .conftest import value

FACTORY = """\
from flask import Flask

def create_app(test=None):
    app = Flask(__name__)
    return app
"""
FIELDS = """\
from pydantic_settings import BaseSettings

class Common(BaseSettings):
    token: str

class Settings(Common):
    model_config = {"env_prefix": "SHOP_"}
    database_url: str
    title: str = "x"
"""
PROJECT = """\
[project]
name = "shop"
version = "1"
dependencies = ["fastapi", "asyncpg", "sqlalchemy"]
"""


def test_a_factory_of_flask_is_called_by_its_server(draft):
    files = {
        "requirements.txt": "flask\ngunicorn\nflask-migrate\npymysql\n",
        "shop/__init__.py": FACTORY,
        "shop/config.py": 'import os\nURI = os.environ["DATABASE_URI"]\nKEY = os.environ["SECRET_KEY"]\n',
        "migrations/env.py": "",
    }
    found = draft(files)
    assert value(found, "processes", "web", "command") == "gunicorn 'shop:create_app()' --bind unix:{{ socket }}"
    assert value(found, "release", "migrate") == "flask db upgrade"
    assert value(found, "env", "variables", "FLASK_APP") == "shop:create_app"
    uri = "mysql+pymysql://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"
    assert value(found, "env", "variables", "DATABASE_URI") == uri
    assert value(found, "services", "mariadb", "databases", "shop", "password") == "{{ secrets.DB_PASSWORD }}"


def test_an_object_that_a_factory_made_goes_before_the_factory(draft):
    files = {
        "requirements.txt": "flask\n",
        "shop/__init__.py": "from flask import Flask\n\ndef create_app():\n    return Flask(__name__)\n",
        "wsgi.py": "from shop import create_app\n\napplication = create_app()\n",
    }
    assert value(draft(files), "processes", "web", "command").startswith("gunicorn wsgi:application ")


@pytest.mark.parametrize(
    ("package", "made"),
    [("fastapi", "FastAPI"), ("starlette", "Starlette"), ("quart", "Quart"), ("litestar", "Litestar")],
)
def test_applications_of_asgi_frameworks_are_served_over_the_socket(draft, package, made):
    imported = (
        f"from {package} import {made}\n" if package != "starlette" else f"from starlette.applications import {made}\n"
    )
    found = draft({"requirements.txt": f"{package}\nuvicorn\n", "main.py": f"{imported}app = {made}()\n"})
    assert (
        value(found, "processes", "web", "command") == "uvicorn main:app --uds {{ socket }} --forwarded-allow-ips='*'"
    )


def test_fields_of_pydantic_settings_are_variables(draft):
    files = {
        "backend/pyproject.toml": PROJECT,
        "backend/app/__init__.py": "",
        "backend/app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "backend/app/settings.py": FIELDS,
        "backend/alembic.ini": "[alembic]\n",
    }
    found = draft(files)
    assert value(found, "app", "directory") == "backend"
    assert value(found, "release", "migrate") == "alembic upgrade head"
    url = "postgresql+asyncpg://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"
    assert value(found, "env", "variables", "SHOP_DATABASE_URL") == url
    assert value(found, "env", "required") == ["TOKEN"]


def test_the_application_that_the_checkout_starts_is_the_one_that_is_served(draft):
    files = {
        "requirements.txt": "fastapi\nuvicorn\n",
        "api/__init__.py": "",
        "api/admin.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "api/public.py": "from fastapi import FastAPI\nservice = FastAPI()\n",
        "Dockerfile": 'FROM python:3.12\nCMD ["uvicorn", "api.public:service", "--host", "0.0.0.0", "--port", "80"]\n',
    }
    fact = draft(files).facts["processes", "web", "command"]
    assert fact.value == "uvicorn api.public:service --uds {{ socket }} --forwarded-allow-ips='*'"
    assert fact.where == "Dockerfile:2"


CHOICE = """\
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    DB_ENGINE: str = "sqlite"
    DATA_DIR: str | None = None
    POSTGRES_SERVER: str = "db"
    DATABASE_URL: str | None = None
"""


@pytest.mark.parametrize(
    ("compared", "expected"), [('"postgres"', "postgres"), ("'postgresql'", "postgresql"), ('"mysql"', None)]
)
def test_a_variable_that_chooses_the_kind_of_database_gets_the_word_of_the_code(draft, compared, expected):
    files = {
        "requirements.txt": "fastapi\nuvicorn\npsycopg2-binary\n",
        "main.py": f"from fastapi import FastAPI\napp = FastAPI()\npostgres = settings.DB_ENGINE == {compared}\n",
        "settings.py": CHOICE,
    }
    found = draft(files)
    assert value(found, "env", "variables", "DB_ENGINE") == expected
    assert value(found, "env", "variables", "POSTGRES_SERVER") == "127.0.0.1"
    assert value(found, "env", "variables", "DATA_DIR") == "{{ app.root }}/data"
    assert value(found, "persistent", "folders") == ["data"]


def test_the_address_of_a_database_has_the_scheme_of_a_sample_that_is_commented_out(draft):
    files = {
        "requirements.txt": "fastapi\nuvicorn\nasyncpg\nsqlalchemy\n",
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "settings.py": CHOICE,
        ".env.example": '# DATABASE_URL="postgres://user:password@host:port/name"\n# DATA_DIR=elsewhere\n',
    }
    url = value(draft(files), "env", "variables", "DATABASE_URL")
    assert url == "postgres://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"


def test_bundles_of_flask_assets_are_built_as_the_image_builds_them(draft):
    files = {
        "requirements.txt": "Flask\nFlask-Assets\n",
        "shop/__init__.py": "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n",
        "Dockerfile": "FROM debian\nWORKDIR /app\nRUN yarn install && ln -s /usr/x /app/x \\\n"
        " && ln -s ../../node_modules /app/shop/static/node_modules \\\n"
        " && SESSION_TYPE=filesystem flask assets build && rm -r x\n",
        "package.json": '{"scripts": {"build": "sass"}}',
    }
    found = draft(files)
    link = "ln -sfn ../../node_modules shop/static/node_modules"
    build = ["npm install", "npm run build", link, "SESSION_TYPE=filesystem flask assets build"]
    assert value(found, "release", "build") == build
    assert value(found, "env", "variables", "FLASK_APP") == "shop:create_app"
    without = draft({**files, "requirements.txt": "Flask\n"})
    assert value(without, "release", "build") == build[:2]


PREFIXED = {
    "requirements.txt": "Flask\nFlask-SQLAlchemy\ncelery\nredis\n",
    "wsgi.py": "from shop import create_app\nweb = create_app()\n",
    "celery_worker.py": "from shop import create_app\nfrom shop.extensions import celery\n\napp = create_app()\n",
    "shop/__init__.py": (
        "from flask import Flask\ndef create_app(config=None):\n    app = Flask(__name__)\n"
        '    config_from_env(app, prefix="SHOP_")\n    return app\n'
    ),
    "shop/extensions.py": "from celery import Celery\ncelery = Celery(__name__)\n",
    "shop/configs/default.py": (
        'class Default:\n    SECRET_KEY = "x"\n    SQLALCHEMY_DATABASE_URI = "sqlite:///" + folder\n    PER_PAGE = 10\n'
    ),
}


@pytest.mark.parametrize(
    ("call", "prefix"),
    [
        ('config_from_env(app, prefix="SHOP_")', "SHOP_"),
        ("app.config.from_prefixed_env()", "FLASK_"),
        ('app.config.from_prefixed_env("SHOP")', "SHOP_"),
        ('app.config.from_prefixed_env(prefix="SHOP")', "SHOP_"),
        ("load_env(app, prefix=name)", ""),
    ],
)
def test_the_configuration_of_flask_is_variables_where_the_code_takes_them_by_a_prefix(draft, call, prefix):
    package = PREFIXED["shop/__init__.py"].replace('config_from_env(app, prefix="SHOP_")', call)
    found = draft({**PREFIXED, "shop/__init__.py": package})
    variables = {loc[2]: fact.value for loc, fact in found.facts.items() if loc[:2] == ("env", "variables")}
    expected = {
        f"{prefix}SECRET_KEY": f"{{{{ secrets.{prefix}SECRET_KEY }}}}",
        f"{prefix}SQLALCHEMY_DATABASE_URI": "sqlite:///{{ app.root }}/data/shop.sqlite3",
    }
    assert variables == (expected if prefix else {})
    assert any(f"{prefix}PER_PAGE = '10'" in row for row in found.others) is bool(prefix)


@pytest.mark.parametrize(
    ("prepared", "loaded"),
    [("app = create_app()\n", "celery_worker:celery"), ("app = celery.app\n", "shop.extensions")],
)
def test_workers_of_celery_load_the_module_that_makes_the_application_for_them(draft, prepared, loaded):
    module = PREFIXED["celery_worker.py"].replace("app = create_app()\n", prepared)
    command = f"celery -A {loaded} worker -l INFO"
    assert value(draft({**PREFIXED, "celery_worker.py": module}), "processes", "worker", "command") == command


def test_programs_that_a_start_script_runs_after_a_migration_run_after_it(draft):
    script = "#! /usr/bin/env bash\npython app/wait.py\nalembic upgrade head\n\npython app/fill.py --once\nexec app\n"
    files = {
        "requirements.txt": "fastapi\n",
        "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "app/wait.py": "",
        "app/fill.py": "",
        "alembic.ini": "",
        "scripts/prestart.sh": script,
    }
    assert value(draft(files), "release", "migrate") == ["alembic upgrade head", "python app/fill.py --once"]


def test_values_of_a_dotenv_file_in_the_checkout_are_those_of_a_sample(draft):
    files = {
        "requirements.txt": "fastapi\npydantic-settings\n",
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "settings.py": FIELDS.replace("SHOP_", "").replace("token: str", "token: str\n    owner: str"),
        ".env": "OWNER=admin@example.com\nTOKEN=changethis\n",
    }
    found = draft(files)
    assert value(found, "env", "variables", "OWNER") == "admin@example.com"
    assert value(found, "env", "variables", "TOKEN") == "{{ secrets.TOKEN }}"


def test_a_helper_that_asks_another_one_for_a_variable_reads_it(draft):
    helpers = """\
import os

def value_of(key, default, kind=None):
    return os.getenv(key) or default

def get_env(key, default):
    return lambda: value_of(key=key, default=default)
"""
    files = {
        "requirements.txt": "litestar\nasyncpg\n",
        "app.py": "from litestar import Litestar\napp = Litestar()\n",
        "env.py": helpers,
        "settings.py": 'from env import get_env\nURL = get_env("DATABASE_URL", "postgresql+asyncpg://x@db/x")\n',
    }
    url = "postgresql+asyncpg://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"
    assert value(draft(files), "env", "variables", "DATABASE_URL") == url


def test_commands_of_litestar_migrate_and_work_with_the_application_that_is_served(draft):
    compose = """\
services:
  worker:
    command: litestar workers run
  migrator:
    command: litestar database upgrade
"""
    files = {
        "requirements.txt": "litestar\n",
        "app.py": "from litestar import Litestar\napp = Litestar()\n",
        "compose.yml": compose,
    }
    found = draft(files)
    assert value(found, "release", "migrate") == "litestar database upgrade --no-prompt"
    assert value(found, "processes", "worker", "command") == "litestar workers run"
    assert value(found, "env", "variables", "LITESTAR_APP") == "app:app"


def test_a_start_script_that_makes_the_tables_of_an_empty_database_does_so_before_the_first_migration(draft):
    script = """\
#!/bin/bash
worker() {
  exec supervisord -c worker.conf
}
scheduler() {
  exec /app/manage.py rq scheduler
}
create_db() {
  exec /app/manage.py database create_tables
}
"""
    files = {
        "requirements.txt": "flask\nflask-migrate\nrq\n",
        "wsgi.py": "from flask import Flask\napp = Flask(__name__)\n",
        "migrations/env.py": "",
        "worker.conf": "[program:worker]\ncommand=./manage.py rq worker\n",
        "bin/docker-entrypoint": script,
    }
    found = draft(files)
    assert value(found, "once", "database", "command") == "python manage.py database create_tables"
    assert value(found, "once", "database", "before") == "migrate"
    assert value(found, "processes", "scheduler", "command") == "python manage.py rq scheduler"
    assert value(found, "processes", "scheduler", "single") is True
    assert value(found, "processes", "worker", "command") == "python manage.py rq worker"


def test_variables_that_a_loop_over_defaults_looks_for_are_set(draft):
    settings = """\
import os

class AppSettings:
    defaults = {"port": 80, "salt": "$2b$12$x", "secret_key": "e951e5a1", "title": "x"}

    def load(app):
        for name, default in AppSettings.defaults.items():
            variable = name.upper()
            if variable in os.environ:
                app.config[variable] = os.environ[variable]
"""
    files = {
        "requirements.txt": "flask\n",
        "wsgi.py": "from flask import Flask\napp = Flask(__name__)\n",
        "settings.py": settings,
    }
    found = draft(files)
    assert value(found, "env", "variables", "SECRET_KEY") == "{{ secrets.SECRET_KEY }}"
    assert value(found, "env", "variables", "SALT") is None
    assert "PORT" not in "".join(found.others) and any(each.startswith("TITLE") for each in found.others)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_ASYNC_URL", "DB_URI", "SQLALCHEMY_DATABASE_URI"])
def test_an_address_of_a_database_is_known_by_the_name_of_its_variable(draft, name):
    files = {
        "requirements.txt": "fastapi\nasyncpg\n",
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "settings.py": f'import os\nURL = os.environ["{name}"]\n',
    }
    url = "postgresql://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"
    assert value(draft(files), "env", "variables", name) == url


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ("return os.getenv(name, default)", None),
        ("return os.environ[name]", ""),
        ("found = os.getenv(name)\n    if not found:\n        raise KeyError(name)\n    return found", ""),
    ],
)
def test_a_helper_that_does_without_a_variable_makes_it_no_requirement(draft, body, asked):
    files = {
        "requirements.txt": "flask\n",
        "wsgi.py": "from flask import Flask\napp = Flask(__name__)\n",
        "settings.py": f'import os\n\ndef str_env(name, default=""):\n    {body}\n\nTITLE = str_env("SHOP_TITLE")\n',
    }
    assert value(draft(files), "env", "variables", "SHOP_TITLE") == asked


def test_the_template_of_a_project_is_no_application(draft):
    name = "{{cookiecutter.slug}}/app/main.py"
    with pytest.raises(HawserError, match="no web application"):
        draft({name: "from fastapi import FastAPI\napp = FastAPI()\n", "README.md": ""})


@pytest.mark.parametrize(
    ("read", "made"),
    [
        ('os.getenv("SECRET_KEY")', True),
        ('os.getenv("CREDENTIALS_SECRET")', False),
        ('os.getenv("CREDENTIALS_SECRET", "")', False),
        ('os.getenv("CREDENTIALS_SECRET", "changeme")', True),
        ('os.environ["CREDENTIALS_SECRET"]', True),
    ],
)
def test_a_secret_that_the_code_does_without_switches_nothing_on(draft, read, made):
    files = {
        "requirements.txt": "flask\n",
        "wsgi.py": "from flask import Flask\napp = Flask(__name__)\n",
        "settings.py": f"import os\nKEY = {read}\n",
    }
    assert (value(draft(files), "env", "generated") is not None) == made

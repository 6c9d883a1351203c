"""Django projects: what their settings say without being run."""

from __future__ import annotations

import pytest

from .conftest import DJANGO, value

SETTINGS = DJANGO["shop/settings.py"]


def test_variables_of_settings_are_set_by_what_they_feed(draft):
    found = draft(DJANGO)
    variables = {loc[2]: fact.value for loc, fact in found.facts.items() if loc[:2] == ("env", "variables")}
    assert variables == {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "SHOP_KEY": "{{ secrets.SHOP_KEY }}",
        "SHOP_DEBUG": "False",
        "SHOP_HOSTS": "{{ site.domains | join(',') }}",
        "SHOP_DB": "shop",
        "SHOP_DB_USER": "shop",
        "SHOP_DB_PASS": "{{ secrets.DB_PASSWORD }}",
        "SHOP_DB_HOST": "127.0.0.1",
    }
    assert found.facts["env", "variables", "SHOP_KEY"].where == "shop/settings.py:5"
    assert value(found, "env", "generated") == ["SHOP_KEY", "DB_PASSWORD"]


def test_static_and_uploaded_files_are_served_from_where_settings_have_them(draft):
    found = draft(DJANGO)
    assert value(found, "site", "static", "/static/") == "public"
    assert value(found, "site", "static", "/uploads/") == "uploads"
    assert value(found, "persistent", "linked") == ["uploads"]
    assert value(found, "release", "build") == ["python manage.py collectstatic --noinput"]


def test_the_server_is_asked_for_its_health_where_the_first_routes_have_a_path_for_it(draft):
    found = draft(DJANGO)
    assert value(found, "processes", "web", "command") == "gunicorn shop.wsgi:application --bind unix:{{ socket }}"
    assert value(found, "processes", "web", "health") == {"path": "/healthz/"}
    assert value(found, "python", "packages") == ["gunicorn>=22"]


def test_a_database_that_a_variable_chooses_is_chosen_by_the_driver(draft):
    chosen = SETTINGS + (
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "x.sqlite"}}\n'
        'if os.getenv("ENGINE") == "postgres":\n'
        '    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.getenv("NAME")}}\n'
    )
    found = draft({**DJANGO, "shop/settings.py": chosen})
    assert value(found, "env", "variables", "ENGINE") == "postgres"
    assert value(found, "services", "postgresql", "databases", "shop", "password") == "{{ secrets.DB_PASSWORD }}"


def test_sqlite_beside_the_code_is_kept_over_releases_by_a_link(draft):
    files = {**DJANGO, "requirements.txt": "Django==5.1\n"}
    files["shop/settings.py"] += (
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}\n'
    )
    found = draft(files)
    assert value(found, "release", "build")[0] == "ln -sfn {{ app.root }}/data/db.sqlite3 db.sqlite3"
    assert value(found, "persistent", "folders") == ["data", "uploads"]
    assert value(found, "backup", "sqlite") == ["data/db.sqlite3"]


@pytest.mark.parametrize(
    ("read", "url"),
    [
        ('env.db("DB_ADDRESS")', "postgresql://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"),
        ('dj_database_url.config(env="DB_ADDRESS", default="postgres://x/y")',
         "postgresql://shop:{{ secrets.DB_PASSWORD | urlquote }}@127.0.0.1/shop"),
    ],
)  # fmt: skip
def test_the_address_of_a_database_is_one_variable_where_settings_read_one(draft, read, url):
    files = {**DJANGO}
    files["shop/settings.py"] += f'import environ\nenv = environ.Env()\nDATABASES = {{"default": {read}}}\n'
    assert value(draft(files), "env", "variables", "DB_ADDRESS").replace("postgres:", "postgresql:") == url


@pytest.mark.parametrize(
    ("asked", "scheme"),
    [('.startswith("postgres://")', "postgres"), (".startswith('postgresql://')", "postgresql"), ('.strip("/")', None)],
)
def test_the_address_of_a_database_has_the_scheme_that_settings_look_for(draft, asked, scheme):
    files = {**DJANGO}
    files["shop/settings.py"] += (
        'import dj_database_url\nDATABASES = {"default": dj_database_url.config(conn_max_age=500)}\n'
        f'if os.environ["DATABASE_URL"]{asked}:\n    INSTALLED_APPS.append("django.contrib.postgres")\n'
    )
    address = value(draft(files), "env", "variables", "DATABASE_URL")
    assert address.partition("://")[0] == (scheme or "postgresql")


def test_settings_for_production_go_before_those_that_manage_names(draft):
    files = {**DJANGO, "shop/conf/__init__.py": "", "shop/conf/local.py": "DEBUG = True\n"}
    files["shop/conf/production.py"] = SETTINGS
    files["manage.py"] = DJANGO["manage.py"].replace("shop.settings", "shop.conf.local")
    found = draft({name: text for name, text in files.items() if name != "shop/settings.py"})
    fact = found.facts["env", "variables", "DJANGO_SETTINGS_MODULE"]
    assert fact.value == "shop.conf.production" and "manage.py:2 says shop.conf.local" in fact.open


def test_variables_under_a_condition_that_nothing_sets_are_not_asked_for(draft):
    files = {**DJANGO}
    files["shop/settings.py"] += 'if os.getenv("USE_S3"):\n    BUCKET = os.environ["S3_BUCKET"]\n'
    found = draft(files)
    assert value(found, "env", "variables", "S3_BUCKET") is None
    assert any(row.startswith("S3_BUCKET") for row in found.others)


def test_a_project_in_a_subfolder_is_described_from_there(draft):
    files = {f"src/site/{name}": text for name, text in DJANGO.items()}
    found = draft(files)
    assert value(found, "app", "directory") == "src/site"
    mentions = [loc for loc, fact in found.facts.items() if "src/site" in str(fact.value)]
    assert mentions == [("app", "directory")]


def test_workers_of_installed_apps_are_processes(draft):
    files = {**DJANGO, "shop/settings.py": SETTINGS.replace("staticfiles", 'staticfiles", "django_q')}
    assert value(draft(files), "processes", "worker", "command") == "python manage.py qcluster"


def test_folders_that_settings_write_to_outlive_releases(draft):
    files = {**DJANGO}
    files["shop/settings.py"] += 'INDEX = {"path": os.path.join(BASE_DIR, "var", "index")}\n'
    assert value(draft(files), "persistent", "linked") == ["uploads", "var"]


@pytest.mark.parametrize(("setting", "expected"), [("True", ["python manage.py compress"]), ("not DEBUG", [])])
def test_what_is_compressed_before_requests_is_built_with_the_release(draft, setting, expected):
    files = {**DJANGO}
    files["shop/settings.py"] += f"COMPRESS_OFFLINE = {setting}\n"
    assert value(draft(files), "release", "build") == ["python manage.py collectstatic --noinput", *expected]


def test_static_files_that_are_in_the_checkout_as_they_were_collected_stay_so(draft):
    found = draft({**DJANGO, "public/staticfiles.json": "{}", "public/site.0123456789ab.css": ""})
    assert value(found, "release", "build") is None
    assert value(found, "site", "static", "/static/") == "public"
    assert any("(public/staticfiles.json): nothing collects them" in note for note in found.notes)


def test_a_variable_inside_the_path_of_uploads_is_left_to_its_default(draft):
    settings = DJANGO["shop/settings.py"].replace(
        'os.path.join(BASE_DIR, "uploads")', 'os.path.join(BASE_DIR, os.environ.get("MEDIA_ROOT", "uploads"))'
    )
    found = draft({**DJANGO, "shop/settings.py": settings})
    assert value(found, "env", "variables", "MEDIA_ROOT") is None
    assert value(found, "persistent", "linked") == ["uploads"]
    assert value(found, "site", "static", "/uploads/") == "uploads"


def test_variables_of_the_settings_of_a_worker_that_begin_with_the_others_are_set(draft):
    settings = DJANGO["shop/settings.py"].replace("import os\n", "import os\nfrom environs import Env\nenv = Env()\n")
    worker = 'from shop.settings import *  # noqa\n\nBROKER_URL = env("BROKER_URL", "redis://broker:6379/3")\n'
    found = draft(
        {
            **DJANGO,
            "requirements.txt": "Django\npsycopg\nenvirons\ncelery\nredis\n",
            "shop/settings.py": settings,
            "worker/settings.py": worker,
        }
    )
    assert value(found, "env", "variables", "BROKER_URL") == "redis://127.0.0.1:6379/3"


def test_static_files_are_collected_with_the_settings_that_an_image_collects_them_with(draft):
    image = (
        "FROM python:3.11-slim\nRUN SECRET_KEY=x DJANGO_SETTINGS_MODULE=shop.collect python manage.py collectstatic\n"
    )
    found = draft({**DJANGO, "shop/collect.py": "from shop.settings import *\n", "Dockerfile": image})
    command = "DJANGO_SETTINGS_MODULE=shop.collect python manage.py collectstatic --noinput"
    assert value(found, "release", "build") == [command]


def test_variables_that_settings_pass_to_a_call_are_asked_for(draft):
    settings = (
        DJANGO["shop/settings.py"] + 'report.init(dsn=os.environ["REPORT_DSN"], name=os.environ["REPORT_NAME"])\n'
    )
    found = draft({**DJANGO, "shop/settings.py": settings})
    assert value(found, "env", "required") == ["REPORT_DSN"]
    assert found.facts["env", "variables", "REPORT_NAME"].open


def test_uploads_without_an_address_are_not_served_by_the_web_server(draft):
    settings = DJANGO["shop/settings.py"].replace('MEDIA_URL = "/uploads/"\n', "")
    found = draft({**DJANGO, "shop/settings.py": settings})
    assert value(found, "persistent", "linked") == ["uploads"]
    assert [loc[2] for loc in found.facts if loc[:2] == ("site", "static")] == ["/static/"]
    assert any("may be private" in note for note in found.notes)


def test_a_variable_that_is_only_read_where_it_is_set_is_not_asked_for(draft):
    header = 'SECURE_PROXY_SSL_HEADER = tuple(loads(os.environ["SHOP_TLS"])) if "SHOP_TLS" in os.environ else None\n'
    found = draft({**DJANGO, "shop/settings.py": DJANGO["shop/settings.py"] + header})
    assert value(found, "env", "variables", "SHOP_TLS") is None


def test_a_sample_of_a_module_that_the_code_imports_and_lacks_is_named(draft):
    files = {
        "shop/configuration_example.py": "SECRET_KEY = ''\n",
        "shop/local.py.dist": "",
        "shop/load.py": 'import_module("shop.configuration")\n',
    }
    notes = [note for note in draft({**DJANGO, **files}).notes if "is a sample of" in note]
    assert notes == [
        "shop/configuration_example.py is a sample of shop/configuration.py, which the code imports; where it is "
        "needed, [[files]] brings it."
    ]


@pytest.mark.parametrize(
    "settings",
    [
        DJANGO["shop/settings.py"].replace("backends.postgresql", "contrib.gis.db.backends.postgis"),
        DJANGO["shop/settings.py"].partition("DATABASES")[0]
        + 'DATABASES = {"default": env.db(default="postgis://x@localhost/x")}\n',
    ],
)
def test_a_database_with_geography_has_the_extension_and_its_packages(draft, settings):
    settings = settings.replace("import os\n", "import os\nimport environ\nenv = environ.Env()\n")
    found = draft({**DJANGO, "shop/settings.py": settings})
    assert value(found, "services", "postgresql", "databases", "shop", "extensions") == ["postgis"]
    assert value(found, "packages", "all") == ["postgresql-postgis", "gdal-bin"]


def test_a_cache_in_the_database_gets_its_table_after_the_migrations(draft):
    cache = 'CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}\n'
    found = draft({**DJANGO, "shop/settings.py": DJANGO["shop/settings.py"] + cache})
    migrate = ["python manage.py migrate --noinput", "python manage.py createcachetable"]
    assert value(found, "release", "migrate") == migrate


def test_extensions_that_migrations_create_are_there_before_them(draft):
    files = {
        "shop/migrations/0001_first.py": "operations = [BloomExtension(), CreateExtension('ltree')]\n",
        "shop/migrations/0002_raw.sql": 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp";\ncreate extension vector;\n',
        "shop/migrations/0003_more.py": "RunSQL('CREATE EXTENSION IF NOT EXISTS vector')\n",
        "shop/tests/test_x.py": "HStoreExtension()\n",
    }
    found = draft({**DJANGO, **files})
    asked = value(found, "services", "postgresql", "databases", "shop", "extensions")
    assert asked == ["bloom", "ltree", "uuid-ossp"]
    assert any(note.startswith("shop/migrations/0003_more.py creates the extension vector") for note in found.notes)


@pytest.mark.parametrize(
    ("included", "path"),
    [('path("api/", include(("shop.api.urls", "api")))', "/api/healthcheck"), ('path("api/", api_urls)', None)],
)
def test_a_route_for_health_has_the_prefix_that_the_first_routes_give_it(draft, included, path):
    files = {
        "shop/urls.py": f"urlpatterns = [\n    {included},\n]\n",
        "shop/api/urls.py": 'urlpatterns = [path("healthcheck", view)]\n',
    }
    expected = {"path": path} if path else None
    assert value(draft({**DJANGO, **files}), "processes", "web", "health") == expected


IN_SRC = {name.replace("shop/", "src/shop/", 1): text for name, text in DJANGO.items()}


class TestPackagesInSrc:
    """A repository with manage.py at its top, and packages in `src`."""

    def test_they_are_imported_without_its_name_and_found_there(self, draft):
        found = draft(IN_SRC)
        assert value(found, "env", "variables", "DJANGO_SETTINGS_MODULE") == "shop.settings"
        assert value(found, "env", "variables", "PYTHONPATH") == "{{ release.code }}/src"
        assert str(value(found, "processes", "web", "command")).startswith("gunicorn shop.wsgi")
        assert value(found, "env", "variables", "SHOP_KEY") == "{{ secrets.SHOP_KEY }}"

    def test_settings_that_no_file_names_are_named_so_too(self, draft):
        found = draft({**IN_SRC, "manage.py": "from django.core.management import execute_from_command_line\n"})
        assert value(found, "env", "variables", "DJANGO_SETTINGS_MODULE") == "shop.settings"

    def test_a_src_that_is_itself_a_package_keeps_its_name(self, draft):
        files = {**IN_SRC, "src/shop/apps.py": "from src.shop import urls\n"}
        files["manage.py"] = files["manage.py"].replace("shop.settings", "src.shop.settings")
        found = draft(files)
        assert value(found, "env", "variables", "DJANGO_SETTINGS_MODULE") == "src.shop.settings"
        assert value(found, "env", "variables", "PYTHONPATH") is None
        assert str(value(found, "processes", "web", "command")).startswith("gunicorn src.shop.wsgi")


def test_static_files_that_nobody_would_serve_are_told(draft):
    lines = [line for line in SETTINGS.splitlines() if not line.startswith("STATIC_ROOT")]
    found = draft({**DJANGO, "shop/settings.py": "\n".join([*lines, 'STATIC_URL = "/static/"', ""])})
    assert any("STATIC_ROOT is not set (shop/settings.py:" in note for note in found.notes)
    assert value(found, "site", "static", "/static/") is None

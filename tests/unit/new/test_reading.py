"""Checkouts that cannot be read, and what else lies in one."""

from __future__ import annotations

import pytest

from hawser.errors import HawserError
from hawser.new.checkout import Checkout
from hawser.new.text import environment_text
from hawser.new.writing import leave_out, problems_of

from .conftest import DJANGO, value


def test_a_checkout_without_a_web_application_is_told_so(draft):
    with pytest.raises(HawserError, match="has no web application that can be told from its code"):
        draft({"README.md": "a library\n", "setup.py": ""})


def test_two_frameworks_are_named_with_their_files_and_the_option_that_takes_one(draft):
    files = {**DJANGO, "api.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    with pytest.raises(HawserError) as caught:
        draft(files)
    assert "two frameworks have an application here: Django (manage.py), FastAPI (api.py:2)" in str(caught.value)
    assert "--framework django takes one" in str(caught.value)


@pytest.mark.parametrize(("framework", "served"), [("django", "gunicorn shop.wsgi"), ("fastapi", "uvicorn api:app")])
def test_the_framework_that_is_named_is_taken(draft, framework, served):
    files = {**DJANGO, "api.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    assert str(value(draft(files, framework), "processes", "web", "command")).startswith(served)


def test_settings_that_are_not_in_the_checkout_are_named(draft):
    with pytest.raises(HawserError, match=r"not in the checkout: shop.settings \(manage.py:2\)"):
        draft({name: text for name, text in DJANGO.items() if "settings" not in name and "wsgi" not in name})


def test_settings_that_are_no_python_are_named(draft):
    with pytest.raises(HawserError, match=r"shop/settings.py cannot be read as Python 3"):
        draft({**DJANGO, "shop/settings.py": "print 'INSTALLED_APPS'\n"})


def test_a_repository_without_commits_and_a_folder_that_is_none_are_told_apart(tmp_path):
    import subprocess

    with pytest.raises(HawserError, match="cannot be read as a git repository"):
        Checkout(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(HawserError, match="has no commit yet"):
        Checkout(tmp_path)


def test_a_link_out_of_the_checkout_is_not_followed(tmp_path, checkout):
    code = checkout({**DJANGO, "Procfile": "web: true\n"})
    (tmp_path / "secret").write_text("worker: celery -A stolen worker\n")
    (code.folder / "Procfile").unlink()
    (code.folder / "Procfile").symlink_to(tmp_path / "secret")
    assert Checkout(code.folder).text("Procfile") == ""


def test_expressions_of_templates_in_a_checkout_stay_out_of_the_file(draft):
    files = {**DJANGO, "Procfile": "worker: celery -A shop worker -n {{ secrets.SHOP_KEY }}\n"}
    files["requirements.txt"] += "celery\n"
    files["shop/settings.py"] += 'STATIC_ROOT = BASE_DIR / "{{ secrets.SHOP_KEY }}"\nDSN = os.environ["MAIL_FROM"]\n'
    files[".env.example"] = "MAIL_FROM={{ secrets.SHOP_KEY }}\n"
    text = environment_text(draft(files), "shop", "")
    assert [line for line in text.splitlines() if "{{ secrets.SHOP_KEY" in line and "SHOP_KEY = " not in line] == []


def test_a_value_that_no_environment_file_can_carry_becomes_a_note(draft):
    found = draft(DJANGO)
    found.put("app", "repo", value=".")
    found.put("site", "max_body", value="much", where="Procfile:3")
    leave_out(found, "shop")
    assert value(found, "site", "max_body") is None and problems_of(found, "shop") == ()
    assert any(note.startswith("site.max_body = 'much' (Procfile:3) cannot stand here") for note in found.notes)


def test_workers_of_a_procfile_are_processes_and_its_release_is_none(draft):
    files = {
        **DJANGO,
        "Procfile": "web: gunicorn shop.wsgi --workers 3 --bind 0.0.0.0:$PORT\nbeat: celery -A shop beat\n",
    }
    files["requirements.txt"] += "celery[redis]\nredis\n"
    found = draft(files)
    web = "gunicorn shop.wsgi --workers 3 --bind unix:{{ socket }}"
    assert value(found, "processes", "web", "command") == web
    assert value(found, "processes", "beat", "command") == "celery -A shop beat --schedule {{ app.root }}/data/beat"
    assert value(found, "processes", "beat", "single") is True
    assert value(found, "services", "redis") == {}


@pytest.mark.parametrize(
    ("files", "key", "expected"),
    [
        ({"requirements.txt": "", ".python-version": "3.12.4\n"}, "interpreter", "3.12"),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10"\n'}, "interpreter", None),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10,<3.13"\n',
          "Dockerfile": "FROM python:3.12\n"},
         "interpreter", "3.11"),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\n',
          "Dockerfile": "FROM python:3.12\n"},
         "interpreter", "3.13"),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.14"\n', "Dockerfile": "FROM python:3.14\n"},
         "interpreter", "3.14"),
        ({"requirements.txt": "", "Dockerfile": "FROM python:3.12\n"}, "interpreter", "3.12"),
        ({"requirements/production.txt": "Django\n"}, "requirements", ["requirements/production.txt"]),
        ({"Pipfile": '[packages]\ndjango = "*"\ngunicorn = {version = ">=22", extras = ["gevent"]}\n'}, "packages",
         ["django", "gunicorn[gevent]>=22"]),
        ({"poetry.lock": '[[package]]\nname = "django"\nversion = "5.1"\n[package.dependencies]\nasgiref = "*"\n'
          '[[package]]\nname = "asgiref"\nversion = "3.8"\n[[package]]\nname = "pytest"\nversion = "8"\n',
          "pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\ndjango = "^5"\ngunicorn = "^22"\n'},
         "packages", ["asgiref==3.8", "django==5.1"]),
    ],
)  # fmt: skip
def test_packages_and_python_are_taken_from_where_the_checkout_names_them(draft, files, key, expected):
    rest = {name: text for name, text in DJANGO.items() if name != "requirements.txt"}
    assert value(draft({**rest, "Dockerfile": "", **files}), "python", key) in (
        expected,
        [*(expected or []), "gunicorn>=22"],
    )


def test_assets_are_built_before_django_collects_them(draft):
    files = {**DJANGO, "package.json": '{"scripts": {"build": "vite build"}}', "package-lock.json": "{}"}
    found = draft(files)
    collect = "python manage.py collectstatic --noinput"
    assert value(found, "release", "build") == ["npm ci", "npm run build", collect]
    assert value(found, "packages", "all") == ["nodejs", "npm"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"yarn.lock": "__metadata:\n  version: 8\n"},
         "npx --yes --package @yarnpkg/cli-dist@4 yarn install --immutable"),
        ({"yarn.lock": "__metadata:\n", "asked": "yarn@4.1.0+sha224.fd21"},
         "npx --yes --package @yarnpkg/cli-dist@4.1.0 yarn install --immutable"),
        ({"yarn.lock": "# yarn lockfile v1\n", "asked": "yarn@1.22.22"}, "npx --yes yarn install --frozen-lockfile"),
        ({"pnpm-lock.yaml": "", "asked": "pnpm@9.1.0"}, "npx --yes pnpm@9.1.0 install --frozen-lockfile"),
        ({"pnpm-lock.yaml": "", "asked": "pnpm@next"}, "npx --yes pnpm install --frozen-lockfile"),
    ],
)  # fmt: skip
def test_assets_are_built_by_the_version_that_wrote_their_lock(draft, files, expected):
    asked = files.pop("asked", "")
    manager = f', "packageManager": "{asked}"' if asked else ""
    described = f'{{"scripts": {{"build": "vite build"}}{manager}}}'
    build = value(draft({**DJANGO, **files, "package.json": described}), "release", "build")
    assert build[:2] == [expected, expected.partition(" install")[0] + " run build"]


@pytest.mark.parametrize(
    ("config", "expected"), [("", "YARN_NODE_LINKER=node-modules npx"), ("nodeLinker: x\n", "npx")]
)
def test_packages_of_node_that_the_code_reads_lie_in_a_folder(draft, config, expected):
    files = {**DJANGO, "package.json": '{"dependencies": {"jquery": "3"}}', "yarn.lock": "__metadata:\n"}
    files |= {".yarnrc.yml": config, "shop/assets.py": 'FOLDER = "node_modules"\n'}
    build = value(draft(files), "release", "build")
    assert build[0] == f"{expected} --yes --package @yarnpkg/cli-dist@4 yarn install --immutable"


def test_programs_that_uwsgi_starts_beside_its_server_are_processes(draft):
    uwsgi = """\
[uwsgi]
module = shop.wsgi:application
attach-daemon = ./manage.py sendalerts --skip-checks
smart-attach-daemon = /tmp/x.pid memcached -p 11311
if-env = SMTPD_PORT
attach-daemon = ./manage.py smtpd --port %(_)
endif =
attach-daemon = python3 manage.py sendreports --loop
"""
    found = draft({**DJANGO, "docker/uwsgi.ini": uwsgi})
    commands = {loc[1]: fact.value for loc, fact in found.facts.items() if loc[0] == "processes" and loc[1] != "web"}
    assert commands == {
        "sendalerts": "python manage.py sendalerts --skip-checks",
        "sendreports": "python3 manage.py sendreports --loop",
    }
    assert found.facts["processes", "sendalerts", "command"].where == "docker/uwsgi.ini:3"


def test_a_package_of_another_archive_is_asked_for_by_the_name_that_debian_has(draft):
    image = "FROM python:3.12\nRUN apt-get install -y postgresql-client-14 gdal-bin python3.10-dev\n"
    assert value(draft({**DJANGO, "Dockerfile": image}), "packages", "all") == ["postgresql-client", "gdal-bin"]


@pytest.mark.parametrize(
    ("image", "compiler"),
    [
        ("FROM python:3.11-slim\nRUN apt-get update && apt-get install -y \\\n  build-essential libfoo1", True),
        ("FROM python:3.11-alpine\nRUN apk add gcc musl-dev", True),
        ("FROM python:3.11\nRUN apt-get install -y libfoo-dev tidy", True),
        ("FROM python:3.11\nRUN apt-get install -y tidy", False),
        ("FROM python:3.11-slim\n# no gcc here\nRUN apt-get install -y tidy", False),
    ],
)
def test_hosts_have_a_compiler_where_an_image_has_one_for_packages(draft, image, compiler):
    packages = value(draft({**DJANGO, "Dockerfile": f"{image}\n"}), "packages", "all") or []
    assert (packages[:2] == ["build-essential", "python3-dev"]) == compiler
    assert "gcc" not in packages and "musl-dev" not in packages


UNIT = "[Service]\nType={}\nExecStart=/opt/shop/venv/bin/python3 manage.py {}\n"


def test_management_commands_that_systemd_keeps_running_are_processes(draft):
    files = {
        "scripts/shop-consumer.service": UNIT.format("simple", "consume"),
        "scripts/shop-clean.service": UNIT.format("oneshot", "clean"),
        "scripts/shop-web.service": UNIT.format("simple", "runserver"),
    }
    found = draft({**DJANGO, **files})
    commands = {loc[1]: fact.value for loc, fact in found.facts.items() if loc[0] == "processes" and loc[1] != "web"}
    assert commands == {"consumer": "python3 manage.py consume"}


def test_a_workflow_of_a_forge_is_no_older_deployment(draft):
    found = draft({**DJANGO, ".github/workflows/deploy.yml": "on: push\n", "ops/deploy.yml": "- hosts: all\n"})
    assert [note.partition(" ")[0] for note in found.notes if "older deployment" in note] == ["ops/deploy.yml"]


WORKSPACE = {
    "backend/pyproject.toml": '[project]\nname = "app"\nversion = "1"\ndependencies = ["fastapi"]\n',
    "backend/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
}


@pytest.mark.parametrize(("who", "installed"), [("app", True), ("jobs", False)])
def test_the_lock_of_a_workspace_counts_for_the_member_that_is_the_application(draft, who, installed):
    member = '[[package]]\nname = "{}"\nsource = {{ editable = "{}" }}\ndependencies = [{}]\n'
    needed = {"app": "", "jobs": "", who: '{ name = "uvicorn" }'}
    members = member.format("app", "backend", needed["app"]) + member.format("jobs", "jobs", needed["jobs"])
    lock = f'version = 1\n{members}[[package]]\nname = "uvicorn"\nversion = "1"\n'
    found = draft({**WORKSPACE, "uv.lock": lock})
    assert not [note for note in found.notes if "uv.lock" in note]
    # Where it has no server, one is added.
    assert (("python", "packages") not in found.facts) == installed


@pytest.mark.parametrize("package", ["", '[[package]]\nname = "app"\nsource = "editable"\n'], ids=["none", "damaged"])
def test_a_lock_of_other_packages_above_the_application_is_named(draft, package):
    note = "uv.lock has no backend in its workspace, and is not read: "
    assert [each for each in draft({**WORKSPACE, "uv.lock": f"version = 1\n{package}"}).notes if each.startswith(note)]

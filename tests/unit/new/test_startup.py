"""What start scripts do beside migrating."""

from __future__ import annotations

import pytest

from .conftest import DJANGO, value

ENTRY = """\
#!/bin/bash
info() { echo >&2 "$*"; }
if [ "$1" = "gunicorn" ]; then
    python manage.py wait_for_db
    python manage.py migrate || info "failed"
    info "filling"
    python3 /app/manage.py initdb --quiet || exit 1
    python manage.py compile_themes && info "themes"
    python manage.py collectstatic --no-input
    python manage.py loaddata $FIXTURE
fi
if [[ "$SYNC" == "True" ]]; then
    python manage.py sync
fi
for name in a b; do
    python manage.py each
done
exec "$@"
"""
COLLECT = "python manage.py collectstatic --noinput"


def test_commands_of_a_start_script_run_with_each_release(draft):
    found = draft({**DJANGO, "docker/entrypoint.sh": ENTRY})
    migrate = ["python manage.py migrate --noinput", "python manage.py initdb --quiet"]
    assert value(found, "release", "migrate") == migrate
    assert value(found, "release", "build") == ["python manage.py compile_themes", COLLECT]
    assert found.facts["release", "migrate"].where == "manage.py, docker/entrypoint.sh:7"


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("[ -n \"$MIGRATE\" ] && python manage.py migrate", []),
        ("if [ \"$MIGRATE\" ]; then\n  python manage.py migrate\nfi", ["python manage.py set-site"]),
        ("python manage.py check", []),
    ],
)  # fmt: skip
def test_a_start_script_counts_where_it_migrates(draft, line, after):
    found = draft({**DJANGO, "start.sh": f"#!/bin/sh\n{line}\npython manage.py set-site\n"})
    first = "python manage.py migrate --noinput"
    assert value(found, "release", "migrate") == ([first, *after] if after else first)


@pytest.mark.parametrize("path", ["start-dev.sh", "tests/start.sh", "docs/start.sh"])
def test_a_start_script_of_developers_counts_for_nothing(draft, path):
    found = draft({**DJANGO, path: "#!/bin/sh\npython manage.py migrate\npython manage.py set-site\n"})
    assert value(found, "release", "migrate") == "python manage.py migrate --noinput"


@pytest.mark.parametrize(
    ("files", "compiled"),
    [
        ({"Dockerfile": "FROM python:3.11-slim\nRUN python manage.py compilemessages\n"}, True),
        ({"Dockerfile": "FROM python:3.11-slim\n# RUN python manage.py compilemessages\n"}, False),
        ({"entrypoint.sh": "#!/bin/sh\npython manage.py migrate\npython manage.py compilemessages -v0\n"}, True),
        ({"start.sh": "#!/bin/sh\npython manage.py compilemessages\n", "locale/de.mo": ""}, False),
    ],
)
def test_catalogs_of_translations_are_compiled_where_the_checkout_has_none_that_are(draft, files, compiled):
    build = value(draft({**DJANGO, **files}), "release", "build")
    assert any("compilemessages" in each for each in build) == compiled and build[-1] == COLLECT


def test_catalogs_of_flask_are_compiled_as_a_procfile_does(draft):
    files = {
        "requirements.txt": "flask\nflask-babel\n",
        "shop.py": "from flask import Flask\napp = Flask(__name__)\n",
        "Procfile": "web: flask db upgrade; pybabel compile -d shop/translations; gunicorn shop:app\n",
    }
    assert value(draft(files), "release", "build") == ["pybabel compile -d shop/translations"]


def test_a_program_of_the_application_runs_before_or_after_the_migration_as_a_start_script_has_it(draft):
    script = "#!/bin/sh\nshop bootstrap --quiet\nshop wait\npython manage.py migrate\nshop fill\nshop serve\nls shop\n"
    project = '[project]\nname = "shop"\nversion = "1"\n[project.scripts]\nshop = "shop.cli:main"\n'
    found = draft({**DJANGO, "pyproject.toml": project, "start.sh": script})
    migrate = ["shop bootstrap --quiet", "python manage.py migrate --noinput", "shop fill"]
    assert value(found, "release", "migrate") == migrate


SCM = '[project]\nname = "shop"\n[tool.setuptools_scm]\n{key} = "shop/_version.py"\n'


@pytest.mark.parametrize("key", ["version_file", "write_to"])
def test_a_module_that_a_build_of_the_package_writes_is_written_before_static_files_are_collected(draft, key):
    found = draft({**DJANGO, "pyproject.toml": SCM.format(key=key)})
    command, *rest = value(found, "release", "build")
    assert command == "python -m setuptools_scm --force-write-version-files"
    assert all("setuptools_scm" not in each for each in rest)
    assert "setuptools-scm>=8" in value(found, "python", "packages")


def test_a_version_that_is_in_the_checkout_or_in_no_file_is_not_written(draft):
    found = draft({**DJANGO, "pyproject.toml": SCM.format(key="write_to"), "shop/_version.py": "version = '1'\n"})
    assert "setuptools_scm" not in str(value(found, "release", "build"))


def test_code_that_asks_for_the_address_of_its_visitor_is_told(draft):
    views = "def view(request):\n    return request.META['REMOTE_ADDR']\n"
    found = draft({**DJANGO, "shop/views.py": views})
    assert any("shop/views.py:2 reads REMOTE_ADDR" in note for note in found.notes)
    found = draft({**DJANGO, "shop/views.py": views + "\nX = 'HTTP_X_FORWARDED_FOR'\n"})
    assert not any("REMOTE_ADDR" in note for note in found.notes)

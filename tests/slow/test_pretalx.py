"""pretalx, an application of somebody else's from the package index, on two bare hosts by one command."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import PROJECT, Fleet, wait_for

DOMAIN = "talks.example.org"
# Both run with the same tables: patch releases of pretalx bring no migrations.
VERSION, OLDER = "2025.2.2", "2025.2.1"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """The hosts of hosts/pretalx.toml, with cron lines that need not be waited for longer than a minute."""
    kept = os.environ.get("HAWSER_FLEET")
    folder = Path(kept) / "pretalx" if kept else Path(tempfile.mkdtemp(prefix="hawser-pretalx-"))
    fleet = Fleet(folder, "pretalx")
    fleet.hosts.mkdir(parents=True, exist_ok=True)
    text = (PROJECT / "hosts" / "pretalx.toml").read_text()
    assert f'version = "{VERSION}"' in text
    text, found = re.subn(r'^schedule = "[^"]*"', 'schedule = "* * * * *"', text, flags=re.M)
    assert found == 2
    fleet.file.write_text(text.replace(f'version = "{VERSION}"', f'version = "{OLDER}"'))
    try:
        fleet.fab("-H", "pretalx", "sandbox.up", timeout=300)
        fleet.fab("-H", "pretalx", "bootstrap", "deploy", timeout=900)
        yield fleet
    finally:
        if not kept:
            fleet.fab("-H", "pretalx", "sandbox.down", code=None)
            shutil.rmtree(folder)


def python(fleet: Fleet, script: str) -> str:
    """Run a script in pretalx's own shell on the web host, as an administrator would."""
    line = f"cd /srv/pretalx/current/source && runuser -u pretalx -- /srv/pretalx/current/run python -c '{script}'"
    return fleet.inside("web1", "sh", "-c", line)


def serves(fleet: Fleet, host: str) -> str:
    """Return the version that a host serves."""
    return fleet.inside(host, "readlink", "/srv/pretalx/current").strip().rpartition("/")[2].rpartition("-")[0]


def test_the_start_page_and_a_static_file_answer_through_nginx(fleet: Fleet) -> None:
    page = fleet.visit("web1", domain=DOMAIN)
    assert page.status == 200 and "pretalx" in page.body
    path = re.search(r"(/static/[^ >]+\.css)", page.body)
    assert path, page.body[:2000]
    static = fleet.visit("web1", path[1], domain=DOMAIN)
    assert static.status == 200 and "text/css" in static.headers["Content-Type"]
    assert "pretalx-manifest.json" in fleet.inside("web1", "ls", "/srv/pretalx/current/source/static")


def test_an_upload_answers_through_nginx(fleet: Fleet) -> None:
    fleet.inside("web1", "runuser", "-u", "pretalx", "--", "sh", "-c", "echo hi > /srv/pretalx/data/media/hi.txt")
    assert fleet.visit("web1", "/media/hi.txt", domain=DOMAIN).body == "hi\n"


def test_the_check_of_pretalx_itself_is_clean(fleet: Fleet) -> None:
    assert "no issues" in fleet.fab("-H", "pretalx", "manage", "check --deploy").stdout


def test_the_first_administrator_is_there_and_can_log_in(fleet: Fleet) -> None:
    script = (
        "import django; django.setup(); from pretalx.person.models import User; "
        'user = User.objects.get(is_administrator=True); import sys; print(user.email, user.check_password("%s"))'
    )
    settings = 'import os; os.environ["DJANGO_SETTINGS_MODULE"] = "pretalx.settings"; '
    said = python(fleet, settings + script % fleet.secrets["ADMIN_PASSWORD"].strip("'"))
    assert said.split()[-2:] == ["admin@talks.example.org", "True"]
    assert "init" in fleet.fab("-H", "pretalx", "once.list").stdout


def test_the_worker_on_the_other_host_does_a_task(fleet: Fleet) -> None:
    script = (
        'import os; os.environ["DJANGO_SETTINGS_MODULE"] = "pretalx.settings"; import django; django.setup(); '
        "from pretalx.common.tasks import task_cleanup_file as task; "
        'result = task.apply_async(kwargs=dict(model="none", pk=0, field="none", path="none")); '
        "result.get(timeout=60); print(result.id, result.status)"
    )
    identifier, status = python(fleet, script).split()[-2:]
    assert status == "SUCCESS"
    assert identifier in fleet.inside("data1", "journalctl", "-o", "cat", "-u", worker(fleet), "-n", "200")


def worker(fleet: Fleet) -> str:
    """Return the unit of the worker that serves."""
    colour = fleet.inside("data1", "readlink", "/srv/pretalx/run/worker.live").strip()
    return f"pretalx-{colour}"


def test_the_cron_lines_of_pretalx_run(fleet: Fleet) -> None:
    def ran() -> bool:
        said = fleet.fab("-H", "pretalx", "cron.list").stdout
        rows = [line for line in said.splitlines() if "runperiodic" in line or "clearsessions" in line]
        return len(rows) == 2 and all(re.search(r"\bok\b", row) for row in rows)

    wait_for("both cron lines have run", ran, seconds=180, every=3)


def test_an_unknown_version_is_answered_with_those_around_it(fleet: Fleet) -> None:
    said = fleet.fab("-H", "pretalx", "deploy", "--revision", "2025.2.99", code=1)
    assert "pretalx has no version 2025.2.99 for this Python (nearest: 2025.2." in said.stdout + said.stderr


def test_another_version_deploys_and_rolls_back(fleet: Fleet) -> None:
    assert {serves(fleet, host) for host in ("web1", "data1")} == {OLDER}
    fleet.fab("-H", "pretalx", "deploy", "--revision", VERSION, timeout=900)
    assert {serves(fleet, host) for host in ("web1", "data1")} == {VERSION}
    assert fleet.visit("web1", domain=DOMAIN).status == 200
    fleet.fab("-H", "pretalx", "rollback")
    assert {serves(fleet, host) for host in ("web1", "data1")} == {OLDER}
    assert fleet.visit("web1", domain=DOMAIN).status == 200


def test_a_second_bootstrap_and_deploy_change_nothing(fleet: Fleet) -> None:
    events = fleet.events("-H", "pretalx", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}

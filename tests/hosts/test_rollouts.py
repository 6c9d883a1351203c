"""What a rollout does when something goes wrong on the way, and what it asks before it goes."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser import sandbox

from .conftest import Answer, Fleet
from .test_refusals import changed, committed
from .visitors import visitors

HOSTS = ("web1", "web2", "data1")
ILL = "/var/tmp/hawser-ill"
# What the code that serves meanwhile does not fill.
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("logbook", "0001_initial")]
    operations = [migrations.AddField("logentry", "kind", models.CharField(max_length=9, default="x"))]
"""


def said_by(result: subprocess.CompletedProcess[str]) -> str:
    return result.stdout + result.stderr


def killed_in(fleet: Fleet, phase: str, event: str, *words: str) -> None:
    """Start a deploy and kill it when it has reported something in a phase."""
    process = fleet.start("deploy", *words, errors=subprocess.STDOUT)
    assert process.stdout is not None
    now = ""
    for line in process.stdout:
        told = json.loads(line)
        now = told["name"] if told["t"] == "phase" else now
        if now.startswith(phase) and told["t"] == "event" and event in told["label"]:
            break
    process.kill()
    process.communicate()


def test_resume_finishes_the_rollout_that_was_begun_and_nothing_newer(fleet: Fleet) -> None:
    fleet.fab("-H", fleet.name, "deploy")
    commit = fleet.commit({"logbook/resumed.py": f"RESUMED = {time.time_ns()}\n"})
    with visitors(fleet):
        killed_in(fleet, "switch 2", "journal")
        assert len(fleet.releases()) == 2
        table = fleet.fab("-H", fleet.name, "lock.status").stdout
        assert table.count("rollout open") == 3
        fleet.commit({"logbook/newer.py": "NEWER = 1\n"})
        said = fleet.fab("-H", fleet.name, "resume").stdout
    assert f"deploy of {commit[:10]}" in said
    assert {release[:10] for release in fleet.releases()} == {commit[:10]}
    assert "nothing to resume" in fleet.fab("-H", fleet.name, "resume").stdout
    assert "rollout open" not in fleet.fab("-H", fleet.name, "lock.status").stdout
    for host in HOSTS:
        assert "journal.json" not in fleet.inside(host, "ls", "/var/lib/hawser/demo")


def test_a_rollout_leaves_a_log_and_a_page_also_when_it_fails(fleet: Fleet, tmp_path: Path) -> None:
    kept, place = {"HAWSER_ROLLOUTS": str(tmp_path)}, tmp_path / "demo" / fleet.name
    fleet.fab("-H", fleet.name, "deploy", env=kept)
    with committed(fleet, {"logbook/reported.py": f"REPORTED = {time.time_ns()}\n"}):
        said = fleet.fab("-H", fleet.name, "deploy", env=kept).stdout
        page = Path(said.splitlines()[-1].removeprefix("report  "))
        assert page.parent == place and page.suffix == ".html"
        assert "logbook" in (text := page.read_text()) and "Done" in text and fleet.release("web1") in text
        with changed(fleet, {"check = [": "check = [\"sh -c 'echo last words; exit 3'\", "}):
            failed = said_by(fleet.fab("-H", fleet.name, "deploy", code=1, env=kept))
    assert "report  " in failed
    listed = fleet.fab("-H", fleet.name, "report.list", env=kept).stdout
    assert "ok" in listed and "failed: " in listed
    fleet.fab("-H", fleet.name, "report", "--to", str(tmp_path / "page.html"), env=kept)
    assert "last words" in (tmp_path / "page.html").read_text()
    xml = fleet.fab("-H", fleet.name, "report.junit", env=kept).stdout
    assert "<failure" in xml and "last words" in xml
    for file in place.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert not [name for name, value in fleet.secrets.items() if len(value) > 8 and value in file.read_text()]
    fleet.fab("-H", fleet.name, "deploy")


@pytest.mark.slow
def test_a_freeze_refuses_everyone_until_it_is_lifted(fleet: Fleet) -> None:
    assert "say why" in said_by(fleet.fab("-H", fleet.name, "lock.hold", code=2))
    fleet.fab("-H", f"{fleet.name}/web2", "lock.hold", "--why", "the fair is on")
    try:
        before = fleet.releases()
        with committed(fleet, {"logbook/frozen.py": "FROZEN = 1\n"}):
            for words in (("deploy",), ("bootstrap",), ("nginx.install",)):
                said = said_by(fleet.fab("-H", fleet.name, *words, code=1))
                assert "deploys are frozen" in said and "web2" in said and "the fair is on" in said
            assert "frozen" in fleet.fab("-R", "-H", fleet.name, "deploy").stdout
        assert fleet.releases() == before
        assert "the fair is on" in fleet.fab("-H", fleet.name, "lock.status").stdout
        fleet.fab("-H", f"{fleet.name}/data1", "restart", "--process", "beat")
    finally:
        fleet.fab("-H", fleet.name, "lock.release")
    fleet.fab("-H", fleet.name, "deploy")


def test_errors_for_visitors_of_the_second_batch_put_the_first_one_back(fleet: Fleet) -> None:
    """The process is healthy by itself: only who comes through nginx sees that something is wrong."""
    fleet.fab("-H", fleet.name, "deploy")
    before = fleet.releases()
    ill = f"[site]\nextra = 'if (-f {ILL}) {{ return 500; }}'"
    fleet.inside("web2", "touch", ILL)
    try:
        with changed(fleet, {"status = [200] }": "status = [200], timeout = 10 }", "[site]": ill}):
            said = said_by(fleet.fab("-H", fleet.name, "deploy", code=1))
    finally:
        fleet.inside("web2", "rm", "-f", ILL)
    assert "https://demo.test/health/ answers visitors with 500" in said
    assert "put back" in said
    assert fleet.releases() == before
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


@pytest.mark.slow
def test_a_host_that_may_fail_is_left_behind_and_resume_brings_it_there(fleet: Fleet) -> None:
    release = '[release]\nmax_failures = 1\ncanary = "data1"\npause = 1'
    fleet.inside("web2", "touch", ILL)
    try:
        with changed(fleet, {"[release]": release, "check = [": f'check = ["test ! -e {ILL}", '}):
            result = fleet.fab("-H", fleet.name, "deploy", code=1)
            assert "does not serve on web2" in said_by(result) and "resume" in said_by(result)
            assert re.search(r"switch 1/2  data1\n.*switch 2/2  web1\n", result.stdout, re.DOTALL), result.stdout
            assert "waiting 1 s" in result.stdout
            assert fleet.release("web1") == fleet.release("data1") != fleet.release("web2")
            assert fleet.visit("web2").status == 200
            fleet.inside("web2", "rm", ILL)
            said = fleet.fab("-H", fleet.name, "resume").stdout
            assert "missing on web2" in said and "== switch 1/1  web2" in said
            assert len(fleet.releases()) == 1
            assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout
    finally:
        fleet.inside("web2", "rm", "-f", ILL)
    fleet.fab("-H", fleet.name, "deploy")


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_fatal_or_skipped_as_the_settings_say(fleet: Fleet) -> None:
    before = fleet.releases()
    skip = {"[release]": '[release]\nunreachable = "skip"'}
    with committed(fleet, {"logbook/skipped.py": "SKIPPED = 1\n"}), changed(fleet, skip):
        sandbox.cut(f"{fleet.name}-web2")
        try:
            with changed(fleet, {'"skip"': '"fail"'}):
                assert "web2" in said_by(fleet.fab("-H", fleet.name, "deploy", code=1))
            assert fleet.releases() == before
            said = fleet.fab("-H", fleet.name, "deploy").stdout
        finally:
            sandbox.join(f"{fleet.name}-web2")
        assert "warning" in said and "does not serve on web2" in said
        assert len(fleet.releases()) == 2
        fleet.fab("-H", fleet.name, "resume")
        assert len(fleet.releases()) == 1
    fleet.fab("-H", fleet.name, "deploy")


@contextmanager
def watching(fleet: Fleet, path: str) -> Iterator[list[Answer]]:
    """Collect what a visitor of a page gets."""
    seen: list[Answer] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.1):
            seen.append(fleet.visit("web1", path))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def backups(fleet: Fleet) -> int:
    events = fleet.events("-H", fleet.name, "db.list")
    return len(next(each.get("rows", []) for each in events if each["t"] == "table"))  # type: ignore[arg-type]


def test_a_migration_that_running_code_may_not_survive_needs_a_word(fleet: Fleet) -> None:
    before, saved = fleet.releases(), backups(fleet)
    with committed(fleet, {"logbook/migrations/0002_kind.py": MIGRATION}):
        assert "pending migrations: unknown" in fleet.fab("-R", "-H", fleet.name, "deploy").stdout
        said = said_by(fleet.fab("-H", fleet.name, "deploy", code=1))
        reason = "logbook.0002_kind: breaking (the code that runs does not fill logbook.logentry.kind)"
        for word in (reason, "--maintenance", "--accept-migrations"):
            assert word in said, said
        assert fleet.releases() == before
        assert f"pending migration {reason}" in fleet.fab("-R", "-H", fleet.name, "deploy").stdout
        with watching(fleet, "/") as page, watching(fleet, "/health/") as health:
            fleet.fab("-H", fleet.name, "deploy", "--maintenance")
        assert {answer.status for answer in page} == {200, 503}
        assert all(answer.headers["Retry-After"] for answer in page if answer.status == 503)
        assert {answer.status for answer in health} == {200}
        assert fleet.visit("web1").status == 200
        assert backups(fleet) == saved + 1
        told = fleet.fab("-R", "-H", fleet.name, "rollback").stdout
        assert "logbook.0002_kind: can be reversed; breaking" in told
        fleet.fab("-H", f"{fleet.name}/web1", "manage", "migrate logbook 0001_initial")
        assert "the database fits" in fleet.fab("-H", fleet.name, "rollback").stdout
    assert fleet.releases() == before
    fleet.fab("-H", fleet.name, "deploy")


@pytest.mark.slow
def test_a_rollout_that_has_closed_the_site_is_resumed_and_opens_it(fleet: Fleet) -> None:
    before = fleet.releases()
    with committed(fleet, {"logbook/migrations/0002_kind.py": MIGRATION}) as commit:
        killed_in(fleet, "switch 1", "journal", "--maintenance")
        assert {fleet.visit(host).status for host in ("web1", "web2")} == {503}
        assert fleet.visit("web1", "/health/").status == 200
        fleet.fab("-H", fleet.name, "resume")
        assert {release[:10] for release in fleet.releases()} == {commit[:10]}
        assert {fleet.visit(host).status for host in ("web1", "web2")} == {200}
        fleet.fab("-H", f"{fleet.name}/web1", "manage", "migrate logbook 0001_initial")
    fleet.fab("-H", fleet.name, "deploy")
    assert fleet.releases() == before


@pytest.mark.slow
def test_the_site_stays_closed_when_the_database_may_not_fit_what_serves_again(fleet: Fleet) -> None:
    before = fleet.releases()
    ill = f"[site]\nextra = 'if (-f {ILL}) {{ return 500; }}'"
    fleet.inside("web2", "touch", ILL)
    settings = {"status = [200] }": "status = [200], timeout = 10 }", "[site]": ill}
    with committed(fleet, {"logbook/migrations/0002_kind.py": MIGRATION}) as commit, changed(fleet, settings):
        try:
            said = said_by(fleet.fab("-H", fleet.name, "deploy", "--maintenance", code=1))
        finally:
            fleet.inside("web2", "rm", "-f", ILL)
        assert "the site stays closed" in said and "logbook.0002_kind: breaking" in said
        assert fleet.releases() == before
        assert {fleet.visit(host).status for host in ("web1", "web2")} == {503}
        # The way onward: what is ill is mended, and nobody opens the site but a person.
        fleet.fab("-H", fleet.name, "deploy")
        assert {release[:10] for release in fleet.releases()} == {commit[:10]}
        assert fleet.visit("web1").status == 503
        fleet.fab("-H", fleet.name, "maintenance.off")
        assert fleet.visit("web1").status == 200
        fleet.fab("-H", f"{fleet.name}/web1", "manage", "migrate logbook 0001_initial")
    fleet.fab("-H", fleet.name, "deploy")
    assert fleet.releases() == before


def hooks(*rows: Mapping[str, str]) -> str:
    tables = ["\n".join(f"{key} = {json.dumps(value)}" for key, value in row.items()) for row in rows]
    return "".join(f"\n[[hooks]]\n{table}\n" for table in tables)


def test_hooks_run_where_and_when_they_are_asked_for(fleet: Fleet, tmp_path: Path) -> None:
    seen = "/srv/demo/data/hooks"
    told = f'echo "$HAWSER_HOOK $HAWSER_HOST $HAWSER_TASK $HAWSER_RELEASE" >> {seen}'
    mine = tmp_path / "here"
    rows = [
        {"before": "switch", "command": told, "groups": ["web"]},
        {"after": "migrate", "command": told, "on": "leader"},
        # As in the how-to: a command of Django's, which finds manage.py.
        {
            "before": "switch",
            "command": f"{{{{ release.path }}}}/run python manage.py check && pwd >> {seen}",
            "on": "leader",
        },
        {"after": "finish", "command": "echo broken by hand; false", "on": "here"},
        {"after": "rollout", "command": f'echo "$HAWSER_TARGETS $HAWSER_RESULT" > {mine}', "on": "here"},
    ]
    text = fleet.file.read_text()
    try:
        with committed(fleet, {"logbook/hooked.py": f"HOOKED = {time.time_ns()}\n"}):
            fleet.file.write_text(text + hooks(*rows))  # type: ignore[arg-type]
            said = fleet.fab("-H", fleet.name, "deploy").stdout
            release = fleet.release("web1")
            assert "broken by hand" in said and "the hook after finish failed here, with status 1" in said
            assert fleet.inside("web1", "cat", seen).splitlines() == [
                f"after migrate web1 deploy {release}",
                f"before switch web1 deploy {release}",
                f"/srv/demo/releases/{release}/source",
            ]
            assert fleet.inside("web2", "cat", seen).splitlines() == [f"before switch web2 deploy {release}"]
            assert mine.read_text() == "web1,web2,data1 ok\n"
            fleet.commit({"logbook/hooked.py": f"HOOKED = {time.time_ns()}\n"})
            fleet.file.write_text(text + hooks({"before": "batch", "command": "false"}, rows[4]))  # type: ignore[arg-type]
            said = said_by(fleet.fab("-H", fleet.name, "deploy", code=1))
            assert "the hook before batch failed on web1" in said
            assert fleet.releases() == {release}
            assert mine.read_text() == "web1,web2,data1 failed\n"
    finally:
        fleet.file.write_text(text)
        for host in ("web1", "web2"):
            fleet.inside(host, "rm", "-f", seen)
    fleet.fab("-H", fleet.name, "deploy")


CLOCK = """\
[processes.clock]
groups = ["clock"]
port = 8077
command = "python -m http.server {{ port }} --bind 0.0.0.0"
health = { path = "/", status = [200] }

[site]
groups = ["web"]
proxy = { "/" = "web", "/clock/" = "clock" }
"""


@contextmanager
def clocks(fleet: Fleet, server: str) -> Iterator[str]:
    """Have the web servers of two hosts pass a path on to two other processes; yields the file that says so."""
    site = {
        "[site]": f'{CLOCK}server = "{server}"',
        '[hosts.web2]\ngroups = ["web"]': '[hosts.web2]\ngroups = ["web", "clock"]',
        '[hosts.data1]\ngroups = ["data"]': '[hosts.data1]\ngroups = ["data", "clock"]',
    }
    with changed(fleet, site):
        if server != "nginx":
            fleet.fab("-H", fleet.name, "bootstrap")
        fleet.fab("-H", fleet.name, "deploy")
        folder = {"apache": "apache2"}.get(server, server)
        yield f"/etc/{folder}/sites-enabled/demo.conf"
    fleet.fab("-H", fleet.name, "deploy")
    assert ":8077" not in fleet.inside("web1", "cat", "/etc/nginx/sites-enabled/demo.conf")


def in_phases(events: list[dict[str, object]]) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what was changed, each with the phase it was in."""
    phase = ""
    for told in events:
        phase = str(told["name"]) if told["t"] == "phase" else phase
        if told.get("status") == "changed":
            yield phase, told


# Those of the other web servers are in tests/slow/test_web_servers.py.
@pytest.mark.slow
@pytest.mark.parametrize(("server", "out"), [("nginx", " down")])
def test_a_backend_on_a_port_is_taken_out_while_it_restarts(fleet: Fleet, server: str, out: str) -> None:
    with clocks(fleet, server) as file:
        fleet.commit({"logbook/clock.py": f"CLOCK = {time.time_ns()}\n"})
        for task in ("deploy", "restart"):
            with watching(fleet, "/clock/") as answers:
                events = fleet.events("-H", fleet.name, task)
            written = [phase for phase, told in in_phases(events) if told.get("label") == f"file {file}"]
            for place in ("take out web2", "take in web2", "take out data1", "take in data1"):
                assert place in written
            # There is no such page, but there is always somebody to say so.
            assert {answer.status for answer in answers} == {404}
            block = fleet.inside("web1", "cat", file)
            assert ":8077" in block and out not in block

"""What a user sees of bootstrap, deploy, rollback and status, on real hosts."""

from __future__ import annotations

import re
import time
from collections import Counter

from .conftest import Fleet, wait_for


def shown(page: str, what: str) -> str:
    """Return the text of the element with an id."""
    found = re.search(rf'id="{what}"[^>]*>(.*?)</', page, re.S)
    assert found, f"the page shows no {what}"
    return found.group(1).strip()


def statuses(events: list[dict[str, object]]) -> Counter[str]:
    return Counter(str(event["status"]) for event in events if event["t"] == "event")


def processes(fleet: Fleet, host: str) -> dict[str, str]:
    """Return the main process of every unit of the application on a host."""
    units = fleet.inside(host, "sh", "-c", "ps -eo pid,args | grep -E 'gunicorn|celery' | grep -v grep").splitlines()
    return {line.split(None, 1)[0]: line for line in units}


def gunicorns(fleet: Fleet) -> int:
    """Count the processes of the web server on a host, its master among them."""
    return len(fleet.inside("web1", "sh", "-c", "pgrep -f '[g]unicorn harbour'").split())


def test_one_command_takes_bare_hosts_to_a_site_that_answers_on_every_web_host(fleet: Fleet) -> None:
    for host in ("web1", "web2"):
        answer = fleet.visit(host)
        assert answer.status == 200
        assert shown(answer.body, "host") == f"{fleet.name}-{host}"
        assert shown(answer.body, "release") == fleet.release("web1")
        assert fleet.visit(host, scheme="http").headers["Location"] == "https://demo.test/"
    assert len(fleet.releases()) == 1


def test_nginx_serves_the_static_files_of_a_release_itself(fleet: Fleet) -> None:
    page = fleet.visit("web1").body
    path = re.search(r'href="(/static/[^"]+\.css)"', page)
    assert path
    assert fleet.visit("web1", path.group(1)).status == 200


def test_the_page_shows_a_row_of_the_worker_and_one_of_cron(fleet: Fleet) -> None:
    def both() -> bool:
        page = fleet.visit("web1").body
        return 'id="worker" data-row' in page and 'id="cron" data-row' in page

    wait_for("rows by the worker and by cron", both, seconds=90, every=2)


def test_a_second_bootstrap_deploy_changes_nothing_and_asks_each_host_once(fleet: Fleet) -> None:
    before = {host: processes(fleet, host) for host in ("web1", "web2", "data1")}
    events = fleet.events("-H", fleet.name, "bootstrap", "deploy")
    assert set(statuses(events)) == {"ok"}
    finish = next(event for event in events if event["t"] == "finish")
    # Bootstrap takes the lock and sends one catalog; the greeting has answered all that deploy needs to know.
    assert finish["exchanges"] == {"web1": 2, "web2": 2, "data1": 2}
    assert {host: processes(fleet, host) for host in ("web1", "web2", "data1")} == before


def last_started(fleet: Fleet, host: str) -> int:
    """Return the number of the process or thread that a host has started last: its kernel counts them."""
    return int(fleet.inside(host, "cat", "/proc/sys/kernel/ns_last_pid"))


def test_a_deploy_of_nothing_starts_next_to_nothing_on_a_host(fleet: Fleet) -> None:
    found = []
    for _ in range(3):
        before = last_started(fleet, "web1")
        assert set(statuses(fleet.events("-H", fleet.name, "deploy"))) <= {"ok"}
        found.append(last_started(fleet, "web1") - before)
    # A login takes half of them; what else goes on there, such as cron, comes in between now and then.
    assert min(found) <= 16, found


def tables(fleet: Fleet, *words: str, code: int = 0) -> dict[str, dict[str, dict[str, object]]]:
    """Return what the tables of a command tell programs: by the title's last word, and by host or process."""
    events = [event for event in fleet.events(*words, code=code) if event["t"] == "table"]
    return {
        str(event["title"]).split()[-1]: {
            f"{each['host']} {each.get('process', '')}".strip(): each
            for each in event["records"]  # type: ignore[attr-defined]
        }
        for event in events
    }


def test_status_shows_every_process_and_what_each_host_promises(fleet: Fleet) -> None:
    said = fleet.fab("-H", fleet.name, "status").stdout
    release = fleet.release("web1")
    for line in (
        rf"web1 +web +systemd +running +\d\d:\d\d \(\d+ \w+\) +{release} +ok +web-(blue|green).sock",
        rf"data1 +worker +supervisor +running .* {release}",
        rf"web2 +{release} .* nginx 80 443 +39\d days, self-signed +[+-]\d.\d s +[\d.]+ of \d+ GiB",
        r"data1 .*postgresql 5432, rabbitmq 5672",
    ):
        assert re.search(line, said), (line, said)
    found = tables(fleet, "-H", fleet.name, "status")
    web = found["processes"]["web1 web"]
    assert (web["active"], web["health"], web["release"]) == (True, "ok", release)
    started = int(fleet.inside("web1", "stat", "-c", "%Y", f"/proc/{min(processes(fleet, 'web1'), key=int)}"))
    assert 0 <= float(str(web["since"])) - started + 5 < 60
    assert found["hosts"]["data1"]["ports"] == {"5432": "postgresql", "5672": "rabbitmq"}
    assert abs(float(str(found["hosts"]["web2"]["clock_offset"]))) < 2


def test_a_commit_that_changes_one_file_reuses_the_environment_and_reaches_every_host(fleet: Fleet) -> None:
    beside = fleet.inside("data1", "pgrep", "-o", "postgres"), fleet.inside("web1", "pgrep", "-o", "nginx")
    environments = fleet.inside("web1", "sh", "-c", "ls /srv/demo/envs")
    commit = fleet.commit({"logbook/extra.py": "ANSWER = 42\n"})
    before = last_started(fleet, "web1")
    said = fleet.fab("-H", fleet.name, "deploy").stdout
    # Those of the application are among them.
    assert last_started(fleet, "web1") - before <= 120
    assert "new environment" not in said
    assert fleet.inside("web1", "sh", "-c", "ls /srv/demo/envs") == environments
    releases = fleet.releases()
    assert len(releases) == 1
    assert next(iter(releases)).startswith(commit[:10])
    assert shown(fleet.visit("web2").body, "commit").startswith(commit[:10])
    assert (fleet.inside("data1", "pgrep", "-o", "postgres"), fleet.inside("web1", "pgrep", "-o", "nginx")) == beside


def test_rollback_brings_back_code_and_configuration_of_the_release_before(fleet: Fleet) -> None:
    before = fleet.release("web1")
    text = fleet.file.read_text()
    later = f"logbook/later_{time.time_ns()}.py"
    fleet.commit({later: "ANSWER = 43\n"})
    fleet.file.write_text(text.replace("--workers 2", "--workers 3"))
    try:
        fleet.fab("-H", fleet.name, "deploy")
        assert gunicorns(fleet) == 4
        fleet.fab("-H", fleet.name, "rollback")
        assert fleet.releases() == {before}
        fled = fleet.git("rev-parse", "HEAD")[:10]
        again = fleet.fab("-v", "-R", "-H", fleet.name, "rollback", code=None)
        assert "rollout of" in again.stdout or "no release served before" in again.stderr
        assert f"rollout of {fled}" not in again.stdout
        # The old processes of the other colour still drain for a moment.
        wait_for(
            "the workers of the release before alone",
            lambda: gunicorns(fleet) == 3,
        )
        assert fleet.inside("web1", "sh", "-c", f"test -e /srv/demo/source/{later}; echo $?").strip() == "1"
        assert before in fleet.fab("-H", fleet.name, "status").stdout
        assert shown(fleet.visit("web1").body, "release") == before
    finally:
        fleet.file.write_text(text)
    fleet.fab("-H", fleet.name, "deploy")


def test_a_dry_run_shows_diffs_and_touches_nothing(fleet: Fleet) -> None:
    text = fleet.file.read_text()
    fleet.file.write_text(text.replace("--workers 2", "--workers 5"))
    # Every path and every file's time of change in the folders that Hawser writes to. The site goes on meanwhile: its
    # data, its logs, and what cron runs every minute, which may also be the first to compile a module.
    going_on = " ".join(f"-not -path '{each}'" for each in ("*/data/*", "*/log/*", "*/cron/*", "*/__pycache__*"))
    listing = (
        f"find /srv/demo /etc /opt /var/lib/hawser {going_on} "
        "'(' -type d -printf '%p\\n' -o -printf '%p %C@\\n' ')' | sort | sha256sum"
    )
    try:
        before = fleet.inside("web1", "sh", "-c", listing)
        said = fleet.fab("-R", "-H", fleet.name, "deploy").stdout
    finally:
        fleet.file.write_text(text)
    assert "would change" in said
    assert "nothing was touched" in said
    assert fleet.inside("web1", "sh", "-c", listing) == before
    assert shown(fleet.visit("web1").body, "release") == fleet.release("web1")

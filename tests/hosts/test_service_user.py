"""The service user has been taken over: it must not become root, read what only root may, or block a deploy.

What it can do to single files is raced in `tests/unit/runner/test_service_user.py`.
"""

from __future__ import annotations

from pathlib import Path

from .conftest import Fleet, wait_for

HOSTILE = Path(__file__).parents[1] / "hostile"
ROOT = "/srv/demo"


def as_user(fleet: Fleet, host: str, script: str, check: bool = True) -> str:
    """Run a script on a host as the application's user."""
    switch = ["setpriv", "--reuid=demo", "--regid=demo", "--init-groups"]
    return fleet.inside(host, *switch, "env", "HOME=/srv/demo/home", "sh", "-c", script, check=check)


def as_anybody(fleet: Fleet, host: str, script: str) -> str:
    """Run a script on a host as a user who has nothing to do with the application."""
    return fleet.inside(host, "setpriv", "--reuid=nobody", "--clear-groups", "sh", "-c", f"{script} 2>&1", check=False)


def test_a_deploy_closes_what_was_open_and_waits_for_no_pipe_that_was_planted(fleet: Fleet) -> None:
    # As a Hawser has left them that thought of no other users.
    fleet.inside("web1", "chmod", "755", f"{ROOT}/log", f"{ROOT}/data")
    fleet.inside("web1", "chown", "demo:demo", f"{ROOT}/envs")
    marker = "$(readlink -f /srv/demo/current/env)/.hawser-complete"
    as_user(fleet, "web1", f"mkdir {ROOT}/envs/x; mkfifo {ROOT}/envs/x/.hawser-complete; rm {marker}; mkfifo {marker}")
    fleet.commit({"note.txt": "a change"})
    fleet.fab("-H", fleet.name, "deploy")
    for folder in ("log", "data"):
        assert "Permission denied" in as_anybody(fleet, "web1", f"ls {ROOT}/{folder}")
    modes = fleet.inside("web1", "stat", "-c", "%a %U %G", *(f"{ROOT}/{name}" for name in ("log", "data", "envs")))
    assert modes.splitlines() == ["751 root demo", "750 demo demo", "755 root root"]
    assert "Permission denied" in as_anybody(fleet, "web1", f"cat {ROOT}/log/nginx-access.log")
    # What the host does when it rotates the logs of nginx.
    denied = "grep -c 'demo/log/.*Permission denied' /var/log/nginx/error.log || true"
    before = fleet.inside("web1", "sh", "-c", denied)
    fleet.inside("web1", "sh", "-c", "kill -USR1 $(cat /run/nginx.pid)")
    assert "Permission denied" in as_user(fleet, "web1", f"mkdir {ROOT}/envs/y 2>&1", check=False)
    assert fleet.visit("web1").status == 200
    assert fleet.inside("web1", "sh", "-c", denied) == before


def test_links_that_the_service_user_turns_are_neither_believed_nor_a_traceback(fleet: Fleet) -> None:
    before = fleet.inside("web1", "readlink", f"{ROOT}/run/web.sock").strip()
    as_user(fleet, "web1", f"ln -sfn web-pink.sock {ROOT}/run/web.sock")
    fleet.fab("-H", "web1", "logs", "--process", "web", "--lines", "2")
    said = fleet.fab("-H", "web1", "status", code=1)
    assert "run/web.sock does not lead to demo-web-" in said.stdout + said.stderr
    assert "stopped" not in said.stdout
    assert fleet.visit("web1").status == 502
    # A deploy of what serves already sees it, and puts it right.
    fleet.fab("-H", fleet.name, "deploy")
    assert fleet.inside("web1", "readlink", f"{ROOT}/run/web.sock").strip() == before
    assert fleet.visit("web1").status == 200
    as_user(fleet, "web1", f"ln -sfn web-pink.sock {ROOT}/run/web.sock")
    fleet.fab("-H", "web1", "restart", "--process", "web")
    assert fleet.visit("web1").status == 200


def test_a_worker_whose_link_the_service_user_turns_stops_all_the_same(fleet: Fleet) -> None:
    turn = "case $l in *blue) ln -sfn worker-green worker.live;; *) ln -sfn worker-blue worker.live;; esac"
    before = fleet.inside("data1", "readlink", f"{ROOT}/run/worker.live").strip()
    as_user(fleet, "data1", f"cd {ROOT}/run && l=$(readlink worker.live) && {turn}")
    running = ("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "demo-worker-*")
    supervised = ("sh", "-c", "supervisorctl status 2>/dev/null | grep 'demo-worker.*RUNNING' || true")
    assert fleet.inside("data1", *running) + fleet.inside("data1", *supervised)
    fleet.fab("-H", "data1", "stop", "--process", "worker")
    assert not fleet.inside("data1", *running) + fleet.inside("data1", *supervised)
    as_user(fleet, "data1", f"ln -sfn {before} {ROOT}/run/worker.live")
    fleet.fab("-H", "data1", "start", "--process", "worker")


def test_visitors_get_no_file_by_a_link_that_the_service_user_puts_among_static_ones(fleet: Fleet) -> None:
    fleet.inside("web1", "sh", "-c", "echo only-the-web-server > /srv/secret && chown www-data: /srv/secret "
                 "&& chmod 400 /srv/secret")  # fmt: skip
    static = f"{ROOT}/current/source/static"
    as_user(fleet, "web1", f"ln -sfn /srv/secret {static}/planted.txt; echo own > {static}/real.txt; "
            f"ln -sfn real.txt {static}/own.txt")  # fmt: skip
    assert fleet.visit("web1", "/static/planted.txt").status in (403, 404)
    assert fleet.visit("web1", "/static/own.txt").body == "own\n"


def test_files_that_the_service_user_swaps_while_a_deploy_reads_them_reveal_nothing(fleet: Fleet) -> None:
    """Requirements of a release become links, pipes and what not as soon as they are the user's."""
    fleet.inside("web1", "sh", "-c", "echo 'ROOT-ONLY-LINE' > /root/only && chmod 600 /root/only")
    program = (HOSTILE / "service_user.py").read_text()
    fleet.inside("web1", "sh", "-c", "cat > /srv/service_user.py << 'EOF'\n" + program + "\nEOF")
    commit = fleet.commit({"note.txt": "swapped"})
    watch = (
        f"cd {ROOT}/releases; for n in $(seq 30000); do for f in {commit[:10]}-*/source/requirements.txt; do "
        '[ -O "$f" ] && exec timeout 60 python3 /srv/service_user.py "$PWD/$f" /root/only 60; done; sleep 0.02; done'
    )
    as_user(fleet, "web1", f"( {watch} ) > /dev/null 2>&1 &")
    said = fleet.fab("-H", fleet.name, "deploy", code=None)
    assert "ROOT-ONLY-LINE" not in said.stdout + said.stderr
    assert "a bug in Hawser" not in said.stdout + said.stderr
    count = f"cat {ROOT}/releases/{commit[:10]}-*/source/requirements.txt.swaps || echo 0"
    wait_for("2,000 swaps", lambda: int(fleet.inside("web1", "sh", "-c", count) or 0) >= 2000)
    assert "ROOT-ONLY-LINE" not in as_user(fleet, "web1", f"grep -rs ROOT-ONLY-LINE {ROOT} || true")
    fleet.inside("web1", "pkill", "-f", "/srv/service_user.py", check=False)
    # What it left of the code blocks nobody; to roll back to that is the user's own harm.
    fleet.fab("-H", fleet.name, "deploy")
    assert fleet.visit("web1").status == 200
    fleet.commit({"note.txt": "after it"})
    fleet.fab("-H", fleet.name, "deploy")


def test_an_operator_is_not_led_astray_by_a_record_of_cron(fleet: Fleet) -> None:
    path = fleet.inside("web1", "sh", "-c", f"ls {ROOT}/cron/*.last | head -1").strip()
    as_user(fleet, "web1", f"printf '%s 1' {'9' * 60} > {path}")
    fleet.fab("-H", "web1", "cron.list")

"""Ad-hoc commands, single steps, logs, and ways to reach a host."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser import sandbox

from .conftest import PROJECT, Fleet, wait_for
from .terminal import Person
from .test_refusals import changed


def test_run_marks_every_line_by_its_host_and_passes_the_exit_status_on(fleet: Fleet) -> None:
    said = fleet.fab("-H", fleet.name, "run", "hostname").stdout
    for host in ("web1", "web2", "data1"):
        assert re.search(rf"^{host}\s+\| {fleet.name}-{host}$", said, re.M), said
    fleet.fab("-H", f"{fleet.name}/web1", "run", "exit 3", code=1)


def test_manage_runs_a_management_command_in_the_environment_of_the_release(fleet: Fleet) -> None:
    said = fleet.fab("-H", f"{fleet.name}/web", "manage", "check --deploy").stdout
    assert "no issues" in said


def test_logs_shows_what_a_process_wrote_under_either_manager(fleet: Fleet) -> None:
    said = fleet.fab("-H", f"{fleet.name}/web1", "logs", "--process", "web", "--lines", "200").stdout
    assert "Booting worker" in said
    said = fleet.fab("-H", fleet.name, "logs", "--process", "worker", "--grep", "task.*succeeded").stdout
    lines = [line for line in said.splitlines() if line]
    assert lines and all(re.match(r"data1 +\| \w{3} \d\d [\d:]+ worker: .*succeeded", line) for line in lines), said


def test_logs_of_several_hosts_and_sources_come_in_the_order_of_time(fleet: Fleet) -> None:
    before = time.time() - 1
    for number, host in enumerate(("web1", "web2", "web1", "web2")):
        assert fleet.visit(host, f"/asked-{number}/").status == 404
        time.sleep(1)
    wait_for("cron ran", lambda: "wrote cron" in fleet.inside("web2", "journalctl", "-t", "demo-tick", "-n", "5"), 90)
    since = time.strftime("%F %T", time.localtime(before))
    asked = ("--only", "site", "--since", since, "--grep", "asked-")
    lines = [each for each in fleet.events("-H", fleet.name, "logs", *asked) if each["t"] == "log"]
    access = [each for each in lines if each["source"] == "nginx-access"]
    found = [(each["host"], re.search(r"asked-\d", str(each["text"]))[0]) for each in access]  # type: ignore[index]
    assert found == [("web1", "asked-0"), ("web2", "asked-1"), ("web1", "asked-2"), ("web2", "asked-3")]
    everything = [each for each in fleet.events("-H", fleet.name, "logs", "--since", "3min") if each["t"] == "log"]
    assert {"web", "worker", "beat", "nginx-access", "cron tick"} <= {str(each["source"]) for each in everything}
    times = [str(each["time"]) for each in everything]
    assert times == sorted(times)


def test_logs_can_be_followed_in_journal_and_files(fleet: Fleet) -> None:
    command = fleet.command("-H", f"{fleet.name}/web1", "logs", "--follow", "--lines", "1", "--grep", "followed|cron")
    with subprocess.Popen(command, cwd=PROJECT, env=fleet.environ(), stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            first = child.stdout.readline()
            assert first
            fleet.visit("web1", "/followed/")
            fleet.inside("web1", "sh", "-c", "echo followed by hand | systemd-cat -t demo-tick")
            sources = {"nginx-access", "cron tick"}
            while sources:
                line = child.stdout.readline()
                assert line
                sources -= {source for source in sources if f"{source}:" in line and "followed" in line}
        finally:
            child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    wait_for("nobody follows any more", lambda: not fleet.inside("web1", "pgrep", "-x", "journalctl", check=False))


@pytest.mark.parametrize("words", [("--since", "soon"), ("--grep", "("), ("--only", "web"), ("--process", "wbe")])
def test_logs_refuses_what_makes_no_sense(fleet: Fleet, words: tuple[str, str]) -> None:
    fleet.fab("-H", fleet.name, "logs", *words, code=2)


@pytest.mark.parametrize(
    "step",
    [
        "code.pull",
        "venv.build",
        "config.install",
        "db.migrate",
        "certs.install",
        "nginx.install",
        "supervisor.reload",
        "systemd.reload",
        "cron.install",
    ],
)
def test_a_single_step_on_a_deployed_fleet_changes_nothing_that_holds_already(fleet: Fleet, step: str) -> None:
    events = fleet.events("-H", fleet.name, step)
    changes = [event for event in events if event["t"] == "event" and event["status"] != "ok"]
    # Migrating is a command that says itself that there is nothing to do.
    assert [event["label"] for event in changes] == (
        ["command python manage.py migrate --noinput"] if step == "db.migrate" else []
    )


def test_a_step_repairs_what_was_changed_by_hand(fleet: Fleet) -> None:
    page = "/etc/nginx/sites-enabled/demo.conf"
    fleet.inside("web1", "sh", "-c", f"echo '# by hand' >> {page}")
    said = fleet.fab("-H", f"{fleet.name}/web", "nginx.install", env={"HAWSER_DIFF": "1"}).stdout
    assert "-# by hand" in said
    assert "by hand" not in fleet.inside("web1", "cat", page)


def test_steps_can_be_chained_over_one_connection(fleet: Fleet) -> None:
    events = fleet.events("-H", fleet.name, "certs.install", "nginx.install", "cron.install")
    assert next(event for event in events if event["t"] == "finish")["exchanges"] == {"web1": 4, "web2": 4, "data1": 4}


def cron_runs(fleet: Fleet) -> list[dict[str, object]]:
    table = next(each for each in fleet.events("-H", fleet.name, "cron.list") if each["t"] == "table")
    return table["records"]  # type: ignore[return-value]


def test_cron_list_shows_when_each_entry_ran_last_and_how_that_ended(fleet: Fleet) -> None:
    # Cron runs the entries each minute, and a run takes seconds: each look is judged alone.
    entry = r" +tick +\* \* \* \* \* +python manage.py tick +\d\d:\d\d \(\d+ \w+\) +\d+ s +ok +\d\d:\d\d"

    def both_told() -> bool:
        listed = fleet.fab("-H", fleet.name, "cron.list").stdout
        return all(re.search(host + entry, listed) for host in ("web1", "web2"))

    wait_for("both hosts' last runs in cron.list", both_told, 90, 1)
    wait_for("their status in the records", lambda: [each["status"] for each in cron_runs(fleet)] == [0, 0], 90, 1)
    # The same line, with a command that fails; cron itself may run the entry at any moment.
    line = fleet.inside("web1", "sh", "-c", "grep -v '^#' /etc/cron.d/demo | tail -1").strip()
    command = line.split("demo", 1)[1].replace("python manage.py tick", "exit 7")

    def failed_and_told(*words: str) -> bool:
        fleet.inside("web1", "su", "demo", "-s", "/bin/sh", "-c", command, check=False)
        return "exited with 7" in fleet.fab(*words).stdout

    wait_for("the failure in cron.list", lambda: failed_and_told("-H", fleet.name, "cron.list"), 60)
    wait_for("the failure in check", lambda: failed_and_told("-H", f"{fleet.name}/web1", "check"), 60)


@contextmanager
def reached_as(fleet: Fleet, user: str, more: str = "") -> Iterator[None]:
    """Reach web1 as another user than root for a while."""
    changes = {"[hosts.web1]": f'{more}[hosts.web1]\nuser = "{user}"'}
    with changed(fleet, changes):
        yield


@pytest.fixture(scope="module")
def operator(fleet: Fleet) -> Iterator[str]:
    """A user on web1 who may use sudo, with a password."""
    host = f"{fleet.name}-web1"
    script = (
        "id deployer 2>/dev/null || useradd -m -s /bin/bash deployer; echo deployer:s3cret-word | chpasswd; "
        "mkdir -p /home/deployer/.ssh; cp /root/.ssh/authorized_keys /home/deployer/.ssh/; "
        "chown -R deployer: /home/deployer/.ssh; chmod 700 /home/deployer/.ssh; "
        "echo 'deployer ALL=(ALL) ALL' > /etc/sudoers.d/deployer; chmod 440 /etc/sudoers.d/deployer"
    )
    assert sandbox.exec_in(host, ["sh", "-c", script]).returncode == 0
    yield "deployer"
    sandbox.exec_in(host, ["sh", "-c", "rm /etc/sudoers.d/deployer; userdel -r deployer"])


SUDO = '[ssh]\nsudo_password = "SUDO_PASSWORD"\n\n'


@contextmanager
def secret(fleet: Fleet, name: str, value: str) -> Iterator[None]:
    """Keep a secret for a while."""
    path = fleet.hosts / f"{fleet.name}.env"
    text = path.read_text()
    path.write_text(f"{text}{name}={value}\n")
    try:
        yield
    finally:
        path.write_text(text)


def test_a_user_with_a_sudo_password_is_as_good_as_root(fleet: Fleet, operator: str) -> None:
    with reached_as(fleet, operator, SUDO), secret(fleet, "SUDO_PASSWORD", "s3cret-word"):
        assert "| root" in fleet.fab("-H", f"{fleet.name}/web1", "run", "id -un").stdout


def test_a_wrong_sudo_password_is_said_and_nothing_runs(fleet: Fleet, operator: str) -> None:
    with reached_as(fleet, operator, SUDO), secret(fleet, "SUDO_PASSWORD", "wrong-word"):
        result = fleet.fab("-H", f"{fleet.name}/web1", "run", "id -un", code=1)
    assert "sudo refuses the password of deployer" in result.stdout + result.stderr
    assert "wrong-word" not in result.stdout + result.stderr


def test_a_missing_sudo_password_is_said_with_the_next_move(fleet: Fleet, operator: str) -> None:
    with reached_as(fleet, operator):
        result = fleet.fab("-H", f"{fleet.name}/web1", "run", "id -un", code=1)
    assert "ssh.sudo_password" in result.stdout + result.stderr


def test_a_user_with_sudo_and_no_password_is_as_good_as_root(fleet: Fleet, operator: str) -> None:
    rule = "echo 'deployer ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deployer"
    fleet.inside("web1", "sh", "-c", rule)
    with reached_as(fleet, operator):
        assert "| root" in fleet.fab("-H", f"{fleet.name}/web1", "run", "id -un").stdout


def ask_shell(fleet: Fleet, text: str, *words: str, code: int = 0) -> str:
    """Give `fab shell` its standard input from a file, as a script would."""
    result = subprocess.run(
        fleet.command(*words), cwd=PROJECT, env=fleet.environ(), input=text, capture_output=True, text=True, check=False
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_a_shell_has_the_code_and_the_environment_of_the_application(fleet: Fleet) -> None:
    text = "pwd; id -un; echo $DJANGO_SETTINGS_MODULE; command -v python; exit 7\n"
    said = ask_shell(fleet, text, "-H", f"{fleet.name}/web1", "shell", code=7).splitlines()
    python = f"/srv/demo/releases/{fleet.release('web1')}/env/bin/python"
    assert said[:4] == ["/srv/demo/current/source", "demo", "harbour.settings", python]
    assert "would run" in ask_shell(fleet, "touch /tmp/x\n", "-R", "-H", f"{fleet.name}/web1", "shell")


def test_status_goes_on_looking_and_sees_what_changes_until_ctrl_c(fleet: Fleet) -> None:
    words = ("-H", f"{fleet.name}/data1", "status", "--watch", "--every", "1")
    person = Person(fleet.command(*words), PROJECT, {**fleet.environ(), "HAWSER_OUTPUT": "terminal"})
    person.sees("Ctrl-C ends")
    person.sees("beat")
    try:
        fleet.fab("-H", f"{fleet.name}/data1", "stop", "--process", "beat")
        person.sees("beat is")
    finally:
        fleet.fab("-H", f"{fleet.name}/data1", "start", "--process", "beat")
    person.types("\x03")
    assert person.ends() == 130
    # The terminal throws away what it has not shown when Ctrl-C comes, also in the middle of a letter.
    seen = person.seen.decode(errors="replace")
    assert "Traceback" not in seen and "goes on running" not in seen and "\x1b[?25h" in seen[-20:]
    assert "there is none" in fleet.fab(*words, code=2).stderr


def test_top_tells_what_processes_use_and_who_else_computes(fleet: Fleet) -> None:
    fleet.inside("data1", "systemd-run", "--quiet", "--unit=burner", "sh", "-c", "while :; do :; done")
    try:
        tables = [each for each in fleet.events("-H", fleet.name, "top", "--every", "2") if each["t"] == "table"]
    finally:
        fleet.inside("data1", "systemctl", "stop", "burner")
    processes, hosts = (each["records"] for each in tables)
    assert {each["host"] for each in hosts} == {"web1", "web2", "data1"}  # type: ignore[index]
    (data,) = [each for each in hosts if each["host"] == "data1"]  # type: ignore[index]
    assert data["others"][0]["unit"] == "burner.service" and data["others"][0]["cpu"] > 0.2
    webs = [each for each in processes if each["process"] == "web"]  # type: ignore[index]
    # A master and its workers.
    assert len(webs) == 2 and all(each["programs"] >= 2 and each["memory"] > 10 << 20 for each in webs)
    assert all(each["cpu"] is not None and each["programs"] for each in processes)  # type: ignore[index]
    assert "burner" not in fleet.fab("-H", f"{fleet.name}/data1", "top", "--every", "1").stdout


def test_the_history_tells_the_subject_of_the_commit_that_was_deployed(fleet: Fleet) -> None:
    subject = f"Boats may be longer than their berth {time.time_ns()}"
    fleet.commit({"logbook/longer.py": "LONGER = 1\n"}, subject)
    fleet.fab("-H", fleet.name, "deploy")
    table = next(each for each in fleet.events("-H", fleet.name, "history") if each["t"] == "table")
    assert table["records"][0]["subject"] == subject  # type: ignore[index]
    assert subject[:30] in fleet.fab("-H", fleet.name, "history").stdout


def test_a_shell_is_a_real_terminal(fleet: Fleet) -> None:
    person = Person(fleet.command("-H", f"{fleet.name}/web1", "shell"), PROJECT, fleet.environ())
    person.sees("demo@")
    person.types("tty; stty size; echo h\u00e4llo\n")
    person.sees("/dev/pts/")
    person.sees("30 100")
    person.sees("\r\nh\u00e4llo\r\n")
    person.types("sleep 1000\n")
    wait_for("it sleeps", lambda: fleet.inside("web1", "pgrep", "-f", "sleep 1000", check=False))
    person.types("\x03")
    person.types("echo after $((1 + 1))\n")
    person.sees("after 2")
    person.types("exit 3\n")
    assert person.ends() == 3
    assert not fleet.inside("web1", "pgrep", "-f", "sleep 1000", check=False)


def test_a_shell_through_sudo_shows_no_password(fleet: Fleet, operator: str) -> None:
    fleet.inside("web1", "sh", "-c", "echo 'deployer ALL=(ALL) ALL' > /etc/sudoers.d/deployer")
    with reached_as(fleet, operator, SUDO), secret(fleet, "SUDO_PASSWORD", "s3cret-word"):
        person = Person(fleet.command("-H", f"{fleet.name}/web1", "shell"), PROJECT, fleet.environ())
        person.sees("demo@")
        person.types("echo I-am-$(id -un)\n")
        person.sees("I-am-demo")
        person.types("exit\n")
        assert person.ends() == 0
    assert b"s3cret-word" not in person.seen


def test_a_shell_of_the_database_acts_as_its_owner(fleet: Fleet) -> None:
    said = ask_shell(fleet, "SELECT current_user, current_database()", "-H", fleet.name, "dbshell")
    assert " demo         | demo" in said
    fleet.fab("-H", f"{fleet.name}/web1", "dbshell", code=2)


def test_a_host_without_python_is_served(fleet: Fleet) -> None:
    name = f"{fleet.name}-bare"
    sandbox.up([sandbox.SandboxSpec(name, python=False)], lambda text: None)
    try:
        assert sandbox.exec_in(name, ["sh", "-c", "command -v python3"]).returncode != 0
        with changed(fleet, {"[hosts.data1]": "[hosts.bare]\nsandbox = true\n\n[hosts.data1]"}):
            said = fleet.fab("-H", f"{fleet.name}/bare", "run", "python3 --version").stdout
    finally:
        sandbox.down([name])
    assert "it is installed first" in said
    assert "Python 3." in said


def test_everything_comes_back_by_itself_after_a_reboot(fleet: Fleet) -> None:
    release = fleet.release("web1")
    for host in ("data1", "web1"):
        sandbox.reboot(f"{fleet.name}-{host}")

    def answers() -> bool:
        try:
            return fleet.visit("web1").status == 200
        except OSError:
            return False

    wait_for("the site answers again", answers, seconds=90)
    assert fleet.release("web1") == release
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


def test_a_plan_is_applied_as_it_was_saved_or_refused(fleet: Fleet, tmp_path: Path) -> None:
    file, page = tmp_path / "plan.json", "/etc/nginx/sites-enabled/demo.conf"
    fleet.commit({"logbook/planned.py": "PLANNED = 1\n"})
    before = fleet.releases()
    said = fleet.fab("-H", fleet.name, "plan", "--save", str(file), "deploy").stdout
    assert f"fab -H {fleet.name} apply {file}" in said and "nothing was touched" in said
    assert fleet.releases() == before
    text = file.read_text()
    assert not [name for name, value in fleet.secrets.items() if value in text]

    # Somebody edits a host, the plan, or names other hosts.
    fleet.inside("web1", "sh", "-c", f"cp -p {page} /root/kept; echo '# by hand' >> {page}")
    said = fleet.fab("-H", fleet.name, "apply", str(file), code=1).stderr
    assert re.search(rf"web1: nginx.install: \w+ {page} was as wanted, and is not now", said), said
    assert "nothing was touched" in said and "web2:" not in said
    fleet.inside("web1", "cp", "-p", "/root/kept", page)
    said = fleet.fab("-H", f"{fleet.name}/web1", "apply", str(file), code=2).stderr
    assert "is a plan for other hosts" in said
    file.write_text(text.replace('"partial": false', '"partial": true '))
    assert "was edited" in fleet.fab("-H", fleet.name, "apply", str(file), code=2).stderr
    assert fleet.releases() == before

    file.write_text(text)
    events = fleet.events("-H", fleet.name, "apply", str(file))
    planned = {
        (host, row[0], row[1]) for host, rows in json.loads(text)["rows"].items() for row in rows if row[2] != "ok"
    }
    done = {
        (each["host"], each["step"], each["label"])
        for each in events
        if each["t"] == "event" and each["status"] == "changed" and not each.get("bookkeeping")
    }
    assert done and done <= planned
    (release,) = fleet.releases()
    assert {release} != before

    said = fleet.fab("-H", fleet.name, "apply", str(file), code=1).stderr
    assert re.search("release.activate: .* was to be changed, and is as wanted now|is gone", said), said
    fleet.commit({"logbook/planned.py": "PLANNED = 2\n"})
    assert "the commit: main was" in fleet.fab("-H", fleet.name, "apply", str(file), code=1).stderr
    fleet.git("reset", "--quiet", "--hard", "HEAD~1")


def test_a_plan_holds_what_steps_do(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    for words, said in (
        (("plan", "--save", str(file)), "name the tasks of the plan behind it"),
        (("deploy", "plan", "--save", str(file)), "a plan comes first"),
        (("plan", "--save", str(file), "run", "true"), "no plan can hold 'true'"),
        (("plan", "--save", str(file), "trust"), "no plan can hold trust"),
    ):
        assert said in fleet.fab("-H", fleet.name, *words, code=2).stderr
    assert not file.exists()
    fleet.fab("-H", f"{fleet.name}/web", "plan", "--save", str(file), "cron.install", "nginx.install")
    assert "nothing changed" in fleet.fab("-H", f"{fleet.name}/web", "apply", str(file)).stdout

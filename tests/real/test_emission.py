"""The real E-mission, with the shipped file: every statement of its document, and what a phone gets from outside.

MongoDB is the stand-in of tests/real/mongo.py, on db1. Two dependencies come from git: clones of them lie in the same
folder. Of one, upstream names a commit that a clone may not have; then the clone's newest takes its place.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, wait_for
from tests.hosts.systems import test_emission as stand_in
from tests.hosts.systems.test_emission import (
    ask,
    read_json,
    test_a_second_run_changes_nothing,
    test_the_samples_of_settings_are_listed,
)
from tests.real.conftest import MISSING, clone_of, copy_of, real_system
from tests.real.tables import sources

# What holds for the stand-in holds for the real one.
__all__ = ["test_a_second_run_changes_nothing", "test_the_samples_of_settings_are_listed"]

TOKENS = ("open-sesame-1", "open-sesame-2")
SECRETS = {
    "USER_TOKENS": "\n".join(TOKENS),
    "PUSH_TOKEN": "AAAA-push-token",
    "PUSH_APP": "org.example.app",
    "PUSH_PROJECT": "project-1",
    "PUSH_ACCOUNT": '{"type": "service_account"}',
}
REQUIRED = {"e-mission-common": "e-mission/e-mission-common", "AttrDict": "wao/AttrDict"}
MONGO = Path(__file__).parent / "mongo.py"


@pytest.fixture(scope="module")
def emission(clones: Path) -> Iterator[Fleet]:
    source = sources("emission")[0]
    code = copy_of(clone_of(clones, "emission"), source.commit, "emission", "master")
    pin(code, clones)
    with real_system("emission", {source.url: code}, {}, SECRETS) as fleet:
        if not fleet.repository.exists():
            fleet.repository.symlink_to(code)
        for name, repository in REQUIRED.items():
            bring_repository(fleet, clones / name, repository)
        sandbox.exec_in("emission-db1", ["sh", "-c", "cat > /opt/mongo.py"], MONGO.read_bytes())
        start = "systemctl is-active -q mongo || systemd-run --quiet --unit=mongo python3 /opt/mongo.py"
        fleet.inside("db1", "sh", "-c", start)
        fleet.fab("-H", "emission", "bootstrap", "deploy", timeout=1200)
        yield fleet


def pin(code: Path, clones: Path) -> None:
    """Have the code ask for commits of its dependencies that the clones have."""
    wanted = code / "setup" / "environment36.yml"
    text = wanted.read_text()
    for name in REQUIRED:
        if not (clones / name).is_dir():
            pytest.fail(MISSING.format(f"there is no {clones / name}"))
        (commit,) = re.findall(rf"{name}(?:\.git)?@(\S+)", text)
        git = ["git", "-c", "safe.directory=*", "-C", str(clones / name), "rev-parse", "--verify", "--quiet"]
        if subprocess.run([*git, f"{commit}^{{commit}}"], capture_output=True, check=False).returncode:
            newest = subprocess.run([*git, "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
            text = text.replace(commit, newest)
    if text != wanted.read_text():
        wanted.write_text(text)
        subprocess.run(
            ["git", "-C", str(code), "commit", "--quiet", "--all", "-m", "Commits that are here"], check=True
        )


def bring_repository(fleet: Fleet, clone: Path, repository: str) -> None:
    """Put a repository on the web server, in place of the one at GitHub."""
    bundled = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(clone), "bundle", "create", "-", "--all"],
        capture_output=True,
        check=True,
    )
    sandbox.exec_in("emission-web1", ["sh", "-c", "cat > /tmp/bundle"], bundled.stdout)
    place = f"/srv/git/{clone.name}.git"
    made = f"command -v git >/dev/null || apt-get install -q -y git >/dev/null; rm -rf {place}; "
    made += f"git clone -q --bare /tmp/bundle {place}; git config --system --replace-all safe.directory '*'"
    for end in ("", ".git"):
        made += f"; git config --system --add url.file://{place}.insteadOf https://github.com/{repository}{end}"
    fleet.inside("web1", "sh", "-c", f"apt-get update -q >/dev/null; {made}")


def test_a_right_token_gets_its_profile_and_a_wrong_one_is_refused(emission: Fleet) -> None:
    for token in TOKENS:
        status, said = ask(emission, token)
        assert (status, list(json.loads(said))) == (200, ["uuid"])
        assert ask(emission, token, "/profile/get")[0] == 200
    for path in ("/profile/create", "/profile/get"):
        assert ask(emission, "somebody@example.org", path)[0] == 403


def test_a_token_that_leaves_the_list_is_refused_and_one_that_was_added_by_hand_stays(emission: Fleet) -> None:
    file = emission.hosts / "emission.env"
    before = file.read_text()
    emission.fab("-H", "emission", "manage", "bin/auth/insert_tokens.py --single by-hand")
    try:
        file.write_text(before.replace(TOKENS[1], "open-sesame-3"))
        emission.fab("-H", "emission", "deploy")
        answers = {token: ask(emission, token)[0] for token in (*TOKENS, "open-sesame-3", "by-hand")}
        assert answers == {TOKENS[0]: 200, TOKENS[1]: 403, "open-sesame-3": 200, "by-hand": 200}
    finally:
        file.write_text(before)
    emission.fab("-H", "emission", "deploy")
    assert ask(emission, TOKENS[1])[0] == 200


def test_the_server_still_asks_for_tokens_without_its_settings_file(emission: Fleet) -> None:
    place = f"{stand_in.SOURCE}/conf/net/api/webserver.conf"
    emission.inside("web1", "mv", place, f"{place}.away")
    try:
        emission.fab("-H", "emission/web1", "restart", "--process", "emissionpy")
        assert [ask(emission, user)[0] for user in ("somebody@example.org", TOKENS[0])] == [403, 200]
    finally:
        emission.inside("web1", "mv", f"{place}.away", place)
        emission.fab("-H", "emission/web1", "restart", "--process", "emissionpy")


def test_nobody_reaches_the_server_past_tls_or_the_database(emission: Fleet) -> None:
    listeners = emission.inside("web1", "ss", "-Hlnt", "sport = :8081 or sport = :8082").splitlines()
    assert sorted(line.split()[3] for line in listeners) == ["127.0.0.1:8081", "127.0.0.1:8082"]
    for host, port in (("web1", 8081), ("web1", 8082), ("db1", 27017)):
        with pytest.raises(OSError):
            socket.create_connection((emission.address(host), port), timeout=3)
    assert "on every address" not in emission.fab("-H", "emission", "status").stdout


def test_settings_are_whole_and_nobody_else_reads_what_phones_have_said(emission: Fleet) -> None:
    push = read_json(emission, "conf/net/ext_service/push.json")
    assert not [value for value in push.values() if " " in str(value)]
    assert read_json(emission, "conf/net/api/webserver.conf")["server"]["aggregate_call_auth"] == "user_only"  # type: ignore[index]
    assert "webserver" not in emission.inside("web1", "ls", "/var/tmp")
    for path in ("/srv/emission/logs/webserver.log", "/srv/emission/log/emissionpy.err.log"):
        emission.inside("web1", "test", "-s", path)
        seen = emission.inside("web1", "runuser", "-u", "nobody", "--", "head", "-c1", path, check=False)
        assert seen == "", path


def test_the_pushes_and_the_pipeline_run_from_cron(emission: Fleet) -> None:
    lines = emission.inside("web1", "cat", "/etc/cron.d/emission").splitlines()
    for schedule, log, said in (
        ("*/1 ", "silent_ios_push.stdinoutlog.log", "About to send notification to phones with interval 60"),
        ("@daily", "intake.stdinout.log", "Connecting to database URL"),
    ):
        words = 6 if schedule.startswith("*") else 2
        (line,) = (line for line in lines if line.startswith(schedule))
        emission.inside("web1", "su", "-s", "/bin/sh", "-c", line.split(None, words)[words], "emission")
        assert said in emission.inside("web1", "cat", f"/srv/emission/log/{log}")


def test_code_that_cannot_be_read_never_serves(emission: Fleet) -> None:
    before = emission.inside("web1", "readlink", "/srv/emission/current")
    path = emission.repository / "emission/net/api/cfc_webapp.py"
    good = path.read_text()
    path.write_text(good + "\ndef broken(:\n")
    emission.git("commit", "--quiet", "--all", "-m", "broken")
    try:
        said = emission.fab("-H", "emission", "deploy", code=1)
        assert "SyntaxError" in said.stdout + said.stderr
        assert emission.inside("web1", "readlink", "/srv/emission/current") == before
        assert ask(emission, TOKENS[0])[0] == 200
    finally:
        emission.git("reset", "--quiet", "--hard", "HEAD~1")


def test_the_server_is_started_again_when_it_dies_and_after_a_reboot(emission: Fleet) -> None:
    pid = emission.inside("web1", "supervisorctl", "pid", "emission-emissionpy").strip()
    emission.inside("web1", "kill", "-KILL", pid)
    wait_for("an answer", lambda: stand_in_answers(emission))
    sandbox.reboot("emission-web1")
    wait_for("an answer", lambda: stand_in_answers(emission), seconds=180)


def stand_in_answers(fleet: Fleet) -> bool:
    try:
        return ask(fleet, TOKENS[0])[0] == 200
    except OSError:
        return False

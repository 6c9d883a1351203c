"""The tutorial, walked as a newcomer would: its texts and commands, two small sites that are not shaped like the demo.

What is changed is only what a reader has to change: where the host is, and the name of a module where it says so.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import PROJECT, Fleet, make_repository, other_release, wait_for

TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text()
APPLICATIONS = PROJECT / "tests" / "hosts" / "apps"
DOMAIN = "www.example.org"
ADDRESS = '[hosts.web1]\naddress = "203.0.113.10"\nuser = "root"\n'


def section(title: str) -> str:
    """Return a section of the tutorial, from its heading to the next."""
    found = re.search(rf"^## \d+\. {re.escape(title)}\n(.*?)(?=^## |\Z)", TUTORIAL, re.M | re.S)
    assert found, title
    return found[1]


def toml(text: str, start: str) -> str:
    """Return the one block that begins with a text."""
    (block,) = [block for block in re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S) if block.startswith(start)]
    return str(block)


def commands(text: str) -> list[str]:
    """Return what is typed: the lines of shell blocks, and those behind the prompt of console blocks."""
    typed = []
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.M | re.S):
        lines = block.splitlines()
        typed += [line[2:] for line in lines if line.startswith("$ ")] if kind == "console" else lines
    return [line.partition("  #")[0].strip() for line in typed if line]


def typed(fleet: Fleet, line: str) -> str:
    """Type a `fab` command of the tutorial; return what it says."""
    program, *words = shlex.split(line)
    assert program == "fab", line
    return fleet.fab(*words).stdout


def release(site: Fleet) -> str:
    return site.inside("web1", "readlink", f"/srv/{site.name}/current").strip()


@pytest.fixture(scope="module", params=["mysite", "myflask"])
def site(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """One of the two sites beside Hawser, the tutorial's file for it, a bare host, and what steps 2 to 5 say."""
    name: str = request.param
    folder = Path(tempfile.mkdtemp(prefix=f"hawser-{name}-"))
    fleet = Fleet(folder, name)
    fleet.hosts.mkdir()
    make_repository(fleet.repository, APPLICATIONS / name)
    text = toml(section("Describe the site"), f"# hosts/{name}.toml\n")
    assert ADDRESS in text
    release = json.dumps(other_release()) if name == "myflask" else "true"
    text = text.replace(ADDRESS, f"[hosts.web1]\nsandbox = {release}\n")
    text, found = re.subn('(?m)^repo = ".*"$', f"repo = {json.dumps(str(fleet.repository))}", text)
    assert found == 1
    if name == "mysite":
        # This one is served by uvicorn: the tutorial's words for that in place of its line for gunicorn.
        asgi = toml(section("Describe the site"), "[processes.web]\n")
        web = re.search(r"^\[processes\.web\]\n.*?(?=^\[)", text, re.M | re.S)
        assert web
        text = text.replace(web[0], asgi + "\n")
    fleet.file.write_text(text)
    try:
        fleet.fab("-H", name, "sandbox.up", timeout=300)
        yield fleet
    finally:
        fleet.fab("-H", name, "sandbox.down", code=None)
        shutil.rmtree(folder)


def test_the_tutorial_leads_to_a_site_that_is_live(site: Fleet) -> None:
    for line in commands(section("Write the secrets")) if site.name == "myflask" else ():
        subprocess.run(["sh", "-c", line.replace("hosts/", f"{site.hosts}/")], check=True)
    lines = [line.replace("mysite", site.name) for line in commands(section("Deploy"))]
    deploy, curl = lines
    assert "serves on web1" in typed(site, deploy)
    curl = curl.replace("203.0.113.10", site.address("web1"))
    page = subprocess.run(shlex.split(f"{curl} -sS --fail"), capture_output=True, text=True, check=True).stdout
    assert page == {"mysite": "Hello, securely. 0 users.", "myflask": "Guests: none yet"}[site.name]


def test_nothing_is_left_to_do_when_the_tutorial_is_done_again(site: Fleet) -> None:
    events = site.events("-H", site.name, "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}


def test_static_files_of_the_tutorial_come_from_nginx(site: Fleet) -> None:
    if site.name == "mysite":
        answer = site.visit("web1", "/static/site.css", domain=DOMAIN)
        assert (answer.status, answer.body) == (200, "body { font-family: serif; }\n")


def test_visitors_speak_http2_on_either_release_of_debian_and_nginx_does_not_warn(site: Fleet) -> None:
    curl = ["curl", "-ksS", "--fail", "--http2", "-o", "/dev/null", "-w", "%{http_version}"]
    asked = [*curl, "--resolve", f"{DOMAIN}:443:{site.address('web1')}", f"https://{DOMAIN}/"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "2"
    said = site.inside("web1", "sh", "-c", "nginx -t 2>&1")
    assert "test is successful" in said and "[warn]" not in said


def test_the_everyday_commands_of_the_tutorial_work(site: Fleet) -> None:
    lines = commands(section("Look after it"))
    if site.name == "myflask":
        site.file.write_text(f"{site.file.read_text()}\n{toml(section('Look after it'), '[release]')}")
    for line in lines:
        only = "myflask" if "myflask" in line else "mysite" if "manage" in line else site.name
        # They last until somebody ends them.
        if "--follow" in line or line.endswith(" shell") or site.name != only:
            continue
        if line.endswith(" check"):
            # All is well but for the name, which no server knows.
            said = site.fab("-H", site.name, "check", code=1).stdout
            assert said.count("wrong") == 1 and f"{DOMAIN} does not resolve" in said
            continue
        said = typed(site, line.replace("-H mysite", f"-H {site.name}"))
        if "flask manage" in line:
            assert "sign" in said and "POST" in said
        elif "status" in line:
            assert "running" in said


def test_data_of_visitors_survives_a_second_deploy_and_a_rollback(site: Fleet) -> None:
    before = release(site)
    if site.name == "myflask":
        curl = ["curl", "-ksS", "--fail", "-d", "name=Ann", "-H", f"Host: {DOMAIN}", f"https://{site.address('web1')}/"]
        subprocess.run(curl, check=True, capture_output=True)
    else:
        user = ("DJANGO_SUPERUSER_PASSWORD=x", "/srv/mysite/current/run", "python", "manage.py", "createsuperuser")
        words = " ".join([*user, "--noinput", "--username", "ann", "--email", "ann@example.org"])
        site.inside("web1", "sh", "-c", f"cd /srv/mysite/source && runuser -u mysite -- env {words}")
    site.commit({"NEWS": "a second version\n"})
    for line in commands(section("Deploy again")):
        typed(site, line.replace("mysite", site.name))
    assert release(site) != before
    kept, rollback, to = (line.replace("mysite", site.name) for line in commands(section("Roll back")))
    served = before.removeprefix("releases/")
    assert served in typed(site, kept)
    typed(site, rollback)
    assert release(site) == before
    # The first digits of one that is kept, as the tutorial has them of its own.
    digits, _, _ = served.partition("-")
    assert "nothing to do" in typed(site, re.sub(r"--to \S+", f"--to {digits}", to))
    expected = {"mysite": "Hello, securely. 1 users.", "myflask": "Guests: Ann"}[site.name]
    wait_for("the old release", lambda: site.visit("web1", domain=DOMAIN).body == expected, seconds=10)


def test_a_line_for_cron_that_is_added_is_taken_up(site: Fleet) -> None:
    if site.name == "mysite":
        site.file.write_text(f"{site.file.read_text()}\n{toml(section('Run something by the clock'), '[cron.')}")
        site.fab("-H", "mysite", "deploy")
        assert "fab -H mysite logs --only cron" in section("Run something by the clock")
        site.fab("-H", "mysite", "logs", "--only", "cron")
        assert "clearsessions" in site.fab("-H", "mysite", "cron.list").stdout
        assert "clearsessions" in site.inside("web1", "cat", "/etc/cron.d/mysite")

"""Failures that everybody meets once, made for real: the message ends with what it means and what to type."""

from __future__ import annotations

import re

from .conftest import Fleet, wait_for
from .test_check import broken
from .test_refusals import changed


def last_lines(said: str) -> list[str]:
    """Return what a failed command says at its very end, on standard error."""
    return [line for line in said.splitlines() if line.strip()]


def test_a_port_in_strange_hands_is_explained(fleet: Fleet) -> None:
    listener = "systemd-run --quiet --unit odd-listener python3 -m http.server 8123 --bind 127.0.0.1; sleep 1"
    process = (
        '[processes.api]\ngroups = ["web"]\nport = 8123\ncommand = "python -m http.server 8123 --bind 127.0.0.1"\n'
    )
    with (
        changed(fleet, {"[processes.web]": f"{process}\n[processes.web]"}),
        broken(fleet, "web1", listener, "systemctl stop odd-listener"),
    ):
        result = fleet.fab("-H", fleet.name, "deploy", code=1)
    assert "Address already in use" in result.stdout
    said = last_lines(result.stderr)
    assert re.search(r"port 8123 of api is taken by python3 \(pid \d+, odd-listener.service\)", said[-2]), said
    assert f'next: fab -H {fleet.name}/web1 run "systemctl disable --now -- odd-listener.service"' in said[-1]
    fleet.fab("-H", fleet.name, "deploy")


def test_a_database_that_refuses_the_password_is_explained(fleet: Fleet) -> None:
    alter = 'su postgres -c "psql -qc \\"ALTER ROLE demo PASSWORD \'another one\'\\""'
    fleet.inside("data1", "sh", "-c", alter)
    try:
        result = fleet.fab("-H", f"{fleet.name}/web1", "manage", "showmigrations", code=1)
    finally:
        fleet.fab("-H", f"{fleet.name}/data1", "bootstrap")
    said = "\n".join(last_lines(result.stderr))
    assert "PostgreSQL refuses the password that was given for demo" in said
    assert re.search(r'data1 \| .*FATAL: +password authentication failed for user "demo"', said), said
    assert f"the server has another one: fab -H {fleet.name} bootstrap" in said
    fleet.fab("-H", f"{fleet.name}/web1", "manage", "showmigrations")


def test_a_full_disk_and_a_header_that_is_missing_are_explained(fleet: Fleet) -> None:
    """Both while a new environment is built on one host, from a package that has to be compiled."""
    fleet.inside("web2", "sh", "-c", "apt-get install -qq -y --no-install-recommends gcc libc6-dev >/dev/null 2>&1")
    small = "mount -t tmpfs -o size=8m,uid=$(id -u demo),gid=$(id -g demo),mode=755 tmpfs /srv/demo/envs"
    with changed(fleet, {"[release]": '[python]\npackages = ["python-ldap==3.4.5"]\n\n[release]'}):
        with broken(fleet, "web2", small, "umount /srv/demo/envs"):
            full = fleet.fab("-H", f"{fleet.name}/web2", "code.pull", "venv.build", code=1)
        header = fleet.fab("-H", f"{fleet.name}/web2", "code.pull", "venv.build", code=1)
    said = "\n".join(last_lines(full.stderr))
    assert "web2: the disk is full" in said and "GiB are free at /srv/demo/envs" in said, said
    assert f'next: fab -H {fleet.name}/web2 run "du -xh --max-depth=2 /srv/demo/envs' in said
    said = "\n".join(last_lines(header.stderr))
    found = re.search(r"a package is compiled here and misses the header (\S+\.h)", said)
    assert found, said + header.stdout
    package = {"Python.h": "python3-dev", "lber.h": "libldap2-dev", "sasl/sasl.h": "libsasl2-dev"}[found[1]]
    assert re.search(rf'next: add packages.all = \["{package}".*\] to {fleet.name}.toml, then: fab -H', said), said


def test_a_name_that_does_not_resolve_is_explained(fleet: Fleet) -> None:
    with changed(fleet, {f'repo = "{fleet.repository}"': 'repo = "https://git.nowhere.invalid/site.git"'}):
        result = fleet.fab("-H", fleet.name, "deploy", code=1)
    said = "\n".join(last_lines(result.stderr))
    assert "a name does not resolve on this host: git.nowhere.invalid" in said, said
    assert "getent hosts git.nowhere.invalid" in said.splitlines()[-1]
    wait_for("the site serves", lambda: fleet.visit("web1").status == 200)


def test_a_hand_made_site_of_the_same_name_is_explained_and_the_release_before_goes_on_serving(fleet: Fleet) -> None:
    site = "server { listen 80; server_name demo.test; root /var/www/html; }"
    reload = "nginx -qs reload"
    make, mend = (
        f"echo '{site}' > /etc/nginx/sites-enabled/demo && {reload}",
        f"rm /etc/nginx/sites-enabled/demo && {reload}",
    )
    release = fleet.inside("web1", "readlink", "/srv/demo/current")
    fleet.commit({"note.txt": "another release\n"})
    with broken(fleet, "web1", make, mend):
        result = fleet.fab("-H", fleet.name, "deploy", code=1)
        found = fleet.fab("-H", f"{fleet.name}/web1", "check", code=1).stdout
    taken = "demo.test on port 80 leads to another site: /etc/nginx/sites-enabled/demo has this name as well"
    assert taken in result.stdout and taken in found
    assert "next: take the name out of /etc/nginx/sites-enabled/demo on web1" in last_lines(result.stderr)[-1]
    assert fleet.inside("web1", "readlink", "/srv/demo/current") == release
    fleet.fab("-H", fleet.name, "deploy")

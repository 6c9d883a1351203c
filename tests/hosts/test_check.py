"""`check` finds what was broken by hand, on every host, and says what to do; `status` says what is down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from .conftest import Fleet, wait_for
from .test_refusals import changed

RESERVED = ("", "names", "warning")


def found(fleet: Fleet, *words: str, code: int = 0) -> list[tuple[str, str, str, str, str]]:
    """Run `check` and return its findings: host, about, how bad, finding, next."""
    events = fleet.events("-H", *(words or (fleet.name,)), "check", code=code)
    return [tuple(row) for event in events if event["t"] == "table" for row in event["rows"]]  # type: ignore[attr-defined]


@contextmanager
def broken(fleet: Fleet, host: str, how: str, mend: str) -> Iterator[None]:
    """Break something on a host for a while."""
    fleet.inside(host, "sh", "-c", how)
    try:
        yield
    finally:
        fleet.inside(host, "sh", "-c", mend)


def test_check_finds_nothing_wrong_with_a_fleet_that_was_just_deployed(fleet: Fleet) -> None:
    assert [row[:3] for row in found(fleet)] == [RESERVED]
    said = fleet.fab("-H", f"{fleet.name}/data1", "check").stdout
    assert "nothing is wrong" in said


# By host: what breaks it, what mends it, and what `check` then says of it and what to type.
BREAKS: Mapping[str, tuple[str, str, str, str, str]] = {
    "a process has been killed for good": (
        "web1",
        "systemctl stop 'demo-web-*.service'",
        "systemctl start $(systemctl list-unit-files 'demo-web-*' --state=enabled --plain --no-legend | cut -d' ' -f1)",
        r"processes wrong web is inactive \(dead\)",
        "/web1 logs --process web",
    ),
    "a mount is missing": (
        "web1",
        "cp /etc/fstab /root/fstab 2>/dev/null || :> /root/fstab; echo '/dev/none /mnt ext4 nofail 0 0' >> /etc/fstab",
        "cp /root/fstab /etc/fstab",
        "mounts wrong /etc/fstab wants a mount at /mnt",
        "mount -a",
    ),
    "a folder is full": (
        "web2",
        "mkdir -p /var/backups; mount -t tmpfs -o size=1m tmpfs /var/backups; fallocate -l 1000k /var/backups/full",
        "umount /var/backups",
        "disk wrong 0.0 of 0 GiB are free at /var/backups",
        "du -xh",
    ),
    "the certificate is another one": (
        "web2",
        "cd /srv/demo/ssl; cp site.crt /root/site.crt; openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null "
        "-subj /CN=x -addext subjectAltName=DNS:other.test -days 3 -out site.crt 2>/dev/null",
        "cp /root/site.crt /srv/demo/ssl/site.crt",
        "certificate wrong its certificate is not for demo.test",
        "certs.install",
    ),
    "the database is down": (
        "data1",
        "systemctl stop postgresql",
        "systemctl start postgresql",
        r"services wrong cannot reach postgresql on data1 at 127.0.0.1:5432: Connection refused",
        "/data1 status",
    ),
    "the site's own file was edited": (
        "web1",
        "cp -a /etc/nginx/sites-enabled/demo.conf /root/; echo '# by hand' >> /etc/nginx/sites-enabled/demo.conf",
        "cp -a /root/demo.conf /etc/nginx/sites-enabled/demo.conf",
        "drift wrong file /etc/nginx/sites-enabled/demo.conf is not as the last rollout has left it",
        "fab -H trial/web1 drift shows what differs, and repair puts it right",
    ),
    "the crontab is gone": (
        "web2",
        "mv /etc/cron.d/demo /root/cron",
        "mv /root/cron /etc/cron.d/demo",
        "drift wrong file /etc/cron.d/demo is not as the last rollout has left it",
        "fab -H trial/web2 drift",
    ),
    "a folder is open to everybody": (
        "web2",
        "chmod 777 /srv/demo/log",
        "chmod 751 /srv/demo/log",
        "drift wrong directory /srv/demo/log is not as the last rollout has left it",
        "fab -H trial/web2 drift",
    ),
    "a foreign file keeps nginx from starting": (
        "web2",
        "echo 'nonsense;' > /etc/nginx/conf.d/foreign.conf",
        "rm /etc/nginx/conf.d/foreign.conf",
        "web server wrong nginx refuses its configuration, and would not come up after a boot",
        "fab -H trial/web2 run",
    ),
    "a foreign file keeps supervisor from starting": (
        "data1",
        "echo '[program:foreign]' > /etc/supervisor/conf.d/foreign.conf",
        "rm /etc/supervisor/conf.d/foreign.conf",
        "boot wrong supervisor would not come up after a boot:\nError: program section program:foreign",
        'run "systemctl cat supervisor"',
    ),
    "a foreign file keeps cron from starting": (
        "data1",
        "mkdir /etc/systemd/system/cron.service.d; "
        "printf '[Service]\nExecStart=\n' > /etc/systemd/system/cron.service.d/foreign.conf",
        "rm -r /etc/systemd/system/cron.service.d",
        r"boot wrong cron would not come up after a boot:\ncron.service: Service has no ExecStart=",
        'run "systemctl cat cron"',
    ),
    "a package is gone": (
        "web2",
        "dpkg --remove --force-depends logrotate 2>/dev/null",
        "apt-get -qq install logrotate >/dev/null 2>&1",
        "drift wrong packages .* logrotate .* is not as bootstrap has left it",
        "fab -H trial/web2 drift",
    ),
    "a unit has failed": (
        "data1",
        "systemd-run --quiet --unit hawser-odd false; sleep 0.5",
        "systemctl reset-failed hawser-odd",
        "units wrong hawser-odd.service has failed",
        "journalctl",
    ),
    "a run was broken off": (
        "data1",
        "mkdir -p /var/lib/hawser/demo/pending; touch /var/lib/hawser/demo/pending/x",
        "rm /var/lib/hawser/demo/pending/x",
        "bootstrap wrong 1 reload or restart is due",
        "bootstrap deploy",
    ),
}


def test_check_finds_what_is_broken_on_all_hosts_at_once_and_changes_nothing(fleet: Fleet) -> None:
    with ExitStack() as stack:
        for host, how, mend, _said, _next in BREAKS.values():
            stack.enter_context(broken(fleet, host, how, mend))
        rows = found(fleet, code=1)
        again = found(fleet, code=1)
    # Cron goes on meanwhile, with what is broken.
    assert [row for row in rows if row[1] != "cron"] == [row for row in again if row[1] != "cron"]
    for what, (host, _how, _mend, said, next_move) in BREAKS.items():
        fit = [row for row in rows if row[0] == host and re.match(said, " ".join(row[1:4]))]
        assert len(fit) == 1 and next_move in fit[0][4], (what, rows)
    assert [row for row in rows if row[0] == "web1" and "cannot reach postgresql on data1" in row[3]]
    assert all(row[4] for row in rows)
    wait_for("all is mended", lambda: [row[:3] for row in found(fleet, code=None)] == [RESERVED])  # type: ignore[arg-type]


def test_a_port_in_strange_hands_is_named_with_who_has_it(fleet: Fleet) -> None:
    with broken(
        fleet,
        "web1",
        "systemctl stop nginx; systemd-run --quiet --unit odd-listener python3 -m http.server 80; sleep 1",
        "systemctl stop odd-listener; systemctl start nginx",
    ):
        rows = found(fleet, f"{fleet.name}/web1", code=1)
        said = fleet.fab("-H", f"{fleet.name}/web1", "status").stdout
    (row,) = [row for row in rows if row[1] == "ports"]
    assert re.fullmatch(r"port 80 of nginx is taken by python3 \(pid \d+, odd-listener.service\)", row[3])
    assert "systemctl disable --now -- odd-listener.service" in row[4]
    assert "nginx 80: nobody listens" in said


def test_a_process_that_opens_a_port_to_everybody_unasked_is_a_warning(fleet: Fleet) -> None:
    """A second unit of the process opens it, for nothing in the application's code does."""
    unit = "\n".join(
        [
            "# hawser: application=demo process=web release=",
            "[Service]",
            "ExecStart=/usr/bin/python3 -m http.server 9123",
        ]
    )
    how = f"echo '{unit}' > /etc/systemd/system/demo-odd.service; systemctl daemon-reload; systemctl start demo-odd"
    mend = "systemctl stop demo-odd; rm /etc/systemd/system/demo-odd.service; systemctl daemon-reload"
    words = "web listens on port 9123 on every address"
    with broken(fleet, "web1", f"{how}; sleep 1", mend):
        # No rollout has left it there.
        rows = found(fleet, f"{fleet.name}/web1", code=1)
        assert [row[2] for row in rows if row[3] == words] == ["warning"]
        assert [row[3] for row in rows if row[2] == "wrong"] == ["units demo is not as the last rollout has left it"]
        assert re.search(rf"warning.*{words}", fleet.fab("-H", f"{fleet.name}/web1", "status").stdout)
        with changed(fleet, {"[processes.web]": "[processes.web]\npublic = true"}):
            assert words not in [row[3] for row in found(fleet, f"{fleet.name}/web1", code=1)]


def test_a_host_that_cannot_be_reached_keeps_no_other_from_being_checked(fleet: Fleet) -> None:
    with (
        broken(fleet, "web2", "systemctl stop ssh.socket ssh", "systemctl start ssh"),
        broken(fleet, "data1", "systemctl stop postgresql", "systemctl start postgresql"),
    ):
        rows = found(fleet, code=1)
    assert [row[0] for row in rows if row[1] == "reach"] == ["web2"]
    assert {row[0] for row in rows if row[1] == "services"} == {"web1", "data1"}


def test_mistakes_in_the_files_are_rows_of_the_same_table(fleet: Fleet) -> None:
    with changed(fleet, {"[processes.web]": "[processes.web]\nprot = 80"}):
        (row,) = found(fleet, code=1)
    assert (row[1], row[2]) == ("settings", "wrong") and "processes.web.prot: unknown key" in row[3]
    with changed(fleet, {"generated = [": 'required = ["API_KEY"]\ngenerated = ['}):
        rows = found(fleet, code=1)
    (said,) = [row[3] for row in rows if row[1] == "secrets"]
    assert said.endswith(f"{fleet.name}.env: API_KEY: is missing")
    secrets = fleet.hosts / f"{fleet.name}.env"
    text = secrets.read_text()
    secrets.write_text(re.sub(r"^DB_PASSWORD=.*\n", "", text, flags=re.M))
    try:
        rows = found(fleet, code=1)
    finally:
        secrets.write_text(text)
    assert [(row[1], row[4]) for row in rows if row[2] == "wrong"] == [("secrets", f"fab -H {fleet.name} secrets.pull")]

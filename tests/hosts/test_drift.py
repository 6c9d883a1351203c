"""Edits by hand on hosts that serve: `drift` shows each, and `repair` puts all right while visitors come."""

from __future__ import annotations

from functools import partial

import pytest

from .conftest import Fleet
from .visitors import visitors

# The unit that serves, whichever colour it has.
UNIT = "$(systemctl list-unit-files 'demo-web-*' --state=enabled --plain --no-legend | cut -d' ' -f1)"
SECRET = "a-new-secret-that-nobody-shall-see"
# By host: what was done by hand, and how `drift` calls what differs, and what it says of it.
EDITS = {
    "web1": (
        ("echo '# by hand' >> /etc/nginx/sites-enabled/demo.conf", "file /etc/nginx/sites-enabled/demo.conf", ""),
        (f"echo '# by hand' >> /etc/systemd/system/{UNIT}", "file /etc/systemd/system/demo-web-COLOUR.service", ""),
        ("sed -i s/tick/tock/ /etc/cron.d/demo", "file /etc/cron.d/demo", ""),
        (
            f"sed -i 's/^SECRET_KEY=.*/SECRET_KEY=\"{SECRET}\"/' /srv/demo/current/environment",
            "file /srv/demo/releases/RELEASE/environment",
            "new content",
        ),
        ("chmod 777 /srv/demo/run", "directory /srv/demo/run", "mode 0777 -> 0750"),
    ),
    "web2": (
        ("ln -sfn /tmp /srv/demo/source", "link /srv/demo/source", "/tmp -> current/source"),
        (
            f"cd /etc/systemd/system; u={UNIT}; mkdir -p $u.d; printf '[Service]\\nNice=5\\n' > $u.d/x.conf",
            "files /etc/systemd/system/demo-web-COLOUR.service.d",
            "removes x.conf",
        ),
        ("chown root /srv/demo/data", "directory /srv/demo/data", "owner -> demo"),
        ("systemctl --quiet disable nginx", "service nginx", "enable"),
        (
            "rm /srv/demo/current/source/requirements.in",
            "checkout COMMIT in /srv/demo/releases/RELEASE/source",
            "brings",
        ),
        ("rm /etc/logrotate.d/demo", "file /etc/logrotate.d/demo", "new"),
        ("chmod 755 /srv/demo/ssl", "directory /srv/demo/ssl", "mode 0755 -> 0750"),
    ),
    "data1": (
        ("sed -i '/^host demo/d' /etc/postgresql/*/main/pg_hba.conf", "block /etc/postgresql/*/main/pg_hba.conf", ""),
        ("dpkg --remove --force-depends logrotate 2>/dev/null", "packages PACKAGES", "installs logrotate"),
        # Its users get to no release any more, and none can be built.
        ("chmod 700 /srv/demo/releases", "directory /srv/demo/releases", "mode 0700 -> 0755"),
        ("supervisorctl stop demo-beat", "running demo-beat", "start (it is stopped)"),
        (
            "cd /; runuser -u postgres -- psql -qc \"ALTER ROLE demo PASSWORD 'x'\"",
            "postgres_role demo",
            "another password",
        ),
    ),
}


@pytest.fixture(scope="module")
def deployed(fleet: Fleet) -> Fleet:
    """The hosts as a rollout of today's settings has left them."""
    fleet.fab("-H", fleet.name, "bootstrap", "deploy")
    return fleet


def named(fleet: Fleet, host: str, label: str) -> str:
    """Return how what differs on a host is called there."""
    release = fleet.release(host)
    colour = fleet.inside(host, "sh", "-c", f"echo {UNIT}").strip().removesuffix(".service").rpartition("-")[2]
    packages = "ca-certificates cron git logrotate python3-venv supervisor"
    values = {"RELEASE": release, "COLOUR": colour, "COMMIT": release[:8], "PACKAGES": packages}
    for word, value in values.items():
        label = label.replace(word, value)
    return label


def test_nothing_has_drifted_after_a_rollout(deployed: Fleet) -> None:
    said = deployed.fab("-H", deployed.name, "drift").stdout
    assert "web1, web2, data1: all that is known is as it was left" in said and "unknown" not in said


def test_a_hot_fix_in_the_code_is_named_and_is_no_drift_for_the_application_may_have_written_it(
    deployed: Fleet,
) -> None:
    source = "cd /srv/demo/current/source && runuser -u demo --"
    deployed.inside("web1", "sh", "-c", f"{source} sh -c 'echo \"# hot fix\" >> logbook/views.py'")
    ((host, status, label, note),) = deployed.drifted("trial/web1")
    deployed.inside("web1", "sh", "-c", f"{source} git checkout --quiet logbook/views.py")
    assert (host, status, label) == ("web1", "unknown", f"code in /srv/demo/releases/{deployed.release('web1')}/source")
    assert note == "other content: logbook/views.py; the application may have written it itself"
    assert deployed.drifted("trial/web1") == []


def test_settings_that_are_not_deployed_yet_are_no_drift_and_what_they_make_doubtful_is_unknown(
    deployed: Fleet,
) -> None:
    text = deployed.text
    changed = text.replace("[env]\n", '[packages]\nall = ["tree"]\n\n[env]\n').replace("* * * * *", "5 * * * *")
    deployed.file.write_text(changed + '\n[hosts.web3]\ngroups = ["web"]\naddress = "192.0.2.9"\n')
    try:
        # Which hosts there were, no host keeps: the new one would have to get in.
        ((host, status, label, note),) = doubtful = deployed.drifted("trial/web1,trial/data1")
        assert (host, status, label) == ("data1", "unknown", "block /etc/postgresql/*/main/pg_hba.conf")
        assert note == "the hosts of the settings have changed since it was made"
        deployed.inside("web1", "chmod", "777", "/srv/demo/run")
        found = deployed.drifted("trial/web1,trial/data1", code=1)
    finally:
        deployed.file.write_text(text)
    assert found == [("web1", "differs", "directory /srv/demo/run", "mode 0777 -> 0750"), *doubtful]
    deployed.inside("web1", "chmod", "750", "/srv/demo/run")


def test_each_edit_by_hand_differs_and_a_repair_puts_all_right_while_visitors_notice_nothing(deployed: Fleet) -> None:
    wanted = set()
    for host, edits in EDITS.items():
        for how, label, note in edits:
            wanted.add((host, named(deployed, host, label), note))
            deployed.inside(host, "sh", "-c", how)
    found = deployed.drifted(code=1)
    assert {row[1] for row in found} == {"differs"}
    told = {(host, label): note for host, _status, label, note in found}
    assert set(told) == {(host, label) for host, label, _note in wanted}
    assert all(note in told[host, label] for host, label, note in wanted)
    said = deployed.fab("-H", deployed.name, "drift", code=1)
    assert "# tock" in said.stdout and "    | +# tick" in said.stdout
    own = deployed.secrets["SECRET_KEY"]
    assert SECRET not in said.stdout + said.stderr and own not in said.stdout + said.stderr
    assert "-H trial/web1,trial/web2,trial/data1 repair" in said.stderr
    released = deployed.releases()
    # Until it is put right nobody gets a page: the database's password is another one.
    deployed.fab("-H", "trial/data1", "repair")
    pages = {host: partial(deployed.visit, host, "/health/") for host in ("web1", "web2")}
    with visitors(deployed, pages):
        said = deployed.fab("-H", deployed.name, "repair")
    assert SECRET not in said.stdout + said.stderr and own not in said.stdout + said.stderr
    assert deployed.drifted() == [] and deployed.releases() == released
    history = deployed.fab("-H", deployed.name, "history", "--lines", "1").stdout
    assert "repair" in history and "web1, web2" in history


def test_a_repair_that_fails_stops_at_its_first_host_and_all_go_on_serving(deployed: Fleet) -> None:
    broken, mended = "echo 'raise ValueError' >> harbour/wsgi.py", "git checkout --quiet harbour/wsgi.py"
    enter = "cd /srv/demo/current/source && runuser -u demo -- sh -c"
    deployed.inside("web1", "sh", "-c", f'{enter} "{broken}"')
    for host in ("web1", "web2"):
        deployed.inside(host, "sh", "-c", f"echo '# by hand' >> /etc/systemd/system/{UNIT}")
    with visitors(deployed, {host: partial(deployed.visit, host, "/health/") for host in ("web1", "web2")}):
        said = deployed.fab("-H", deployed.name, "repair", code=1)
    assert "switch 1/2 failed on web1" in said.stderr and "== switch 2/2" not in said.stdout
    deployed.inside("web1", "sh", "-c", f'{enter} "{mended}"')
    # What served is left as it was, and what shall serve has its own definition by now.
    assert [row[:2] for row in deployed.drifted(code=1)][-1] == ("web2", "differs")
    deployed.fab("-H", deployed.name, "repair")
    assert deployed.drifted() == []

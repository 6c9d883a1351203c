"""Updates of packages and reboots: what waits is seen, comes in batches, and visitors notice nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import Fleet
from .test_refusals import changed
from .test_rollouts import clocks, watching
from .visitors import visitors

# Packages of nobody else's, in an archive like that of Debian's security updates and in an ordinary one.
OFFER = """
set -e
mkdir -p /srv/offer/security /srv/offer/other
build() {  # archive name version
    mkdir -p /tmp/build/DEBIAN
    printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: a\\nDescription: a\\n' "$2" "$3" \\
        >/tmp/build/DEBIAN/control
    dpkg-deb --build /tmp/build "/srv/offer/$1/$2_$3.deb" >/dev/null
    rm -r /tmp/build
}
archive() {  # name label suite
    cd "/srv/offer/$1"
    for file in *.deb; do
        dpkg-deb --field "$file"
        printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' "$file" "$(stat -c %s "$file")" \\
            "$(sha256sum "$file" | cut -d' ' -f1)"
    done >Packages
    printf 'Origin: Debian\\nLabel: %s\\nSuite: %s\\nSHA256:\\n %s %s Packages\\n' "$2" "$3" \\
        "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" >Release
    echo "deb [trusted=yes] file:/srv/offer/$1 ./" >"/etc/apt/sources.list.d/offer-$1.list"
}
build security harbour-lamp 1.0
build other harbour-rope 1.0
dpkg -i /srv/offer/security/*.deb /srv/offer/other/*.deb >/dev/null
build security harbour-lamp 1.1
build other harbour-rope 1.1
archive security Debian-Security stable-security
archive other Debian stable
apt-get -q update >/dev/null
"""
WITHDRAW = """
rm -rf /srv/offer /etc/apt/sources.list.d/offer-*; dpkg --purge harbour-lamp harbour-rope; apt-get -q update
rm -f /run/reboot-required
"""
HOSTS = ("web1", "web2")


@pytest.fixture
def offered(fleet: Fleet) -> Iterator[Fleet]:
    """Newer versions of two packages wait on the web hosts, one of them a security update."""
    try:
        for host in HOSTS:
            fleet.inside(host, "sh", "-c", OFFER)
        yield fleet
    finally:
        for host in HOSTS:
            fleet.inside(host, "sh", "-c", WITHDRAW)


def versions(fleet: Fleet, package: str) -> set[str]:
    return {fleet.inside(host, "dpkg-query", "-W", "-f", "${Version}", package) for host in HOSTS}


def started(fleet: Fleet, host: str) -> str:
    """Return what tells the web process that serves from one that is started later."""
    script = "systemctl show -P MainPID 'demo-web*' | grep -vx 0"
    return fleet.inside(host, "sh", "-c", script)


def test_security_updates_come_in_batches_with_processes_anew_and_visitors_notice_nothing(offered: Fleet) -> None:
    fleet = offered
    assert "web1, web2: 1 security update waits: harbour-lamp; next: fab -H trial/web1,trial/web2 upgrade" in (
        fleet.fab("-H", fleet.name, "status").stdout
    )
    said = fleet.fab("-R", "-H", fleet.name, "upgrade").stdout
    assert "harbour-lamp 1.0 -> 1.1" in said and versions(fleet, "harbour-lamp") == {"1.0"}
    release, before = fleet.releases(), {host: started(fleet, host) for host in HOSTS}
    with visitors(fleet):
        fleet.fab("-H", fleet.name, "upgrade")
    assert versions(fleet, "harbour-lamp") == {"1.1"} and versions(fleet, "harbour-rope") == {"1.0"}
    assert fleet.releases() == release
    assert all(started(fleet, host) != before[host] for host in HOSTS)
    assert "upgrade" in fleet.fab("-H", fleet.name, "history").stdout
    assert "nothing waits; nothing to do" in fleet.fab("-H", fleet.name, "upgrade").stdout
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout

    now = {host: started(fleet, host) for host in HOSTS}
    fleet.inside("web1", "touch", "/run/reboot-required")
    said = fleet.fab("-H", fleet.name, "upgrade").stdout
    assert "these hosts want to be booted" in said and "web1: a package asks for it" in said
    fleet.fab("-R", "-H", fleet.name, "upgrade", "--reboot")
    assert {host: started(fleet, host) for host in HOSTS} == now
    said = fleet.fab("-H", fleet.name, "upgrade", "--reboot").stdout
    assert "has booted, and is well" in said
    assert started(fleet, "web1") != now["web1"] and started(fleet, "web2") == now["web2"]
    assert fleet.visit("web1").status == 200
    assert "want to be booted" not in fleet.fab("-H", fleet.name, "upgrade").stdout

    fleet.fab("-H", f"{fleet.name}/web2", "upgrade", "--everything")
    assert fleet.inside("web2", "dpkg-query", "-W", "-f", "${Version}", "harbour-rope") == "1.1"


def test_hosts_install_updates_by_themselves_where_that_is_wanted(fleet: Fleet) -> None:
    target, asked = f"{fleet.name}/web1", ("apt-config", "shell", "on", "APT::Periodic::Unattended-Upgrade")
    for word, number in (("true", "1"), ("false", "0")):
        with changed(fleet, {"[site]": f"[updates]\nunattended = {word}\n\n[site]"}):
            fleet.fab("-H", target, "updates.install")
            assert fleet.inside("web1", *asked).strip() == f"on='{number}'"
            assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout
    fleet.fab("-H", target, "updates.install")
    assert "hawser" not in fleet.inside("web1", "ls", "/etc/apt/apt.conf.d")


@pytest.mark.slow
def test_a_backend_gets_nothing_while_it_boots(fleet: Fleet) -> None:
    with clocks(fleet, "nginx"):
        fleet.inside("web2", "touch", "/run/reboot-required")
        with watching(fleet, "/clock/") as answers:
            fleet.fab("-H", f"{fleet.name}/web2", "upgrade", "--reboot")
        assert not fleet.inside("web2", "ls", "/run/reboot-required", check=False)
        # There is no such page, but there is always somebody to say so.
        assert len(answers) > 10 and {answer.status for answer in answers} == {404}

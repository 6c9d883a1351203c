"""The firewall of real hosts: who reaches which port, also after a flush and a reboot, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hawser import sandbox

from .conftest import Fleet, wait_for

PROBE = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=2).close()
    except OSError as error:
        print(port, type(error).__name__)
    else:
        print(port, "open")
"""

SETTINGS = """
[app]
name = "wall"
repo = "."

[processes.web]
command = "true"
port = 9000

{firewall}
"""

FIREWALL = """
[firewall]
default = "drop"

[[firewall.rules]]
groups = ["guarded"]
ports = [9000]
from_groups = ["friends"]

[[firewall.rules]]
groups = ["guarded"]
ports = [9443]
to = 9001
"""

HOST = """
[hosts.{name}]
address = "{address}"
user = "root"
key = "{key}"
host_key = "{host_key}"
groups = ["{group}"]
"""


@pytest.fixture
def wall(bare_fleet: Fleet) -> Iterator[Fleet]:
    """An environment of its own on the shared hosts, with two programs that listen on a guarded one."""
    running = {each.name: each for each in sandbox.listing()}
    hosts = ""
    for name, group in (("web1", "guarded"), ("web2", "friends"), ("data1", "strangers")):
        host = running[f"{bare_fleet.name}-{name}"]
        hosts += HOST.format(
            name=name, address=host.address, key=sandbox.private_key(), host_key=host.host_keys[0], group=group
        )
    fleet = Fleet(bare_fleet.folder, "wall")
    fleet.file.write_text(SETTINGS.format(firewall=FIREWALL) + hosts)
    for port in ("9000", "9001"):
        listen = ["python3", "-m", "http.server", port]
        bare_fleet.inside("web1", "systemd-run", "--quiet", f"--unit=probe-{port}", *listen)
        wait_for("listening", lambda: "LISTEN" in bare_fleet.inside("web1", "ss", "-lnt", f"sport = :{port}"))  # noqa: B023
    yield fleet
    fleet.file.write_text(SETTINGS.format(firewall="") + hosts)
    fleet.fab("-H", "wall", "firewall.install")
    bare_fleet.inside("web1", "systemctl", "stop", "probe-9000", "probe-9001")
    fleet.file.unlink()


def test_ports_are_open_to_those_who_are_named_and_redirects_work_from_everywhere(
    wall: Fleet, bare_fleet: Fleet
) -> None:
    address = bare_fleet.address("web1")

    def reached(host: str) -> dict[str, str]:
        said = bare_fleet.inside(host, "python3", "-c", PROBE, address, "9000", "9443", "9001", "22")
        return dict(line.split() for line in said.splitlines())

    assert set(reached("data1").values()) == {"open", "ConnectionRefusedError"}
    bare_fleet.inside("web1", "sh", "-c", "nft add table inet of_somebody_else 2>/dev/null || true")

    wall.fab("-H", "wall", "firewall.install")

    assert reached("web2") == {"9000": "open", "9443": "open", "9001": "TimeoutError", "22": "open"}
    assert reached("data1") == {"9000": "TimeoutError", "9443": "open", "9001": "TimeoutError", "22": "open"}
    assert reached("web1") == {"9000": "open", "9443": "open", "9001": "open", "22": "open"}
    assert "nothing changed" in wall.fab("-H", "wall", "firewall.install").stdout

    bare_fleet.inside("web1", "nft", "delete", "table", "inet", "hawser_wall")
    assert reached("data1")["9000"] == "open"
    said = wall.fab("-R", "-H", "wall/web1", "firewall.install").stdout
    assert "would" in said
    assert reached("data1")["9000"] == "open"
    wall.fab("-H", "wall", "firewall.install")
    assert reached("data1")["9000"] == "TimeoutError"

    settings = wall.file.read_text()
    wall.file.write_text(settings.replace(FIREWALL, ""))
    wall.fab("-H", "wall", "firewall.install")
    assert reached("data1") == {"9000": "open", "9443": "ConnectionRefusedError", "9001": "open", "22": "open"}
    assert "hawser_wall" not in bare_fleet.inside("web1", "nft", "list", "tables")
    assert "nothing changed" in wall.fab("-H", "wall", "firewall.install").stdout


def test_the_rules_are_loaded_at_boot(wall: Fleet, bare_fleet: Fleet) -> None:
    wall.fab("-H", "wall", "firewall.install")
    bare_fleet.inside("data1", "systemctl", "is-enabled", "hawser-firewall-wall.service")
    bare_fleet.inside("data1", "systemd-analyze", "verify", "/etc/systemd/system/hawser-firewall-wall.service")
    sandbox.reboot(f"{bare_fleet.name}-data1")
    wait_for("rules", lambda: "hawser_wall" in bare_fleet.inside("data1", "nft", "list", "tables", check=False))

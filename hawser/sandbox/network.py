"""The sandbox's own network: a bridge, a namespace per host, masquerading, and cutting a host off.

Nothing of the machine's own network is changed, except that it forwards packets while a sandbox is up (and, where a
firewall drops forwarded packets by default, two ``iptables`` rules let this bridge through).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import HawserError
from . import commands
from .model import Address, Instance, Place
from .rights import sudo

CANDIDATES = [IPv4Network(f"10.213.{third}.0/24") for third in range(256)]
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
BEFORE = Path("/run/hawser-sandbox/before.json")


def free_network(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the first network of the sandbox's range that overlaps none of the machine's.

    :raises HawserError: when all of 10.213.0.0/16 is in use.
    """
    used = list(taken)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise HawserError("sandbox: every network of 10.213.0.0/16 is already routed on this machine")


def firewall(table: str, bridge: str, network: IPv4Network) -> str:
    """Return the nftables commands that make the sandbox's two tables anew.

    Dropping happens on the bridge, because packets between two hosts never reach the IP layer of the machine. ARP
    passes, so that a cut line looks like one: silence, and no error.
    """
    return f"""\
table ip {table} {{}}
delete table ip {table}
table ip {table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr {network} oifname != "{bridge}" masquerade
    }}
}}
table bridge {table} {{}}
delete table bridge {table}
table bridge {table} {{
    set cut {{ type ifname; }}
    chain input {{ type filter hook input priority 0; ether type ip iifname @cut drop; }}
    chain forward {{
        type filter hook forward priority 0;
        ether type ip iifname @cut drop
        ether type ip oifname @cut drop
    }}
    chain output {{ type filter hook output priority 0; ether type ip oifname @cut drop; }}
}}
"""


def cable(instance: Instance, number: int) -> str:
    """Return the name of the machine's end of a host's cable: at most 15 characters."""
    return f"hw{instance.id}-{number}"


def hardware_address(instance: Instance, number: int) -> str:
    """Return the hardware address of a host; fixed, because neighbours remember it when a host is made anew."""
    name = int(instance.id, 16)
    return f"02:68:77:{name >> 8:02x}:{name & 255:02x}:{number:02x}"


def bridge_commands(instance: Instance, network: IPv4Network, mtu: int) -> list[list[str]]:
    """Return the commands that make the bridge, with the machine as number 1 on it."""
    address, hardware = f"{network[1]}/{network.prefixlen}", hardware_address(instance, 1)
    options = ["address", hardware, "mtu", str(mtu), "type", "bridge", "forward_delay", "0"]
    return [
        ["ip", "link", "add", instance.bridge, *options],
        ["ip", "address", "add", address, "dev", instance.bridge],
        ["ip", "link", "set", instance.bridge, "up"],
    ]


def plug_commands(place: Place, address: Address, mtu: int) -> list[list[str]]:
    """Return the commands that give a host its network namespace, its cable and its address."""
    near, space = cable(place.instance, address.number), place.machine
    inside = ["ip", "-n", space]
    prefix = address.network.prefixlen
    far = ["peer", "name", "host0", "address", hardware_address(place.instance, address.number), "mtu", str(mtu)]
    return [
        ["ip", "netns", "add", space],
        ["ip", "link", "add", near, "mtu", str(mtu), "type", "veth", *far, "netns", space],
        ["ip", "link", "set", near, "master", place.instance.bridge, "up"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "address", "add", f"{address.host}/{prefix}", "broadcast", "+", "dev", "host0"],
        [*inside, "link", "set", "host0", "up"],
        [*inside, "route", "add", "default", "via", address.gateway],
    ]


def passing_rules(bridge: str) -> list[list[str]]:
    """Return the ``iptables`` rules, without their action, that let the bridge's packets be forwarded."""
    mark = ["-m", "comment", "--comment", "hawser-sandbox", "-j", "ACCEPT"]
    return [["FORWARD", "-i", bridge, *mark], ["FORWARD", "-o", bridge, *mark]]


def up(instance: Instance, remembered: str | None, numbers: Iterable[int]) -> IPv4Network:
    """Make the bridge and the firewall tables of a sandbox, or keep them when they are there.

    :param remembered: the network this sandbox used before, as its state has it.
    :param numbers: the hosts that have a cable already, for a bridge that was lost.
    :returns: the network of the sandbox.
    """
    existing = _network_of(instance.bridge)
    network = existing or _choose(remembered)
    if existing is None:
        commands.tried("ip", "link", "delete", instance.bridge)
        for argv in bridge_commands(instance, network, machine_mtu()):
            commands.must(*argv)
        for number in numbers:
            commands.tried("ip", "link", "set", cable(instance, number), "master", instance.bridge)
    if not commands.tried("nft", "list", "table", "bridge", instance.table):
        commands.must("nft", "-f", "-", input=firewall(instance.table, instance.bridge, network))
    _remember_and_set(FORWARD, "1")
    _let_through(instance.bridge)
    return network


def down(instance: Instance) -> None:
    """Remove the bridge and the tables, and undo the machine's settings when no other sandbox is up."""
    commands.tried("ip", "link", "delete", instance.bridge)
    for family in ("ip", "bridge"):
        commands.tried("nft", "delete", "table", family, instance.table)
    if commands.which("iptables"):
        for rule in passing_rules(instance.bridge):
            while commands.tried("iptables", "-w", "-D", *rule):
                pass
    if "hawser_sandbox_" not in commands.must("nft", "list", "tables"):
        _restore_settings()


def plug(place: Place, address: Address) -> None:
    """Give a host its network namespace and connect it to the bridge."""
    for argv in plug_commands(place, address, machine_mtu()):
        commands.must(*argv)


def unplug(place: Place, number: int | None) -> None:
    """Remove a host's network namespace, its cable, and its entry among those cut off."""
    commands.tried("ip", "netns", "delete", place.machine)
    if number is not None:
        commands.tried("ip", "link", "delete", cable(place.instance, number))
        join(place.instance, number)


def cut(instance: Instance, number: int) -> None:
    """Drop every packet from and to a host."""
    commands.must(*_element("add", instance, number))


def join(instance: Instance, number: int) -> None:
    """Let the packets of a host through again, if it was cut off."""
    commands.tried(*_element("delete", instance, number))


def allow_watches(hosts: int) -> None:
    """Raise the limit of inotify instances, of which every host's init and services take about eight."""
    wanted = 128 + 32 * hosts
    if int(INSTANCES.read_text()) < wanted:
        _remember_and_set(INSTANCES, str(wanted))


def machine_mtu() -> int:
    """Return the packet size, in bytes, of the machine's default route; 1500 when it has none."""
    routes = json.loads(commands.must("ip", "-j", "-4", "route", "show", "default") or "[]")
    if not routes:
        return 1500
    if mtu := next((int(metric["mtu"]) for metric in routes[0].get("metrics", []) if "mtu" in metric), 0):
        return mtu
    links = json.loads(commands.must("ip", "-j", "link", "show", "dev", routes[0]["dev"]))
    return int(links[0]["mtu"])


def name_servers(texts: Sequence[str]) -> str:
    """Return the first of several ``resolv.conf`` texts that works inside a host: one without loopback name servers."""
    for text in texts:
        lines = [
            line for line in text.splitlines() if line.split("#")[0].split()[:1] != ["nameserver"] or _reachable(line)
        ]
        if any(line.split()[:1] == ["nameserver"] for line in lines):
            return "\n".join(lines) + "\n"
    return ""


def machine_resolver() -> str:
    """Return the ``resolv.conf`` for the hosts, taken from the machine, or from its systemd-resolved."""
    texts = []
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        with contextlib.suppress(OSError):
            texts.append(Path(path).read_text())
    return name_servers(texts)


def _element(action: str, instance: Instance, number: int) -> list[str]:
    return [*sudo(), "nft", action, "element", "bridge", instance.table, "cut", f'{{ "{cable(instance, number)}" }}']


def _reachable(line: str) -> bool:
    return not line.split()[1].startswith(("127.", "::1"))


def _network_of(bridge: str) -> IPv4Network | None:
    done = commands.run(["ip", "-j", "-4", "address", "show", "dev", bridge, "up"])
    links = json.loads(done.stdout or b"[]") if done.returncode == 0 else []
    for link in links:
        for info in link.get("addr_info", []):
            return IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
    return None


def _choose(remembered: str | None) -> IPv4Network:
    routes = json.loads(commands.must("ip", "-j", "-4", "route", "show", "table", "all") or "[]")
    taken = [IPv4Network(route["dst"], strict=False) for route in routes if route["dst"][0].isdigit()]
    if remembered and not any(IPv4Network(remembered).overlaps(network) for network in taken):
        return IPv4Network(remembered)
    return free_network(taken)


def _let_through(bridge: str) -> None:
    """Insert two rules where the machine's ``FORWARD`` chain drops by default, as Docker and ufw set it."""
    if not commands.which("iptables"):
        return
    rules = commands.run(["iptables", "-w", "-S", "FORWARD"]).stdout.decode().splitlines()
    if rules and rules[0].split()[-1] in ("DROP", "REJECT"):
        for rule in passing_rules(bridge):
            if not commands.tried("iptables", "-w", "-C", *rule):
                commands.must("iptables", "-w", "-I", *rule)


def _remember_and_set(setting: Path, value: str) -> None:
    old = setting.read_text().strip()
    if old == value:
        return
    BEFORE.parent.mkdir(exist_ok=True)
    before = json.loads(BEFORE.read_text()) if BEFORE.exists() else {}
    BEFORE.write_text(json.dumps({str(setting): old, **before}))
    setting.write_text(value)


def _restore_settings() -> None:
    if BEFORE.exists():
        for setting, value in json.loads(BEFORE.read_text()).items():
            if setting != str(FORWARD) or not _others_forward():
                Path(setting).write_text(value)
        BEFORE.unlink()


def _others_forward() -> bool:
    """Tell whether something else here, such as a container engine started meanwhile, forwards packets too."""
    kinds = ("bridge", "wireguard", "tun")
    return any(commands.must("ip", "-o", "link", "show", "type", kind).strip() for kind in kinds)

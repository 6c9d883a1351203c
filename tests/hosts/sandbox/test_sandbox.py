"""The sandbox itself, on real hosts of a sandbox of its own, beside whatever else runs on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest

from hawser import sandbox
from hawser.errors import HawserError
from hawser.sandbox import RunningHost, SandboxSpec
from hawser.sandbox.model import DEFAULT_FOLDER, current_instance
from hawser.sandbox.network import FORWARD

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="throwaway hosts need root")
PAIR = [SandboxSpec("one"), SandboxSpec("two")]


@pytest.fixture(autouse=True)
def own_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each test a sandbox of its own, which shares the base images, and remove it afterwards."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HAWSER_SANDBOX_BASE", os.environ.get("HAWSER_SANDBOX_BASE", str(DEFAULT_FOLDER)))
        environment.setenv("HAWSER_SANDBOX", str(tmp_path_factory.mktemp("sandbox")))
        yield
        sandbox.down()


def up(*specs: SandboxSpec) -> list[RunningHost]:
    return sandbox.up(specs, lambda line: None)


def ssh(host: RunningHost, command: str, key: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with the real ssh client, which accepts the pinned host key alone."""
    known = current_instance().folder / "pinned"
    known.write_text("".join(f"{host.address} {line}\n" for line in ([key] if key else host.host_keys)))
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "ConnectTimeout=5"]
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", *words, "-i", str(sandbox.private_key()), f"{host.user}@{host.address}", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def said(name: str, *argv: str) -> str:
    """Return what a command in a host says; it has to succeed."""
    done = sandbox.exec_in(name, argv)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def answers(name: str, address: str) -> bool:
    """Tell whether a host reaches another one's SSH server within two seconds."""
    greet = f"exec 3<>/dev/tcp/{address}/22; head -c4 <&3"
    try:
        return sandbox.exec_in(name, ["bash", "-c", greet], timeout=2).stdout == b"SSH-"
    except subprocess.TimeoutExpired:
        return False


def traces() -> dict[str, str]:
    """Return everything on this machine that bears a name of the sandbox in use."""
    instance = current_instance()
    commands = {
        "namespaces": ["ip", "netns", "list"],
        "links": ["ip", "-o", "link", "show"],
        "tables": ["nft", "list", "tables"],
        "mounts": ["cat", "/proc/mounts"],
        "processes": ["ps", "-ewwo", "args"],
        "cgroups": ["find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"],
        "nspawn": ["find", "/run/systemd/nspawn"],
    }
    names = (instance.prefix, instance.bridge, instance.table, f"hw{instance.id}-", str(instance.hosts))
    found = {}
    for kind, argv in commands.items():
        text = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        lines = [line for line in text.splitlines() if any(name in line for name in names)]
        if lines:
            found[kind] = "\n".join(lines)
    return found | ({"folders": str(list(instance.hosts.iterdir()))} if any(instance.hosts.glob("*")) else {})


def test_two_hosts_come_up_and_answer_over_ssh_with_their_own_keys() -> None:
    one, two = up(*PAIR)
    assert (one.name, two.name) == ("one", "two")
    assert ssh(one, "hostname").stdout == "one\n"
    assert ssh(two, "hostname").stdout == "two\n"
    assert set(one.host_keys).isdisjoint(two.host_keys)
    assert "Host key verification failed" in ssh(one, "true", key=two.host_keys[0]).stderr


def test_hosts_are_settled_when_up_returns() -> None:
    up(*PAIR)
    assert said("one", "systemctl", "is-system-running") == "running"
    assert said("one", "cat", "/etc/hostname") == "one"
    assert said("one", "cat", "/etc/machine-id") != said("two", "cat", "/etc/machine-id")


def test_sandbox_up_leaves_running_hosts_alone_and_adds_the_others() -> None:
    (one,) = up(PAIR[0])
    assert up(*PAIR)[0] == one
    assert [host.name for host in sandbox.listing()] == ["one", "two"]


def test_packages_are_found_and_downloaded_once() -> None:
    up(*PAIR)
    for name in ("one", "two"):
        said(name, "apt-get", "update")
    said("one", "apt-get", "install", "-y", "--download-only", "hello")
    sandbox.reset(["two"])
    said("two", "apt-get", "update")
    assert "Need to get 0 B" in said("two", "apt-get", "install", "-y", "hello")


def test_pip_installs_packages_in_a_sandbox_host() -> None:
    up(PAIR[0])
    said("one", "sh", "-c", "python3 -m venv /tmp/venv && /tmp/venv/bin/pip install --quiet itsdangerous")


def test_a_bare_sandbox_host_has_no_python() -> None:
    (host,) = up(SandboxSpec("bare", python=False))
    assert ssh(host, "command -v python3").returncode != 0
    assert ssh(host, "echo here").stdout == "here\n"


def test_a_host_comes_back_from_a_reboot_with_what_was_written() -> None:
    (before,) = up(PAIR[0])
    said("one", "sh", "-c", "echo kept > /root/note")
    after = sandbox.reboot("one")
    assert (after.address, after.host_keys) == (before.address, before.host_keys)
    assert after.pid != before.pid
    assert after.up_since > before.up_since
    assert ssh(after, "cat /root/note").stdout == "kept\n"


def test_sandbox_reset_makes_a_host_anew_under_the_same_address() -> None:
    before, other = up(*PAIR)
    said("one", "touch", "/root/note")
    (after,) = sandbox.reset(["one"], lambda line: None)
    assert after.address == before.address
    assert sandbox.exec_in("one", ["test", "-e", "/root/note"]).returncode == 1
    assert answers("two", after.address)
    assert sandbox.listing()[1] == other


def test_a_host_that_is_cut_off_hears_nobody_until_it_is_joined() -> None:
    one, two = up(*PAIR)
    assert answers("one", two.address)
    sandbox.cut("two")
    assert not answers("one", two.address)
    assert not answers("two", one.address)
    assert ssh(two, "true").returncode == 255
    sandbox.join("two")
    assert answers("one", two.address)
    assert ssh(two, "true").returncode == 0


def test_files_and_folders_are_copied_in(tmp_path: Path) -> None:
    up(PAIR[0])
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "file").write_bytes(b"\x00\xff")
    (tmp_path / "tool").write_text("#!/bin/sh\necho works\n")
    (tmp_path / "tool").chmod(0o755)
    sandbox.copy_in("one", tmp_path / "folder", "/srv/new/copy", owner="daemon:daemon")
    sandbox.copy_in("one", tmp_path / "tool", "/usr/local/bin/tool")
    assert sandbox.exec_in("one", ["cat", "/srv/new/copy/deep/file"]).stdout == b"\x00\xff"
    assert said("one", "stat", "-c", "%U:%G", "/srv/new/copy/deep/file") == "daemon:daemon"
    assert said("one", "tool") == "works"


def test_commands_get_input_and_are_ended_when_their_time_is_over() -> None:
    up(PAIR[0])
    assert sandbox.exec_in("one", ["tr", "a", "b"], input=b"aba").stdout == b"bbb"
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox.exec_in("one", ["sh", "-c", "sleep 4242; true"], timeout=0.5)
    assert sandbox.exec_in("one", ["pgrep", "-f", "sleep 4242"]).stdout == b""


def test_services_may_use_passwords_and_firewalls() -> None:
    (host,) = up(PAIR[0])
    said("one", "sh", "-c", "useradd -m ann && echo ann:secret | chpasswd")
    with socket.create_connection((host.address, host.port)) as connection, paramiko.Transport(connection) as transport:
        transport.connect(username="ann", password="secret")
        assert transport.is_authenticated()
    said("one", "sh", "-c", "apt-get update && apt-get install -y nftables && nft add table inet mine")
    assert said("one", "nft", "list", "tables") == "table inet mine"


def test_sandbox_down_leaves_no_trace() -> None:
    forwarding = FORWARD.read_text()
    up(*PAIR)
    assert {"namespaces", "links", "tables", "mounts", "processes", "cgroups", "folders"} <= traces().keys()
    sandbox.down()
    assert traces() == {}
    assert FORWARD.read_text() == forwarding
    assert sandbox.listing() == []


def test_sandbox_down_of_one_host_leaves_the_other() -> None:
    up(*PAIR)
    sandbox.down(["one"])
    assert [host.name for host in sandbox.listing()] == ["two"]
    assert said("two", "true") == ""


@pytest.mark.parametrize("victim", ["keeper", "nspawn", "init", "all"])
def test_up_makes_a_host_anew_over_what_a_crash_left(victim: str) -> None:
    (before, _) = up(*PAIR)
    kill(victim, before)
    wait_until(lambda: [host.name for host in sandbox.listing()] == ["two"])
    after, _ = up(*PAIR)
    assert after.address == before.address
    assert ssh(after, "systemctl is-system-running").stdout == "running\n"
    sandbox.down()
    assert traces() == {}


def name_of(pid: int) -> str:
    """Return the name of a process, empty when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill(victim: str, host: RunningHost) -> None:
    alive = sandbox.processes(host.name)
    names = {pid: name_of(pid) for pid in alive}
    chosen = {
        "keeper": [pid for pid in alive if names[pid] == "sh"],
        "nspawn": [pid for pid in alive if names[pid] == "systemd-nspawn"],
        "init": [host.pid],
        "all": alive,
    }[victim]
    assert chosen
    for pid in chosen:
        # Of all that a host runs, something may have ended by now.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.25, 0.35, 0.5])
def test_an_up_that_is_killed_halfway_can_be_taken_down_and_repeated(delay: float) -> None:
    program = "from hawser import sandbox as s; s.up([s.SandboxSpec('one'), s.SandboxSpec('two')])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: current_instance().hosts.exists() or process.poll() is not None)
        time.sleep(delay)
        process.kill()
    sandbox.down()
    assert traces() == {}
    up(*PAIR)


def test_an_up_after_one_that_was_killed_halfway_needs_no_down() -> None:
    program = "from hawser import sandbox as s; s.up([s.SandboxSpec('one'), s.SandboxSpec('two')])"
    for delay in (0.0, 0.1, 0.2, 0.3):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: current_instance().hosts.exists())
            time.sleep(delay)
            process.kill()
    assert [host.name for host in up(*PAIR)] == ["one", "two"]


def test_two_ups_at_once_agree_on_the_hosts() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda specs: up(*specs), [PAIR, PAIR])
    assert first == second


def test_two_sandboxes_live_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (here,) = up(PAIR[0])
    with monkeypatch.context() as other:
        other.setenv("HAWSER_SANDBOX", str(tmp_path / "other"))
        (there,) = up(PAIR[0])
        assert here.address != there.address
        assert ssh(there, "hostname").stdout == "one\n"
        sandbox.down()
        assert traces() == {}
    assert ssh(here, "hostname").stdout == "one\n"
    assert FORWARD.read_text() == "1\n"


def test_a_lost_firewall_and_bridge_are_restored_under_running_hosts() -> None:
    one, two = up(*PAIR)
    subprocess.run(["ip", "link", "delete", current_instance().bridge], check=True)
    subprocess.run(["nft", "delete", "table", "ip", current_instance().table], check=True)
    subprocess.run(["nft", "delete", "table", "bridge", current_instance().table], check=True)
    assert up(*PAIR) == [one, two]
    assert ssh(one, "true").returncode == 0
    assert answers("two", one.address)


def test_a_host_that_is_not_there_is_named() -> None:
    with pytest.raises(HawserError, match="ghost is not up"):
        sandbox.exec_in("ghost", ["true"])
    with pytest.raises(HawserError, match="there is no host ghost"):
        sandbox.reset(["ghost"])


def test_a_folder_that_mount_would_misread_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as other, pytest.raises(HawserError, match="comma"):
        other.setenv("HAWSER_SANDBOX", str(tmp_path / "a,b"))
        up(PAIR[0])


def test_a_folder_on_an_overlay_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("low", "up", "work", "top"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/low,upperdir={tmp_path}/up,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "none", "-o", layers, str(tmp_path / "top")], check=True)
    try:
        with monkeypatch.context() as other, pytest.raises(HawserError, match="lies on an overlay"):
            other.setenv("HAWSER_SANDBOX", str(tmp_path / "top" / "state"))
            up(PAIR[0])
    finally:
        subprocess.run(["umount", str(tmp_path / "top")], check=True)


def wait_until(holds: object, seconds: float = 10) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)

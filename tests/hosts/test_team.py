"""The people of a team on a real host: their keys, their roles, and nothing any more for whoever leaves; no passwords
without a way back; and addresses that are banned for wrong logins, but never ours.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from hawser import sandbox
from hawser.sandbox.keys import write_key

from .conftest import Fleet, wait_for

SETTINGS = """
[app]
name = "{name}"
repo = "."

[processes.web]
command = "true"

{tables}

[hosts.web1]
address = "{address}"
user = "{user}"
key = "{key}"
host_key = "{host_key}"
"""
MEMBER = '[team.{name}]\nkeys = ["{key}"]\nrole = "{role}"\n'
CLOSED = "[sshd]\npasswords = false\n"
# As a cloud image brings it.
CLOUD = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
OURS = "/etc/ssh/sshd_config.d/00-hawser-crew.conf"
CLEAN = f"""
for name in ann bob cara guest; do userdel --remove $name; done 2>/dev/null
groupdel hawser-team; rm -rf {CLOUD} /etc/hawser/team /etc/nologin /etc/systemd/system/ssh.service.d
systemctl daemon-reload; systemctl reload ssh
"""


@dataclass
class Crew:
    """Environments of their own on a shared host, and the keys of some people.

    :param folder: has the keys.
    """

    fleet: Fleet
    folder: Path

    def public(self, name: str) -> str:
        """Return somebody's public key, made at first use."""
        path = self.folder / name
        if not path.exists():
            write_key(path, ed25519.Ed25519PrivateKey.generate(), f"{name}@desk")
        return path.with_name(f"{name}.pub").read_text().strip()

    def write(
        self, members: Mapping[str, str], *more: str, application: str = "crew", user: str = "root", key: str = ""
    ) -> None:
        """Write an environment file.

        :param members: names, and roles.
        :param more: tables.
        :param user: who deploys, with the key of
        :param key: somebody; empty: the sandbox's.
        """
        tables = [MEMBER.format(name=name, key=self.public(name), role=role) for name, role in members.items()]
        host = next(each for each in sandbox.listing() if each.name == f"{self.fleet.name}-web1")
        own = str(self.folder / key) if key else str(sandbox.private_key())
        words = {"address": host.address, "host_key": host.host_keys[0], "user": user, "key": own}
        text = SETTINGS.format(name=application, tables="\n".join([*tables, *more]), **words)
        (self.fleet.hosts / f"{application}.toml").write_text(text)

    def fab(self, *words: str, application: str = "crew", code: int = 0) -> str:
        """Run `fab` for the host; return all it says."""
        done = self.fleet.fab(*words[:-1], "-H", application, words[-1], code=code)
        return done.stdout + done.stderr

    def inside(self, *argv: str, check: bool = True) -> str:
        return self.fleet.inside("web1", *argv, check=check)

    @contextlib.contextmanager
    def login(self, user: str, key: str = "", password: str = "") -> Iterator[paramiko.SSHClient]:
        """Log in to the host as anybody does, with the key of somebody or a password."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        pkey = paramiko.Ed25519Key.from_private_key_file(str(self.folder / key)) if key else None
        with client:
            for attempt in itertools.count(1):
                try:
                    client.connect(
                        self.fleet.address("web1"),
                        username=user,
                        pkey=pkey,
                        password=password or None,
                        allow_agent=False,
                        look_for_keys=False,
                        timeout=10,
                    )
                    break
                except paramiko.AuthenticationException:
                    raise
                except (OSError, paramiko.SSHException):
                    # sshd that reads its settings anew listens nowhere for a moment.
                    if attempt > 10:
                        raise
                    time.sleep(0.5)
            yield client

    def said(self, user: str, command: str, key: str = "", password: str = "") -> str | None:
        """Return what a command says to somebody who logs in; None where they are not let in."""
        try:
            with self.login(user, key or ("" if password else user), password) as client:
                _, out, _ = client.exec_command(f"{command} 2>&1")
                return out.read().decode().strip()
        except paramiko.AuthenticationException:
            return None


@pytest.fixture
def crew(bare_fleet: Fleet, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(bare_fleet, tmp_path)
    yield made
    for application in ("crew", "dock"):
        file = bare_fleet.hosts / f"{application}.toml"
        if file.exists():
            made.write({}, application=application)
            bare_fleet.fab("-H", application, "team.install", "sshd.install")
            file.unlink()
            (bare_fleet.hosts / f"{application}.env").unlink(missing_ok=True)
            made.inside("rm", "-r", f"/var/lib/hawser/{application}", check=False)
    made.inside("sh", "-c", CLEAN, check=False)


def test_people_get_in_with_their_keys_and_roles_and_nobody_is_locked_out_or_let_in_by_mistake(crew: Crew) -> None:
    crew.inside("useradd", "--create-home", "cara")
    crew.write({"ann": "admin", "bob": "deploy", "cara": "deploy"})
    said = crew.fab("team.install", code=1)
    assert "there are users that were not made for a team: cara; nothing was touched" in said
    assert not crew.inside("getent", "passwd", "ann", check=False)

    crew.write({"ann": "admin", "bob": "deploy"})
    said = crew.fab("-R", "team.install")
    assert "(ann: new, admin; bob: new, deploy)" in said and f"+{crew.public('ann')}" in said
    assert not crew.inside("getent", "passwd", "ann", check=False)
    crew.fab("team.install")
    assert crew.said("ann", "sudo -n id -un") == "root"
    assert "password is required" in str(crew.said("bob", "sudo -n id -un"))
    assert "crew-deploy" in str(crew.said("bob", "id -Gn")).split()
    assert crew.said("ann", "id", key="bob") is None
    assert "nothing changed" in crew.fab("team.install")

    # A key that bob leaves in the account opens nothing.
    mine = crew.public("cara")
    assert crew.said("bob", f"mkdir -p .ssh && echo '{mine}' > .ssh/authorized_keys && echo left") == "left"
    assert crew.said("bob", "id", key="cara") is None
    crew.inside("sh", "-c", "echo root:x | chpasswd -e && echo bob:Harbour-7 | chpasswd && passwd -S bob")
    assert crew.said("bob", "id", password="Harbour-7") is None
    assert "bob: has a password, which goes" in crew.fab("team.install")

    # Whoever is at work keeps the way in.
    for members in ({"bob": "deploy"}, {"ann": "deploy", "bob": "admin"}):
        crew.write(members, user="ann", key="ann")
        assert "as ann, whose key could become root there no more; nothing was touched" in crew.fab(
            "team.install", code=1
        )
    crew.write({}, user="ann", key="ann")
    assert "this run is logged in as ann, who would be locked out" in crew.fab("team.install", code=1)
    assert crew.said("ann", "sudo -n id -un") == "root"


def test_whoever_leaves_is_locked_out_with_what_runs_and_stays_where_another_application_wants_them(crew: Crew) -> None:
    crew.write({"ann": "admin", "bob": "deploy"})
    crew.write({"bob": "deploy"}, application="dock")
    crew.fab("team.install")
    crew.fab("team.install", application="dock")
    assert {"crew-deploy", "dock-deploy"} <= set(str(crew.said("bob", "id -Gn")).split())

    with crew.login("bob", "bob") as client:
        channel = client.get_transport().open_session()  # type: ignore[union-attr]
        channel.exec_command("echo mine > kept; nohup sleep 4711 >/dev/null 2>&1 & sleep 4712")
        wait_for("his programs", lambda: "4711" in crew.inside("pgrep", "-fa", "sleep 471", check=False))
        crew.write({"ann": "admin"}, user="ann", key="ann")
        assert "bob leaves this team, and stays in that of dock" in crew.fab("team.install")
        groups = str(crew.said("bob", "id -Gn")).split()
        assert "dock-deploy" in groups and "crew-deploy" not in groups

        crew.write({}, application="dock")
        said = crew.fab("-R", "team.install", application="dock")
        assert "bob leaves: the account is locked, 3 programs are ended" in said or "programs are ended" in said
        assert crew.said("bob", "cat kept") == "mine"
        crew.fab("team.install", application="dock")
        assert channel.closed or channel.recv_exit_status() != 0
    assert not crew.inside("pgrep", "-f", "sleep 471", check=False)
    assert crew.said("bob", "id") is None and crew.said("ann", "sudo -n id -un") == "root"
    assert crew.inside("cat", "/home/bob/kept") == "mine\n"
    assert not crew.inside("getent", "group", "dock-deploy", check=False)
    assert "nothing changed" in crew.fab("team.install", application="dock")

    # Back again.
    crew.write({"bob": "deploy"}, application="dock")
    assert "bob: is back" in crew.fab("team.install", application="dock")
    assert crew.said("bob", "cat kept") == "mine"


@pytest.fixture
def guest(crew: Crew) -> Crew:
    """The host lets a guest in with a password, as a cloud image has it."""
    script = f"""useradd --create-home guest; echo guest:Harbour-7 | chpasswd
        echo 'PasswordAuthentication yes' > {CLOUD}; systemctl reload ssh"""
    crew.inside("sh", "-c", script)
    wait_for("a password", lambda: knocks(crew) is not None)
    return crew


def knocks(crew: Crew) -> str | None:
    return crew.said("guest", "id -un", password="Harbour-7")


def test_nobody_gets_in_with_a_password_once_a_new_login_has_worked(guest: Crew) -> None:
    crew = guest
    crew.write({}, CLOSED)
    assert "+PasswordAuthentication no" in crew.fab("-R", "sshd.install") and knocks(crew) == "guest"
    assert "web1: a new login works without passwords, so it stays" in crew.fab("sshd.install")
    assert knocks(crew) is None
    assert "Include" not in crew.inside("cat", OURS)
    assert not crew.inside("systemctl", "list-units", "--no-legend", "hawser-sshd*").strip()
    assert "nothing changed" in crew.fab("sshd.install")

    # Another file that would come first is named, and nothing is brought.
    early = "/etc/ssh/sshd_config.d/00-a.conf"
    crew.inside("sh", "-c", f"echo 'PasswordAuthentication yes' > {early}")
    said = crew.fab("sshd.install", code=1)
    assert f"PasswordAuthentication is 'yes' and not no: {early}, line 1, comes first" in said
    crew.inside("rm", early)

    crew.write({})
    crew.fab("sshd.install")
    assert knocks(crew) == "guest"


def test_passwords_come_back_when_the_run_dies_or_no_new_login_works(guest: Crew) -> None:
    crew = guest
    crew.write({"ann": "admin"}, CLOSED)
    crew.fab("team.install")
    process = subprocess.Popen(
        crew.fleet.command("-H", "crew", "sshd.install"),
        env=crew.fleet.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for("a trial", lambda: "crew.conf" in crew.inside("ls", "/run/hawser-sshd", check=False), every=0.02)
    # It hears no more of what the host does, and never says that it is well.
    process.send_signal(signal.SIGSTOP)
    wait_for("sshd", lambda: knocks(crew) is None)
    process.kill()
    process.wait()
    timers = crew.inside("systemctl", "list-timers", "--no-legend", "hawser-sshd-crew.timer")
    assert "1min" in timers or "2min" in timers
    # What the timer starts, ahead of its time.
    crew.inside("systemctl", "start", "hawser-sshd-crew.service")
    wait_for("a password", lambda: knocks(crew) == "guest")
    assert not crew.inside("ls", OURS, check=False)

    # From the moment in which sshd reads its settings, nobody but root is let in.
    broken = """mkdir -p /etc/systemd/system/ssh.service.d
        printf '[Service]\\nExecReload=/usr/bin/touch /etc/nologin\\n' > /etc/systemd/system/ssh.service.d/x.conf
        systemctl daemon-reload"""
    crew.inside("sh", "-c", broken)
    crew.write({"ann": "admin"}, CLOSED, user="ann", key="ann")
    began = time.monotonic()
    said = crew.fab("sshd.install", code=1)
    assert "no new login without passwords, so that is taken back within two minutes" in said, said
    assert time.monotonic() - began < 60
    crew.inside("sh", "-c", "rm -r /etc/systemd/system/ssh.service.d /etc/nologin; systemctl daemon-reload")
    crew.inside("systemctl", "start", "hawser-sshd-crew.service")
    wait_for("a password", lambda: knocks(crew) == "guest")
    assert not crew.inside("ls", OURS, check=False)
    crew.write({"ann": "admin"})


STRANGER = """
ip addr add {address}/24 dev host0 2>/dev/null
for n in 1 2 3 4 5; do
    timeout 5 ssh -b {address} -o BatchMode=yes -o StrictHostKeyChecking=no nobody$n@{host} 2>/dev/null
done
timeout 5 ssh -b {address} -o BatchMode=yes -o StrictHostKeyChecking=no nobody@{host} 2>&1 | tail -1
"""


def test_an_address_with_many_wrong_logins_is_banned_and_ours_never_is(crew: Crew) -> None:
    crew.write({}, "[sshd]\nfail2ban = true\n")
    crew.fab("sshd.install")
    assert "nothing changed" in crew.fab("sshd.install")
    host = crew.fleet.address("web1")
    stranger = f"{host.rpartition('.')[0]}.99"
    script = STRANGER.format(address=stranger, host=host)
    try:
        crew.public("ann")
        for number in range(8):
            assert crew.said(f"nobody{number}", "id", key="ann") is None
        crew.fleet.inside("web2", "sh", "-c", script)
        banned = ("fail2ban-client", "get", "sshd", "banip")
        wait_for("a ban", lambda: crew.inside(*banned).split() == [stranger])
        assert "Connection refused" in crew.fleet.inside("web2", "sh", "-c", script)
        assert "nothing changed" in crew.fab("sshd.install")
    finally:
        crew.fleet.inside("web2", "ip", "addr", "del", f"{stranger}/24", "dev", "host0", check=False)
    crew.write({})
    crew.fab("sshd.install")
    assert not crew.inside("ls", "/etc/fail2ban/jail.d/hawser.local", check=False)
    assert crew.inside("systemctl", "is-active", "fail2ban", check=False).strip() == "inactive"

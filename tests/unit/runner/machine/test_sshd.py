"""Settings of sshd: read as sshd reads them, tried, taken back by a timer or a boot, and kept when they are confirmed.

Programs of the host are stand-ins but for the shell: its script for taking a change back is the real one.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from hawser.runner.machine import sshd
from hawser.runner.machine.sshd import SshdConfirmed, SshdSettings, Trial, Written
from hawser.runner.system import Failure, Finished

from ..conftest import validated, whole

SETTINGS = [("PasswordAuthentication", "no"), ("PermitRootLogin", "prohibit-password")]
STRICTER = {"PermitRootLogin": ["no", "forced-commands-only"]}
CONTENT = b"""\
# [sshd] of shop; replaced by `sshd.install`.
PasswordAuthentication no
PermitRootLogin prohibit-password
"""
DEFAULTS = {"passwordauthentication": "yes", "permitrootlogin": "prohibit-password"}


class Host:
    """A folder with the files of sshd, and programs that do what the real ones would with them."""

    def __init__(self, folder, system, monkeypatch):
        self.folder, self.system = folder, system
        self.main = folder / "etc/sshd_config"
        self.parts = folder / "etc/sshd_config.d"
        self.run = folder / "run"
        self.parts.mkdir(parents=True)
        self.main.write_text(f"Include {self.parts}/*.conf\nUsePAM yes\n")
        self.told, self.refuses, self.active = [], "", ["ssh.service"]
        self.read = self.effective()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{folder}/systemctl\n')
        (programs / "systemctl").chmod(0o755)
        (programs / "sshd").write_text("")
        monkeypatch.setattr(sshd, "PROGRAM", str(programs / "sshd"))
        monkeypatch.setattr(sshd, "MAIN", str(self.main))
        monkeypatch.setattr(sshd, "TRIALS", str(self.run))
        monkeypatch.setattr(sshd, "begun_anew", self.begun_anew)
        monkeypatch.setattr(system, "run", self.start)
        self.path = str(self.parts / "00-hawser-shop.conf")

    def effective(self):
        """Return what sshd would hold to."""
        found = {}
        for line in Written(str(self.main)).lines:
            if not line.match:
                found.setdefault(line.keyword, line.value)
        return {**DEFAULTS, **found}

    def start(self, argv, check=True, **_more):
        words = [Path(argv[0]).name, *argv[1:]]
        self.told.append(" ".join(words[:3]))
        code, output = 0, ""
        if words[:2] == ["sshd", "-t"]:
            code, output = (255, self.refuses) if self.refuses else (0, "")
        elif words[:2] == ["sshd", "-T"]:
            output = "".join(f"{key} {value}\n" for key, value in self.effective().items())
        elif words[:2] == ["systemctl", "is-active"]:
            code = 0 if words[-1] in self.active else 3
        elif words[:2] == ["systemctl", "show"]:
            output = "4711\n"
        elif words[:2] == ["systemctl", "reload"]:
            self.read = self.effective()
        elif words[0] == "sh":
            assert words[1:] == [str(self.run / "shop.sh")]
            self.fires()
        if check and code:
            raise Failure(f"{words[0]} exited with {code}", output)
        return Finished(code, output)

    def begun_anew(self, pid):
        assert pid == 4711
        return contextlib.nullcontext()

    def fires(self):
        """Do what the timer does when it is due."""
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        subprocess.run(["/bin/sh", str(self.run / "shop.sh")], check=True, env=environment)
        self.read = self.effective()

    def boots(self):
        """Lose what is in memory, the timer with it."""
        for path in self.run.iterdir():
            path.unlink()
        self.read = self.effective()

    def kind(self, settings=SETTINGS):
        fields = {"application": "shop", "path": self.path, "settings": settings, "stricter": STRICTER}
        return SshdSettings(whole("sshd_settings", fields), self.system)

    def confirmed(self):
        return SshdConfirmed({"application": "shop", "path": self.path}, self.system)

    def put(self, kind=None):
        kind = kind or self.kind()
        change = kind.check()
        assert change is not None
        kind.apply(change)
        return change

    @property
    def text(self):
        path = Path(self.path)
        return path.read_bytes() if path.exists() else None


@pytest.fixture
def host(tmp_path, system, monkeypatch):
    return Host(tmp_path, system, monkeypatch)


def test_files_are_read_in_the_order_in_which_sshd_reads_them(host):
    (host.parts / "10-b.conf").write_text('passwordauthentication=yes\nMatch User "guest"\n  PermitRootLogin yes\n')
    (host.parts / "00-a.conf").write_text("# PasswordAuthentication maybe\nPasswordAuthentication no # never\n")
    host.main.write_text(f"Include {host.parts}/*.conf\nPermitRootLogin no\nMatch Address 10.*\nUseDNS yes\n")
    written = Written(str(host.main))
    rows = [(Path(each.path).name, each.number, each.keyword, each.value, each.match) for each in written.lines]
    assert rows == [
        ("00-a.conf", 2, "passwordauthentication", "no", ""),
        ("10-b.conf", 1, "passwordauthentication", "yes", ""),
        ("10-b.conf", 3, "permitrootlogin", "yes", 'User "guest"'),
        ("sshd_config", 2, "permitrootlogin", "no", ""),
        ("sshd_config", 4, "usedns", "yes", "Address 10.*"),
    ]
    assert written.first("permitrootlogin").value == "no"
    assert written.first("passwordauthentication", but=str(host.parts / "00-a.conf")).value == "yes"


def test_files_that_include_each_other_are_read_to_an_end(host):
    host.main.write_text(f"Include {host.main}\nUsePAM yes\n")
    assert {each.keyword for each in Written(str(host.main)).lines} == {"usepam"}


def test_a_change_counts_for_a_moment_and_for_good_when_it_is_confirmed(host):
    change = host.put()
    assert "+PasswordAuthentication no" in change.diff
    assert host.read["passwordauthentication"] == "no" and CONTENT not in host.text
    timer = "systemd-run --quiet --collect"
    assert host.told.index(timer) < host.told.index("systemctl reload ssh.service")
    assert host.kind().check().note == "" and Trial(host.system, "shop", host.path).open()
    assert host.put(host.confirmed()).note == "a new login has worked"
    assert host.text == CONTENT and list(host.run.iterdir()) == []
    assert "systemctl stop hawser-sshd-shop.timer" in host.told
    assert host.kind().check() is None and host.confirmed().check() is None


@pytest.mark.parametrize("end", ["fires", "boots"])
@pytest.mark.parametrize("former", [None, "PasswordAuthentication yes\n"])
def test_a_change_that_nobody_confirms_is_taken_back(host, end, former):
    if former:
        (host.parts / "00-hawser-shop.conf").write_text(former)
    host.put()
    assert host.read["passwordauthentication"] == "no"
    getattr(host, end)()
    assert host.read["passwordauthentication"] == "yes"
    with pytest.raises(Failure, match="was taken back: nobody had confirmed it in time"):
        host.confirmed().apply(None)
    assert host.read["passwordauthentication"] == "yes"
    if end == "fires":
        assert host.text == (former.encode() if former else None)
        assert "reload ssh.service" in (host.folder / "systemctl").read_text()
    # The next run makes it again.
    host.put()
    host.put(host.confirmed())
    assert host.text == CONTENT


def test_a_second_try_before_the_first_is_confirmed_goes_back_to_what_was_before_both(host):
    (host.parts / "00-hawser-shop.conf").write_text("PasswordAuthentication yes\n")
    host.put()
    host.put()
    host.fires()
    assert host.text == b"PasswordAuthentication yes\n"


def test_settings_that_sshd_refuses_are_taken_back_before_it_reads_them(host):
    host.refuses = "line 1: Bad configuration option"
    with pytest.raises(Failure, match="sshd refuses its settings"):
        host.put()
    assert host.text is None and host.read["passwordauthentication"] == "yes"
    assert "systemctl reload ssh.service" not in host.told


def test_a_file_that_comes_first_is_named_and_nothing_is_changed(host):
    host.main.write_text(f"PasswordAuthentication yes\nInclude {host.parts}/*.conf\n")
    with pytest.raises(Failure, match=r"PasswordAuthentication is 'yes' and not no: .*config, line 1, comes first"):
        host.put()
    assert host.text is None and list(host.run.iterdir()) == []


def test_a_file_that_comes_first_later_on_is_told(host):
    host.put()
    host.put(host.confirmed())
    (host.parts / "00-a.conf").write_text("PasswordAuthentication yes\n")
    with pytest.raises(Failure, match=r"00-a\.conf, line 1, comes first; next: take that line away"):
        host.kind().check()


def test_what_a_cloud_image_says_later_does_not_count(host):
    (host.parts / "50-cloud-init.conf").write_text("PasswordAuthentication yes\n")
    host.put()
    host.put(host.confirmed())
    assert host.read["passwordauthentication"] == "no"


def test_a_host_that_lets_root_in_never_stays_so(host):
    (host.parts / "50-own.conf").write_text("PermitRootLogin no\n")
    host.put()
    host.put(host.confirmed())
    assert host.read["permitrootlogin"] == "no" and b"PermitRootLogin" not in host.text


def test_sshd_that_does_not_read_the_folder_is_left_alone_with_what_to_do(host):
    host.main.write_text("UsePAM yes\n")
    with pytest.raises(Failure, match=r"does not include .*; next: write `Include .*_config\.d/\*\.conf` at its top"):
        host.kind().check()
    host.main.write_text(f"Match User guest\nInclude {host.parts}/*.conf\n")
    with pytest.raises(Failure, match="does not include"):
        host.kind().check()


def test_sshd_that_cannot_be_told_has_nothing_changed(host):
    host.active = []
    with pytest.raises(Failure, match=r"none of ssh\.service, sshd\.service runs"):
        host.put()
    assert host.text is None


def test_without_settings_the_file_goes_and_nothing_is_done_where_it_never_was(host):
    assert host.kind([]).check() is None
    host.put()
    host.put(host.confirmed())
    assert "-PasswordAuthentication no" in host.put(host.kind([])).diff
    assert host.text is None and host.read["passwordauthentication"] == "yes"
    assert host.kind([]).check() is None


def test_a_host_tells_what_holds_and_who_says_so(host):
    text = "PasswordAuthentication yes\nMatch User guest\nPermitRootLogin yes\n"
    (host.parts / "50-cloud-init.conf").write_text(text)
    asked = {"application": "shop", "path": host.path, "keywords": ["PasswordAuthentication", "PermitRootLogin"]}
    said = validated(sshd.state(host.system, **asked), "sshd.state", **asked)
    assert said["holds"] == DEFAULTS and not said["trial"] and not said["trouble"]
    assert [(each["number"], each["value"], each["match"]) for each in said["lines"]] == [
        (1, "yes", ""),
        (3, "yes", "User guest"),
    ]
    host.put()
    assert sshd.state(host.system, **asked)["trial"]

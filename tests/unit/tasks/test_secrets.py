"""What is typed about secrets: who can read them, and how they are changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fabric.config import Config

from hawser.secrets import in_file
from hawser.session.session import Session
from hawser.tasks import plans

PROJECT = Path(__file__).resolve().parents[3]
SETTINGS = """
[app]
name = "shop"
repo = "."
[env]
required = ["STRIPE_KEY"]
generated = ["SECRET_KEY"]
[env.variables]
STRIPE_KEY = "{{ secrets.STRIPE_KEY }}"
SECRET_KEY = "{{ secrets.SECRET_KEY }}"
[secrets]
sources = ["age"]
[processes.web]
command = "web"
port = 8001
[hosts]
web1 = { address = "127.0.0.1", port = 1 }
"""
Fab = Callable[..., tuple[int, str]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project whose secrets are encrypted for one key, which is that of this machine."""
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/shop.toml").write_text(SETTINGS)
    (tmp_path / "fabfile.py").write_text("from hawser import namespace as ns\n")
    ssh = tmp_path / "home/.ssh"
    ssh.mkdir(parents=True)
    for path, name in ((ssh / "id_ed25519", "ada"), (tmp_path / "bob", "bob")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return tmp_path


@pytest.fixture
def fab(shop: Path) -> Fab:
    def fab(*words: str, **variables: str) -> tuple[int, str]:
        argv = [sys.executable, "-c", "from hawser.program import main; main()", "-H", "shop", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HAWSER_", "XDG_"))}
        environ = {**kept, "HOME": str(shop / "home"), "PYTHONPATH": str(PROJECT), **variables}
        done = subprocess.run(argv, cwd=shop, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return fab


def test_the_secrets_of_a_plain_file_become_an_encrypted_one(shop, fab):
    plain = shop / "hosts/shop.env"
    plain.write_text("STRIPE_KEY=sk_live_1\n")
    plain.chmod(0o600)
    assert "nobody yet; fab -H shop secrets.recipients --add ~/.ssh/id_ed25519.pub" in fab("secrets.recipients")[1]
    code, said = fab("secrets.recipients", "--add", "~/.ssh/id_ed25519.pub")
    assert code == 0 and "shop.env.age is encrypted for ada (ssh-ed25519 …" in said
    assert "it holds what stands in shop.env, which is not read any more: remove that file" in said
    plain.unlink()
    code, said = fab("secrets.recipients")
    assert code == 0 and "ada" in said and "yes" in said
    code, said = fab("secrets.edit", EDITOR="sed -i s/sk_live_1/sk_live_2/")
    assert code == 0 and "changed in shop.env.age: STRIPE_KEY; commit it" in said
    assert "sk_live" not in said and b"sk_live" not in (shop / "hosts/shop.env.age").read_bytes()
    code, said = fab("secrets.edit", EDITOR="cat")
    assert "STRIPE_KEY=sk_live_2" in said and "nothing was changed in shop.env.age" in said


def test_whoever_is_removed_still_knows_the_secrets_and_this_is_said(shop, fab):
    fab("secrets.recipients", "--add", "~/.ssh/id_ed25519.pub")
    before = (shop / "hosts/shop.env.age").read_bytes()
    code, said = fab("--dry", "secrets.recipients", "--add", "bob.pub")
    assert "would encrypt shop.env.age for bob" in said and (shop / "hosts/shop.env.age").read_bytes() == before
    assert fab("secrets.recipients", "--add", "bob.pub")[0] == 0
    code, said = fab("secrets.recipients", "--remove", "bob")
    assert code == 0 and "is encrypted without bob" in said and "still knows the values of before" in said
    code, said = fab("secrets.recipients", "--remove", "bob")
    assert code == 2 and "bob is none of those who can read shop.env.age\n  next: one of: ada" in said
    code, said = fab("secrets.recipients", "--remove", "ada")
    assert code == 2 and "you could not read it any more yourself" in said


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("home/.ssh/id_ed25519", "that is a private key, which nobody else may see"),
        ("nobody@example.org", "that is no public key that age encrypts for\n  next: a line of `ssh-ed25519 …`"),
        ("hosts/shop.toml", "that is no public key that age encrypts for"),
    ],
)
def test_what_is_no_public_key_is_refused(shop, fab, typed, message):
    code, said = fab("secrets.recipients", "--add", typed)
    assert code == 2 and message in said
    assert not (shop / "hosts/shop.env.age").exists()


def test_secrets_without_an_encrypted_file_say_how_there_is_one(shop, fab):
    (shop / "hosts/shop.toml").write_text(SETTINGS.replace('sources = ["age"]', ""))
    for task in ("secrets.edit", "secrets.recipients"):
        code, said = fab(task)
        assert code == 2 and 'next: for one, write sources = ["age"] into [secrets] of shop.toml' in said


def test_a_command_says_where_a_secret_is_missing(shop, fab):
    fab("secrets.recipients", "--add", "~/.ssh/id_ed25519.pub")
    code, said = fab("deploy")
    assert code == 2 and "hosts/shop.env.age: STRIPE_KEY: is missing (fab -H shop secrets.edit" in said


def test_check_without_hosts_asks_no_source(shop, fab):
    text = SETTINGS.replace('sources = ["age"]', 'sources = ["command"]\ncommand = ["touch", "asked"]')
    (shop / "hosts/shop.toml").write_text(text)
    code, said = fab("check", "--offline")
    assert code == 0 and "nothing is wrong" in said and not (shop / "asked").exists()
    code, said = fab("check")
    assert code == 1 and "STRIPE_KEY: is missing" in said and (shop / "asked").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('sources = ["command"]', 'secrets.sources: command needs secrets.command as in command = ["pass"'),
        ('sources = ["variables"]', 'secrets.sources: variables needs secrets.prefix as in prefix = "DEMO_"'),
        (
            'command = ["pass"]',
            'does not stand in secrets.sources sources = ["file", "command"]',
        ),
        ('prefix = ""', "secrets.prefix: is not asked: variables does not stand in secrets.sources"),
        ('sources = ["command"]\ncommand = ["{name}"]', "secrets.command[0]: must be the name of a program"),
        ("sources = []", "secrets.sources: must not be empty"),
        ('sources = ["file", "file"]', "stands here twice"),
        ('sources = ["vault"]', "secrets.sources"),
        ('sources = ["variables"]\nprefix = "A-"', "letters, digits and _"),
    ],
)
def test_settings_of_sources_that_contradict_each_other_are_refused(shop, fab, table, message):
    (shop / "hosts/shop.toml").write_text(SETTINGS.replace('sources = ["age"]', table))
    code, said = fab("check", "--offline")
    assert code == 1 and message in " ".join(said.split()), said


class TestCheck:
    def write(self, shop: Path, name: str, text: str) -> None:
        path = shop / f"hosts/{name}.env"
        path.write_text(text)
        path.chmod(0o600)

    def settings(self, shop: Path, name: str = "shop", **changes: str) -> None:
        text = SETTINGS.replace('sources = ["age"]', "")
        for before, after in changes.items():
            text = text.replace(f"{{ {{ secrets.{before} }} }}", after)
        (shop / f"hosts/{name}.toml").write_text(text)

    GOOD = "STRIPE_KEY=sk_live_51H8Yq2eZvKYlo2C\nSECRET_KEY=9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d\n"

    def test_good_secrets_are_no_finding(self, shop, fab):
        self.settings(shop)
        self.write(shop, "shop", self.GOOD)
        code, said = fab("secrets.check")
        assert code == 0 and "nothing is wrong with the secrets" in said

    def test_findings_end_with_1_and_show_no_value(self, shop, fab):
        self.settings(shop)
        text = (shop / "hosts/shop.toml").read_text()
        text = text.replace('required = ["STRIPE_KEY"]', 'required = ["STRIPE_KEY", "MAIL_KEY", "OLD_KEY", "GONE"]')
        text = text.replace("[env.variables]", '[env.variables]\nM = "{{ secrets.MAIL_KEY }}"')
        (shop / "hosts/shop.toml").write_text(text)
        same = "STRIPE_KEY=harbour-light\nMAIL_KEY=harbour-light\n"
        self.write(shop, "shop", f"{same}OLD_KEY=kT9vQ2xmZrWq\nMORE=kT9vQ2xmZrWx\n")
        code, said = fab("secrets.check", HAWSER_OUTPUT="plain", COLUMNS="400")
        assert code == 1
        lines = {line.split()[0]: line for line in said.splitlines() if line.split()}
        assert "GONE: is missing" in said or "hosts/shop.env: is missing" in lines["GONE"]
        assert "is generated, and missing in shop.env" in lines["SECRET_KEY"]
        assert "no setting and no template names it" in said and "OLD_KEY" in said
        assert "stands in shop.env, and shop.toml does not list it" in lines["MORE"]
        assert "has the same value as STRIPE_KEY" in said
        assert "harbour" not in said and "kT9vQ2" not in said

    def test_a_rotation_that_is_half_done_and_a_former_value_that_is_still_good_are_findings(self, shop, fab):
        self.settings(shop)
        coming = "STRIPE_KEY__NEXT=sk_live_71K9Zr3fALwMZp4D\n"
        # As at the start of one that keeps the former value: that is the same still.
        former = "SECRET_KEY__FORMER=9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d\n"
        self.write(shop, "shop", self.GOOD + coming + former)
        code, said = fab("secrets.check", HAWSER_OUTPUT="plain", COLUMNS="400")
        assert code == 1 and "2 findings" in said and "sk_live" not in said and "9b1deb4d" not in said
        lines = {line.split()[0]: line for line in said.splitlines() if line.split()}
        assert "a rotation is half done" in lines["STRIPE_KEY"] and "secrets.rotate STRIPE_KEY" in lines["STRIPE_KEY"]
        assert "its former value is still good" in lines["SECRET_KEY"] and "--end-former" in lines["SECRET_KEY"]
        assert fab("secrets.check", "--accept", "STRIPE_KEY,SECRET_KEY")[0] == 0

    def test_a_secret_that_is_the_same_in_staging_is_found_and_may_be_accepted(self, shop, fab):
        self.settings(shop)
        self.settings(shop, "staging")
        self.write(shop, "shop", self.GOOD)
        self.write(shop, "staging", self.GOOD.replace("9b1deb4d", "7c1deb4d"))
        code, said = fab("secrets.check")
        assert code == 1 and "is the same in staging" in said and "1 finding" in said
        assert "sk_live" not in said and "9b1deb4d" not in said
        assert fab("secrets.check", "--accept", "STRIPE_KEY")[0] == 0

    def test_an_environment_whose_secrets_cannot_be_read_is_named(self, shop, fab):
        self.settings(shop)
        self.write(shop, "shop", self.GOOD)
        (shop / "hosts/staging.toml").write_text(SETTINGS)
        (shop / "hosts/staging.env.age").write_text("nonsense")
        code, said = fab("secrets.check")
        why = "hosts/staging.env.age: is no file that age has encrypted"
        assert code == 0 and f"not compared with staging: {why}" in said


def test_a_plan_that_is_looked_at_again_asks_no_source_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))
    monkeypatch.setattr(plans, "signer_of", lambda session: SimpleNamespace(digest=None))
    monkeypatch.setattr(plans.Plan, "of", lambda *arguments: None)
    asked = []
    session = Session(Config(), ["shop"], "apply", perform=lambda look, tasks: asked.append(look.sources))
    session.sources = in_file(tmp_path / "shop.env")
    plans.refuse_changed(session, SimpleNamespace(tasks=(), changed_since=lambda now: []), "plan.json")
    assert asked == [session.sources] and asked[0] is session.sources

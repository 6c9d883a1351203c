"""Keys of SSH and of age, made once; an environment in a folder of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from hawser import children
from hawser.inventory import Environment
from hawser.secrets.age import identities
from hawser.secrets.sources.age import AgeFile

PASSPHRASE = "open sesame"


@dataclass(frozen=True)
class Key:
    """A private key in a file, and its public half."""

    path: Path
    public: str

    @property
    def private(self) -> str:
        return self.path.read_text()


def ssh_key(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "") -> Key:
    path = folder / name
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", str(path)]
    subprocess.run([*argv, *(["-b", "2048"] if kind == "rsa" else [])], check=True)
    return Key(path, path.with_suffix(".pub").read_text().strip())


def age_key(folder: Path, name: str) -> Key:
    made = pyrage.x25519.Identity.generate()
    path = folder / name
    path.write_text(f"# public key: {made.to_public()}\n{made}\n")
    path.chmod(0o600)
    return Key(path, str(made.to_public()))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    """Of several people and CI."""
    folder = tmp_path_factory.mktemp("keys")
    return {
        "ada": ssh_key(folder, "ada"),
        "bob": ssh_key(folder, "bob", "rsa"),
        "eve": ssh_key(folder, "eve"),
        "locked": ssh_key(folder, "locked", passphrase=PASSPHRASE),
        "ci": age_key(folder, "ci"),
    }


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of this machine, and nothing that another test has left."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in (identities.KEY, identities.FILE, "XDG_CONFIG_HOME", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(children, "_withheld", {})
    monkeypatch.setattr(identities, "_opened", {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts").mkdir()
    return Path("hosts")


@pytest.fixture
def be(tmp_path: Path, keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Be the one whose key this machine has from now on."""

    def be(name: str) -> None:
        monkeypatch.setenv(identities.FILE, str(keys[name].path))

    return be


@pytest.fixture
def source(folder: Path) -> AgeFile:
    return AgeFile(folder / "shop.env.age", "shop")


@pytest.fixture
def environment() -> Environment:
    """An environment with secrets in an encrypted file."""
    return Environment.model_validate(
        {
            "name": "shop",
            "app": {"name": "shop", "repo": "."},
            "env": {"required": ["STRIPE_KEY"], "generated": ["SECRET_KEY"]},
            "secrets": {"sources": ["age"]},
        }
    )

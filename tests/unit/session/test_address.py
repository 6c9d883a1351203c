"""How a host is reached, by the settings and by what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.program import Settings
from hawser.secrets import Secrets, in_file
from hawser.session.session import Session

SHOP = """
[app]
name = "shop"
repo = "."
[ssh]
user = "deploy"
sudo_password = "SUDO"
[hosts.web1]
address = "192.0.2.1"
"""


@pytest.mark.parametrize(("typed", "used"), [({}, "of the secrets"), ({"password": "typed"}, "typed")])
def test_a_password_that_was_asked_for_goes_before_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: dict[str, str], used: str
) -> None:
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))
    (tmp_path / "shop.toml").write_text(SHOP)
    session = Session(Settings(overrides={"sudo": typed}), ["web1"], "status")
    session._secrets = Secrets("shop", in_file(tmp_path / "shop.env"), {"SUDO": "of the secrets"})
    assert session.address("web1").sudo_password == used

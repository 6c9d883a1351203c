"""Secrets in the variables of this process, as CI sets them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fabric.config import Config

from hawser.children import inherited
from hawser.errors import InputErrors
from hawser.inventory import Environment
from hawser.secrets import load_secrets, sources_of
from hawser.secrets.sources.process import Variables
from hawser.session.session import Session


@pytest.fixture
def environment() -> Environment:
    return Environment.model_validate(
        {
            "name": "shop",
            "app": {"name": "shop", "repo": "."},
            "env": {"required": ["STRIPE_KEY"], "generated": ["SECRET_KEY"]},
            "secrets": {"sources": ["variables"], "prefix": "SHOP_"},
        }
    )


def test_variables_with_the_prefix_are_secrets(monkeypatch):
    monkeypatch.setenv("SHOP_A", "alpha")
    monkeypatch.setenv("A", "of something else")
    assert Variables("SHOP_", ["A", "B"]).ask(["A", "B"]).values == {"A": "alpha"}
    assert Variables("", ["A"]).ask(["A"]).values == {"A": "of something else"}


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("SHOP_A", "")
    assert Variables("SHOP_", ["A"]).ask(["A"]).values == {}


def test_no_program_inherits_them_and_a_second_look_finds_them(monkeypatch):
    monkeypatch.setenv("SHOP_A", "hunter22")
    assert (
        Variables("SHOP_", ["A"]).ask(["A"]).values == Variables("SHOP_", ["A"]).ask(["A"]).values == {"A": "hunter22"}
    )
    assert "SHOP_A" not in inherited()
    argv = [sys.executable, "-c", "import os; print(sorted(os.environ), os.environ.values())"]
    assert "hunter22" not in subprocess.run(argv, capture_output=True, text=True).stdout


def test_a_run_takes_them_away_when_it_knows_its_environment(tmp_path, monkeypatch):
    text = '[app]\nname = "shop"\nrepo = "."\n[env]\nrequired = ["A"]\n[hosts]\nweb1 = {}\n'
    (tmp_path / "shop.toml").write_text(f'{text}[secrets]\nsources = ["variables", "age"]\nprefix = "SHOP_"\n')
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))
    monkeypatch.setenv("SHOP_A", "hunter22")
    monkeypatch.setenv("HAWSER_AGE_KEY", "AGE-SECRET-KEY-1")
    session = Session(Config(), ["shop"], "status")
    assert session.environment.name == "shop"
    assert not {"SHOP_A", "HAWSER_AGE_KEY"} & set(inherited())
    assert session.secrets.values == {"A": "hunter22"}


def test_a_variable_that_is_missing_is_named(environment, folder, monkeypatch):
    monkeypatch.setenv("SHOP_SECRET_KEY", "abcdefgh")
    with pytest.raises(InputErrors) as caught:
        load_secrets(environment, sources_of(environment, folder))
    assert [str(each) for each in caught.value.problems] == [
        "the variables SHOP_…: STRIPE_KEY: is missing (set the variable SHOP_STRIPE_KEY)"
    ]


def test_a_placeholder_in_a_variable_is_refused(environment, folder, monkeypatch):
    monkeypatch.setenv("SHOP_STRIPE_KEY", "changeme-please")
    with pytest.raises(InputErrors, match="STRIPE_KEY: still holds a placeholder"):
        load_secrets(environment, sources_of(environment, folder))


def test_a_generated_secret_that_ci_lacks_is_named_with_the_way_to_make_it(environment, folder, monkeypatch):
    monkeypatch.setenv("SHOP_STRIPE_KEY", "sk_live_1")
    secrets = load_secrets(environment, sources_of(environment, folder))
    with pytest.raises(InputErrors, match="SECRET_KEY: is missing, and Hawser cannot write it there"):
        secrets.require_generated()

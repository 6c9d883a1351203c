"""Which secrets somebody could guess, which nothing needs, which stand in two places."""

from __future__ import annotations

import pytest

from hawser.inventory import Environment
from hawser.secrets.judging import MADE, shared, twins, used_names, weakness
from hawser.secrets.making import FORMATS


class TestGuessing:
    @pytest.mark.parametrize("form", FORMATS)
    def test_what_hawser_makes_is_never_weak(self, form):
        for _each in range(200):
            assert weakness(FORMATS[form](), generated=True) == ""
            assert weakness(FORMATS[form](), generated=False) == ""
        assert MADE.fullmatch(FORMATS[form]())

    @pytest.mark.parametrize(
        "value",
        [
            "kT9#vQ2x!mZr",
            "9b1deb4d3b7d4bad9bdd2b0d",
            "correct horse battery staple",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "-----BEGIN OPENSSH PRIVATE KEY-----\naaaa\n-----END OPENSSH PRIVATE KEY-----\n",
            "postgresql://shop:kT9%23vQ2x!mZr@db.internal/shop",
            "https://hooks.chat.internal/services/T0/B0/XXabXXab",
            "sk_live_51H8Yq2eZvKYlo2CkTzQpXyW",
        ],
    )
    def test_what_nobody_guesses_is_not_weak(self, value):
        assert weakness(value, generated=False) == ""

    @pytest.mark.parametrize(
        "value",
        [
            "password",
            "Passw0rd2024",
            "django-insecure-abc",
            "your-api-key-here",
            "<the token>",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "1234567890123456",
            "s3cr3t",
            "qwertyuiop",
            "postgresql://shop:shop@db.internal/shop",
            "redis://:password@10.0.0.2",
            "harbour",
        ],
    )
    def test_what_is_soon_tried_is_weak_and_the_reason_shows_nothing_of_it(self, value):
        why = weakness(value, generated=False)
        assert why and value not in why

    def test_a_generated_secret_that_somebody_has_written_is_judged(self):
        assert weakness("harbour", generated=True)


class TestUse:
    def made(self, **more: object) -> Environment:
        return Environment.model_validate(
            {
                "name": "shop",
                "app": {"name": "shop", "repo": ".", "token": "REPO_TOKEN"},
                "env": {
                    "required": ["A", "B", "C", "D"],
                    "generated": ["E"],
                    "formats": {"E": "hex"},
                    "dotenv": ".env",
                    "dotenv_keys": ["D"],
                    "variables": {"A": "{{ secrets.A }}"},
                },
                **more,
            }
        )

    def test_what_settings_templates_and_keys_name_is_used(self):
        used = used_names(self.made(), ["token = {{ secrets['B'] }}", "{{ nothing }}"])
        assert used == {"A", "B", "D", "REPO_TOKEN"}

    def test_what_a_rule_names_is_used(self):
        rules = [{"that": "secrets.C != secrets.E", "message": "two"}]
        assert {"C", "E"} <= used_names(self.made(rules=rules), [])

    def test_a_template_that_works_out_names_uses_all(self):
        text = "{% for name in ['A', 'C'] %}{{ secrets[name] }}{% endfor %}"
        assert used_names(self.made(), [text]) == {"A", "B", "C", "D", "E", "REPO_TOKEN"}

    def test_a_text_that_is_no_template_names_nothing(self):
        assert "C" not in used_names(self.made(), ["{% broken secrets.C"])


def test_two_names_with_one_value_are_a_pair():
    assert list(twins({"A": "alpha", "B": "beta", "C": "alpha"})) == [("A", "C")]


def test_the_same_value_in_two_environments_is_found_under_any_name():
    found = list(shared({"A": "alpha", "B": "beta"}, {"A": "alpha", "X": "beta", "Y": "other"}))
    assert found == [("A", "A"), ("B", "X")]

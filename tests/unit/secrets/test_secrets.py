from __future__ import annotations

import base64
import json
import logging
import os
import re
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args
from urllib.parse import quote, quote_plus

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from hawser.errors import InputErrors
from hawser.inventory import Environment
from hawser.inventory.checks.values import check_secrets
from hawser.inventory.tables.app import SIGNING_KEY, SecretFormat
from hawser.runner.masks import MASK, mask
from hawser.secrets import (
    FORMATS,
    Secrets,
    in_file,
    kept_secrets,
    load_secrets,
    reconcile_generated,
    sources_of,
)


@pytest.fixture
def load(folder: Path) -> Callable[..., Secrets]:
    def load(text: str | None, required: list[str] = [], generated: list[str] = [], mode: int = 0o600) -> Secrets:  # noqa: B006
        environment = Environment.model_validate(
            {
                "name": "shop",
                "app": {"name": "shop", "repo": "."},
                "env": {"required": required, "generated": generated},
            }
        )
        path = folder / "shop.env"
        if text is not None:
            path.write_text(text)
            path.chmod(mode)
        return load_secrets(environment, sources_of(environment, folder))

    return load


@pytest.fixture
def complain(load) -> Callable[..., list[str]]:
    def complain(*args: object, **more: object) -> list[str]:
        with pytest.raises(InputErrors) as caught:
            load(*args, **more)
        assert caught.value.code == 2
        return [str(problem) for problem in caught.value.problems]

    return complain


class TestReading:
    def test_secrets_that_are_listed_are_read_and_the_rest_is_left(self, load):
        secrets = load("A=alpha\nB='b e t a'\nexport C=gamma # why\n\n# D=delta\nE=other\n", ["A", "B", "C"])
        assert secrets.values == {"A": "alpha", "B": "b e t a", "C": "gamma"}

    def test_a_variable_within_a_secret_is_not_replaced(self, load, monkeypatch):
        monkeypatch.setenv("HOME", "/root")
        assert load('A=x${HOME}$A\nB="y${A}"', ["A", "B"]).values == {"A": "x${HOME}$A", "B": "y${A}"}

    def test_a_key_of_several_lines_is_read(self, load):
        key = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"
        assert load(f'KEY="{key}"\n', ["KEY"]).values == {"KEY": key}

    def test_a_byte_order_mark_before_secrets_is_understood(self, load):
        assert load("\ufeffA=alpha", ["A"]).values == {"A": "alpha"}

    def test_no_file_is_needed_where_there_are_no_secrets(self, load):
        assert load(None).values == {}

    def test_the_example_of_secrets_is_never_read(self, folder, complain):
        (folder / "shop.env.example").write_text("A=alpha")
        assert complain(None, ["A"]) == ["hosts/shop.env: A: is missing (add A=… to hosts/shop.env)"]

    def test_all_secrets_that_are_missing_are_named(self, complain):
        assert complain("B=beta\nSTRIPE_KYE=x", ["A", "B", "STRIPE_KEY"]) == [
            "hosts/shop.env: A: is missing (add A=… to hosts/shop.env)",
            "hosts/shop.env: STRIPE_KEY: is missing (did you mean STRIPE_KYE?)",
        ]

    def test_a_generated_secret_that_is_missing_is_left_to_the_caller(self, load):
        secrets = load("A=alpha", ["A"], ["B", "C"])
        assert secrets.missing_generated == ("B", "C")
        with pytest.raises(InputErrors) as caught:
            secrets.require_generated()
        assert [str(problem) for problem in caught.value.problems] == [
            f"hosts/shop.env: {name}: is generated, and missing here (fab -H shop secrets.pull; "
            "if no host was set up yet: bootstrap)"
            for name in ("B", "C")
        ]

    def test_a_run_goes_on_when_every_generated_secret_is_there(self, load):
        load("B=beta", [], ["B"]).require_generated()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=", "hosts/shop.env: A: is empty (write the real one)"),
        ("A", "hosts/shop.env: A: is empty (write the real one)"),
        ("A=CHANGEME", "hosts/shop.env: A: still holds a placeholder (write the real one)"),
        ("A=please-changeme-now", "hosts/shop.env: A: still holds a placeholder (write the real one)"),
        ("A=REPLACEME", "hosts/shop.env: A: still holds a placeholder (write the real one)"),
        (
            "A=abc",
            "hosts/shop.env: A: is shorter than 4 characters: masking it would blank out half of every output "
            "(write the real one)",
        ),
        (
            "A=abc\0def",
            "hosts/shop.env: A: contains a NUL character, which no file, environment or argument can carry "
            "(write the real one)",
        ),
        ("A=alpha\nA=beta", "hosts/shop.env:2: A: stands here twice (remove one of the two)"),
        ("A=alpha\nB=x" + " " * 65_536 + "y", "hosts/shop.env:2: is longer than 65536 characters"),
        ("A=alpha\n\n\n'B", "hosts/shop.env:4: is no line of the form NAME=value"),
        ("A='alpha\n", "hosts/shop.env:1: is no line of the form NAME=value"),
    ],
    ids=[
        "an empty one",
        "one without a value",
        "a placeholder",
        "a placeholder within a value",
        "another placeholder",
        "one too short to be masked",
        "one with a NUL character",
        "one that stands there twice",
        "a line without measure",
        "a line that is none",
        "an open quote",
    ],
)
def test_a_secret_that_cannot_be_used_is_refused(complain, text, message):
    assert message in complain(text, ["A"])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused(complain, mode):
    assert complain("A=alpha", ["A"], mode=mode) == [
        f"hosts/shop.env: its mode {mode:04o} lets others read the secrets (chmod 600 hosts/shop.env)"
    ]


def test_a_file_that_is_no_text_is_refused(folder, complain):
    (folder / "shop.env").write_bytes(b"A=\xff")
    (folder / "shop.env").chmod(0o600)
    assert "hosts/shop.env: is not UTF-8 (byte 2)" in complain(None, ["A"])


def test_no_message_and_no_log_shows_a_value(complain, caplog):
    caplog.set_level(logging.DEBUG)
    shown = complain("A=hunter2\nA=hunter2\nB='hunter2\nhunter2 hunter2", ["A", "B"])
    assert "hunter2" not in "".join(shown) + caplog.text


def test_secrets_show_their_names_only(load):
    secrets = load("A=hunter2", ["A"])
    assert "hunter2" not in f"{secrets} {secrets!r} {secrets.values} {secrets.values!r} {[secrets.values]}"
    assert repr(secrets) == "Secrets(shop: <A>)"


class TestMaking:
    def test_made_secrets_are_appended_to_the_file_that_only_its_owner_may_read(self, folder, load):
        secrets = load("A=alpha", ["A"], ["B", "C"])
        made = secrets.generate(secrets.missing_generated)
        path = folder / "shop.env"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().startswith("A=alpha\nB=")
        assert load(None, ["A"], ["B", "C"]).values == made.values
        assert len(made.values["B"]) >= 43
        assert made.values["B"] != made.values["C"]
        assert made.missing_generated == ()

    @pytest.mark.parametrize(
        ("form", "looks"),
        [
            ("token", r"[A-Za-z0-9_-]{64}"),
            ("hex", r"[0-9a-f]{64}"),
            ("sha256", r"[0-9a-f]{64}"),
            ("uuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            ("base64", r"[A-Za-z0-9+/]{43}="),
            ("alphanumeric", r"[A-Za-z0-9]{50}"),
        ],
    )
    def test_a_secret_is_made_in_its_format(self, folder, form, looks):
        secrets = Secrets("shop", in_file(folder / "shop.env"), {}, ["A", "B"], {"A": form})
        made = secrets.generate(["A", "B"]).values
        assert re.fullmatch(looks, made["A"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{64}", made["B"])
        assert made["A"] != secrets.make("A")
        assert set(FORMATS) == set(get_args(SecretFormat))

    def test_a_made_secret_is_read_back_unchanged(self, folder):
        made = Secrets("shop", in_file(folder / "shop.env"), {}, ["A"], {"A": "base64"}).generate(["A"]).values
        kept = dotenv_values(folder / "shop.env")
        assert kept == made

    def test_the_file_of_secrets_is_made_with_them(self, folder, load):
        load(None, [], ["B"]).generate(["B"])
        assert (folder / "shop.env").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in folder.iterdir()] == ["shop.env"]

    def test_a_line_without_a_value_gets_the_made_secret(self, folder, load):
        load("B=\nA=alpha\n", ["A"], ["B"]).generate(["B"])
        assert (folder / "shop.env").read_text().startswith("A=alpha\nB=")
        assert load(None, ["A"], ["B"]).missing_generated == ()

    def test_a_secret_that_another_run_made_in_the_meantime_is_kept(self, folder, load):
        first, second = load(None, [], ["B"]), load(None, [], ["B"])
        assert first.generate(["B"]).values == second.generate(["B"]).values

    def test_many_who_make_a_secret_at_once_keep_one_value(self, folder, load):
        made: list[str] = []
        secrets = load(None, [], ["B"])
        threads = [threading.Thread(target=lambda: made.append(secrets.generate(["B"]).values["B"])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 8
        assert set(made) == {dotenv_values(folder / "shop.env")["B"]}

    def test_made_secrets_are_written_through_a_link(self, folder, tmp_path, load):
        (tmp_path / "private").mkdir()
        (folder / "shop.env").symlink_to(tmp_path / "private/shop.env")
        load(None, [], ["B"]).generate(["B"])
        assert (folder / "shop.env").is_symlink()
        assert (tmp_path / "private/shop.env").read_text().startswith("B=")

    def test_only_secrets_that_are_listed_as_generated_are_made(self, load):
        with pytest.raises(ValueError, match="not listed"):
            load("A=alpha", ["A"], ["B"]).generate(["A"])

    def test_a_file_of_secrets_that_cannot_be_written_is_told(self, load, monkeypatch):
        def refuse(*args: object) -> int:
            raise PermissionError(13, "Permission denied")

        secrets = load(None, [], ["B"])
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(InputErrors, match=r"hosts/shop\.env: cannot be written: permission denied"):
            secrets.generate(["B"])


def secrets_of(*values: str) -> Secrets:
    return Secrets("shop", in_file(Path("shop.env")), {f"S{number}": value for number, value in enumerate(values)})


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=4, max_size=40)


class TestMasking:
    @given(VALUES)
    def test_the_mask_covers_every_way_to_write_a_value(self, value):
        values = secrets_of(value).mask_values()
        for form in (
            value,
            json.dumps(value),
            json.dumps(value, ensure_ascii=False),
            quote(value),
            quote(value, safe=""),
            quote_plus(value),
            base64.b64encode(value.encode()).decode(),
            base64.urlsafe_b64encode(value.encode()).decode(),
            shlex.quote(value),
            repr(value),
            value.replace("%", "%%"),
            json.dumps(shlex.quote(value)),
        ):
            # What is left are the quotes around it, and the padding after it.
            assert set(mask(form, values)) <= set("*\"'\\=")

    @given(VALUES, VALUES, st.text(max_size=10), st.text(max_size=10))
    def test_the_mask_leaves_no_value_in_any_text(self, one, two, before, after):
        values = secrets_of(one, two).mask_values()
        masked = mask(before + one + two + after, values)
        assert not any(value in piece for value in (one, two) for piece in masked.split(MASK))

    def test_the_mask_covers_each_long_line_of_a_key(self):
        values = secrets_of("-----BEGIN-----\n  0123456789\nabc\n").mask_values()
        assert mask("+  0123456789\n+abc", values) == f"+  {MASK}\n+abc"

    def test_the_mask_prefers_the_longest_secret(self):
        assert mask("abcdef", ("abc", "abcdef")) == MASK

    def test_the_mask_covers_both_of_two_secrets_that_overlap(self):
        assert mask("xabcdefx", ("abcd", "cdef")) == f"x{MASK}x"

    def test_the_mask_leaves_everything_else(self):
        assert mask("nothing here", secrets_of("secret").mask_values()) == "nothing here"

    @given(st.text("ab", max_size=60), st.text("ab", min_size=1, max_size=12))
    def test_the_mask_hides_every_place_where_a_value_is(self, text, value):
        places = [start for start in range(len(text)) if text.startswith(value, start)]
        covered = {each for start in places for each in range(start, start + len(value))}
        left = "".join(character for each, character in enumerate(text) if each not in covered)
        assert mask(text, (value,)).replace(MASK, "") == left

    @pytest.mark.parametrize("value", ["a" * 10_000, "ab" * 5_000, "a" * 5_000 + "b" + "a" * 5_000])
    def test_the_mask_takes_no_longer_for_a_value_that_repeats_itself(self, value):
        began = time.thread_time()
        assert set(mask(value * 40, (value,))) <= {"*"}
        assert time.thread_time() - began < 1

    def test_the_mask_changes_nothing_without_secrets(self):
        assert mask("text", secrets_of().mask_values()) == "text"

    def test_mask_values_are_listed_with_the_longest_first(self):
        lengths = [len(value) for value in secrets_of("a b%c'", "ß@:/xyz").mask_values()]
        assert lengths == sorted(lengths, reverse=True)


class TestTheFingerprint:
    def test_the_fingerprint_is_the_same_for_the_same_secrets_in_any_order(self):
        one = Secrets("shop", in_file(Path("a")), {"A": "alpha", "B": "beta"})
        two = Secrets("shop", in_file(Path("b")), {"B": "beta", "A": "alpha"})
        assert one.fingerprint("shop") == two.fingerprint("shop")

    def test_the_fingerprint_differs_with_the_value_the_name_and_the_salt(self):
        prints = {
            Secrets("shop", in_file(Path("a")), values).fingerprint(salt)
            for values, salt in (({"A": "xxxx"}, "s"), ({"A": "yyyy"}, "s"), ({"B": "xxxx"}, "s"), ({"A": "xxxx"}, "t"))
        }
        assert len(prints) == 4
        assert all(len(found) == 64 and int(found, 16) for found in prints)

    def test_the_fingerprint_is_worked_out_once(self, monkeypatch):
        secrets = secrets_of("alpha")
        first = secrets.fingerprint("shop")
        monkeypatch.setattr("hashlib.scrypt", None)
        assert secrets.fingerprint("shop") == first


class TestFetching:
    def test_secrets_that_are_missing_here_are_fetched_from_a_host_that_has_them(self, load):
        known = load("A=alpha", [], ["A", "B"])
        assert reconcile_generated(known, {"web1": {}, "web2": {"A": "alpha", "B": "beta"}}) == {"B": "beta"}

    def test_no_secret_is_fetched_where_none_is_missing(self, load):
        assert reconcile_generated(load("A=alpha", [], ["A"]), {"web1": {"A": "alpha"}}) == {}

    def test_all_secrets_that_hosts_disagree_about_are_named(self, load):
        known = load("A=alpha", [], ["A", "B", "C"])
        with pytest.raises(InputErrors) as caught:
            reconcile_generated(known, {"web1": {"A": "other", "B": "one"}, "web2": {"A": "other", "B": "two"}})
        assert [str(problem) for problem in caught.value.problems] == [
            "hosts/shop.env: A: is not the one that web1, web2 was set up with (to bring yours to the hosts: "
            "fab -H shop bootstrap deploy; to take theirs: remove the line here)",
            "hosts/shop.env: B: web1, web2 were set up with different ones (write the right one here, then: "
            "fab -H shop bootstrap)",
            "hosts/shop.env: C: is missing, and no host has it either (fab -H shop bootstrap)",
        ]

    def test_a_fetched_secret_that_needs_quotes_is_kept_as_it_is(self, load):
        hard = "a 'b' \"c\" $d \\ # %"
        load("A=alpha", ["A"], ["B", "C"]).keep({"B": hard, "C": "simple-1"})
        assert load(None, ["A"], ["B", "C"]).values == {"A": "alpha", "B": hard, "C": "simple-1"}


class TestWhatAHostSays:
    @pytest.mark.parametrize("text", ["[]", "1", "{", '"x"', "[" * 100_000, "null", 7, "1" * 6000])
    def test_a_record_of_secrets_that_is_none_is_refused_by_name(self, text):
        with pytest.raises(InputErrors, match=r"web1: secrets\.json: is no record of secrets"):
            kept_secrets("web1", text, ["A"], "demo/web1")

    @pytest.mark.parametrize("value", [1, None, ["x"], "", "abc", "a\0bcd", "changeme", "x" * 4097, "\ud800abcdef"])
    def test_a_secret_of_a_host_that_is_none_is_refused_by_name(self, value):
        with pytest.raises(InputErrors, match=r"web1: secrets\.json: A: "):
            kept_secrets("web1", json.dumps({"A": value}), ["A"], "demo/web1")

    @pytest.mark.parametrize("value", ["${HOME}aa", "abcd\\", "${HOME}aa\\"])
    def test_a_secret_that_a_line_cannot_hold_is_not_written_as_something_else(self, load, value):
        known = load("", [], ["A"])
        kept = {"web1": kept_secrets("web1", json.dumps({"A": value}), ["A"], "demo/web1")}
        with pytest.raises(InputErrors, match=r"shop\.env: A: the one of web1 holds"):
            reconcile_generated(known, kept)
        assert reconcile_generated(known.with_values({"A": value}), kept) == {}

    def test_only_generated_secrets_of_a_host_count(self):
        text = json.dumps({"A": "alpha", "HAWSER_SIGNING_KEY": "x" * 43, "PATH": "/tmp"})
        assert kept_secrets("web1", text, ["A"], "demo/web1") == {"A": "alpha"}

    @pytest.mark.parametrize("text", [None, ""])
    def test_a_host_may_have_no_record_of_secrets(self, text):
        assert kept_secrets("web1", text, ["A"], "demo/web1") == {}


class TestTheSigningKey:
    def test_the_signing_key_is_made_once_and_is_no_value(self, load):
        made = load("A=alpha", ["A"], []).with_signing_key()
        again = load(None, ["A"], [])
        assert made.signer is not None and again.signer is not None
        assert made.signer.public == again.signer.public == again.with_signing_key().signer.public
        assert again.values == {"A": "alpha"}
        assert again.with_values({"B": "beta"}).signer is not None

    def test_the_signing_key_changes_no_fingerprint_and_is_masked(self, load):
        plain = load("A=alpha", ["A"], [])
        keyed = plain.with_signing_key()
        assert plain.fingerprint("s") == keyed.fingerprint("s")
        assert mask(f"x{keyed.signer.key}x", keyed.mask_values()) == f"x{MASK}x"
        assert keyed.signer.key not in repr(keyed) + repr(keyed.signer)

    def test_a_signing_key_that_is_none_is_refused(self, load):
        with pytest.raises(InputErrors, match="HAWSER_SIGNING_KEY: is no signing key"):
            load("HAWSER_SIGNING_KEY=short", [], [])

    def test_the_signing_key_may_not_be_listed(self):
        listed = {"required": [SIGNING_KEY], "generated": []}
        environment = Environment.model_validate({"name": "s", "app": {"name": "s", "repo": "."}, "env": listed})
        assert [each.message for each in check_secrets(environment)] == [
            "HAWSER_SIGNING_KEY is Hawser's own, never a value of the application"
        ]

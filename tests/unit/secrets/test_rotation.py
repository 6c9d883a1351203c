"""Values that stand beside secrets, how they take their places in a file, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hawser.errors import HawserError, InputErrors
from hawser.inventory import Environment
from hawser.secrets import Secrets, load_secrets, sources_of
from hawser.secrets.age.recipients import recipient
from hawser.secrets.lines import changed_lines, read_lines
from hawser.secrets.rotation import refuse

TEXT = "# of the shop\nexport STRIPE_KEY='sk live'\nSECRET_KEY=abcdefgh # made\n\nOTHER=stays"


def of(**tables: Any) -> Environment:
    env = {"required": ["STRIPE_KEY"], "generated": ["SECRET_KEY", "DB_PASSWORD"], **tables.pop("env", {})}
    return Environment.model_validate({"name": "shop", "app": {"name": "shop", "repo": "."}, "env": env, **tables})


def loaded(folder: Path, text: str, environment: Environment | None = None) -> Secrets:
    path = folder / "shop.env"
    path.write_text(text)
    path.chmod(0o600)
    environment = environment or of()
    return load_secrets(environment, sources_of(environment, folder))


def test_values_change_in_their_places_and_all_other_lines_stay():
    new = {"STRIPE_KEY": "sk 'new'", "SECRET_KEY": None, "SECRET_KEY__NEXT": "ijklmnop"}
    text = changed_lines(TEXT, new)
    assert read_lines(text, "")[0] == {
        "STRIPE_KEY": "sk 'new'",
        "OTHER": "stays",
        "SECRET_KEY__NEXT": "ijklmnop",
    }
    assert text.startswith("# of the shop\n") and text.endswith("OTHER=stays\nSECRET_KEY__NEXT=ijklmnop\n")
    assert changed_lines("", {"A": None}) == "" and changed_lines("A=b", {"A": None}) == ""


def test_what_stands_beside_a_secret_is_hidden_and_no_secret_of_its_own(folder):
    text = "STRIPE_KEY=first-one\nSTRIPE_KEY__NEXT=second-one\nSECRET_KEY=third-one\nSECRET_KEY__FORMER=fourth-one\n"
    held = loaded(folder, text + "DB_PASSWORD=fifth-one\nUNKNOWN__NEXT=x\n")
    assert held.half_turned == ("STRIPE_KEY",) and held.unlisted == ("UNKNOWN__NEXT",)
    assert {"second-one", "fourth-one"} <= set(held.mask_values())
    # A former value is one that the code reads, and a part of the release; one that is to come is not.
    assert held.values["SECRET_KEY__FORMER"] == "fourth-one" and "STRIPE_KEY__NEXT" not in held.values
    assert held.values["STRIPE_KEY__FORMER"] == "" and "OTHER__FORMER" not in held.values
    with pytest.raises(KeyError):
        held.values["OTHER__FORMER"]
    turned = held.turned({"STRIPE_KEY": "second-one", "SECRET_KEY__FORMER": None})
    assert turned.values["STRIPE_KEY"] == "second-one" and turned.values["SECRET_KEY__FORMER"] == ""
    assert {"first-one", "fourth-one"} <= set(turned.mask_values())


def test_a_value_that_is_to_come_makes_no_other_release(folder):
    text = "STRIPE_KEY=first-one\nSECRET_KEY=third-one\nDB_PASSWORD=fifth-one\n"
    before = loaded(folder, text).fingerprint("shop")
    coming = loaded(folder, text + "SECRET_KEY__NEXT=fourth-one\n")
    assert coming.fingerprint("shop") == before
    ended = loaded(folder, text.replace("third-one", "fourth-one"))
    assert coming.turned({"SECRET_KEY": "fourth-one"}).fingerprint("shop") == ended.fingerprint("shop") != before


def test_a_file_that_somebody_has_changed_meanwhile_stays_as_it_is(folder):
    held = loaded(folder, "STRIPE_KEY=first-one\nSECRET_KEY=third-one\nDB_PASSWORD=fifth-one\n")
    store = held.sources.store
    path = folder / "shop.env"
    text = path.read_text()
    for wrong in ({"SECRET_KEY": "another-one"}, {"SECRET_KEY": "third-one", "STRIPE_KEY": None}):
        with pytest.raises(InputErrors, match="was changed meanwhile"):
            store.turn(wrong, {"SECRET_KEY": "x" * 8})
    assert path.read_text() == text
    store.turn({"SECRET_KEY": "third-one", "SECRET_KEY__NEXT": None}, {"SECRET_KEY__NEXT": "fourth-one"})
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_text() == text + "SECRET_KEY__NEXT=fourth-one\n"
    assert store.ask([]).values["SECRET_KEY__NEXT"] == "fourth-one"


def test_values_change_in_an_encrypted_file_for_the_same_readers(source, keys, be, environment):
    be("ada")
    source.with_reader(recipient(keys["ada"].public), "STRIPE_KEY=first-one\nSECRET_KEY=third-one\n")
    source.with_reader(recipient(f"{keys['ci'].public} CI"))
    source.turn({"SECRET_KEY": "third-one"}, {"SECRET_KEY": "fourth-one", "STRIPE_KEY__NEXT": "second-one"})
    be("ci")
    held = load_secrets(environment, sources_of(environment, source.path.parent))
    assert held.values["SECRET_KEY"] == "fourth-one" and held.aside == {"STRIPE_KEY__NEXT": "second-one"}
    before = source.path.read_bytes()
    with pytest.raises(InputErrors, match="SECRET_KEY"):
        source.turn({"SECRET_KEY": "third-one"}, {"SECRET_KEY": "fifth-one"})
    assert source.path.read_bytes() == before


def test_variables_of_ci_hold_what_stands_beside_secrets(folder, monkeypatch):
    for name in ("STRIPE_KEY", "SECRET_KEY", "DB_PASSWORD", "SECRET_KEY__NEXT"):
        monkeypatch.setenv(f"SHOP_{name}", f"value-of-{name}")
    environment = of(secrets={"sources": ["variables"], "prefix": "SHOP_"})
    held = load_secrets(environment, sources_of(environment, folder))
    assert held.aside == {"SECRET_KEY__NEXT": "value-of-SECRET_KEY__NEXT"} and not held.has_its_own("SECRET_KEY")


def refused(name: str, keep_former: bool = False, templates: tuple[str, ...] = (), **tables: Any) -> str:
    try:
        refuse(of(**tables), name, keep_former, templates)
    except HawserError as error:
        assert error.code == 2
        return str(error)
    return ""


VOLUME = {"device": "/dev/xvdc", "mount": "/mnt/logs", "passphrase": "{{ secrets.STRIPE_KEY }}"}
OFFSITE = {"repository": "/mnt/elsewhere", "password": "STRIPE_KEY"}


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"volumes": {"logs": VOLUME}}, ["volumes.logs.passphrase", "cryptsetup luksChangeKey"]),
        ({"backup": {"offsite": OFFSITE}}, ["backup.offsite.password", "restic key add", "fab -H shop bootstrap"]),
        ({"ssh": {"sudo_password": "STRIPE_KEY"}}, ["ssh.sudo_password", "passwd on each host"]),
        ({"app": {"name": "shop", "repo": "https://a.test/b.git", "token": "STRIPE_KEY"}}, ["app.token", "made there"]),
        ({"notify": {"urls": ["json://{{ secrets.STRIPE_KEY }}"]}}, ["notify.urls[0]", "made there"]),
        (
            {"once": {"admin": {"command": "make-admin", "environment": {"P": "{{ secrets.STRIPE_KEY }}"}}}},
            ["once.admin.environment.P alone", "change it in the application"],
        ),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_a_rollout_does_not_change_is_refused_with_what_to_do_instead(tables, says):
    said = refused("STRIPE_KEY", **tables)
    assert all(each in said for each in says) and "next: " in said
    assert refused("SECRET_KEY", **tables) == ""


def test_the_key_that_signs_and_names_of_nothing_are_refused():
    assert "secrets.new-key" in refused("HAWSER_SIGNING_KEY")
    assert "did you mean SECRET_KEY" in refused("SECRET_KEI")


@pytest.mark.parametrize(
    ("service", "table"), [("postgresql", "databases"), ("rabbitmq", "users")], ids=["postgresql", "rabbitmq"]
)
def test_a_user_with_one_password_alone_is_refused_and_one_with_logins_is_not(service, table):
    entry = {"password": "{{ secrets.DB_PASSWORD }}"}
    said = refused("DB_PASSWORD", services={service: {table: {"shop": entry}}})
    assert f"logins = true in [services.{service}.{table}.shop]" in said and f"login('{service}', 'shop')" in said
    assert refused("DB_PASSWORD", services={service: {table: {"shop": {**entry, "logins": True}}}}) == ""


def test_services_that_hold_two_passwords_need_nothing():
    entry = {"password": "{{ secrets.DB_PASSWORD }}"}
    assert refused("DB_PASSWORD", services={"mariadb": {"databases": {"shop": entry}}}) == ""
    assert refused("DB_PASSWORD", services={"redis": entry}) == ""


def test_a_former_value_is_kept_where_something_reads_it_alone():
    assert "nothing reads the former value" in refused("SECRET_KEY", keep_former=True)
    named = {"variables": {"KEYS": "{{ secrets.SECRET_KEY__FORMER }}"}}
    assert refused("SECRET_KEY", keep_former=True, env=named) == ""
    assert refused("SECRET_KEY", keep_former=True, templates=("{{ secrets.SECRET_KEY__FORMER }}",)) == ""
    service = {"redis": {"password": "{{ secrets.DB_PASSWORD }}"}}
    assert "--keep-former is for others" in refused("DB_PASSWORD", keep_former=True, services=service)

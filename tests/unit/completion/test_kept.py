"""The list that is kept for shells."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from fabric.config import Config

from hawser.completion import kept
from hawser.completion.kept import Seen, keep, place
from hawser.host.facts import Facts
from hawser.inventory import Inventory
from hawser.program import Program
from hawser.tasks.collection import namespace

SHOP = """
[app]
name = "shop"
repo = "."
branch = "trunk"
[hosts]
web1 = { address = "10.0.0.1", groups = ["web"] }
db1 = { address = "10.0.0.2", groups = ["data"] }
[processes.front]
groups = ["web"]
command = "true"
"""
CORE = Program(name="Fabric", version="1").initial_context


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "hosts").mkdir()
    for name in ("shop", "fair"):
        (tmp_path / f"hosts/{name}.toml").write_text(SHOP)
    return Inventory(tmp_path / "hosts")


@pytest.fixture
def listed(inventory: Inventory, tmp_path: Path) -> Callable[..., list[str]]:
    """Return what keeps the list, and returns its lines of some kind."""

    def listed(kind: str, seen: Seen | None = None) -> list[str]:
        path = place(tmp_path)
        assert path is not None
        keep(path, CORE, namespace, inventory, seen)
        return [line for line in path.read_text().splitlines() if line.startswith(f"{kind}\t")]

    return listed


def seen(inventory: Inventory, *releases: str) -> Seen:
    return Seen(inventory.environment("shop"), {"web1": Facts(releases=releases), "db1": Facts(releases=releases[:1])})


def test_tasks_and_their_options_are_listed_with_what_they_expect(listed: Callable[..., list[str]]) -> None:
    assert (
        "task\tdeploy\tRelease a revision on every host: build everywhere, migrate once, then switch batch by batch."
        in (listed("task"))
    )
    options = {tuple(line.split("\t")[1:4]) for line in listed("option")}
    assert {("-", "-H", "target"), ("-", "--hosts", "target"), ("-", "-R", "nothing")} <= options
    assert {("deploy", "--revision", "revision"), ("rollback", "--to", "release")} <= options
    assert {("logs", "--process", "process"), ("config.render", "--to", "text")} <= options


def test_environments_groups_and_hosts_are_listed(listed: Callable[..., list[str]]) -> None:
    found = listed("target")
    assert "target\tshop\tshop\tenvironment" in found and "target\tfair/web\tfair\tgroup" in found
    assert "target\tweb1\tshop\thost" in found and "target\tshop/db1\tshop\thost" in found


def test_what_was_seen_on_hosts_stays_until_it_is_seen_anew(
    listed: Callable[..., list[str]], inventory: Inventory
) -> None:
    commit = "a" * 10
    first = listed("value", seen(inventory, f"{commit}-0a1b2c3d", "bbbbbbbbbb-0a1b2c3d"))
    assert first == [
        f"value\trelease\tshop\t{commit}-0a1b2c3d",
        "value\trelease\tshop\tbbbbbbbbbb-0a1b2c3d",
        "value\trevision\tshop\ttrunk",
        f"value\trevision\tshop\t{commit}",
        "value\trevision\tshop\tbbbbbbbbbb",
        "value\tprocess\tshop\tfront",
    ]
    assert listed("value") == first, "a run about nothing, or about another environment, has seen nothing"
    assert len(listed("value", seen(inventory, "cccccccccc-0a1b2c3d"))) == 4


def test_an_environment_that_is_no_more_is_listed_no_more(
    listed: Callable[..., list[str]], inventory: Inventory, tmp_path: Path
) -> None:
    assert any("fair" in line for line in listed("target"))
    (tmp_path / "hosts/fair.toml").unlink()
    del inventory.names
    assert not any("fair" in line for line in listed("target"))


def test_an_environment_whose_file_is_broken_is_listed_by_its_name(
    listed: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "hosts/fair.toml").write_text("[app")
    assert [line for line in listed("target") if "fair" in line] == ["target\tfair\tfair\tenvironment"]


def test_a_name_with_a_control_character_is_left_out(listed: Callable[..., list[str]], tmp_path: Path) -> None:
    for name in ("odd\nname", "odd\x1b]0;name", "odd\tname"):
        (tmp_path / f"hosts/{name}.toml").write_text(SHOP)
    assert not any("odd" in line for line in listed("target"))


def test_a_list_is_its_users_alone(listed: Callable[..., list[str]], tmp_path: Path) -> None:
    listed("task")
    path = place(tmp_path)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.name == str(tmp_path).replace("/", "%")


def test_a_list_that_says_the_same_is_not_written_again(listed: Callable[..., list[str]], tmp_path: Path) -> None:
    listed("task")
    path = place(tmp_path)
    assert path is not None
    before = path.stat().st_ino
    listed("task")
    assert path.stat().st_ino == before


def test_a_list_that_others_can_write_is_no_source(
    listed: Callable[..., list[str]], inventory: Inventory, tmp_path: Path
) -> None:
    listed("value", seen(inventory, "cccccccccc-0a1b2c3d"))
    path = place(tmp_path)
    assert path is not None
    path.chmod(0o666)
    assert listed("value") == []


def test_there_is_no_list_where_the_path_is_too_long_or_the_cache_is_none_of_ours(
    inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place(Path("/" + "x" * 300)) is None
    (tmp_path / "cache/hawser/completion").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache/hawser/completion").chmod(0o777)
    assert place(tmp_path) is None
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert place(tmp_path) is None


def test_a_project_is_where_fabric_has_found_it() -> None:
    config = Config()
    config.set_project_location("/srv/work")
    assert kept.project_of(config) == Path("/srv/work")

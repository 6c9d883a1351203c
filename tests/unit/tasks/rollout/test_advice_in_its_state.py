"""What a message advises is typed in the state in which it is printed: it is accepted there, and leads out of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hawser import namespace

from ...simulated_hosts import CUT, KILL, World, at
from ...test_advice import command_of, parser, typed

# What changes nothing is accepted in any state, and asks more than simulated hosts know.
LOOKS = ("status",)
State = Callable[[World], str]


def advice(said: str) -> list[list[str]]:
    """Return the words of the commands that a message advises."""
    return [command_of(words) for words in typed(said) if command_of(words)]


def give(world: World, words: list[str]) -> str:
    """Type a command, as the program reads it; returns what it fails with."""
    asked, *contexts = parser().parse_argv(words)
    target = asked.args["hosts"].value
    for context in contexts:
        name = next(each for each in namespace.task_names if each.replace("_", "-") == context.name.replace("_", "-"))
        body = namespace[name].load().body
        given = {key.replace("-", "_"): value.value for key, value in context.args.items() if value.got_value}
        if said := world.give(body, target, context.name, **given):
            return said
    return ""


def well_again(world: World) -> None:
    """Hosts that were cut off answer again, and runs that have ended hold no lock."""
    world.fault = lambda host, row: None
    for host in world.hosts.values():
        host.answers, host.holder = True, None


def changed_since(world: World) -> str:
    """A deploy is killed while hosts switch, and the hosts are others when it is resumed."""
    world.commit, world.fault = "b", at("app2", KILL, kind="running")
    world.fab("deploy")
    well_again(world)
    world.fleet(web1="front", app1="back", app2="back", app3="back", app4="back")
    return world.fab("resume", "pier/web1,pier/app1,pier/app2,pier/app3")


def lost(world: World) -> str:
    """A host is cut off while the others switch, and answers again."""
    world.commit, world.fault = "b", at("app3", CUT, kind="running")
    said = world.fab("deploy")
    well_again(world)
    return said


def lost_at_the_end(world: World) -> str:
    """A host is cut off when its records are written."""
    world.commit, world.fault = "b", at("app3", CUT, kind="history")
    said = world.fab("deploy")
    well_again(world)
    return said


def frozen(world: World) -> str:
    """Somebody has frozen the deploys."""
    assert give(world, ["-H", "pier", "lock.hold", "--why", "sale"]) == ""
    world.commit = "b"
    return world.fab("deploy")


def frozen_and_open(world: World) -> str:
    """Somebody has frozen the deploys while a rollout was open."""
    lost(world)
    assert give(world, ["-H", "pier", "lock.hold", "--why", "sale"]) == ""
    return world.fab("resume")


def nothing_said(world: World) -> str:
    """Somebody wants to freeze, and does not say why."""
    return give(world, ["-H", "pier", "lock.hold"])


def two_commits(world: World) -> str:
    """A part of the hosts is to get another commit."""
    world.commit = "b"
    return world.fab("deploy", "pier/app1")


def part_of_an_open_one(world: World) -> str:
    """A rollout is resumed on a part of its hosts."""
    lost(world)
    return world.fab("resume", "pier/app1")


def renamed(world: World) -> str:
    """A process stands in the settings that was never deployed."""
    text = world.text.replace(
        "[processes.back]", '[processes.rear]\ncommand = "rear"\ngroups = ["back"]\n\n[processes.back]'
    )
    world.text = text
    world.settings()
    return give(world, ["-H", "pier", "restart", "--process", "rear"])


STATES = [
    changed_since,
    lost,
    lost_at_the_end,
    frozen,
    frozen_and_open,
    nothing_said,
    two_commits,
    part_of_an_open_one,
    renamed,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_what_is_advised_is_accepted_in_the_state_in_which_it_is_printed(world: World, state: State) -> None:
    said = state(world)
    commands = advice(said)
    assert commands, said
    for words in commands:
        if words[-1] in LOOKS:
            continue
        assert give(world, words) == "", f"{said}\n-> fab {' '.join(words)}"


def test_a_command_that_is_refused_is_told_apart(world: World) -> None:
    """Else whatever is advised would be accepted here."""
    assert "deploys are frozen" in frozen(world)
    assert "deploys are frozen" in give(world, ["-H", "pier", "deploy"])
    assert give(world, ["-H", "pier", "restart", "--process", "nobody"]) != ""

"""What the tables of facts say is what the clones say."""

from __future__ import annotations

from pathlib import Path

from tests.real.conftest import clone_of
from tests.real.tables import differences, generate, kept, sources


def test_a_table_says_what_the_clones_say(system_name: str, clones: Path) -> None:
    for place in range(len(sources(system_name))):
        clone_of(clones, system_name, place)
    assert differences(kept(system_name), generate(system_name, clones)) == []

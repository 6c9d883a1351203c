from __future__ import annotations

from pathlib import Path

from hawser.inventory.reference import reference


def test_the_reference_in_docs_is_up_to_date():
    stale = "run `python -m hawser.inventory.reference > docs/settings.md`"
    assert (Path(__file__).parents[3] / "docs/settings.md").read_text() == reference(), stale


def test_each_setting_says_what_it_takes_and_where_it_stands():
    lines = reference().splitlines()
    assert "### [processes.NAME.health]" in lines
    assert "#### [services.postgresql.databases.NAME]" in lines
    said = "How many releases that have served stay on a host, for `rollback`; one that never served goes."
    assert f"| `keep` | number | `5` | {said} |" in lines
    assert '| `mode` | file mode | `"0640"` | Its mode. |' in lines
    assert any(line.startswith("| `repo` | URL, user@host:path, or a local path |  |") for line in lines)
    assert any(line.startswith("| `name` | name | *required* |") for line in lines)

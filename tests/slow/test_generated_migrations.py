"""What `flask db migrate` generates on the host is judged before it is applied, where nothing else holds it back."""

from __future__ import annotations

import re

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.systems.test_paikea import HOME, HOST, paikea, sql

__all__ = ["paikea"]  # a fixture of these tests as well


@pytest.fixture
def unguarded(paikea: Fleet):
    """Paikea without what its own file does: a patch that drops nothing, and a question that shows it beforehand."""
    text = paikea.file.read_text()
    plain = re.sub(r'(?s)\[\[patches\]\] +# generated migrations.*?""".*?"""\n', "", text)
    plain = re.sub(r"(?m)^pending = .*\n", "", plain)
    assert plain.count("[[patches]]") == text.count("[[patches]]") - 1
    paikea.file.write_text(plain)
    yield paikea
    paikea.file.write_text(text)


def test_a_migration_that_is_generated_and_removes_something_is_never_applied_unasked(unguarded: Fleet) -> None:
    models = (unguarded.repository / "paikea" / "models.py").read_text()
    added = "    word = db.Column(db.String(9))\n"
    unguarded.commit({"paikea/models.py": models.replace("    iam = ", f"{added}    iam = ")})
    unguarded.fab("-H", "paikea", "deploy")
    columns = "SHOW COLUMNS FROM buoy LIKE 'word'"
    assert "word" in sql(unguarded, columns)
    serves = unguarded.inside(HOST, "readlink", f"{HOME}/current")
    # A correction on the commit before: its models know nothing of the column.
    unguarded.commit({"paikea/models.py": models})
    refused = "breaking (removes buoy.word)"
    first = unguarded.fab("-H", "paikea", "deploy", code=1)
    assert refused in first.stdout + first.stderr and "nothing of it was applied" in first.stdout + first.stderr
    again = unguarded.fab("-H", "paikea", "deploy", code=1)
    assert refused in again.stdout + again.stderr and "--accept-migrations" in again.stdout + again.stderr
    assert "word" in sql(unguarded, columns) and unguarded.inside(HOST, "readlink", f"{HOME}/current") == serves
    unguarded.fab("-H", "paikea", "deploy", "--accept-migrations")
    assert sql(unguarded, columns).strip() == "" and unguarded.inside(HOST, "readlink", f"{HOME}/current") != serves

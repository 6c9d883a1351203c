"""A repository of backups with a damaged piece fails in a drill: restic tries for minutes to read such a piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.runner.databases.offsite import outcome_of, run
from hawser.runner.system import Failure
from tests.unit.runner.conftest import system
from tests.unit.runner.databases.conftest import job
from tests.unit.runner.databases.test_drill import QUESTION, drill

__all__ = ["drill", "job", "system"]  # fixtures


def test_a_repository_that_was_truncated_anywhere_fails(system, job, drill, tmp_path: Path) -> None:
    run(job, system)
    packs = [path for path in (tmp_path / "repository" / "data").rglob("*") if path.is_file()]
    assert len(packs) >= 2
    for pack in packs:
        data = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(data[: len(data) // 2])
        with pytest.raises(Failure):
            drill(QUESTION)
        pack.write_bytes(data)
    assert "drilled" not in outcome_of(system.state)
    drill(QUESTION)

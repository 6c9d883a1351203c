"""These tests stand where the modules stand that they test."""

from __future__ import annotations

from pathlib import Path

UNIT = Path(__file__).resolve().parent
PROJECT = UNIT.parent.parent
# Texts that `test_steps.py` compares, and the tests of `tests/real`.
NOT_OF_THE_PRODUCT = {"catalogs", "real"}


def test_each_folder_of_unit_tests_mirrors_a_package() -> None:
    folders = {path.parent.relative_to(UNIT) for path in UNIT.rglob("test_*.py")}
    mirroring = [folder for folder in folders if folder.parts and folder.parts[0] not in NOT_OF_THE_PRODUCT]
    assert mirroring and not [str(folder) for folder in mirroring if not is_package(folder)]


def is_package(folder: Path) -> bool:
    """Whether `hawser` or the project has a package of this path."""
    return any((root / folder / "__init__.py").is_file() for root in (PROJECT / "hawser", PROJECT))

from __future__ import annotations

import subprocess
import sys

from hawser.diagnosis.causes import cause_of
from hawser.runner.python import scripts


def test_programs_and_modules_are_found_below_the_top_of_the_code(system, tmp_path):
    source = tmp_path / "releases" / "7-ab" / "source"
    for path in ("back/manage.py", "back/shop/__init__.py", "a/b/till.py", "node_modules/x/manage.py", "shop.txt"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).touch()
    (tmp_path / "current").symlink_to("releases/7-ab")
    for folder in (source, tmp_path / "current" / "source"):
        found = [scripts.deeper(system, str(folder), name) for name in ("manage.py", "shop", "till", "gone")]
        assert found == [["back/manage.py"], ["back/shop/__init__.py"], ["a/b/till.py"], []]
    # At the top, it is none that lies deeper.
    (source / "back" / "shop" / "__init__.py").rename(source / "__init__.py")
    assert scripts.deeper(system, str(source), "shop") == []
    assert scripts.deeper(system, str(tmp_path / "none"), "shop") == []


def test_python_names_the_program_that_it_does_not_find_as_the_causes_know_it(system, tmp_path):
    source = tmp_path / "releases" / "7-ab" / "source"
    (source / "back").mkdir(parents=True)
    (source / "back" / "manage.py").touch()
    said = subprocess.run([sys.executable, "manage.py"], cwd=source, capture_output=True, text=True).stderr
    found = cause_of(said)
    assert found is not None and found[0].deeper and found[1] == f"{source}/manage.py"

"""In which order things are removed."""

from __future__ import annotations

import subprocess
import sys

from hawser.steps import Removal, Step
from hawser.tasks.remove import REMOVE


def test_every_removal_stands_in_the_list_once():
    listed = [step.title for steps in REMOVE.values() for step in steps]
    assert sorted(listed) == sorted(step.title for step in Step.registry if isinstance(step, Removal))


def test_shares_and_volumes_go_after_the_databases_on_them_were_saved():
    stages = list(REMOVE)
    for stage, names in (
        ("services", {"db.remove", "postgresql.remove", "mariadb.remove"}),
        ("storage", {"shares.remove", "volumes.remove"}),
    ):
        assert names <= {step.title for step in REMOVE[stage]}
    assert stages.index("processes") < stages.index("services") < stages.index("storage") < stages.index("host")


def test_the_order_of_removal_does_not_hang_on_which_module_was_loaded_first():
    line = (
        "from hawser.tasks import volumes, shares, remove; print([s.title for v in remove.REMOVE.values() for s in v])"
    )
    said = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str([step.title for steps in REMOVE.values() for step in steps])

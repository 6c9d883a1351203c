"""What the tests of the runner share: a host of their own in a temporary folder."""

from __future__ import annotations

import grp
import os
import pwd
import uuid
from pathlib import Path

import pytest

from hawser.runner.lock import end_leftovers, marked
from hawser.runner.system import System

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name


def names(folder):
    """List what lies in a folder, hidden files too."""
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture
def system(tmp_path):
    """A host whose state lies in a temporary folder; whatever a test starts through it ends with the test."""
    (tmp_path / "state").mkdir()
    system = System(str(tmp_path / "state"), uuid.uuid4().hex)
    yield system
    if marked(system.token):
        end_leftovers(system.token)

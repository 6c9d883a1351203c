"""Programs on this machine are not bound to the repository from whose hook or alias we were started."""

from __future__ import annotations

from hawser.children import OF_A_REPOSITORY, inherited
from hawser.sandbox import commands


def test_variables_of_a_repository_stay_behind_and_others_are_inherited(monkeypatch):
    for name in OF_A_REPOSITORY:
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -4")
    found = inherited()
    assert not OF_A_REPOSITORY & set(found) and found["GIT_SSH_COMMAND"] == "ssh -4" and "PATH" in found
    assert not OF_A_REPOSITORY & set(commands.environment())

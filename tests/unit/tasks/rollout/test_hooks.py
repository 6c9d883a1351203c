"""Where hooks run, what they are told, and what their failure means."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError, StepFailed
from hawser.host import Host
from hawser.host.journal import Record
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.tasks.rollout import hooks
from hawser.templates.rendering import Templates

SETTINGS: dict[str, Any] = {
    "name": "shop",
    "app": {"name": "shop", "repo": "."},
    "processes": {"web": {"groups": ["web"], "command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}},
    "hosts": {"web1": {"groups": ["web"]}, "web2": {"groups": ["web"]}, "data1": {"groups": ["data"]}},
}
ADDRESSES = {"web1": "10.0.0.1", "web2": "10.0.0.2", "data1": "10.0.0.3"}


def environment(*rows: dict[str, Any]) -> Environment:
    return Environment.model_validate({**SETTINGS, "hooks": list(rows)})


def host(name: str, *rows: dict[str, Any]) -> Host:
    secrets = Secrets("shop", in_file(Path("shop.env")), {})
    return Host(name, environment(*rows), secrets, Templates(), ADDRESSES)


def lines(where: Host, due: int | None = None) -> list[str]:
    return [each.argv[-1] for each in hooks.run.given(due=due).resources(where)]  # type: ignore[attr-defined]


class Stage:
    """A rollout whose hooks fail on the hosts that are named."""

    dry = False

    def __init__(self, tmp_path: Path, *rows: dict[str, Any], failing: tuple[str, ...] = ()) -> None:
        self.environment = environment(*rows)
        self.failing, self.done, self.notes, self.heard = failing, [], [], []  # type: ignore[var-annotated]
        self.lost: dict[str, str] = {}
        self.session: Any = SimpleNamespace(
            entry={"who": "ann", "from": "desk"},
            environment=self.environment,
            templates=Templates(),
            folder=tmp_path / "hosts",
            host=lambda name, release: host(name, *rows),
        )
        self.report: Any = SimpleNamespace(
            note=lambda where, text, level="info": self.notes.append((level, text)),
            output=lambda where, text: self.heard.append(text),
        )
        self.hosts = self
        self.names: tuple[str, ...] = tuple(ADDRESSES)
        self.record = Record("new", what="deploy")
        self.wanted = hooks.Release("new", "c" * 40, self.environment, Templates())
        self.before = {"web1": Record("new", before="old")}

    def remaining(self, fleet: Any) -> Any:
        return fleet

    def subset(self, names: Any) -> Any:
        part = SimpleNamespace(**{**self.__dict__, "names": tuple(names)})
        part.subset, part.host = self.subset, lambda name: host(name)
        part.attempt = lambda steps, release, title: self.attempt(part, title, *steps)
        return part

    def leader(self) -> Any:
        return self.subset(["web1"])

    def attempt(self, part: Any, title: str, step: Any) -> dict[str, str]:
        self.done.append((title, part.names, dict(step.arguments)))
        return {name: "broken" for name in part.names if name in self.failing}


def test_a_hook_runs_on_its_groups_as_the_applications_user():
    row = {"before": "switch", "command": "echo {{ host.name }}", "groups": ["web"]}
    assert [lines(host(name, row), 0) for name in ADDRESSES] == [["echo web1"], ["echo web2"], []]
    (command,) = hooks.run.given(due=0, facts={"HAWSER_RELEASE": "new"}).resources(host("web1", row))
    assert (command.user, command.cwd) == ("shop", "/srv/shop")  # type: ignore[attr-defined]
    assert command.env == {"HAWSER_RELEASE": "new", "HAWSER_HOST": "web1"}  # type: ignore[attr-defined]


def test_a_hook_runs_in_the_code_of_its_release_or_of_the_one_that_serves(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    (command,) = hooks.run.given(due=0).resources(
        host("web1", {"before": "switch", "command": "pwd; echo '$0' \"$0\""})
    )
    *start, line = command.argv  # type: ignore[attr-defined]
    assert start[3:] == ["/srv/shop/current/source"] * 2
    for there, expected in ((("new", "old"), "new"), (("none", "old"), "old"), (("none", "gone"), "")):
        folders = [str(tmp_path / each) for each in there]
        said = subprocess.run([*start[:3], *folders, line], cwd=tmp_path, capture_output=True, text=True).stdout
        assert said == f"{str(tmp_path / expected).rstrip('/')}\n$0 sh\n"


def test_a_hook_that_cannot_run_after_a_failure_does_not_hide_that_failure(tmp_path, monkeypatch):
    stage: Any = Stage(tmp_path, {"after": "rollout", "command": "true"})
    monkeypatch.setattr(stage, "attempt", lambda *arguments: (_ for _ in ()).throw(HawserError("web1: no answer")))
    with pytest.raises(StepFailed, match="the migration failed"), hooks.around_rollout(stage, stage.subset(["web1"])):
        raise StepFailed("the migration failed")
    assert stage.notes == [("warning", "the hook after rollout failed: web1: no answer, and the rollout goes on")]


def test_a_hook_for_the_leader_runs_there_alone_and_one_for_this_machine_on_no_host():
    rows = [{"before": "switch", "command": "a", "on": "leader"}, {"before": "switch", "command": "b", "on": "here"}]
    assert [lines(host(name, *rows), 0) for name in ADDRESSES] == [["a"], [], []]
    assert [lines(host(name, *rows), 1) for name in ADDRESSES] == [[], [], []]


def test_all_hooks_are_rendered_before_anything_is_asked():
    rows = [{"before": "switch", "command": "a"}, {"after": "finish", "command": "b"}]
    assert lines(host("web1", *rows)) == ["a", "b"]


def test_a_failing_hook_before_a_phase_stops_it(tmp_path):
    stage: Any = Stage(tmp_path, {"before": "switch", "command": "false"}, failing=("web2",))
    told = "hook before switch failed on web2: false"
    with pytest.raises(StepFailed, match=told), hooks.around_phase(stage, "switch", stage.subset(["web1", "web2"])):
        raise AssertionError("the phase must not begin")


def test_a_failing_hook_after_a_phase_is_reported(tmp_path):
    stage: Any = Stage(tmp_path, {"after": "switch", "command": "false"}, failing=("web2",))
    with hooks.around_phase(stage, "switch", stage.subset(["web1", "web2"])):
        assert not stage.done
    assert stage.notes == [("warning", "the hook after switch failed on web2, and the rollout goes on")]


def test_hooks_of_other_phases_do_not_run(tmp_path):
    stage: Any = Stage(tmp_path, {"after": "prepare", "command": "true"})
    with hooks.around_phase(stage, "switch", stage.subset(["web1"])):
        pass
    assert not stage.done


def test_a_hook_on_this_machine_hears_the_facts_and_is_told_of_line_by_line(tmp_path):
    row = {"after": "finish", "command": "echo $HAWSER_RELEASE $HAWSER_TARGETS $HAWSER_PREVIOUS; pwd", "on": "here"}
    stage: Any = Stage(tmp_path, row)
    with hooks.around_phase(stage, "finish", stage.subset(["web1", "web2"])):
        pass
    assert stage.heard == ["new web1,web2 old", str(tmp_path)]


def test_a_hook_on_this_machine_is_bound_to_no_repository_whose_hook_or_alias_started_us(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_QUARANTINE_PATH", "GIT_CONFIG_PARAMETERS"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    stage: Any = Stage(
        tmp_path, {"after": "finish", "command": "env | grep -E '^GIT_(DIR|W|I|Q|CONFIG|AUTHOR)'", "on": "here"}
    )
    with hooks.around_phase(stage, "finish", stage.subset(["web1"])):
        pass
    assert stage.heard == ["GIT_AUTHOR_NAME=Ann"]


def test_a_hook_that_hangs_on_this_machine_is_ended(tmp_path):
    row = {"before": "finish", "command": "sleep 60 & sleep 60", "on": "here", "timeout": 1}
    stage: Any = Stage(tmp_path, row)
    with pytest.raises(StepFailed, match="with status -9"), hooks.around_phase(stage, "finish", stage.subset(["web1"])):
        pass


def test_a_hook_after_a_rollout_runs_in_any_case_and_hears_the_result(tmp_path):
    row = {"after": "rollout", "command": "echo $HAWSER_RESULT", "on": "here"}
    stage: Any = Stage(tmp_path, row)
    with hooks.around_rollout(stage, stage.subset(["web1"])):
        pass
    with pytest.raises(StepFailed), hooks.around_rollout(stage, stage.subset(["web1"])):
        raise StepFailed("no")
    assert stage.heard == ["ok", "failed"]

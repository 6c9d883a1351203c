"""A catalog is applied in order; triggers are served even when the run that made them due has died."""

from __future__ import annotations

import json

import pytest

from hawser.runner.engine import Engine, Pending

from .conftest import ME, MY_GROUP, names, whole_row


class Host:
    """A host in a temporary folder, and what its runner says."""

    def __init__(self, system, folder):
        self.system = system
        self.folder = folder
        self.events = []
        self.points = []

    def at(self, point, position):
        self.points.append((point, position, self.pending()))

    def apply(self, *rows, dry=False):
        """Apply some rows; return the status of each."""
        self.events, self.points = [], []
        engine = Engine(self.system, self.events.append, self.at)
        self.ok = engine.apply(list(map(whole_row, rows)), dry)
        json.dumps(self.events)
        return [event["status"] for event in self.events if event["t"] == "event"]

    def event(self, position):
        return next(each for each in self.events if each["t"] == "event" and each["position"] == position)

    def file(self, name="a", content="text\n", **more):
        path = f"{self.folder}/{name}"
        spec = {"kind": "file", "step": "files", "label": f"file {path}", "path": path, "content": content}
        return {**spec, "mode": 0o644, "owner": ME, "group": MY_GROUP, **more}

    def command(self, script, **more):
        argv = ["sh", "-c", script]
        spec = {"kind": "command", "step": "run", "label": f"command {script}", "argv": argv, "cwd": str(self.folder)}
        return {**spec, "timeout": 10, **more}

    def ran(self):
        """Return what commands have written into ``log``, and forget it."""
        path = self.folder / "log"
        text = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text.split()

    def pending(self):
        folder = self.folder / "state" / "pending"
        return len(names(folder)) if folder.exists() else 0


@pytest.fixture
def host(system, tmp_path):
    return Host(system, tmp_path)


class TestEvents:
    def test_a_resource_that_differs_is_changed_and_then_ok(self, host):
        assert host.apply(host.file(), host.file("b")) == ["changed", "changed"]
        assert host.ok
        assert host.apply(host.file(), host.file("b", "other\n")) == ["ok", "changed"]

    def test_each_row_has_an_event_and_each_act_a_start(self, host):
        host.apply(host.file(), host.file())
        assert [(event["t"], event["position"]) for event in host.events] == [("start", 0), ("event", 0), ("event", 1)]
        event = host.event(0)
        assert (event["step"], event["label"], event["note"]) == ("files", f"file {host.folder}/a", "new")
        assert event["diff"].endswith("+text")
        assert event["ms"] > 0

    def test_the_output_of_a_command_is_told(self, host):
        host.apply(host.command("echo done"))
        assert host.event(0)["output"] == "done\n"

    def test_the_rest_of_a_catalog_is_skipped_after_a_failure(self, host):
        assert host.apply(host.command("echo why; exit 3"), host.file(), host.file("b")) == [
            "failed",
            "skipped",
            "skipped",
        ]
        assert not host.ok
        assert host.event(0)["error"].endswith("sh exited with 3")
        assert host.event(0)["output"] == "why\n"
        assert names(host.folder) == ["state"]

    def test_no_secret_is_told_wherever_it_stands(self, host):
        host.system.masks = ("sesame",)
        host.apply(host.file("sesame", "sesame\n"), host.command("echo sesame"), host.command("echo sesame; exit 1"))
        assert "sesame" not in json.dumps(host.events)
        host.apply({"kind": "file", "step": "x", "label": "x", "path": "/sesame"})
        assert "sesame" not in json.dumps(host.events)

    def test_an_unknown_kind_is_named(self, host):
        assert host.apply({"kind": "spell", "step": "magic", "label": "spell"}) == ["failed"]
        assert host.event(0)["error"] == "this runner knows no resource of kind 'spell'"

    def test_a_cause_in_the_system_is_told_without_a_traceback(self, host):
        assert host.apply(host.command("true", cwd=f"{host.folder}/state", argv=["/"])) == ["failed"]
        assert "Permission denied" in host.event(0)["error"]
        assert "traceback" not in host.event(0)

    def test_a_mistake_of_ours_is_told_with_its_traceback(self, host):
        row = host.file()
        del row["path"]
        assert host.apply(row, host.file("b")) == ["failed", "skipped"]
        assert host.event(0)["error"] == "KeyError('path')"
        assert "files.py" in host.event(0)["traceback"]


class TestDryRun:
    def test_a_dry_run_touches_nothing_and_shows_everything(self, host):
        rows = [host.file(), host.command("touch ran")]
        assert host.apply(*rows, dry=True) == ["would_change", "would_change"]
        assert host.event(0)["diff"].endswith("+text")
        assert host.event(1)["label"] == "command touch ran"
        assert host.ok
        assert names(host.folder) == ["state"]
        assert names(host.folder / "state") == []

    def test_a_dry_run_shows_that_a_trigger_would_run(self, host):
        rows = [host.file(), host.command("true", when=[0])]
        assert host.apply(*rows, dry=True) == ["would_change", "would_change"]
        host.apply(*rows)
        assert host.apply(*rows, dry=True) == ["ok", "ok"]

    def test_a_resource_that_depends_on_one_that_would_change_is_unknown_in_a_dry_run(self, host):
        block = {"kind": "block", "step": "x", "label": "x", "path": f"{host.folder}/a", "name": "n", "content": "c"}
        assert host.apply(host.file(), block, dry=True) == ["would_change", "unknown"]
        assert host.event(1)["note"] == f"{host.folder}/a does not exist"
        assert host.ok

    def test_a_resource_that_depends_on_nothing_that_would_change_fails_in_a_dry_run(self, host):
        block = {"kind": "block", "step": "x", "label": "x", "path": f"{host.folder}/a", "name": "n", "content": "c"}
        assert host.apply(block, host.file(), dry=True) == ["failed", "would_change"]
        assert not host.ok

    def test_an_overdue_trigger_is_shown_and_stays_overdue(self, host):
        rows = [host.file(), host.command("false", when=[0])]
        host.apply(*rows)
        assert host.apply(*rows, dry=True) == ["ok", "would_change"]
        assert host.pending() == 1


class TestTriggers:
    def test_a_trigger_runs_when_its_cause_changed_and_only_then(self, host):
        rows = [host.file(), host.file("b"), host.command("echo one >> log", when=[0])]
        assert host.apply(*rows) == ["changed", "changed", "changed"]
        assert host.apply(*rows) == ["ok", "ok", "ok"]
        rows[1]["content"] = "other\n"
        assert host.apply(*rows) == ["ok", "changed", "ok"]
        assert host.ran() == ["one"]

    def test_a_trigger_with_several_causes_runs_once(self, host):
        rows = [host.file(), host.file("b"), host.command("echo one >> log", when=[0, 1])]
        host.apply(*rows)
        assert host.ran() == ["one"]

    def test_a_trigger_is_noted_before_its_cause_changes_and_forgotten_after_it_succeeded(self, host):
        host.apply(host.file(), host.command("true", when=[0]))
        assert host.points == [("before", 0, 1), ("after", 0, 1), ("before", 1, 1), ("after", 1, 1)]
        assert host.pending() == 0

    def test_a_trigger_that_failed_runs_in_the_next_run_although_nothing_changes_there(self, host):
        rows = [host.file(), host.command("echo try >> log; test -e good", when=[0])]
        assert host.apply(*rows) == ["changed", "failed"]
        (host.folder / "good").write_text("")
        assert host.apply(*rows) == ["ok", "changed"]
        assert host.apply(*rows) == ["ok", "ok"]
        assert host.ran() == ["try", "try"]

    def test_a_trigger_that_was_skipped_after_a_failure_runs_in_the_next_run(self, host):
        rows = [host.file(), host.command("test -e good"), host.command("echo one >> log", when=[0])]
        assert host.apply(*rows) == ["changed", "failed", "skipped"]
        (host.folder / "good").write_text("")
        assert host.apply(*rows) == ["ok", "changed", "changed"]
        assert host.ran() == ["one"]

    def test_a_trigger_can_be_the_cause_of_another(self, host):
        rows = [
            host.file(),
            host.command("echo one >> log; test -e good", when=[0]),
            host.command("echo two >> log", when=[1]),
        ]
        assert host.apply(*rows) == ["changed", "failed", "skipped"]
        (host.folder / "good").write_text("")
        assert host.apply(*rows) == ["ok", "changed", "changed"]
        assert host.apply(*rows) == ["ok", "ok", "ok"]
        assert host.ran() == ["one", "one", "two"]

    def test_an_overdue_trigger_whose_result_exists_is_done_with(self, host):
        rows = [host.file(), host.command("touch made; exit 1", when=[0], creates=f"{host.folder}/made")]
        assert host.apply(*rows) == ["changed", "failed"]
        assert host.apply(*rows) == ["ok", "ok"]
        assert host.pending() == 0

    def test_a_trigger_is_recognized_under_another_title_and_with_other_causes(self, host):
        host.apply(host.file(), host.command("false", when=[0]))
        row = host.command("false", when=[0, 1], title="t", timeout=5, label="l", step="s", stdin="i", env={"A": "b"})
        assert host.apply(host.file(), host.file("b"), row) == ["ok", "changed", "failed"]
        assert host.pending() == 1

    def test_another_program_is_another_trigger(self, system, host):
        pending = Pending(f"{host.folder}/pending")
        pending.add(host.command("one"))
        assert not pending.has(host.command("two"))
        assert not pending.has(host.command("one", user="nobody"))

    def test_the_same_program_in_two_places_serves_both_causes(self, host):
        reload = "echo reload >> log"
        rows = [host.file(), host.command(reload, when=[0]), host.file("b"), host.command(f"{reload}", when=[2])]
        host.apply(*rows)
        assert host.ran() == ["reload", "reload"]
        rows[2]["content"] = "other\n"
        assert host.apply(*rows) == ["ok", "ok", "changed", "changed"]
        assert host.pending() == 0


def test_a_note_about_a_row_stands_in_its_event_and_in_no_other(host, system):
    system.masks = ("secret",)
    system.warnings.append("a login stays on the server: secret")
    assert host.apply(host.file(), host.file("b")) == ["changed", "changed"]
    assert host.event(0)["warning"].startswith("a login stays on the server: ")
    assert "secret" not in host.event(0)["warning"]
    assert "warning" not in host.event(1)

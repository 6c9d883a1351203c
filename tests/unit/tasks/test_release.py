"""What the steps of a rollout write down on a host."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.journal import PUT_BACK, SWITCH, Record
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.resources import Absent, File, History, Journal
from hawser.secrets import Secrets, in_file
from hawser.tasks import release
from hawser.templates.rendering import Templates

NEW, OLD = "1111111111-aaaaaaaa", "2222222222-bbbbbbbb"
DEPLOY = Record(NEW, "1" * 40, "deploy", "ann on desk at 2030-01-02T03:04:05Z", ("web1", "web2"))
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "app": {"name": "shop", "repo": "."},
    "processes": {"web": {"command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}},
    "hosts": {"web1": {}, "web2": {}},
}


def host(rollout: Record | None = DEPLOY, journal: Record | None = None, **entry: str) -> Host:
    environment = Environment.model_validate(SETTINGS)
    kept: Any = journal.entry() if journal else None
    return Host(
        "web1",
        environment,
        Secrets("shop", in_file(Path("shop.env")), {}),
        Templates(),
        {"web1": "10.0.0.1", "web2": "10.0.0.2"},
        Facts(current=OLD, journal=kept),
        Release(NEW, "1" * 40, environment, Templates()),
        {"what": "deploy", "who": "ann", **entry},
        rollout=rollout,
    )


def wanted(step: Any, where: Host) -> list[Any]:
    return list(step.resources(where))


def test_a_rollout_begins_with_what_its_release_is_made_of_and_what_to_go_back_to():
    inputs, journal = wanted(release.begin, host())
    assert isinstance(inputs, File) and (inputs.path, inputs.mode) == ("/var/lib/hawser/shop/rollout.json", 0o600)
    assert NEW in str(inputs.content)
    assert isinstance(journal, Journal) and journal.entry["before"] == OLD


def test_a_rollout_that_was_broken_off_before_is_told_in_the_history_once():
    other = dataclasses.replace(DEPLOY, release=OLD, by="bob on lap at 2030-01-01T00:00:00Z")
    entries = [each.entry for each in wanted(release.begin, host(journal=other)) if isinstance(each, History)]
    assert [(entry["who"], entry["result"]) for entry in entries] == [(other.by, "interrupted")]
    failed = dataclasses.replace(other, failed="prepare failed")
    for journal in (failed, DEPLOY, dataclasses.replace(other, complete=True)):
        assert not [each for each in wanted(release.begin, host(journal=journal)) if isinstance(each, History)]


def test_a_leader_that_only_migrates_gets_no_journal():
    assert wanted(release.begin, host(dataclasses.replace(DEPLOY, hosts=("web2",)))) == []
    assert wanted(release.advance, host(dataclasses.replace(DEPLOY, hosts=("web2",)))) == []


def test_a_rollout_that_is_complete_leaves_nothing_behind():
    inputs, journal = wanted(release.close, host())
    assert isinstance(inputs, Absent) and journal.release == ""


def test_hosts_that_a_rollout_waits_for_stay_in_the_journal():
    (journal,) = wanted(release.close, host(dataclasses.replace(DEPLOY, waits=("web2",))))
    assert (journal.entry["complete"], journal.entry["waits"]) == (True, ["web2"])
    (journal,) = wanted(release.close, host(dataclasses.replace(DEPLOY, waits=("web1",))))
    assert journal.entry["complete"] is False


def test_a_rollback_that_is_finished_later_still_counts_as_one():
    (line,) = wanted(release.record, host(dataclasses.replace(DEPLOY, what="rollback"), what="resume"))
    assert line.entry["what"] == "resume rollback"
    (line,) = wanted(release.record, host())
    assert line.entry["what"] == "deploy"


def test_a_failure_is_kept_in_the_journal_unless_the_host_was_put_back():
    failed = dataclasses.replace(DEPLOY, failed="switch failed", phase=SWITCH)
    assert wanted(release.record, host(failed))[1].entry["failed"] == "switch failed"
    assert len(wanted(release.record, host(dataclasses.replace(failed, phase=PUT_BACK)))) == 1

"""The rollouts that are kept on this machine, as tasks show them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hawser import namespace
from hawser.errors import HawserError
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.rollout import folder
from hawser.report.stream import Sink
from hawser.session.session import Session
from hawser.tasks import report as tasks
from hawser.tasks.collection import DEFAULTS
from tests.written_logs import rollout

from ..simulated_hosts import NAME, World, at


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAWSER_ROLLOUTS", str(tmp_path / "rollouts"))
    return tmp_path / "rollouts" / NAME / NAME


@pytest.fixture
def session(keepers: World, place: Path) -> Session:
    return keepers.fleet_of(command="report").session


@pytest.fixture
def told(session: Session) -> io.StringIO:
    """What the person is told."""
    stream = io.StringIO()
    session.recorded.shown = PlainReport(Sink(stream), Settings())
    return stream


@pytest.fixture
def two(place: Path) -> Path:
    """The folder of two rollouts, of which the second has failed."""
    rollout(place, name="2030-01-01T143000Z-deploy")
    rollout(place, name="2030-01-02T143000Z-deploy", fails=True)
    return place


def test_the_page_of_the_last_rollout_is_made_anew_and_told_where(
    session: Session, two: Path, told: io.StringIO
) -> None:
    tasks.page.body(session)
    assert [path.name for path in two.glob("*.html")] == ["2030-01-02T143000Z-deploy.html"]
    assert str(two / "2030-01-02T143000Z-deploy.html") in told.getvalue()


def test_a_rollout_is_named_by_how_its_name_begins_and_its_page_lies_where_it_is_asked_for(
    session: Session, two: Path, tmp_path: Path
) -> None:
    tasks.page.body(session, rollout="2030-01-01", to=str(tmp_path / "page.html"))
    assert "2030-01-01T143000Z-deploy" in (tmp_path / "page.html").read_text()
    with pytest.raises(HawserError, match=f"begins with 2031\n  next: fab -H {NAME} report.list"):
        tasks.page.body(session, rollout="2031")


def test_a_log_from_elsewhere_needs_no_environment(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fabric.config import Config

    log = rollout(tmp_path / "elsewhere")
    tasks.page.body(Session(Config(), [], "report"), log=str(log), to=str(tmp_path / "page.html"))
    assert "release.start" in (tmp_path / "page.html").read_text()


def test_without_a_rollout_the_error_says_what_leaves_one(session: Session) -> None:
    for task in (tasks.page, tasks.junit):
        with pytest.raises(HawserError, match=f"no rollout of {NAME} is kept .* next: fab -H {NAME} deploy"):
            task.body(session)


def test_what_cannot_be_written_is_named(session: Session, two: Path) -> None:
    for task in (tasks.page, tasks.junit):
        with pytest.raises(HawserError, match="/nowhere/x cannot be written: No such file or directory"):
            task.body(session, to="/nowhere/x")


def test_a_log_that_cannot_be_read_is_listed_with_why_and_breaks_no_list(
    session: Session, two: Path, told: io.StringIO
) -> None:
    (two / "2030-01-03T143000Z-deploy.jsonl").write_text("nonsense\n")
    tasks.listing.body(session)
    head, *rows = told.getvalue().splitlines()[1:]
    assert head.split() == ["rollout", "what", "release", "subject", "hosts", "took", "result"]
    assert "is no log of a rollout" in rows[0] and "failed: web4" in rows[1] and rows[2].endswith("ok")
    assert "Boats may be longer than their berth" in rows[1]


def test_an_empty_list_says_so(session: Session, told: io.StringIO) -> None:
    tasks.listing.body(session)
    assert "no rollout of pier is kept on this machine" in told.getvalue()


def test_xml_goes_to_standard_output_or_into_a_file(
    session: Session, two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks.junit.body(session)
    assert ElementTree.fromstring(capsys.readouterr().out).tag == "testsuites"
    tasks.junit.body(session, to=str(tmp_path / "x.xml"))
    assert ElementTree.parse(tmp_path / "x.xml").getroot().tag == "testsuites"


@pytest.mark.parametrize(("variable", "begins"), [("GITHUB_ACTIONS", "::error file="), ("GITLAB_CI", "[\n")])
def test_annotations_are_those_of_the_service_that_runs_the_job(
    session: Session, two: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    variable: str, begins: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, "true")
    tasks.annotated.body(session)
    assert capsys.readouterr().out.startswith(begins)


def test_annotations_of_no_service_are_refused(session: Session, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITLAB_CI", raising=False)
    with pytest.raises(HawserError, match="this is no job of GitHub or GitLab"):
        tasks.annotated.body(session)
    with pytest.raises(HawserError, match="--service jenkins: one of github, gitlab is known"):
        tasks.annotated.body(session, service="jenkins")


def test_a_rollout_over_simulated_hosts_leaves_what_report_reads(keepers: World, place: Path) -> None:
    keepers.fault = at("web2", "it is ill", kind="running")
    fleet = keepers.fleet_of(command="deploy")
    from hawser.tasks import deploy as deploying

    with pytest.raises(HawserError):
        deploying.deploy.body(fleet)
    fleet.session.report.finish(False, error="it failed", code=1)
    [log] = folder.kept(place)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows[0]["t"] == "begin" and rows[0]["hosts"] == ["web1", "web2", "web3"]
    assert {"release", "phase", "event", "finish"} <= {row["t"] for row in rows}
    assert "it is ill" in folder.page_of(log).read_text()


@pytest.mark.parametrize("name", ["deploy", "rollback", "resume"])
def test_rollouts_leave_a_log_whatever_comes_of_them(name: str) -> None:
    from hawser.tasks import deploy as deploying

    assert getattr(deploying, name).rolls_out


def test_the_name_of_the_group_stands_for_the_page() -> None:
    assert "report.page" in DEFAULTS and "report" in namespace.task_names["report.page"]

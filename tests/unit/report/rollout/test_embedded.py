"""The table of all events that goes along in a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hawser.report.events import STATUSES
from hawser.report.rollout import embedded
from hawser.report.rollout.reading import read_log
from tests.written_logs import Written, rollout


def test_equal_texts_are_there_once(tmp_path: Path) -> None:
    found = json.loads(embedded.data(read_log(rollout(tmp_path, hosts=50))))
    assert len(found["texts"]) == len(set(found["texts"])) and found["texts"].count("venv.build") == 1
    assert len(found["events"]) == 50 * 16 * 2
    at = {name: number for number, name in enumerate(found["texts"])}
    steps = {row[2] for row in found["events"] if embedded.STATES[row[4]] == "changed"}
    assert steps == {at["venv.build"], at["release.start"], at["nginx.install"]}


def test_failures_and_changes_have_the_room_first_and_what_is_over_stays_in_the_log(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    for number in range(40):
        log.event("web1", "s", f"fine {number}", "ok", output=f"{number:03}" + "o" * 50_000)
    for number in range(40):
        log.event("web1", "s", f"changed {number}", "changed", diff=f"{number:03}" + "d" * 50_000)
    log.event("web1", "s", "failed", "failed", output="f" * 50_000)
    text = embedded.data(read_log(log.done()))
    found = json.loads(text)
    assert len(text) < embedded.MOST_TEXT + 100_000
    shown = [text[:4] for text in found["texts"] if len(text) > 1000]
    assert "ffff" in shown and sum("d" in each for each in shown) == 40
    assert embedded.LEFT_OUT in found["texts"] and 10 < sum("o" in each for each in shown) < 40


def test_a_text_that_is_very_long_is_cut_and_says_so(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    log.event("web1", "s", "l", "changed", diff="x" * 150_000)
    [text] = [each for each in json.loads(embedded.data(read_log(log.done())))["texts"] if len(each) > 1000]
    assert len(text) < 61_000 and text.endswith(embedded.LEFT_OUT)


def test_json_in_a_script_ends_no_script_and_begins_no_comment() -> None:
    hostile = "</script><!--<script>&\u2028\u2029]]>"
    text = embedded.in_script({hostile: hostile})
    assert not set(text) & {"<", ">", "&", "\u2028", "\u2029"} and json.loads(text) == {hostile: hostile}


def test_the_script_knows_every_status_that_an_event_may_have() -> None:
    assert {*embedded.STATES} == {*STATUSES}
    script = (Path(embedded.__file__).parent / "page.js").read_text()
    for name in ("WORDS", "MARKS", "CLASSES"):
        [row] = re.findall(rf"const {name} = (\[.*\]);", script)
        assert len(json.loads(row)) == len(embedded.STATES)

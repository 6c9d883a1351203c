"""JUnit's XML and annotations: what CI reads of a rollout."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from hawser.report.rollout.annotations import github, gitlab
from hawser.report.rollout.junit import junit
from hawser.report.rollout.reading import read_log
from tests.written_logs import Written, rollout

HOSTILE = "]]></failure><x y='\"&\x00\x0b\ufffe %0A\n::error::forged\r\n##[group]"
# Element by element, as the schema has them: attributes that have to be there, those that may, and children in order.
TESTSUITE = {"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "id", "package"}
SCHEMA: dict[str, tuple[set[str], set[str], list[str]]] = {
    "testsuites": (set(), set(), ["testsuite*"]),
    "testsuite": (TESTSUITE, {"skipped"}, ["properties", "testcase*", "system-out", "system-err"]),
    "properties": (set(), set(), ["property*"]),
    "testcase": ({"name", "classname", "time"}, set(), ["skipped|error|failure?"]),
    "skipped": (set(), set(), []),
    "failure": ({"type"}, {"message"}, []),
    "error": ({"type"}, {"message"}, []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}


def valid(element: ElementTree.Element) -> None:
    """Hold an element to the schema."""
    needed, allowed, children = SCHEMA[element.tag]
    assert needed <= element.attrib.keys() <= needed | allowed, element.tag
    found = " ".join(child.tag for child in element)
    parts = []
    for each in children:
        name, many = each.rstrip("*?"), each[-1] if each[-1] in "*?" else ""
        parts.append(f"(?:(?:{name})(?: |$)){many}")
    assert re.fullmatch("".join(parts), found), f"{element.tag}: {found}"
    if element.tag == "testsuite":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.attrib["timestamp"])
        for name in ("tests", "failures", "errors", "skipped", "id"):
            assert element.attrib[name].isdigit()
        cases = element.findall("testcase")
        assert len(cases) == int(element.attrib["tests"])
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert len([each for each in cases if each.find(tag) is not None]) == int(element.attrib[name])
        assert element.attrib["name"] and element.attrib["hostname"]
    for child in element:
        valid(child)


def test_the_xml_of_a_failed_rollout_is_as_the_schema_has_it(tmp_path: Path) -> None:
    root = ElementTree.fromstring(junit(read_log(rollout(tmp_path, fails=True))))
    valid(root)
    assert [each.get("hostname") for each in root] == ["web1", "web2", "web3", "web4"]
    [failure] = root.iter("failure")
    assert failure.get("message") == "mysite-web does not come up: exit status 1"
    assert (failure.text or "").endswith("line 39 of the traceback")


def test_a_rollout_that_went_well_has_no_failure(tmp_path: Path) -> None:
    root = ElementTree.fromstring(junit(read_log(rollout(tmp_path))))
    valid(root)
    assert not [*root.iter("failure"), *root.iter("error")]


def test_a_rollout_that_failed_on_no_host_or_never_ended_is_an_error_of_its_own(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    log.row("finish", ok=False, code=1, error="deploys are frozen; nothing was touched")
    root = ElementTree.fromstring(junit(read_log(log.done())))
    valid(root)
    assert [each.get("message") for each in root.iter("error")] == ["deploys are frozen; nothing was touched"]
    log = Written(tmp_path, "killed").begin(["web1"])
    [error] = ElementTree.fromstring(junit(read_log(log.done()))).iter("error")
    assert "no end" in (error.text or "")


def test_words_of_a_host_stay_words_in_the_xml(tmp_path: Path) -> None:
    log = Written(tmp_path).begin([HOSTILE, "web1"])
    log.event(HOSTILE, HOSTILE, HOSTILE, "failed", 5, error=HOSTILE, output=HOSTILE, note=HOSTILE)
    log.event("web1", "s", "l", "skipped")
    log.row("host_failed", host="web1", message=HOSTILE)
    log.row("finish", ok=False, error=HOSTILE)
    root = ElementTree.fromstring(junit(read_log(log.done())))
    valid(root)
    [failure] = root.iter("failure")
    assert "</failure><x y=" in (failure.text or "")


def test_annotations_of_github_are_one_line_each_and_forge_none(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1", "web2"])
    for host in ("web1", "web2"):
        log.event(host, "a:b,c", HOSTILE, "failed", 5, error="100 % full\nreally", output="x\n::set-output::y")
    log.row("note", host="web1", level="warning", text="the certificate ends\n  next: fab certs.issue")
    log.row("finish", ok=False, error="failed on web1")
    lines = github(read_log(log.done()))
    assert all(
        re.fullmatch(r"::(error|warning) file=hosts/mysite\.toml,line=1,title=[^,:]*::.*", each) for each in lines
    )
    assert [each.split(" ")[0] for each in lines] == ["::error", "::error", "::warning"]
    assert "title=web1%2C web2%3A a%3Ab%2Cc%3A" in lines[0]
    assert lines[0].endswith("::100 %25 full%0Areally%0Ax%0A::set-output::y")


def test_github_gets_no_more_annotations_than_it_shows(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    for number in range(30):
        log.event("web1", "s", f"l{number}", "failed", error="x")
    assert len(github(read_log(log.done()))) == 10


def test_the_report_for_gitlab_has_the_fields_that_it_asks_for(tmp_path: Path) -> None:
    account = read_log(rollout(tmp_path, fails=True))
    rows = json.loads(gitlab(account))
    assert [each["severity"] for each in rows] == ["critical", "critical", "minor"]
    for each in rows:
        assert each["location"] == {"path": "hosts/mysite.toml", "lines": {"begin": 1}}
        assert each["description"] and each["check_name"] == "deploy mysite"
    assert len({each["fingerprint"] for each in rows}) == 3
    assert rows == json.loads(gitlab(account))
    assert gitlab(read_log(rollout(tmp_path / "good"))) != "" and isinstance(json.loads(gitlab(account)), list)


@pytest.mark.parametrize("host", ["", "web1"])
def test_a_log_that_names_no_file_has_annotations_without_one(tmp_path: Path, host: str) -> None:
    log = Written(tmp_path).begin(["web1"], file="")
    log.row("note", host=host, level="warning", text="odd")
    log.row("finish", ok=True)
    [line] = github(read_log(log.done()))
    assert line == f"::warning title={host or 'mysite'}%3A odd::odd"

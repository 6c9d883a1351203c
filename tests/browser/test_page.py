"""The page of a rollout in a real browser: it opens from a file, filters, expands, and nothing in it is run."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hawser.report.events import Event
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.rollout import folder
from hawser.report.rollout.made import make_page
from hawser.report.rollout.recorded import RecordedReport
from hawser.report.stream import Sink

from ..written_logs import BEGAN, Written, rollout
from .chromium import Chromium

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<!-- <script> <img src=x onerror=window.hacked=1>",
    "\u2028window.hacked = 1//",
    '"><svg onload=window.hacked=1>',
    "javascript:window.hacked=1",
    "&lt;b&gt; ${window.hacked = 1} {{7*7}}",
    "]]><b>bold</b>",
    "\x1b[31mred\x1b[0m \x07 \u202efdp.exe",
    "x" * 3_000_000,
]
COUNT = "document.querySelectorAll({}).length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()


def made(log: Path) -> Path:
    path = folder.page_of(log)
    make_page(log, path)
    return path


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a rollout on four hosts that failed on the last one, and took longer than the one before."""
    place = tmp_path_factory.mktemp("failed")
    rollout(place, name="2030-01-01T143000Z-deploy", began=BEGAN - timedelta(days=1))
    return made(rollout(place, slow={"venv.build": 6.2}, fails=True))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a rollout on three hundred hosts with sixty-four resources each."""
    return made(rollout(tmp_path_factory.mktemp("large"), hosts=300, labels=4))


def shown(browser: Chromium, selector: str) -> list[str]:
    """Return the texts of the elements that can be seen."""
    seen = f"[...document.querySelectorAll({json.dumps(selector)})].filter((e) => e.checkVisibility())"
    # What lies beyond the window is not laid out, and has no inner text.
    script = f"{seen}.map((e) => e.innerText || e.textContent)"
    return list(browser.run(script))


def click(browser: Chromium, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def search(browser: Chromium, words: str) -> None:
    """Type into the field, and wait until what is found is shown."""
    browser.run("document.getElementById('query').value = ''; document.getElementById('query').focus()")
    browser.run("document.getElementById('count').textContent = 'waiting'")
    browser.type(words)
    browser.until("document.getElementById('count').textContent !== 'waiting'")


def test_it_opens_from_a_file_asks_nobody_and_the_console_stays_empty(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    assert browser.requests == [failed.as_uri()] and browser.complaints == []
    assert browser.run("document.title") == "✗ deploy mysite: Failed"
    heads = shown(browser, "h2")
    assert heads == [
        "Failures",
        "What took longer, or less long",
        "Commits",
        "Phases",
        "Timeline",
        "What changed",
        "Notes",
    ]
    [failure] = shown(browser, "#failures article")
    assert failure.startswith("web4 release.start running mysite-web") and "line 39 of the traceback" in failure
    assert "line 5 of the traceback" not in failure and "the port is taken" in failure
    assert any("took 15.5 times as long as before" in each for each in shown(browser, "#comparison li"))


def test_the_policy_of_the_page_refuses_scripts_that_are_not_its_own_and_addresses_of_others(
    browser: Chromium, failed: Path
) -> None:
    browser.open(failed)
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);"
        "const i = document.createElement('img'); i.src = 'https://site.invalid/x.png'; document.body.append(i); 0"
    )
    assert browser.run("window.hacked === undefined")
    browser.until("document.images.length === 1")
    told = [each for each in browser.complaints if "Content Security Policy" in each]
    assert any("script-src" in each for each in told) and any("site.invalid" in each for each in told), told


def test_a_search_shows_what_it_finds_and_counts_it(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    search(browser, "nginx web2")
    assert shown(browser, "#count") == ["2 of 114 resources, on 1 of 4 hosts"]
    assert [each.split()[0] for each in shown(browser, ".row")] == ["web2"]
    search(browser, "client_max_body_size")
    assert shown(browser, "#count") == ["3 of 114 resources, on 3 of 4 hosts"]
    search(browser, "no such thing")
    assert shown(browser, ".row") == [] and shown(browser, "#count") == ["0 of 114 resources, on 0 of 4 hosts"]
    browser.press("Escape")
    assert len(shown(browser, ".row")) == 4


def test_failures_and_changes_alone_can_be_shown(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    click(browser, "input[value=failed]")
    assert [each.split()[0] for each in shown(browser, ".row")] == ["web4"]
    click(browser, "input[value=changed]")
    assert len(shown(browser, ".row")) == 4 and shown(browser, "#count") == ["11 of 114 resources, on 4 of 4 hosts"]


def test_a_host_expands_by_click_and_by_key_and_shows_its_steps_and_diffs(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    assert shown(browser, ".events") == []
    click(browser, ".row")
    assert browser.run("document.querySelector('.row').getAttribute('aria-expanded')") == "true"
    assert "✗ failed" in shown(browser, ".events")[0] and "prepare, from 0 ms on" in shown(browser, ".events")[0]
    browser.run("document.querySelectorAll('.row')[1].focus()")
    browser.press("Enter")
    assert len(shown(browser, ".events")) == 2
    browser.press("Enter")
    assert len(shown(browser, ".events")) == 1
    assert shown(browser, "#changed .diff") == []
    browser.run("[...document.querySelectorAll('#changed summary')].find((e) => e.innerText.includes('diff')).click()")
    browser.until("document.querySelector('#changed .diff') !== null")
    [first, *_rest] = shown(browser, "#changed .diff")
    assert "+  client_max_body_size 25m;" in first


def test_a_stroke_leads_to_the_search(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    browser.press("/")
    assert browser.run("document.activeElement.id") == "query"


def test_words_of_hosts_and_repositories_are_shown_and_nothing_in_them_is_run(
    browser: Chromium, tmp_path: Path
) -> None:
    log = Written(tmp_path)
    log.begin(["web1"], command=HOSTILE[1], who=HOSTILE[0], environment=HOSTILE[2])
    log.row("release", id=HOSTILE[4], commit=HOSTILE[4])
    log.row("commits", former="a", commit=HOSTILE[4], hosts=["web1"], text=HOSTILE[1], subjects=HOSTILE)
    for number, text in enumerate(HOSTILE):
        log.row("phase", name=text, hosts=["web1"])
        fields = dict.fromkeys(("diff", "note", "output", "error"), text)
        log.event("web1", text, text, "failed" if number % 2 else "changed", 10, **fields)
        log.event(text, text, text, "changed", 10, **fields)
        log.row("note", host="web1", level=text, text=text)
        log.row("explained", host="web1", text=text)
        log.row("host_failed", host="web1", message=text)
    log.row("finish", ok=False, code=1, error=HOSTILE[1])
    page = made(log.done())
    browser.open(page)
    click(browser, ".row")
    browser.run("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    browser.until("document.querySelector('#changed pre') !== null")
    assert browser.run("window.hacked === undefined")
    assert browser.complaints == [] and browser.requests == [page.as_uri()]
    assert browser.run(COUNT.format("'script'")) == 2
    assert browser.run(COUNT.format("'img, b > b, iframe, object, [onload], [onerror], a'")) == 0
    seen = browser.run("document.body.innerText")
    for text in HOSTILE[:6]:
        assert text.replace("\u2028", "\\u2028") in seen, text
    assert "\\u202efdp.exe" in seen and "\x1b" not in seen and "\\x07" in seen
    assert page.stat().st_size < 3_000_000


def test_no_secret_is_in_the_page_whatever_has_hidden_it(
    browser: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAWSER_ROLLOUTS", str(tmp_path))
    report = RecordedReport(PlainReport(Sink(io.StringIO()), Settings()), dry=False)
    report.begin(lambda: {"command": "deploy", "environment": "mysite", "application": "shop", "hosts": ["web1"]})
    report.set_masks(["hunter2", "s<w>rd&fish"])
    report.phase("prepare", ["web1"])
    for text in ("hunter2", "hun\x1b[1mter2", "s<w>rd&fish", "s<w\x1b[0m>rd&fish"):
        report.event("web1", Event(0, text, text, "failed", 3, text, text, text, text))
        report.note("web1", text, "warning")
        report.host_failed("web1", text)
    report.finish(False, error="hunter2")
    [page] = tmp_path.glob("shop/mysite/*.html")
    browser.open(page)
    click(browser, ".row")
    seen = browser.run("document.documentElement.outerHTML + document.documentElement.innerText")
    assert "********" in seen
    assert not [part for part in ("hunter2", "ter2", "rd&fish", "rd&amp;fish", "rd\\u0026fish") if part in seen]


def test_three_hundred_hosts_open_at_once_folded_in_a_file_of_less_than_two_megabytes(
    browser: Chromium, large: Path
) -> None:
    assert large.stat().st_size < 2_000_000
    seconds = browser.open(large)
    # A second where nothing else runs.
    assert seconds < 5, f"{seconds:.1f} s"
    assert len(shown(browser, ".row")) == 30 and shown(browser, ".events") == []
    assert shown(browser, "#count")[0].startswith("19,200 resources on 300 hosts")
    click(browser, "#more-hosts")
    assert browser.run(COUNT.format("'.row'")) == 300
    search(browser, "web299")
    assert [each.split()[0] for each in shown(browser, ".row")] == ["web299"]


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("which", ["failed", "large"])
def test_nothing_is_wider_than_the_window(
    browser: Chromium, request: pytest.FixtureRequest, which: str, width: int
) -> None:
    browser.open(request.getfixturevalue(which), width=width)
    click(browser, ".row")
    browser.run("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    # Nor is a column so narrow that its words are broken.
    narrow = "[...document.querySelectorAll('td, th')].filter((e) => e.checkVisibility() && e.clientWidth < 40)"
    assert browser.run(f"{narrow}.length") == 0


CONTRASTS = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const even = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map((v) => even(v / 255));
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c[3] === 255) return c; } return rgb('Canvas'); };
  const found = {};
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName)) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const name = `${e.tagName}.${e.className}`;
    found[name] = Math.min(found[name] ?? 99, (a + .05) / (b + .05));
  }
  return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_enough_in_light_and_dark(browser: Chromium, failed: Path, scheme: str) -> None:
    browser.media(scheme)
    browser.open(failed)
    click(browser, ".row")
    browser.run("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    browser.until("document.querySelector('#changed .diff') !== null")
    found = browser.run(CONTRASTS)
    browser.media()
    # Web Content Accessibility Guidelines 2.2, 1.4.3.
    assert len(found) > 20 and not {name: ratio for name, ratio in found.items() if ratio < 4.5}


def test_light_and_dark_are_what_the_reader_has_chosen(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    found = []
    for scheme in ("light", "dark"):
        browser.media(scheme)
        found.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    browser.media()
    assert len(set(found)) == 2


def test_on_paper_what_is_folded_is_open_and_what_cannot_be_clicked_is_not_there(
    browser: Chromium, failed: Path
) -> None:
    browser.open(failed)
    opened = "document.querySelectorAll('details[open]').length"
    browser.run(f"window.printed = 0; window.addEventListener('beforeprint', () => {{ window.printed = {opened}; }})")
    pdf = base64.b64decode(browser("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF") and browser.run("window.printed") > 0
    assert browser.run(opened) == 0
    browser.media("dark", "print")
    assert shown(browser, "#filter") == [] and shown(browser, "#changed") != []
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.media()


def test_without_scripts_it_says_what_failed_and_what_is_missing(browser: Chromium, failed: Path) -> None:
    browser("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser("Page.navigate", url=failed.as_uri())
        browser.until("document.readyState === 'complete'")
        seen = browser.run("document.body.innerText")
        assert "mysite-web does not come up" in seen and "need JavaScript" in seen
        assert "Search" not in seen
    finally:
        browser("Emulation.setScriptExecutionDisabled", value=False)


def test_a_reader_of_the_page_aloud_hears_names_of_all_controls(browser: Chromium, failed: Path) -> None:
    browser.open(failed)
    nodes = browser("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node for node in nodes if node.get("role", {}).get("value") in ("button", "searchbox", "radio", "checkbox")
    ]
    assert len(controls) >= 9 and all(node["name"]["value"].strip() for node in controls if not node.get("ignored"))
    roles = {node.get("role", {}).get("value") for node in nodes}
    assert {"main", "banner", "contentinfo", "search", "region"} <= roles

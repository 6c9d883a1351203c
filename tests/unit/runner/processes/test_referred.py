import os
import time

import pytest

from hawser.runner.processes import referred
from hawser.runner.processes.referred import with_last_words
from hawser.runner.system import Failure, Finished

JOB = "Job for %s failed because the control process exited with error code.\n"
# Of Debian 12 and 13, and of Debian 11.
NOW = 'See "systemctl status %s" and "journalctl -xeu %s" for details.\n'
BEFORE = 'See "systemctl status %s" and "journalctl -xe" for details.\n'


@pytest.fixture
def words(system, monkeypatch):
    """Return a function that says what is made of an output; each unit's file is given by its name."""

    def made(output, journals, files=None):
        def run(argv, **_options):
            assert argv[:-1] == ["systemctl", "cat", "--"]
            path = (files or {}).get(argv[-1])
            lines = ["[Service]", "StandardOutput=null"]
            lines += [f"StandardOutput=append:{path}", f"StandardError = append:{path}"] if path else []
            return Finished(0, "\n".join(lines), "")

        monkeypatch.setattr(system, "run", run)
        monkeypatch.setattr(referred, "journal", lambda _system, units, _since: journals(*units))
        return with_last_words(system, output, time.time() - 5)

    return made


@pytest.mark.parametrize("referral", [NOW % ("a-b@1.service", "a-b@1.service"), BEFORE % "a-b@1.service"])
def test_the_words_of_a_unit_stand_where_it_was_referred_to_them(words, referral):
    job = JOB % "a-b@1.service"
    assert words(job + referral, lambda unit: unit + ": no\n") == job + "a-b@1.service: no\n"


def test_words_of_a_unit_that_go_to_a_file_are_found_there_once(words, tmp_path):
    path = tmp_path / "broker.log"
    path.write_text("the port is taken\nBOOT FAILED\n")
    said = words(JOB % "b.service" + NOW % ("b.service", "b.service"), lambda unit: "", {"b.service": path})
    assert said == JOB % "b.service" + "the port is taken\nBOOT FAILED\n"


def test_a_file_that_was_written_before_says_nothing(words, tmp_path):
    path = tmp_path / "broker.log"
    path.write_text("of yesterday\n")
    os.utime(path, (time.time() - 86400,) * 2)
    output = JOB % "b.service" + NOW % ("b.service", "b.service")
    assert words(output, lambda unit: "", {"b.service": path}) == output


def test_who_refers_to_many_units_is_followed_to_few(words):
    output = "".join(NOW % (unit, unit) for unit in ("a.service", "b.service", "a.service", "c.service", "d.service"))
    assert words(output, lambda unit: unit + "\n").split() == ["a.service", "b.service", "c.service"]


@pytest.mark.parametrize(
    "output", ["", "See journalctl.\n", NOW % ("a b", "a b"), NOW % ("$(id).service", "x"), "> " + NOW % ("a", "a")]
)
def test_other_output_stays_as_it_is(words, output):
    assert words(output, lambda unit: pytest.fail(unit)) == output


def test_a_journal_that_does_not_answer_hides_nothing(words):
    def silent(unit):
        raise Failure("journalctl: not done after 30 s")

    output = JOB % "b.service" + NOW % ("b.service", "b.service")
    assert words(output, silent) == output

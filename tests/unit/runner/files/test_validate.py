"""Files are read by the program they are for before they replace anything."""

from __future__ import annotations

import shutil
import sys

import pytest

from hawser.runner.files import validate
from hawser.runner.files.disk import scratch_folder
from hawser.runner.files.validate import validate_with
from hawser.runner.system import Failure, Finished

from ..conftest import ME, names


@pytest.fixture
def judge(system, tmp_path, monkeypatch):
    """Check a text as a file with this name; an empty answer means that it is accepted."""
    monkeypatch.setattr(validate, "PYTHON", sys.executable)

    def judge(validator, text, name="file"):
        copy = tmp_path / f".{name}.0123abcd~"
        copy.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            validate_with(validator, system, str(copy), f"/etc/{name}")
        except Failure as failure:
            return f"{failure.message}\n{failure.output}".strip()
        finally:
            scratch = tmp_path / "state" / "scratch"
            assert not scratch.exists() or names(scratch_folder(system.state)) == []
        return ""

    return judge


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [1, "ü"]}', ""),
        ("{", "/etc/file would not be valid JSON: Expecting property name"),
        ("", "Expecting value: line 1 column 1"),
        (b'"\xff"', "'utf-8' codec can't decode"),
    ],
)
def test_a_file_of_json_is_judged_by_its_reader(judge, text, said):
    assert said in judge("json", text)
    assert bool(judge("json", text)) == bool(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A = 'ü'\n", ""),
        (b"# -*- coding: latin-1 -*-\nA = '\xfc'\n", ""),
        ("A = (\n", "/etc/file would not be valid Python: line 1"),
        ("A = '\0'\n", "null bytes"),
        (b"A = '\xff'\n", "would not be valid Python"),
    ],
)
def test_a_file_of_python_is_judged_by_its_reader(judge, text, said):
    assert said in judge("python", text)
    assert bool(judge("python", text)) == bool(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, ü]\n---\nb: 2\n", ""),
        ("a: !vault only its reader knows this tag\n", ""),
        ("a: [1\n", "/etc/file would not be valid YAML"),
        ("a: *nowhere\n", "undefined alias"),
        (b"a: \xff\n", "would not be valid YAML"),
    ],
)
def test_a_file_of_yaml_is_judged_by_its_reader(judge, text, said):
    assert said in judge("yaml", text)
    assert bool(judge("yaml", text)) == bool(said)


def test_yaml_names_the_package_that_is_missing(judge, system, tmp_path, monkeypatch):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(validate, "PYTHON", str(bare))
    (tmp_path / "a").write_text("")
    with pytest.raises(Failure, match="needs the package python3-yaml"):
        validate_with("yaml", system, str(tmp_path / "a"), "/etc/a")


PROGRAM = "[program:demo]\ncommand=/bin/sleep 60\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROGRAM, ""),
        ("[program:demo]\n", "does not specify a command"),
        (PROGRAM + "user=no-such-user\n", "Invalid user name"),
        (PROGRAM + "stopsignal=NOPE\n", "not a valid signal name"),
        (PROGRAM + "environment=A=%(nope)s\n", "Format string"),
        ("no section\n", "/etc/demo.conf"),
    ],
)
def test_a_file_of_supervisor_is_judged_by_its_reader(judge, text, said):
    assert said in judge("supervisor", text, "demo.conf")
    assert bool(judge("supervisor", text, "demo.conf")) == bool(said)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Service]\nExecStart=/bin/sleep 60\n", ""),
        (
            "[Service]\nType=exec\n",
            "/etc/demo.service would not be a valid unit\ndemo.service: Service has no ExecStart",
        ),
        ("[Service]\nExecStart=/no/such/program\n", "Command /no/such/program is not executable"),
    ],
)
def test_a_unit_of_systemd_is_judged_by_its_reader(judge, text, said):
    assert said in judge("systemd", text, "demo.service")
    assert bool(judge("systemd", text, "demo.service")) == bool(said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# comment\n  # another\n\n",
        "MAILTO=root\nPATH = /bin\n",
        f"* * * * * {ME} echo hello world\n",
        f"*/5 0-6,12 1,15 jan-mar mon-Fri {ME} true\n",
        f"0 4 * * 7\t{ME}\ttrue\n",
        f"@daily {ME} true\n",
        f"  @reboot {ME} true\n",
    ],
)
def test_cron_takes_lines_that_it_can_run(judge, text):
    assert judge("cron", text) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"* * * * * {ME} true", "cron ignores a last line without a line end"),
        (f"#\n* * * * {ME} true\n", "line 2 is no crontab line (schedule, user, command)"),
        ("* * * * * true\n", "line 1 is no crontab line"),
        (f"60 * * * * {ME} true\n", "line 1 has no schedule that cron knows: 60"),
        (f"* * 0 * * {ME} true\n", "knows: 0"),
        (f"* * * jann * {ME} true\n", "knows: jann"),
        (f"* * * * 8 {ME} true\n", "knows: 8"),
        (f"5-1 * * * * {ME} true\n", "knows: 5-1"),
        (f"5/10 * * * * {ME} true\n", "knows: 5/10"),
        (f"*/0 * * * * {ME} true\n", "knows: */0"),
        (f"1,,2 * * * * {ME} true\n", "knows: 1,,2"),
        (f"@dayly {ME} true\n", "knows: @dayly"),
        ("@daily true\n", "line 1 is no crontab line"),
        ("* * * * * no-such-user true\n", "line 1 names a user that is not on this host: no-such-user"),
    ],
)
def test_cron_refuses_lines_that_it_would_misread(judge, text, said):
    assert said in judge("cron", text)


def test_cron_ignores_files_with_a_dot_in_their_name(judge):
    assert "cron ignores files whose names have other characters" in judge("cron", "", "demo.cron")


def test_any_program_can_judge_a_copy(judge):
    assert judge("grep -q 'well formed' {}", "well formed") == ""
    assert judge("grep -q 'well formed' {}", "no") == "/etc/file would not pass grep -q 'well formed' {}"


def test_words_of_a_program_about_the_copy_are_said_of_the_file(judge):
    assert judge("ls {} /no/such", "").splitlines()[1:] == [
        "ls: cannot access '/no/such': No such file or directory",
        "/etc/file",
    ]


def test_a_program_that_is_missing_is_named(judge):
    assert "no-such-program: no such program" in judge("no-such-program {}", "")


def test_a_command_line_that_cannot_be_read_is_named(judge):
    assert "the command that checks it cannot be read: No closing quotation" in judge("grep 'x {}", "")


class TestAcceptedBefore:
    """A definition that differs in names alone from one that is in use starts no program to judge it."""

    UNIT = """# hawser: application=demo process=web release={release}
# hawser: inputs={inputs}
[Service]
ExecStart={run}
"""

    @pytest.fixture
    def folder(self, tmp_path):
        """Where definitions lie that are in use: one is, in a release of before and in the other colour."""
        folder = tmp_path / "units"
        folder.mkdir()
        (folder / "demo-web-blue.service").write_text(self.text("0123456789-01234567", colour="blue"))
        return folder

    def text(self, release, colour="green", inputs="ab12", program="gunicorn"):
        run = f"/srv/demo/releases/{release}/run {program} --bind unix:/srv/demo/run/web-{colour}.sock"
        return self.UNIT.format(release=release, inputs=inputs, run=run)

    @pytest.fixture
    def judged(self, system, folder, tmp_path, monkeypatch):
        """Tell whether a program had to judge a text."""

        def judged(text, name="demo-web-green.service", validator="systemd"):
            started = []
            monkeypatch.setattr(system, "run", lambda argv, **_options: started.append(argv) or Finished(0, "", ""))
            copy = tmp_path / "copy"
            copy.write_text(text)
            validate_with(validator, system, str(copy), str(folder / name))
            return bool(started)

        return judged

    def test_another_release_and_colour_are_names(self, judged):
        assert not judged(self.text("fedcba9876-76543210", inputs="cd34"))
        assert not judged(self.text("2.0.1-76543210"))

    def test_whatever_else_differs_is_judged(self, judged):
        assert judged(self.text("fedcba9876-76543210", program="waitress"))
        assert judged(self.text("fedcba9876-76543210") + "User=demo\n")
        assert judged(self.text("fedcba9876-76543210").replace("process=web", "process=api"))
        assert judged(self.text("fedcba9876-76543210").replace("application=demo", "application=other"))

    def test_a_name_that_is_none_is_judged(self, judged):
        assert judged(self.text("x y-76543210"))
        assert judged(self.text(""))
        assert judged("[Service]\nExecStart=/bin/true\n")

    def test_a_definition_of_another_manager_says_nothing(self, judged):
        assert judged(self.text("fedcba9876-76543210"), "demo-web-green.conf", "supervisor")

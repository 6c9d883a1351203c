"""Programs that run when a trigger is due or a result is missing, and the variables they get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.formats import shell_environment
from hawser.formats.text import NotRepresentable
from hawser.runner.machine.commands import Command, read_environment
from hawser.runner.system import Failure

from ..conftest import names, whole


@pytest.fixture
def command(system):
    def make(*argv, due=False, **changes):
        resource = Command(whole("command", {"argv": list(argv), "cwd": "/", "timeout": 10, **changes}), system)
        resource.due = due
        return resource

    return make


class TestWhenItRuns:
    def test_a_command_runs_every_time_when_nothing_says_otherwise(self, command):
        assert command("true").check() is not None

    def test_what_runs_is_not_said_twice(self, command):
        assert not command("true", title="migrations").check().note

    def test_a_command_with_a_trigger_runs_only_when_that_is_due(self, command):
        assert command("true", when=[0]).check() is None
        assert command("true", when=[0], due=True).check() is not None

    def test_a_command_does_not_run_once_its_result_exists(self, command, tmp_path):
        resource = command("touch", f"{tmp_path}/made", creates=f"{tmp_path}/made")
        resource.apply(resource.check())
        assert resource.check() is None

    def test_a_link_that_leads_nowhere_is_the_result_of_a_command_too(self, command, tmp_path):
        (tmp_path / "made").symlink_to("no")
        assert command("true", creates=f"{tmp_path}/made").check() is None

    def test_the_marker_of_a_command_is_written_only_after_it_succeeded(self, command, tmp_path):
        failing = command("false", marker=f"{tmp_path}/done")
        with pytest.raises(Failure, match="false: false exited with 1"):
            failing.apply(failing.check())
        assert failing.check() is not None
        succeeding = command("true", marker=f"{tmp_path}/done")
        succeeding.apply(succeeding.check())
        assert succeeding.check() is None
        assert names(tmp_path) == ["done", "state"]

    def test_a_command_does_not_run_while_a_program_says_that_all_is_well(self, command):
        assert command("true", unless=["true"]).check() is None
        assert command("true", unless=["false"]).check() is not None


class TestHowItRuns:
    def test_the_output_of_a_command_is_kept(self, command):
        resource = command("sh", "-c", "echo out; echo err >&2")
        resource.apply(resource.check())
        assert resource.output == "out\nerr\n"

    def test_a_command_that_fails_says_its_title_and_what_it_wrote(self, command):
        resource = command("sh", "-c", "echo why; exit 3", title="migrations")
        with pytest.raises(Failure) as caught:
            resource.apply(resource.check())
        assert caught.value.message == "migrations: sh exited with 3"
        assert caught.value.output == "why\n"

    def test_a_command_that_takes_too_long_is_ended(self, command):
        resource = command("sleep", "60", timeout=0.2)
        with pytest.raises(Failure, match="sleep 60: sleep: not done after 0 s"):
            resource.apply(resource.check())

    def test_a_command_gets_its_variables_its_input_and_its_folder(self, command, tmp_path):
        (tmp_path / "environment").write_text('A="one"\nB="two"\n')
        resource = command(
            "sh", "-c", "echo $A $B; pwd; cat",
            env_file=f"{tmp_path}/environment", env={"B": "three"}, stdin="fed", cwd=str(tmp_path),
        )  # fmt: skip
        resource.apply(resource.check())
        assert resource.output == f"one three\n{tmp_path}\nfed"


class TestVariables:
    def test_variables_of_a_release_are_read_as_a_shell_reads_them(self, tmp_path, system):
        text = r"""PLAIN="a b"
EMPTY=""
QUOTES="\"double\" 'single' \`back\` \$dollar \\backslash"
LINES="one
two # no comment
"
UMLAUT="ä=ö"
"""
        (tmp_path / "environment").write_text(text)
        found = read_environment(str(tmp_path / "environment"))
        assert list(found) == ["PLAIN", "EMPTY", "QUOTES", "LINES", "UMLAUT"]
        for name, value in found.items():
            script = f'. {tmp_path}/environment; printf %s. "${name}"'
            assert system.run(["sh", "-c", script]).output == value + "."

    @pytest.mark.parametrize("text", ['A="open\n', "A=bare\n", "# comment\n", 'A="x" B="y"\n', '="x"\n', 'A="x\\'])
    def test_a_line_that_is_no_variable_is_refused_by_name(self, tmp_path, text):
        (tmp_path / "environment").write_text('FIRST="1\n2"\n' + text)
        with pytest.raises(Failure, match="environment: line 3 is no variable"):
            read_environment(str(tmp_path / "environment"))

    def test_an_empty_file_holds_none(self, tmp_path):
        (tmp_path / "environment").write_text("")
        assert read_environment(str(tmp_path / "environment")) == {}

    @given(value=st.text(max_size=30))
    def test_every_value_of_a_variable_that_the_format_can_carry_comes_back(self, tmp_path_factory, value):
        path = tmp_path_factory.getbasetemp() / "environment"
        try:
            path.write_text(shell_environment({"A": value, "B": "end"}), newline="")
        except NotRepresentable:
            return
        assert read_environment(str(path)) == {"A": value, "B": "end"}

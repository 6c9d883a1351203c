"""The files for CI in docs/ci.md are what the services read, and their shell lines do what the page says."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.parser import Parser

from hawser import namespace
from hawser.program import Program
from tests.written_logs import rollout

PROJECT = Path(__file__).parents[2]
# What a service gives the lines of a job.
GIVEN = {
    "MYSITE_ENV": "DATABASE_URL='postgresql://of.test'\nHAWSER_SIGNING_KEY=abc",
    "DEPLOY_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    "GITHUB_SHA": "6f526d3cde",
    "CI_COMMIT_SHA": "6f526d3cde",
}


def read(name: str) -> Any:
    """Read the file for CI that the page shows by this name."""
    text = (PROJECT / "docs" / "ci.md").read_text()
    [found] = re.findall(rf"^```yaml\n# {re.escape(name)}\n(.*?)^```", text, re.M | re.S)
    return yaml.safe_load(found)


def jobs() -> Iterator[tuple[str, str, list[str]]]:
    """Yield service, job, and its shell scripts, but for what installs Hawser."""
    github = read(".github/workflows/deploy.yml")
    for name, job in github["jobs"].items():
        yield "github", name, [step["run"] for step in job["steps"] if "run" in step and "install" not in step["run"]]
    gitlab = read(".gitlab-ci.yml")
    for name in gitlab["stages"]:
        yield "gitlab", name, ["\n".join(gitlab[name]["script"])]


JOBS = {f"{service}-{name}": scripts for service, name, scripts in jobs()}


def test_both_services_check_before_they_deploy_from_the_main_branch_alone() -> None:
    assert sorted(JOBS) == ["github-check", "github-deploy", "gitlab-check", "gitlab-deploy"]
    deploy = read(".github/workflows/deploy.yml")["jobs"]["deploy"]
    assert deploy["needs"] == "check" and "refs/heads/main" in deploy["if"]
    gitlab = read(".gitlab-ci.yml")
    assert gitlab["stages"] == ["check", "deploy"]
    assert gitlab["deploy"]["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    for service in ("github", "gitlab"):
        assert "--offline" in "".join(JOBS[f"{service}-check"]) and "deploy" not in "".join(JOBS[f"{service}-check"])


def test_the_secrets_of_a_job_are_those_that_its_lines_use() -> None:
    [step] = [step for step in read(".github/workflows/deploy.yml")["jobs"]["deploy"]["steps"] if "env" in step]
    assert {f"${{{{ secrets.{name} }}}}" for name in step["env"]} == set(step["env"].values())
    assert all(f'"${name}"' in step["run"] for name in step["env"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with the environment file of the README, and a `hawser` that is this one."""
    text = (PROJECT / "README.md").read_text()
    [found] = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)
    folder = tmp_path / "checkout"
    (folder / "hosts").mkdir(parents=True)
    (folder / "hosts" / "mysite.toml").write_text(found)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "hawser"
    program.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c 'from hawser.program import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)
    return folder


def run(project: Path, script: str, given: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """Run the lines of a job as a service does: the first one that fails ends it."""
    environ = {
        "PATH": f"{project.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(project.parent),
        "RUNNER_TEMP": str(project.parent),
        **given,
    }
    return subprocess.run(["bash", "-ec", script], cwd=project, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_lines_of_the_check_pass_on_a_good_environment_file_and_fail_on_a_bad_one(
    project: Path, service: str
) -> None:
    [script] = JOBS[f"{service}-check"]
    good = run(project, script)
    assert good.returncode == 0 and "nothing is wrong" in good.stdout, good.stderr
    path = project / "hosts" / "mysite.toml"
    path.write_text(path.read_text().replace("build = ", "biuld = "))
    bad = run(project, script)
    assert bad.returncode == 1 and "biuld" in bad.stdout


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_lines_of_a_deploy_write_secrets_that_nobody_else_reads_and_type_what_is_understood(
    project: Path, service: str
) -> None:
    *_, last = lines = [line for script in JOBS[f"{service}-deploy"] for line in script.splitlines()]
    key = project.parent / "deploy_key"
    written = "\n".join(lines[:-1]).replace("/tmp/deploy_key", shlex.quote(str(key)))
    result = run(project, written, GIVEN)
    assert result.returncode == 0, result.stderr
    for path, name in ((project / "hosts" / "mysite.env", "MYSITE_ENV"), (key, "DEPLOY_KEY")):
        assert path.read_text() == GIVEN[name] + "\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    program, *words = shlex.split(last)
    parser = Parser(initial=Program().initial_context, contexts=namespace.to_contexts())
    core, *tasks = parser.parse_argv(words)
    assert program == "hawser" and core.args.hosts.value == "mysite"
    assert [task.name for task in tasks] == ["lock.status", "deploy"]
    assert tasks[0].args.wait.value is True and "SHA" in tasks[1].args.revision.value


def reports() -> list[str]:
    """Return the shell lines of the page that make reports of a rollout."""
    text = (PROJECT / "docs" / "ci.md").read_text().partition("## Reports")[2].partition("\n## ")[0]
    return re.findall(r"hawser -H mysite report.*", text)


def test_the_lines_that_make_reports_write_what_the_files_for_both_services_name(project: Path) -> None:
    rollout(project.parent / "rollouts" / "mysite" / "mysite", fails=True)
    lines = reports()
    assert len(lines) == 6
    for line in lines:
        for name in ("report.html", "report.xml", "quality.json"):
            (project / name).unlink(missing_ok=True)
        given = {"HAWSER_ROLLOUTS": str(project.parent / "rollouts"), "GITLAB_CI": "true"}
        result = run(project, line, given)
        assert result.returncode == 0, result.stderr
        named = re.findall(r"--to (\S+)", line)
        assert named and all((project / name).stat().st_size > 100 for name in named)


def test_a_job_that_deployed_nothing_is_told_that_there_is_no_report(project: Path) -> None:
    result = run(project, reports()[0], {"HAWSER_ROLLOUTS": str(project.parent / "rollouts")})
    assert result.returncode == 1 and "no rollout of mysite is kept on this machine" in result.stderr

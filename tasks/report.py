"""The rollouts that are kept on this machine, for people and for CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hawser.errors import HawserError
from hawser.report.rollout import folder
from hawser.report.text import at_home, duration
from hawser.session.session import Session
from hawser.steps import session_task

# The services that show annotations, and the variable by which each is known.
SERVICES = {"github": "GITHUB_ACTIONS", "gitlab": "GITLAB_CI"}
WHICH = {
    "rollout": "the name of a rollout, or how it begins, as report.list shows them; default: the last one",
    "log": "a log from elsewhere, in place of one that is kept here",
}
COLUMNS = ["rollout", "what", "release", "subject", "hosts", "took", "result"]


@session_task(help={**WHICH, "to": "where it is written; default: beside the log"})
def page(session: Session, rollout: str = "", log: str = "", to: str = "") -> None:
    """Make the page of a rollout anew out of its log: timeline, changes, failures, and what took longer than before."""
    from hawser.report.rollout.made import make_page

    path = chosen(session, rollout, log)
    made = Path(to) if to else folder.page_of(path)
    try:
        make_page(path, made)
    except OSError as error:
        raise HawserError(f"{made} cannot be written: {error.strerror or error}") from None
    session.report.note("", f"{path.stem}: {at_home(str(made))}")


@session_task(help={**WHICH, "to": "where it is written; default: standard output"})
def junit(session: Session, rollout: str = "", log: str = "", to: str = "") -> None:
    """Write a rollout as JUnit's XML, as CI shows it: a suite for each host, a case for each resource."""
    from hawser.report.rollout.junit import junit as xml
    from hawser.report.rollout.reading import read_log

    written(session, xml(read_log(chosen(session, rollout, log))), to)


@session_task(
    name="annotations",
    help={
        **WHICH,
        "service": "github: workflow commands; gitlab: a report of code quality; default: the one that runs this job",
        "to": "where they are written; default: standard output",
    },
)
def annotated(session: Session, rollout: str = "", log: str = "", service: str = "", to: str = "") -> None:
    """Write the failures and warnings of a rollout as GitHub and GitLab show them beside a commit."""
    from hawser.report.rollout.annotations import github, gitlab
    from hawser.report.rollout.reading import read_log

    named = service or next((each for each, variable in SERVICES.items() if os.environ.get(variable) == "true"), "")
    if named not in SERVICES:
        raise HawserError(
            f"--service {named}: one of {', '.join(SERVICES)} is known"
            if named
            else "this is no job of GitHub or GitLab",
            next="say which with --service",
            code=2,
        )
    account = read_log(chosen(session, rollout, log))
    written(session, gitlab(account) if named == "gitlab" else "".join(f"{line}\n" for line in github(account)), to)


@session_task(name="list")
def listing(session: Session) -> None:
    """Show the rollouts of an environment that are kept on this machine, the latest first."""
    from hawser.report.rollout.reading import read_log

    environment = session.environment
    rows, records = [], []
    for log in reversed(folder.kept(folder.folder_of(environment.app.name, environment.name))):
        try:
            account = read_log(log)
        except HawserError as error:
            rows.append([log.stem, *[""] * 5, str(error)])
            continue
        ended = {True: "ok", False: "failed", None: "no end"}[account.ok]
        failed = ", ".join(account.failed_hosts)
        rows.append(
            [
                log.stem,
                account.command,
                account.release,
                account.subject,
                str(len(account.hosts)),
                duration(account.seconds),
                f"{ended}: {failed}" if failed else ended,
            ]
        )
        records.append(
            {
                "rollout": log.stem,
                "log": str(log),
                "command": account.command,
                "release": account.release,
                "commit": account.commit,
                "subject": account.subject,
                "hosts": [*account.hosts],
                "began": account.started,
                "seconds": round(account.seconds, 3),
                "ok": account.ok,
                "failed": account.failed_hosts,
            }
        )
    session.report.table("rollouts", COLUMNS, rows, records, empty=none_kept(session))


def chosen(session: Session, name: str, log: str) -> Path:
    """Return the log that is meant.

    :param name: of a rollout that is kept here, or how it begins; empty: the last one.
    :param log: a path, which needs no environment.
    :raises HawserError: there is none of this name, or none at all.
    """
    if log:
        return Path(log)
    environment = session.environment
    logs = folder.kept(folder.folder_of(environment.app.name, environment.name))
    if not logs:
        raise HawserError(none_kept(session))
    found = [each for each in logs if each.stem.startswith(name)]
    if not found:
        next_move = f"fab -H {environment.name} report.list"
        raise HawserError(f"no rollout that is kept here begins with {name}", next=next_move)
    return found[-1]


def none_kept(session: Session) -> str:
    environment = session.environment
    move = f"next: fab -H {environment.name} deploy, which leaves one"
    return f"no rollout of {environment.name} is kept on this machine; {move}"


def written(session: Session, text: str, to: str) -> None:
    """Write what a program reads.

    :param to: the file; empty: standard output.
    """
    if not to:
        session.report.pause()
        sys.stdout.write(text)
        return
    try:
        Path(to).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HawserError(f"{to} cannot be written: {error.strerror or error}") from None

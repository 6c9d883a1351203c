"""Ask Django, inside a release, for its pending migrations and their operations; nothing is changed."""

from __future__ import annotations

import re

from ..files.records import parsed
from ..rows import LONGEST_ANSWER, weight
from ..system import Failure
from .revisions import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence

    from ..specs.answers import Lines
    from ..specs.questions import MigrationQuestion
    from ..system import Finished, System

# What Django's `shell` says of `-c` before 1.10.
TOO_OLD = re.compile(r"(?:unrecognized arguments|no such option): -c\b")
# What programs say that do not know the question: they may be others than they are taken for.
NOT_UNDERSTOOD = re.compile(
    r"unrecognized arguments|[Nn]o such (?:option|command)|Unknown command|^usage:", re.MULTILINE
)
# Seconds for one answer: Django has to load the application.
LONGEST = 180


def plans(system: System, questions: Sequence[MigrationQuestion]) -> List[Mapping[str, object]]:
    """Put some questions to releases, one program each.

    :param questions: argv, user, cwd and env of each program, which prints `MARK` and its answer as JSON; with
        ``plain``, it prints a line for each pending migration; ``otherwise`` is the argv for a Django before 1.10.
    :returns: each answer, ``{"lines": […]}`` of a plain one, or ``{"error": …, "output": …}``; ``crashed``, where the
        program failed, so that the release itself may be broken.
    """
    found: List[Mapping[str, object]] = []
    for each in questions:
        try:
            ended = put(system, each)
        except Failure as failure:
            crashed = bool(each.get("plain")) or not NOT_UNDERSTOOD.search(failure.output)
            found.append({"error": failure.message, "output": system.show(failure.output), "crashed": crashed})
            continue
        said = ended.output
        answer: Optional[Mapping[str, object]] = plain_lines(said) if each.get("plain") else marked(said)
        if answer is not None and answer.get("crashed"):
            # It ran another program, which said there why it failed.
            answer = {**answer, "output": system.show(ended.errors)}
        if answer is None or weight(answer) > LONGEST_ANSWER // len(questions):
            why = "it gives no answer" if answer is None else "its answer is too long"
            answer = {"error": why, "output": system.show(said)}
        found.append(answer)
    return found


def plain_lines(said: str) -> Lines:
    return {"lines": [line.strip() for line in said.splitlines() if line.strip()]}


def marked(said: str) -> Optional[Dict[str, object]]:
    """Return the answer in a program's output; None where there is none."""
    lines = [line[len(MARK) :] for line in said.splitlines() if line.startswith(MARK)]
    return parsed("".join(lines[-1:]).encode(), dict)


def put(system: System, question: MigrationQuestion) -> Finished:
    """Run the program of a question, in the words that its Django knows.

    :raises Failure: it fails.
    """
    argv, otherwise = question["argv"], question.get("otherwise")
    while True:
        try:
            # What it logs to standard error is no answer.
            program = argv, question["user"], question["cwd"], question.get("env")
            return system.run(*program, timeout=LONGEST, apart=True, scoped=True, whole=True)
        except Failure as failure:
            if not otherwise or not TOO_OLD.search(failure.output):
                raise
            argv, otherwise = otherwise, None

"""The reference of every task: ``python -m hawser.tasks.reference > docs/commands.md``."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator

from invoke.parser.argument import Argument

from hawser import namespace
from hawser.named import SUBJECTS
from hawser.tasks.collection import MEMBERS, PLACES

INTRODUCTION = """\
# Commands

Every task, by subject as `fab --list` has them, from the collection by `python -m hawser.tasks.reference`.
`fab --help TASK` shows the same of one task. `hawser` and `fab` are the same program.

```sh
fab -H demo bootstrap deploy            # several tasks, one after the other, over one connection to each host
fab -H demo deploy --revision v2.1      # options stand behind their task
fab -R -H demo deploy                   # what would change, with diffs; nothing is touched
```

- `-H` takes an environment, a group or a host, also several with commas; `ENVIRONMENT/GROUP` or `ENVIRONMENT/HOST`
  where a name is not unique.
- `-R` looks, and touches nothing. `-v` tells what Hawser notes for itself as well, and counts for every host.
- `-i FILE` is a key to log in with, `-t SECONDS` how long a connection may take to come up, `-S FILE` another
  configuration of ssh. `--prompt-for-login-password`, `--prompt-for-passphrase` and `--prompt-for-sudo-password` ask
  for what stands in no file. `fab --help` shows all options of the program.
- `…` behind an option is its value: `--process web` or `--process=web`. What stands in capitals behind a task has to
  be there, and may also be given as an option of that name.
- The exit status is 0 when all went well, 1 when something failed, 2 for bad input, 130 after Ctrl-C, 143 after
  SIGTERM; either ends the run at once, and frees the locks.
- `HAWSER_OUTPUT=json` gives JSON lines for programs ([more](ci.md#what-programs-read)), `plain` and `terminal` what
  people read. `HAWSER_DIFF=1` shows diffs of what is changed, `HAWSER_DEBUG=1` tracebacks of defects; `NO_COLOR` is
  honoured. A rollout leaves a [log and a page](how-to/reports.md); `HAWSER_ROLLOUTS` names their folder.
"""
# What is to be said of all tasks of a subject.
TOLD = {
    "Parts of a deploy, one by one": """\
Those of `code`, `builds` and `venv`, `config.install` and `release.build` prepare the release that a deploy would make.
The others work on the release that serves, or on the one that was prepared before them on the same command line.""",
}


def reference() -> str:
    """Return the whole reference as Markdown."""
    return INTRODUCTION + "".join(_subject(subject) for subject in SUBJECTS)


def _subject(subject: str) -> str:
    told = f"\n{TOLD[subject]}\n" if subject in TOLD else ""
    return f"\n## {subject}\n{told}" + "".join(_task(typed) for typed in members(subject))


def members(subject: str) -> Iterator[str]:
    """Yield the tasks of a subject, in the order in which it names them."""
    for member in MEMBERS[subject]:
        yield from [typed for typed in PLACES if typed == member or f"{typed.partition('.')[0]}.*" == member]


def _task(typed: str) -> str:
    task = namespace[typed]
    # Steps take arguments from other steps, which nobody types: they say no word of them.
    arguments = [argument for argument in task.get_arguments() if argument.help]
    words = [argument.name.upper() for argument in arguments if argument.positional]
    aliases = ", ".join(f"`{alias}`" for alias in namespace.task_names[typed])
    text = f"\n### {' '.join([typed, *words])}\n\n{_told(task.__doc__ or '')}\n"
    if aliases:
        text += f"\nAlso typed as {aliases}.\n"
    if arguments:
        text += "\n| option | default | meaning |\n| --- | --- | --- |\n" + "".join(map(_row, arguments))
    return text


def _told(docstring: str) -> str:
    """Return what a docstring tells whoever types the task: not what it says of arguments."""
    return inspect.cleandoc(docstring).partition("\n:param")[0].strip()


def _row(argument: Argument) -> str:
    value = "" if argument.kind is bool else " …"
    long, short = sorted(argument.names, key=len, reverse=True)
    text = (argument.help or "").replace("|", "\\|")
    return f"| `--{long}{value}`, `-{short}` | {_default(argument)} | {text} |\n"


def _default(argument: Argument) -> str:
    if argument.positional:
        return "*required*"
    # An empty text or 0 stands for what the meaning says.
    return f"`{json.dumps(argument.default)}`" if argument.default and not isinstance(argument.default, bool) else ""


if __name__ == "__main__":
    sys.stdout.write(reference())

"""The programs `hawser` and `fab`: whatever is typed, a host is only spoken to when its key is known."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from fabric import Config
from fabric import __version__ as fabric_version
from fabric.executor import Executor as FabricExecutor
from fabric.main import Fab
from invoke.config import AmbiguousMergeError
from invoke.exceptions import Exit, ParseError, UnknownFileType
from invoke.parser import Parser
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.vendor import yaml

from .completion import scripts
from .errors import HawserError
from .formats import shell
from .installed import this_version
from .mistyped import asks_for_help_outside, mistyped, unquoted
from .named import SUBJECTS, Named
from .options import require_meaningful
from .project import fabfile_above, hosts_above, hosts_folder, own_settings
from .report.text import names as names_of
from .report.text import safe

BY_TASK = "fab -H {hosts} run {command}"


class CleanFormatter(logging.Formatter):
    """The output of another formatter, without effect on a terminal."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return safe(self.inner.format(record), ())


class Settings(Config):  # type: ignore[misc]
    """Fabric's configuration; the user's ssh files are read by `hawser.ssh.options` alone."""

    def _load_ssh_files(self) -> None:
        pass


@contextlib.contextmanager
def numbers(argv: Sequence[str]) -> Iterator[None]:
    """Say of which option a number is none: Invoke ends with a traceback."""
    try:
        yield
    except ValueError as error:
        found = re.fullmatch(r"invalid literal for int\(\) with base 10: '(.*)'", str(error))
        if found is None:
            raise
        value = found[1]
        options = [argv[max(0, place - 1)] for place, word in enumerate(argv) if word == value]
        options += [word.removesuffix(value).rstrip("=") for word in argv if word.endswith(value) and word != value]
        named = next((each for each in options if each.startswith("-")), "an option")
        raise HawserError(f"{named} takes a whole number, and {value!r} is none", code=2) from None


@contextlib.contextmanager
def settings_files() -> Iterator[None]:
    """Say of Fabric's settings files what is wrong with them: Invoke ends with a traceback."""
    try:
        yield
    except yaml.YAMLError as error:
        raise HawserError(f"a settings file of Fabric (fabric.yaml, -f) is no YAML: {error}", code=2) from None
    except (AmbiguousMergeError, UnknownFileType) as error:
        raise HawserError(f"a settings file of Fabric (fabric.yaml, -f) cannot be used: {error}", code=2) from None


class Program(Fab):  # type: ignore[misc]
    """Fabric's program with our executor, which looks names up in the inventory and checks the keys of hosts.

    :ivar ours: a fabfile counts only when it imports Hawser.
    """

    ours = False

    @contextlib.contextmanager
    def mistypings(self) -> Iterator[None]:
        """Say what is mistyped, and what was meant: Invoke knows the word alone, and ends with 1."""
        try:
            yield
        except ParseError as error:
            tasks = self.collection.task_names if self.collection is not None else ()
            raise mistyped(error, self.argv, tasks, self.initial_context) from None

    def core_args(self) -> list[Argument]:
        """Return the options that are no task's: Fabric's, and ours."""
        told = "Tell what Hawser notes for itself as well: journals, records, links, folders; and counts of every host."
        admin = "Log in as ssh.admin, for what a deploy user may not have done."
        return [
            *super().core_args(),
            Argument(names=("verbose", "v"), kind=bool, help=told),
            Argument(names=("as-admin",), kind=bool, help=admin),
        ]

    def print_version(self) -> None:
        """Say which versions these are."""
        print(f"Hawser {this_version()}")
        super().print_version()

    def create_config(self) -> None:
        """Read the settings of the user and of this machine; see Fabric."""
        with settings_files():
            super().create_config()

    def parse_core(self, argv: list[str] | None) -> None:
        """Read the options that are no task's; see Invoke."""
        with self.mistypings(), numbers(sys.argv if argv is None else argv):
            super().parse_core(argv)
        # `--debug` writes down what Paramiko heard, too.
        for handler in logging.getLogger().handlers:
            handler.setFormatter(CleanFormatter(handler.formatter))

    def parse_core_args(self) -> None:
        """Read them alone, and print the function of a shell where it is asked for: ours, which starts no Python.

        :raises HawserError: there is none for that shell.
        """
        super().parse_core_args()
        if shell := self.args["print-completion-script"].value:
            print(scripts.script(shell), end="")
            raise Exit

    def parse_collection(self) -> None:
        """Load the fabfile, and the settings beside it.

        :raises HawserError: there is a command after ``--`` and no task, for which Fabric reads neither of them.
        """
        if self._remainder_only:
            hosts = self.args.hosts.value or "HOSTS"
            next_move = BY_TASK.format(hosts=hosts, command=shell(self.core.remainder))
            raise HawserError("a command goes to hosts of the inventory with a task", next=next_move, code=2)
        with settings_files():
            super().parse_collection()

    def load_collection(self) -> None:
        """Load the fabfile, or where none counts, the tasks of Hawser alone; and the settings of the project.

        :raises HawserError: `-r` names no folder.
        """
        start = Path(self.args["search-root"].value or self.config.tasks.search_root or "").absolute()
        if not start.is_dir():
            raise HawserError(f"-r: there is no folder {start}", code=2)
        fabfile = fabfile_above(start, self.ours)
        if self.args.collection.value is not None:
            super().load_collection()
        elif fabfile is not None:
            # Behind Python's own, or Invoke puts it first: a repository may have a `queue.py`, or a package `calendar`.
            sys.path.append(str(fabfile))
            # From there on, or Fabric would find one that does not count.
            self.args["search-root"].value = str(fabfile)
            super().load_collection()
        else:
            from . import namespace

            self.config.set_project_location(str(hosts_above(start) or start))
            self.config.load_project()
            self.collection = namespace

    def _make_parser(self) -> Parser:
        """Return what knows the options of the tasks that are typed: those of all others need not be loaded."""
        assert self.collection is not None
        ignore, typed = self.config.tasks.ignore_unknown_help, {*self.argv, self.args.help.value}
        contexts = [
            ParserContext(name=name, aliases=aliases, args=self.collection[name].get_arguments(ignore))
            for name, aliases in self.collection.task_names.items()
            if typed & {name, name.replace("-", "_"), *aliases}
        ]
        return Parser(initial=self.initial_context, contexts=contexts)

    def parse_tasks(self) -> None:
        """Read tasks and their options; see Invoke.

        :raises InputErrors: values of Fabric's own options mean nothing.
        """
        with self.mistypings(), numbers(self.argv):
            super().parse_tasks()
        require_meaningful(self.args)

    def parse_cleanup(self) -> None:
        """Show what `--list` and `--help` ask for; see Invoke.

        :raises HawserError: `-h` belongs to a command for hosts.
        """
        topic = self.args.help.value
        if isinstance(topic, str) and asks_for_help_outside(self.argv, topic):
            raise unquoted(topic, self.argv)
        if self.args.complete.value:
            self.keep_completion()
        with self.mistypings():
            super().parse_cleanup()

    def list_flat(self) -> None:
        """List the tasks by subject, the team's own first; see Invoke."""
        pairs = self._make_pairs(self.scoped_collection)
        if self.list_root or self.list_depth or not pairs:
            super().list_flat()
            return
        print(f"{self.task_list_opener()}:\n")
        width = max(len(name) for name, _told in pairs)
        for subject in ("", *SUBJECTS):
            # Behind a name, there may be others of the same task.
            there = [pair for pair in pairs if subject == self.subject_of(pair[0].partition(" ")[0])]
            if there:
                print(subject or "Of this project")
                self.print_columns([(name.ljust(width), told) for name, told in there])
        if default := self.scoped_collection.default:
            print(f"Default task: {default}\n")

    def subject_of(self, typed: str) -> str:
        """Return the subject of a task; empty for one of somebody else's."""
        task = self.scoped_collection[typed]
        return task.subject if isinstance(task, Named) else ""

    def no_tasks_given(self) -> None:
        """Say what this is, and the next move."""
        folder = hosts_folder(self.config)
        names = sorted(path.stem for path in folder.glob("*.toml") if path.stem != "example")
        print(f"Hawser {this_version()} brings Python web back ends onto your own hosts over SSH, and keeps them well.")
        if names:
            environment = names[0]
            moves = f"fab -H {environment} status, or -R -H {environment} deploy, which only looks"
            print(safe(f"Environments: {names_of(names)}; next: {moves}", ()))
        else:
            print("No environment file is here yet; next: hawser new, in the checkout of an application")
        print("All tasks: fab --list; the options of one: fab --help TASK; those of all: fab --help")
        raise Exit

    def keep_completion(self) -> None:
        """Make the list that a shell's function reads, as far as the files of the project can be read."""
        from .completion import kept
        from .inventory import load_inventory

        path, inventory = kept.place(kept.project_of(self.config)), None
        if path is None:
            return
        # A shell waits for words, and shows no errors.
        with contextlib.suppress(HawserError):
            inventory = load_inventory(hosts_folder(self.config), own_settings(self.config).get("environment"))
        kept.keep(path, self.initial_context, self.collection, inventory)

    def update_config(self) -> None:
        """Take over what the options say; see Fabric.

        :raises HawserError: nobody is there who could type a secret, or a settings file cannot be used.
        """
        try:
            with settings_files():
                super().update_config()
        except EOFError:
            raise HawserError(
                "nobody is here to answer: --prompt-for-… asks on a terminal",
                next="leave it out; keys come from an agent, and `ssh.sudo_password` names a secret for sudo",
                code=2,
            ) from None

    def execute(self) -> None:
        """Run the tasks.

        :raises HawserError: settings name an executor that is not ours, and would not check the keys of hosts.
        """
        path = self.config.tasks.executor_class
        if path is not None:
            from .executor import Executor

            module, _, name = path.rpartition(".")
            found = getattr(importlib.import_module(module), name, None) if module else None
            if not (isinstance(found, type) and issubclass(found, Executor)):
                ours = f"{Executor.__module__}.{Executor.__name__}"
                raise HawserError(
                    f"tasks.executor_class is {path}, which does not check the keys of hosts",
                    next=f"take it out of fabric.yaml (or the environment), or derive it from {ours}",
                    code=2,
                )
        super().execute()


def show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a defect of ours without effect on the terminal: hosts may have a word in it."""
    sys.stderr.write(safe("".join(traceback.format_exception(kind, error, trace)), ()))


class OwnProgram(Program):
    """The same, for whoever names Hawser."""

    ours = True


def make_executor(*arguments: object) -> FabricExecutor:
    """Return our executor; it is loaded when tasks are to run, and no list of them pays for it."""
    from .executor import Executor

    return Executor(*arguments)


def run(kind: type[Program]) -> None:
    # What the start makes is kept, and would be searched for garbage in vain; the executor looks again.
    gc.disable()
    sys.excepthook = show_defect
    try:
        try:
            kind(name="Fabric", version=fabric_version, executor_class=make_executor, config_class=Settings).run()
        finally:
            sys.stdout.flush()
            # Nor is what is left looked through when the interpreter ends.
            gc.freeze()
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            # Ctrl-C has met the start, for which Invoke's status is 1.
            sys.exit(128 + signal.SIGINT)
        raise
    except BrokenPipeError:
        # Nobody reads on, as with `--list | head`; and what Python flushes at its end must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def main() -> None:
    """Run `hawser`."""
    run(OwnProgram)


def fab() -> None:
    """Run `fab`."""
    run(Program)

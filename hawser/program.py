"""The program `fab`, ours: whatever is typed, a host is only spoken to when its key is known."""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from types import TracebackType

from fabric import Config
from fabric import __version__ as fabric_version
from fabric.main import Fab

from . import __version__
from .errors import HawserError
from .formats import shell
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


class Program(Fab):  # type: ignore[misc]
    """Fabric's program with our executor, which looks names up in the inventory and checks the keys of hosts."""

    def print_version(self) -> None:
        """Say which versions these are."""
        print(f"Hawser {__version__}")
        super().print_version()

    def parse_core(self, *args: object, **kwargs: object) -> None:
        """Read the options that are no task's; see Invoke."""
        super().parse_core(*args, **kwargs)
        # `--debug` writes down what Paramiko heard, too.
        for handler in logging.getLogger().handlers:
            handler.setFormatter(CleanFormatter(handler.formatter))

    def parse_collection(self) -> None:
        """Load the fabfile, and the settings beside it.

        :raises HawserError: there is a command after ``--`` and no task, for which Fabric reads neither of them.
        """
        if self._remainder_only:
            hosts = self.args.hosts.value or "HOSTS"
            next_move = BY_TASK.format(hosts=hosts, command=shell(self.core.remainder))
            raise HawserError("a command goes to hosts of the inventory with a task", next=next_move, code=2)
        super().parse_collection()

    def execute(self) -> None:
        """Run the tasks.

        :raises HawserError: settings name an executor that is not ours, and would not check the keys of hosts.
        """
        from .executor import Executor

        path = self.config.tasks.executor_class
        if path is not None:
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


def main() -> None:
    """Run `fab`."""
    from .executor import Executor

    sys.excepthook = show_defect
    Program(name="Fabric", version=fabric_version, executor_class=Executor, config_class=Settings).run()

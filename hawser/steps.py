"""From a function to an Invoke task: a step names the resources of a host, a rollout the order of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, Unpack, cast

from invoke.tasks import Task

from .errors import HawserError
from .host import Host
from .resources import Resource, Resources

# Before processes start for the release, also where hosts are put back; when all hosts serve it.
TURNS = ("switch", "finish")


class StepContext(Protocol):
    """The context of a step that is typed: the hosts of the command."""

    def run_step(self, step: Step) -> None: ...


class FleetTask(Task[Callable[..., Any]]):
    """A task that is called once for the whole fleet, whatever hosts ``-H`` names.

    :ivar releases: it releases the revision that its argument of this name says.
    :ivar plans: the tasks behind it only show what they would change.
    :ivar rolls_out: it leaves a log whatever comes of it.
    :ivar admin: it needs all of root, and so the login of `ssh.admin` where there is one.
    """

    releases = plans = rolls_out = admin = False

    def __call__(self, *args: object, **kwargs: object) -> Any:
        result = self.body(*args, **kwargs)
        self.times_called += 1
        return result


class TaskOptions(TypedDict, total=False):
    """Options of Invoke's tasks, as far as ours use them."""

    name: str
    help: dict[str, str]
    positional: list[str]
    optional: list[str]


class StepLike(Protocol):
    """A step, or a step with arguments: both can be applied to hosts."""

    @property
    def title(self) -> str: ...

    @property
    def bookkeeping(self) -> bool: ...

    def resources(self, host: Host) -> Iterator[Resource]: ...


@dataclass(frozen=True)
class GivenStep:
    """A step with arguments of its own."""

    step: Step
    arguments: Mapping[str, object]

    @property
    def title(self) -> str:
        return self.step.title

    @property
    def bookkeeping(self) -> bool:
        return self.step.bookkeeping

    def resources(self, host: Host) -> Iterator[Resource]:
        """Return the resources of the step on a host, with these arguments."""
        return self.step.body(host, **self.arguments)  # type: ignore[no-any-return]


class Step(FleetTask):
    """A function of a host, and of arguments that have defaults; as a task it applies itself to the fleet.

    :param prepares: it makes a part of the next release; on its own it works on the release that a deploy would make,
        where other steps work on the one that serves.
    :param for_processes: processes read the files that it writes when they start; where one of them would be another
        one, a new release starts them anew.
    :param during: the part of every rollout in which a step of the team's own takes its turn, one of `TURNS`; empty for
        steps that stand in a list.
    :param bookkeeping: it writes down how far Hawser has come, and nothing else: it is told with ``-v``, or when it
        fails.
    """

    # Every step of the collection, so that all of them can be rendered before the first connection.
    registry: tuple[Step, ...] = ()

    def __init__(
        self,
        function: Callable[..., Resources],
        prepares: bool = False,
        during: str = "",
        bookkeeping: bool = False,
        for_processes: bool = False,
    ) -> None:
        super().__init__(function)
        if during and during not in TURNS:
            raise HawserError(f"{self.title}: there is no part {during} of a rollout: {', '.join(TURNS)}", code=2)
        self.prepares, self.during, self.bookkeeping = prepares, during, bookkeeping
        self.for_processes = for_processes
        Step.registry = (*Step.registry, self)

    @property
    def title(self) -> str:
        """Its name as it is typed: module and function."""
        module = self.body.__module__.rpartition(".")[2]
        return str(self.body.__name__) if module == self.body.__name__ else f"{module}.{self.body.__name__}"

    def __call__(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
        context = cast(StepContext, args[0])
        context.run_step(self)

    def given(self, **arguments: object) -> GivenStep:
        """Return it with arguments."""
        return GivenStep(self, arguments)

    def resources(self, host: Host) -> Iterator[Resource]:
        """Return the resources of this step on a host. Pure: no I/O."""
        return self.body(host)  # type: ignore[no-any-return]


class Removal(Step):
    """A step that takes its subject away from a host; the list of `tasks/remove.py` has its turn."""


class SessionTask(FleetTask):
    """A task about the session itself, which needs no wire: sandbox, trust."""


def step(
    prepares: bool = False, during: str = "", bookkeeping: bool = False, for_processes: bool = False
) -> Callable[[Callable[..., Resources]], Step]:
    """Make a step of a function that yields the resources of one host; see `Step`."""
    return lambda function: Step(function, prepares, during, bookkeeping, for_processes)


def own_steps(during: str) -> tuple[Step, ...]:
    """Return the steps of the team's own that take their turn in a part of every rollout."""
    return tuple(each for each in Step.registry if each.during == during)


def removal() -> Callable[[Callable[[Host], Resources]], Removal]:
    """Make a step of a function that yields the resources of a host without the application."""
    return Removal


def fleet_task(
    releases: bool = False,
    plans: bool = False,
    rolls_out: bool = False,
    admin: bool = False,
    **options: Unpack[TaskOptions],
) -> Callable[[Callable[..., None]], FleetTask]:
    """Make a task of a function of the fleet; options are Invoke's (``help``, ``name``, ``positional``, …)."""

    def make(function: Callable[..., None]) -> FleetTask:
        task = FleetTask(function, **options)
        task.releases, task.plans, task.rolls_out, task.admin = releases, plans, rolls_out, admin
        return task

    return make


def session_task(**options: Unpack[TaskOptions]) -> Callable[[Callable[..., None]], SessionTask]:
    """Make a task of a function of the session; options are Invoke's."""
    return lambda function: SessionTask(function, **options)

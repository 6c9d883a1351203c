"""The hosts of a command: which they are, which of them answer, and what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Self

from ..errors import HawserError, StepFailed, Unreachable
from ..host import Host
from ..host.facts import Facts
from ..host.release import Release
from ..inventory import Environment
from ..report import Report
from ..session.session import Session
from ..ssh.wire import Answer


class Hosts:
    """Some hosts of one environment.

    :param names: them, in the order of the environment file.
    """

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self.session = session
        self.names = tuple(names)

    @property
    def environment(self) -> Environment:
        return self.session.environment

    @property
    def report(self) -> Report:
        return self.session.report

    @property
    def dry(self) -> bool:
        return self.session.dry

    @property
    def lost(self) -> Collection[str]:
        """The hosts that do not answer any more."""
        return self.session.lost

    def facts(self, name: str) -> Facts:
        """What a host said of itself when its wire was opened, or when it was last asked."""
        if name not in self.session.facts:
            self.connect()
        return self.session.facts[name]

    def host(self, name: str, release: Release | None = None) -> Host:
        return self.session.host(name, release)

    def subset(self, names: Sequence[str]) -> Self:
        """Return the part of the environment with these hosts."""
        return type(self)(self.session, names)

    def everyone(self) -> Self:
        """Return all hosts of the environment, also those that ``-H`` does not name."""
        return self.subset(tuple(self.environment.hosts))

    def leader(self) -> Self:
        """Return the host that runs what must run once, even if ``-H`` does not name it."""
        return self.subset((self.environment.leader,))

    def with_code(self) -> Self:
        """Return the hosts that need the application's code."""
        return self.subset([name for name in self.names if self.host(name).runs_code])

    def needing_code(self) -> Self:
        """Return the hosts that need the application's code.

        :raises HawserError: none of them does.
        """
        fleet = self.with_code()
        if not fleet.names:
            raise HawserError(
                f"none of {', '.join(self.names)} runs the application's code; is a group missing?", code=2
            )
        return fleet

    def with_leader(self) -> Self:
        """Return these hosts that need the code, and the leader."""
        return self.subset(tuple(dict.fromkeys((*self.with_code().names, self.environment.leader))))

    def decommissioned(self) -> Self:
        """Return the hosts that still serve a release and, by the settings, need the code no more."""
        there = self.required_hosts().names
        return self.subset([name for name in there if not self.host(name).runs_code and self.facts(name).current])

    def batches(self) -> Iterator[Self]:
        """Yield the hosts in the portions in which they switch, those first that others wait for."""
        names = self.with_code().names
        size = self.environment.release.batch_size(len(names))
        canaries = self.environment.canaries
        for _rank, equals in groupby(sorted(names, key=self.environment.host_rank), self.environment.host_rank):
            together = list(equals)
            first = [name for name in together if name in canaries]
            if first:
                yield self.subset(first)
            rest = [name for name in together if name not in canaries]
            for start in range(0, len(rest), size):
                yield self.subset(rest[start : start + size])

    def connect(self) -> None:
        """Open a wire to every host that has none."""
        self.session.open(self.names)

    def connect_early(self) -> None:
        """Begin to open the wires of these hosts while other work goes on."""
        self.session.lenient = self.environment.release.unreachable == "skip"
        self.session.connect_early(self.names)

    def reachable(self) -> Self:
        """Return the hosts that answer; those that do not have been reported and make the run fail at its end.

        For questions and ad-hoc commands: what changes hosts asks for all of them, with `connect`.
        """
        try:
            self.connect()
        except Unreachable:
            if not set(self.names) - set(self.session.lost):
                raise
        return self.subset([name for name in self.names if name not in self.session.lost])

    def required_hosts(self) -> Self:
        """Return the hosts that a rollout can go on with: all, or those that answer, where the settings skip the rest.

        :raises Unreachable: a host does not answer, and `release.unreachable` says that this is fatal; or none does.
        """
        if not self.names:
            return self
        self.session.lenient = self.environment.release.unreachable == "skip"
        if not self.session.lenient:
            self.connect()
            return self
        # Those that did not answer a moment ago are not asked again.
        left = [name for name in self.names if name not in self.session.lost]
        return self.subset(left or self.names).reachable()

    def tell_more(self, name: str, answer: Mapping[str, Any], what: str) -> None:
        """Warn that a host has told a part only of what somebody has multiplied there."""
        if answer["more"]:
            text = f"{answer['more']:,} more {what} are not shown; next: find out who makes so many"
            self.report.note(name, text, "warning")

    def request(
        self,
        name: str,
        operation: str,
        arguments: Mapping[str, Any],
        heard: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Answer:
        """Send one request to a host and return the answer.

        :param heard: takes the messages before the end; default: the report does.
        :raises StepFailed: the runner says why it could not.
        """
        masks = self.session.secrets.mask_values()
        answer = self.session.wires[name].request(operation, arguments, masks, heard or self.session.tell(name))
        if answer.error:
            output = str(answer.message.get("output", "")).strip()
            lines = [f"{name}: {answer.error}", *([output] if output else [])]
            if operation in ("ask", "ask_all"):
                from ..diagnosis.explain import explain

                # A question that asks questions in turn would never end.
                lines += explain(self, name, "\n".join(lines), look=False).splitlines()
            else:
                lines += self.explained({name: "\n".join(lines)})
            raise StepFailed("\n".join(lines))
        return answer

    def ask(self, name: str, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call one of the runner's reading functions on a host."""
        self.session.open([name])
        answer = self.request(name, "ask", {"function": function, "arguments": dict(arguments)})
        return answer.message["answer"]

    def ask_together(self, name: str, questions: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Call several of the runner's reading functions on a host in one exchange.

        :raises StepFailed: one of them could not answer.
        """
        self.session.open([name])
        answer = self.request(name, "ask_all", {"questions": [[function, dict(more)] for function, more in questions]})
        for each in answer.message["answers"]:
            if "error" in each:
                raise StepFailed(f"{name}: {each['error']}")
        return [each["answer"] for each in answer.message["answers"]]

    def ask_all(self, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call one of the runner's reading functions on every host that answers, all at once; the rest is reported.

        :returns: the answers, by host.
        """
        names = self.reachable().names
        answers = self.session.parallel(names, lambda name: self.ask(name, function, arguments))
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers

    def explained(self, texts: Mapping[str, str]) -> list[str]:
        """Return what is known of failures, as the end of an error's message; programs are told as well.

        :param texts: what was said when it failed, by host.
        """
        from ..diagnosis.explain import explain

        found = self.session.parallel(
            [name for name in texts if name not in self.session.lost], lambda name: explain(self, name, texts[name])
        )
        lines: list[str] = []
        for name, text in found.items():
            if isinstance(text, str) and text:
                self.report.explained(name, text)
                lines += text.splitlines()
        return lines

    def each(self, operation: str, arguments: Mapping[str, Mapping[str, Any]]) -> dict[str, Answer | Exception]:
        """Send a request of its own to each of some hosts, all at once."""
        return self.session.parallel(list(arguments), lambda name: self.request(name, operation, arguments[name]))

"""Questions to the hosts of a command: one request to one host, or the same one to all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from ..answers.messages import Message
from ..answers.reading import ReadingFunction
from ..errors import HawserError, StepFailed
from ..ssh.talk import Answer
from .hosts import Hosts

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Question(Generic[T_co]):
    """A reading function with its arguments."""

    function: ReadingFunction[T_co]
    arguments: Mapping[str, object] = field(default_factory=dict)


class Answers:
    """The answers of one host to several questions."""

    def __init__(self, found: Mapping[Question[object], object]) -> None:
        self._found = found

    def to(self, question: Question[T]) -> T:
        """Return the answer to one of the questions."""
        return cast(T, self._found[question])


class AskableHosts(Hosts):
    """Hosts whose runners answer questions."""

    def tell_more(self, name: str, answer: Mapping[str, object], what: str) -> None:
        """Warn that a host has told a part only of things that somebody has multiplied there."""
        if answer["more"]:
            text = f"{answer['more']:,} more {what} are not shown; next: find out who makes so many"
            self.report.note(name, text, "warning")

    def request(
        self,
        name: str,
        operation: str,
        arguments: Mapping[str, object],
        on_message: Callable[[Message], None] | None = None,
    ) -> Answer:
        """Send one request to a host and return the answer.

        :param on_message: takes the messages before the end; default: the report does.
        :raises StepFailed: the runner says why it could not.
        """
        masks = self.session.secrets.mask_values()
        answer = self.connections.wires[name].request(
            operation, arguments, masks, on_message or self.session.messages.handler(name)
        )
        if answer.error:
            output = str(answer.message.get("output", "")).strip()
            lines = [answer.error, *([output] if output else [])]
            text = "\n".join([f"{name}: {answer.error}", *lines[1:]])
            if operation in ("ask", "ask_all"):
                from ..diagnosis.explain import explain

                # A question that asks questions in turn would never end.
                known = explain(self, name, text, look=False)
                raise StepFailed("\n".join([*lines, *known.lines]), host=name, next=known.next)
            raise StepFailed("\n".join([*lines, *self.explained({name: text})]), host=name)
        return answer

    def ask(self, name: str, function: ReadingFunction[T], arguments: Mapping[str, object]) -> T:
        """Call one of the runner's reading functions on a host."""
        self.connections.open([name])
        answer = self.request(name, "ask", {"function": function, "arguments": dict(arguments)})
        found: T = answer.message["answer"]
        return found

    def ask_together(self, name: str, questions: Sequence[Question[object]]) -> Answers:
        """Call several of the runner's reading functions on a host in one exchange.

        :raises StepFailed: one of them could not answer.
        """
        self.connections.open([name])
        answer = self.request(
            name, "ask_all", {"questions": [[each.function, dict(each.arguments)] for each in questions]}
        )
        for each in answer.message["answers"]:
            if "error" in each:
                raise StepFailed(str(each["error"]), host=name)
        found = [each["answer"] for each in answer.message["answers"]]
        return Answers(dict(zip(questions, found, strict=True)))

    def ask_all(self, function: ReadingFunction[T], arguments: Mapping[str, object]) -> dict[str, T]:
        """Call one of the runner's reading functions on every host that answers, all at once; the rest is reported.

        :returns: the answers, by host.
        """
        names = self.reachable().names
        answers: dict[str, T] = {}
        for name, answer in self.connections.parallel(names, lambda name: self.ask(name, function, arguments)).items():
            if isinstance(answer, HawserError):
                raise answer
            answers[name] = answer
        return answers

    def explained(self, texts: Mapping[str, str]) -> list[str]:
        """Return the explanations of failures, as the end of an error's message; they are reported as well.

        :param texts: what was said when it failed, by host.
        """
        from ..diagnosis.explain import explain

        found = self.connections.parallel(
            [name for name in texts if name not in self.lost], lambda name: explain(self, name, texts[name])
        )
        lines: list[str] = []
        for name, known in found.items():
            if known and not isinstance(known, HawserError):
                self.report.explained(name, str(known))
                lines += str(known).splitlines()
        return lines

    def each(self, operation: str, arguments: Mapping[str, Mapping[str, object]]) -> dict[str, Answer | HawserError]:
        """Send a request of its own to each of some hosts, all at once."""
        return self.connections.parallel(list(arguments), lambda name: self.request(name, operation, arguments[name]))

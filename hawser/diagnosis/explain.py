"""Errors explained: the meaning of a failure's words, the host's own findings about it, and the next command.

A cause (`causes`) may name checks (`checks`), which then look at the host for the very thing, and a service whose
server is asked for its last words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..answers import reading
from ..answers.reading import ReadingFunction
from ..errors import HawserError
from ..host import Host
from ..inventory import Environment
from ..report.text import ADVISED, hearsay
from ..secrets import sources_of
from .causes import MOST, Cause, cause_of, packages_for

if TYPE_CHECKING:
    from .checks import Check, Finding

T = TypeVar("T")

# What a shell takes for a word and a program for no option.
PLAIN = re.compile(r"(?![-~=])[\w.,:@/+=%-]+")
# The folder of a release, in what a program says, and the name of a program or a module.
RELEASE = re.compile(r"(/[\w./+@-]{1,500}/releases/[\w.-]{1,100})/")
FILE = re.compile(r"\w[\w.-]{0,200}")


class Witness(Protocol):
    """Whoever knows the hosts, and can ask them.

    :param lost: those that do not answer any more.
    :param age: seconds since this run began.
    """

    @property
    def environment(self) -> Environment: ...

    @property
    def lost(self) -> Collection[str]: ...

    @property
    def age(self) -> float: ...

    def host(self, name: str) -> Host: ...

    def ask(self, name: str, function: ReadingFunction[T], arguments: Mapping[str, object]) -> T: ...


@dataclass(frozen=True)
class Explanation:
    """The known facts of a failure; false where there are none.

    :param lines: what it means, and what the hosts say about it.
    :param next: what to do or to type; empty where a line says it.
    """

    lines: tuple[str, ...] = ()
    next: str = ""

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __str__(self) -> str:
        return "\n".join([*self.lines, *([f"  next: {self.next}"] if self.next else [])])


def filled_in(text: str, witness: Witness, name: str, caught: str) -> str:
    """Fill the words of a cause with names, and with the text that its pattern caught."""
    packages = packages_for(caught)
    if "{packages}" in text and not packages:
        text = "find the Debian package with `apt-file search {1}`, then " + text.replace("[{packages}]", '["…-dev"]')
    if "{secrets}" in text:
        environment = witness.environment
        text = text.replace("{secrets}", sources_of(environment, environment.path.parent).name)
    words = {
        "{host}": name,
        "{target}": f"{witness.environment.name}/{name}",
        "{environment}": witness.environment.name,
        "{file}": witness.environment.path.name,
        "{packages}": packages,
        "{1}": caught,
    }
    for mark, word in words.items():
        text = text.replace(mark, word)
    # Where a pattern caught nothing, the sentence ends before its place.
    return text.rstrip().rstrip(":")


def explain(witness: Witness, name: str, text: str, look: bool = True) -> Explanation:
    """Return the meaning of a failure on a host, the answers of hosts about it, and the next move.

    :param text: the error and its output.
    :param look: ask the hosts.
    """
    # What names its next move was looked into already, on the host.
    known = None if ADVISED in text.partition("\n")[0] else cause_of(text)
    if known is None:
        return Explanation()
    cause, caught = known
    findings = list(found_by_checks(witness, name, cause)) if look else []
    tested = any(not finding.warning for finding in findings)
    meaning = cause.meaning if tested or not cause.untested else cause.untested
    lines = [f"{name}: {filled_in(meaning, witness, name, caught)}"]
    for finding in findings:
        lines += [f"  {finding.message}", *([f"    next: {finding.next}"] if finding.next else [])]
    lines += [f"  {line}" for line in (last_words(witness, cause) if look else ())]
    inner = lying_deeper(witness, name, cause, caught, text) if look else []
    if inner:
        lines.append(f"  deeper in the code: {', '.join(inner)}")
        path = inner[0] if len(inner) == 1 and PLAIN.fullmatch(inner[0]) else "…"
        move = cause.deeper.replace("{deeper}", path).replace("{folder}", path.rpartition("/")[0] or "…")
        return Explanation(tuple(lines), filled_in(move, witness, name, "…"))
    if any(finding.next for finding in findings):
        return Explanation(tuple(lines))
    # A command is typed as it stands here: nothing that a shell would take for more than a word.
    word = caught if PLAIN.fullmatch(caught) else "…"
    elsewhere = cause.elsewhere and cause.service not in witness.environment.services.installed
    return Explanation(tuple(lines), filled_in(cause.elsewhere if elsewhere else cause.move, witness, name, word))


def found_by_checks(witness: Witness, name: str, cause: Cause) -> Iterator[Finding]:
    """Yield the findings of a cause's checks on a host; a check that cannot look finds nothing."""
    from .checks import Check  # what it needs takes longer to load than most tasks take

    def ask(function: ReadingFunction[T], /, **arguments: object) -> T:
        return witness.ask(name, function, arguments)

    def look(check: Check) -> list[Finding]:
        return list(check.function(witness.host(name), ask))

    for check in Check.on_hosts:
        if check.title in cause.checks:
            yield from quietly(lambda check=check: look(check))  # type: ignore[misc]


def lying_deeper(witness: Witness, name: str, cause: Cause, caught: str, text: str) -> list[str]:
    """Return where the program or module that was not found lies, below the top of the code of the release at stake.

    :param text: what the program said, where the folder of its release stands.
    """
    folder, wanted = RELEASE.search(f"{caught}\n{text[-MOST:]}"), caught.rpartition("/")[2]
    if not cause.deeper or folder is None or not FILE.fullmatch(wanted):
        return []
    asked = {"source": f"{folder[1]}/source", "name": wanted}
    found = quietly(lambda: list(witness.ask(name, reading.SCRIPTS_DEEPER, asked)))
    return [hearsay(each.removesuffix("/__init__.py")) for each in found]


def last_words(witness: Witness, cause: Cause) -> Iterator[str]:
    """Yield the last words in this run of the servers of a cause's service; a silent server has none."""
    service = witness.environment.services.installed.get(cause.service)
    if service is None:
        return
    words = {"logs": service.LOGS, "units": list(service.units()), "seconds": witness.age}
    for server in witness.environment.hosts_of(service.groups):
        if server not in witness.lost:
            yield from quietly(
                lambda server=server: [  # type: ignore[misc]
                    f"{server} | {line}" for line in witness.ask(server, reading.LAST_WORDS, words)
                ]
            )


def quietly(work: Callable[[], list[T]]) -> list[T]:
    """Return the result of some work, nothing where it fails: an explanation must not fail over a failure."""
    try:
        return work()
    except HawserError:
        return []

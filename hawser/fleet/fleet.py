"""Many hosts at once: phases with barriers, a leader, batches, and what happens on failure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..errors import HawserError, StepFailed, Unreachable
from ..host import Host
from ..host.journal import Record
from ..host.release import Facts, Release, fetched_by, is_commit, is_id, short
from ..inventory import Environment
from ..inventory.values.types import is_version
from ..report import Report
from ..resources import Catalog, Checkout
from ..runner.python.index import order
from ..session import locks
from ..session.session import Session
from ..ssh import terminal
from ..ssh.wire import Answer
from ..steps import Step
from . import kept, repository
from .kept import Kept


class Fleet:
    """The hosts of one task, in one environment.

    :param names: the hosts, in the order of the environment file.
    """

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self.session = session
        self.names = tuple(names)

    # What it is.

    @property
    def environment(self) -> Environment:
        return self.session.environment

    @property
    def report(self) -> Report:
        return self.session.report

    @property
    def dry(self) -> bool:
        return self.session.dry

    def facts(self, name: str) -> Facts:
        """What a host said of itself when its wire was opened, or when it was last asked."""
        if name not in self.session.facts:
            self.connect()
        return self.session.facts[name]

    def host(self, name: str, release: Release | None = None) -> Host:
        return self.session.host(name, release)

    def some(self, names: Sequence[str]) -> Fleet:
        """Return the part of the environment with these hosts."""
        return Fleet(self.session, names)

    def everyone(self) -> Fleet:
        """Return all hosts of the environment, also those that ``-H`` does not name."""
        return self.some(tuple(self.environment.hosts))

    def leader(self) -> Fleet:
        """Return the host that runs what must run once, even if ``-H`` does not name it."""
        return self.some((self.environment.leader,))

    def with_code(self) -> Fleet:
        """Return the hosts that need the application's code."""
        return self.some([name for name in self.names if self.host(name).runs_code])

    def needing_code(self) -> Fleet:
        """Return the hosts that need the application's code.

        :raises HawserError: none of them does.
        """
        fleet = self.with_code()
        if not fleet.names:
            raise HawserError(
                f"none of {', '.join(self.names)} runs the application's code; is a group missing?", code=2
            )
        return fleet

    def with_leader(self) -> Fleet:
        """Return these hosts that need the code, and the leader."""
        return self.some(tuple(dict.fromkeys((*self.with_code().names, self.environment.leader))))

    def left_over(self) -> Fleet:
        """Return the hosts that still serve a release and, by the settings, need the code no more."""
        there = self.answering().names
        return self.some([name for name in there if not self.host(name).runs_code and self.facts(name).current])

    def batches(self) -> Iterator[Fleet]:
        """Yield the hosts in the portions in which they switch, those first that others wait for."""
        names = self.with_code().names
        size = self.environment.release.batch_size(len(names))
        canaries = self.environment.canaries
        for _rank, equals in groupby(sorted(names, key=self.environment.host_rank), self.environment.host_rank):
            together = list(equals)
            first = [name for name in together if name in canaries]
            if first:
                yield self.some(first)
            rest = [name for name in together if name not in canaries]
            for start in range(0, len(rest), size):
                yield self.some(rest[start : start + size])

    # Releases.

    def resolve(self, revision: str = "") -> Release:
        """Find the one commit that all hosts shall get, once, and name the release.

        :param revision: a branch, a tag or a commit (short ones too), or the version of a package; empty: what the
            environment says.
        :raises HawserError: there is no such revision.
        """
        self.session.preflight()
        app = self.environment.app
        wanted = revision or (app.version or "" if app.package else app.branch)
        if app.package:
            commit, place = self.find_version(wanted)
        elif app.push:
            commit = repository.resolve(repository.location(app.repo or "", self.session.folder.parent), wanted)
            place = "looked up on this machine"
        else:
            leader = self.leader()
            leader.connect()
            name = leader.names[0]
            commit, place = self.look_up(name, self.host(name).repository_access(), wanted), f"looked up on {name}"
        self.report.note("", f"{wanted} is {short(commit)} ({place})")
        session = self.session
        named = fetched_by(wanted, commit)
        return Release.of(commit, self.environment, session.templates, session.secrets, session.addresses, named)

    def look_up(self, name: str, access: Mapping[str, Any], wanted: str) -> str:
        """Have a host ask a repository which commit a branch, a tag or a (short) hash is.

        :raises HawserError: it names none, or another one than was asked for.
        """
        commit = str(self.ask(name, "checkout.resolve", {**access, "revision": wanted}))
        full = re.compile("[0-9a-f]{40}")
        if not full.fullmatch(commit) or (full.fullmatch(wanted) and commit != wanted):
            raise HawserError(f"{name}: answers with {commit!r}, which is not the commit {wanted}")
        return commit

    def find_version(self, wanted: str) -> tuple[str, str]:
        """Return a version of the package as the index writes it, and where that is known from.

        :raises HawserError: there is no such version.
        """
        if wanted and not is_version(wanted):
            raise HawserError(f"{wanted!r} is no version of a package; nothing was touched", code=2)
        hosts = self.with_code().answering()
        keeping = [
            name for name in hosts.names if any(each.startswith(f"{wanted}-") for each in self.facts(name).releases)
        ]
        if wanted and keeping:
            return wanted, f"kept on {keeping[0]}"
        (name,) = self.leader().names
        found = str(self.ask(name, "index.resolve", self.host(name).index_question(wanted)))
        if found and (not is_commit(found) or (wanted and order(found) != order(wanted))):
            raise HawserError(f"{name}: answers with {found!r}, which is not the version {wanted}")
        if not found and not wanted:
            raise HawserError(f"no version of {self.environment.app.package} is named; next: app.version", code=2)
        return (found, f"looked up on {name}") if found else (wanted, f"not looked up: {name} is not bootstrapped yet")

    def release(self, identifier: str) -> Release:
        """Return a release that the hosts keep, with its own settings and templates, to be used on all of these.

        :raises HawserError: no host of these keeps it, it is not ours, or it cannot be read.
        """
        return kept.release(self.with_code().answering(), identifier)

    def releases(self, identifier: str) -> tuple[dict[str, Release], list[Kept]]:
        """Return a release as each of these hosts may use it for itself, and what is refused; see `kept.releases`."""
        return kept.releases(self, identifier)

    def previous(self) -> str:
        """Return the release that served before the current one, the same on every host.

        :raises HawserError: there is none, or the hosts disagree.
        """
        fleet = self.needing_code().answering()
        root = self.environment.app.root
        found = {name: str(fleet.ask(name, "releases.before", {"root": root})) for name in fleet.names}
        if strange := [name for name, each in found.items() if each and not is_id(each)]:
            raise HawserError(f"{', '.join(strange)}: what served before is no name of a release; name one with --to")
        if not all(found.values()):
            kept = dict.fromkeys(each for name in fleet.names for each in self.facts(name).releases)
            told = "".join(f"\n  {each}" for each in kept) or " none"
            raise HawserError(
                f"no release served before the current one on {', '.join(n for n in found if not found[n])}; "
                f"name one with --to; kept:{told}"
            )
        if len(set(found.values())) > 1:
            told = "\n".join(f"  {name}: {release}" for name, release in found.items())
            raise HawserError(f"the hosts had different releases before; name one with --to:\n{told}")
        return next(iter(found.values()))

    def refuse_two_commits(self, release: Release) -> None:
        """Stop before hosts that ``-H`` does not name would stay on another commit.

        :raises HawserError: names those hosts.
        """
        others = self.some([name for name in self.environment.hosts if name not in self.names]).with_code().answering()
        behind = [name for name in others.names if self.facts(name).commit != release.commit]
        if behind:
            what = "version" if self.environment.app.package else "commit"
            raise HawserError(
                f"{', '.join(behind)} would stay on another {what} than {short(release.commit)}; nothing was touched\n"
                f"  next: fab -H {self.environment.name} deploy, or the same command with --partial"
            )

    def release_at_stake(self, prepares: bool) -> Release | Mapping[str, Release]:
        """Return the release that a single step works on: the one that a step before it in the same run has prepared,
        else, for a step that prepares, the one that a deploy would make, else the one that serves on each host.
        """
        if prepares and self.session.at_stake is None:
            self.session.at_stake = self.resolve()
        return self.session.at_stake or self.current_releases()

    def current_releases(self) -> dict[str, Release]:
        """Return the commit that serves on each host, with today's settings; hosts without a release are left out."""
        self.connect()
        found: dict[str, Release] = {}
        for name in self.names:
            facts = self.facts(name)
            if facts.current:
                found[name] = Release(facts.current, facts.commit, self.environment, self.session.templates)
        return found

    def require_bootstrapped(self) -> None:
        """Stop before anything is touched where a host was not made ready.

        :raises HawserError: names those hosts.
        """
        self.connect()
        bare = [name for name in self.names if not self.facts(name).bootstrapped]
        if bare:
            raise HawserError(
                f"{', '.join(bare)}: not bootstrapped yet; nothing was touched\n"
                f"  next: fab -H {self.environment.name} bootstrap deploy"
            )

    def note_bootstrapped(self) -> None:
        """Remember, without asking again, that these hosts are ready; in a dry run, that they would be."""
        for name in self.names:
            self.session.facts[name] = dataclasses.replace(self.facts(name), bootstrapped=True)

    def note_once(self, commands: Iterable[str]) -> None:
        """Remember, without asking again, which commands have run once; in a dry run, which would have."""
        for name in self.names:
            self.session.facts[name] = dataclasses.replace(self.facts(name), once=tuple(sorted(commands)))

    def kept_releases(self) -> dict[str, Release]:
        """Return the release that serves on each host as it was made, with the settings that it kept."""
        self.connect()
        serving = {name: self.facts(name).current for name in self.names if self.facts(name).current}
        found: dict[str, Release] = {}
        refused: list[Kept] = []
        for identifier in dict.fromkeys(serving.values()):
            own, wrong = self.some([name for name in serving if serving[name] == identifier]).releases(identifier)
            found.update(own)
            refused += wrong
        if refused:
            raise HawserError(kept.refusal(self, refused))
        if missing := [name for name in serving if name not in found]:
            raise HawserError(
                f"{', '.join(missing)}: what serves there is not kept\n  next: fab -H {self.environment.name} deploy"
            )
        return found

    def serves(self, release: Release) -> bool:
        """Tell whether every host serves a release already, and say for those that do not what is missing."""
        fleet = self.with_code()
        missing = {name: self.missing(name, release) for name in fleet.names}
        for name, what in missing.items():
            if what:
                self.report.note(name, what)
        return not any(missing.values())

    def missing(self, name: str, release: Release) -> str:
        """Say what keeps a host from serving a release completely; nothing when it does."""
        facts, host = self.facts(name), self.host(name, release)
        if facts.current != release.id:
            return f"serves {facts.current or 'nothing yet'}"
        record = Record.of(facts)
        if record is not None and not record.complete:
            return f"a rollout of {record.release} was not completed"
        rows = {(row["manager"], row["unit"]): row for row in facts.processes if row["live"]}
        for process in host.processes():
            row = rows.get((process.setting.manager, process.unit))
            if row is None or row["release"] != release.id:
                return f"{process.unit} is not defined for it"
            if not row["active"]:
                return f"{process.unit} is {row['state']}"
            if process.colour and process.name in facts.astray:
                return f"{process.link[0]} does not lead to {process.unit}, which serves"
        return ""

    # Doing.

    def connect(self) -> None:
        """Open a wire to every host that has none."""
        self.session.open(self.names)

    def expect(self) -> None:
        """Begin to open the wires of these hosts while other work goes on."""
        self.session.lenient = self.environment.release.unreachable == "skip"
        self.session.expect(self.names)

    def reachable(self) -> Fleet:
        """Return the hosts that answer; those that do not have been reported and make the run fail at its end.

        For questions and ad-hoc commands: what changes hosts asks for all of them, with `connect`.
        """
        try:
            self.connect()
        except Unreachable:
            if not set(self.names) - set(self.session.lost):
                raise
        return self.some([name for name in self.names if name not in self.session.lost])

    def answering(self) -> Fleet:
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
        return self.some(left or self.names).reachable()

    def lock(self) -> None:
        """Take the lock on all of these hosts, before anything is touched, and respect a freeze.

        :raises HawserError: somebody else is at work, or has frozen a host.
        """
        self.connect()
        if not self.dry:
            self.take_locks(self.names)
        locks.refuse_hold(self)

    def take_locks(self, names: Sequence[str]) -> None:
        """Take the lock on some hosts; one that does not answer is lost, and fatal unless the settings skip it.

        :raises HawserError: somebody else holds it.
        """
        for name in sorted(names):
            try:
                locks.take(self.session, [name])
            except Unreachable as error:
                if not self.session.lenient:
                    raise
                if name not in self.session.lost:
                    self.session.lost[name] = str(error)
                    self.session.tell_failure(name, str(error))

    def apply(
        self, steps: Sequence[Step], release: Release | Mapping[str, Release] | None = None, phase: str = ""
    ) -> None:
        """Bring every host to what these steps want, all hosts at once, one exchange per host.

        :param release: the release at stake, for all hosts or by host.
        :param phase: the name a person reads; the steps' names when it is empty.
        :raises StepFailed: on one or more hosts; every host has finished, and what failed has been reported.
        """
        failed = self.attempt(steps, release, phase)
        if failed:
            raise self.failure(phase or steps[0].title, failed)

    def attempt(
        self, steps: Sequence[Step], release: Release | Mapping[str, Release] | None = None, phase: str = ""
    ) -> dict[str, str]:
        """Do as `apply` does, and leave it to the caller what a failure means.

        :returns: by host, why it failed, which has been reported; nothing in a dry run, whose end tells of it.
        """
        self.connect()
        names = [name for name in self.names if steps]
        if not self.dry:
            self.take_locks(names)
        self.report.phase(phase or " ".join(step.title for step in steps), names)
        masks = self.session.secrets.mask_values()

        def work(name: str) -> bool:
            mine = release.get(name) if isinstance(release, Mapping) else release
            catalog = self.catalog(name, steps, mine)
            for text in catalog.notices:
                self.report.note(name, text, "warning")
            if not self.dry:
                self.push(name, catalog)
            ok = self.session.wires[name].apply(catalog, self.dry, masks, self.session.tell(name))
            self.report.host_done(name)
            return ok

        results = self.session.parallel(names, work)
        failed: dict[str, str] = {}
        for name, result in results.items():
            if isinstance(result, Exception):
                self.session.tell_failure(name, str(result))
            if result is not True:
                failed[name] = str(result) if isinstance(result, Exception) else f"{name}: {phase} failed"
        if self.dry:
            self.session.dry_failures.extend(failed)
            return {}
        return failed

    def failure(self, phase: str, failed: Mapping[str, str]) -> StepFailed:
        """Return the error that says what failed on which hosts, and what is known of its causes."""
        events = {name: self.session.failures.pop(name) for name in failed if name in self.session.failures}
        texts = {name: f"{event.error}\n{event.output}" for name, event in events.items()}
        lines = [f"{phase} failed on {', '.join(failed)}", *self.explained(texts)]
        lost = [name for name in failed if name in self.session.lost]
        if lost:
            lines.append(f"  next: fab -H {lost[0]} status; when {', '.join(lost)} answers, the same command again")
        return StepFailed("\n".join(lines))

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

    def catalog(self, name: str, steps: Sequence[Step], release: Release | None) -> Catalog:
        """Collect what some steps want on one host."""
        host = self.host(name, release)
        return Catalog.of((step.title, step.resources(host)) for step in steps)

    def push(self, name: str, catalog: Catalog) -> None:
        """Send ahead the commits that a host cannot fetch itself and does not have yet."""
        for item in catalog.items:
            if isinstance(item.resource, Checkout) and item.resource.bundle:
                tips = self.ask(name, "checkout.tips", {"mirror": item.resource.mirror})
                location = repository.location(self.environment.app.repo or "", self.session.folder.parent)
                data = repository.bundle(location, item.resource.commit, [str(tip) for tip in tips])
                if data:
                    self.session.wires[name].blob(item.resource.bundle, data)

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

    def each(self, operation: str, arguments: Mapping[str, Mapping[str, Any]]) -> dict[str, Answer | Exception]:
        """Send a request of its own to each of some hosts, all at once."""
        return self.session.parallel(list(arguments), lambda name: self.request(name, operation, arguments[name]))

    def stream(self, programs: Mapping[str, Mapping[str, Any]], title: str) -> None:
        """Run a program on each of some hosts at once; its output is passed on line by line, marked by host.

        :param programs: by host: argv, and where wanted user, cwd, stdin.
        :raises StepFailed: it exited with anything but 0 somewhere.
        """
        if self.dry:
            for name in programs:
                self.report.note(name, f"would run {title}")
            return
        reached = self.some(list(programs)).reachable()
        results = self.each("stream", {name: programs[name] for name in reached.names})
        bad = list(self.session.lost.values())
        texts: dict[str, str] = {}
        for name, result in results.items():
            if isinstance(result, Exception):
                bad.append(str(result))
            elif result.message["code"]:
                bad.append(f"{name}: exited with {result.message['code']}")
                texts[name] = "\n".join(self.session.last_lines.get(name, ()))
        if bad:
            bad += self.explained(texts)
            raise StepFailed(f"{title}:\n" + "\n".join(f"  {line}" for line in bad))

    def terminal(self, name: str, script: str) -> None:
        """Connect this terminal with a script that runs as root on a host.

        :raises StepFailed: it exited with anything but 0, which becomes our own status.
        """
        if self.dry:
            self.report.note(name, f"would run {script}")
            return
        self.some([name]).connect()
        self.report.pause()
        status = terminal.attach(self.session.wires[name].terminal(script, terminal.size()))
        if status:
            raise StepFailed(f"{name}: exited with {status}", code=status)

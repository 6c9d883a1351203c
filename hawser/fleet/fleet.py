"""Many hosts at once: steps in phases with barriers, and the reaction to failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..answers import reading
from ..answers.messages import EventRow, Message
from ..errors import HawserError, StepFailed
from ..host.release import Release
from ..resources import Catalog, Checkout, UploadedPython
from ..session import locks
from ..ssh import terminal
from ..steps import Step, StepLike
from . import repository, transfer
from .questions import AskableHosts
from .releases import target_release


class Fleet(AskableHosts):
    """The hosts of one task, on which steps run."""

    def lock(self) -> None:
        """Take the lock on all of these hosts, before anything is touched, and respect a freeze.

        :raises HawserError: somebody else is at work, or has frozen a host.
        """
        self.connect()
        if not self.dry:
            self.connections.lock_reachable(self.names)
        self.refuse_freeze()

    def refuse_freeze(self) -> None:
        """Stop where somebody has frozen the deploys, or may have; a dry run only says so.

        :raises HawserError: who, since when and why.
        """
        self.connect()
        self.connections.refuse_damaged(self.names)
        told = [f"{name}: {locks.held(hold)}" for name in self.names if (hold := self.facts(name).hold)]
        if told and self.dry:
            self.report.note("", "\n".join(["deploys are frozen:", *told]), "warning")
        elif told:
            next_move = f"fab -H {self.environment.name} lock.release, when they agree"
            raise HawserError("\n".join(["deploys are frozen; nothing was touched", *told]), next=next_move)

    def run_step(self, step: Step) -> None:
        """Run one step, as it was typed, on these hosts."""
        self.refuse_freeze()
        self.apply([step], target_release(self, step.prepares))

    def apply(
        self, steps: Sequence[StepLike], release: Release | Mapping[str, Release] | None = None, phase: str = ""
    ) -> None:
        """Bring every host to the state that these steps want, all hosts at once, one exchange per host.

        :param release: the release at stake, for all hosts or by host.
        :param phase: the name a person reads; the steps' names when it is empty.
        :raises StepFailed: on one or more hosts; every host has finished, and what failed has been reported.
        """
        failed = self.attempt(steps, release, phase)
        if failed:
            raise self.failure(phase or steps[0].title, failed)

    def attempt(
        self, steps: Sequence[StepLike], release: Release | Mapping[str, Release] | None = None, phase: str = ""
    ) -> dict[str, str]:
        """Do as `apply` does, and leave the failures to the caller.

        :returns: by host, why it failed, which has been reported; nothing in a dry run, whose end tells of it.
        """
        self.connect()
        names = [name for name in self.names if steps]
        if not self.dry:
            self.connections.lock_reachable(names)
        books = all(step.bookkeeping for step in steps)
        self.report.phase(phase or " ".join(step.title for step in steps), names, bookkeeping=books)
        masks = self.session.secrets.mask_values()

        def work(name: str) -> bool:
            mine = release.get(name) if isinstance(release, Mapping) else release
            catalog = self.catalog(name, steps, mine)
            for text in catalog.notices:
                self.report.note(name, text, "warning")
            if not self.dry:
                self.push(name, catalog)
            on_message = self.session.messages.handler(name, catalog.bookkeeping)
            catalog, on_message = self.session.planned(name, catalog, on_message)
            ok = self.connections.wires[name].apply(catalog, self.dry, masks, on_message)
            self.report.host_done(name)
            return ok

        results = self.connections.parallel(names, work)
        failed: dict[str, str] = {}
        for name, result in results.items():
            if isinstance(result, HawserError):
                self.connections.report_failure(name, result)
            if result is not True:
                failed[name] = str(result) if isinstance(result, HawserError) else f"{name}: {phase} failed"
        if self.dry:
            self.session.would_fail(list(failed))
            return {}
        if failed and self.session.guard is not None:
            self.session.guard.lift()
        return failed

    def foresee(
        self, steps: Sequence[StepLike], release: Release | None, told: Callable[[EventRow], str]
    ) -> dict[str, list[str]]:
        """Look at what steps would do on each host, and report nothing of it.

        :param told: makes a line of what was found of a resource; an empty one is left out.
        :returns: the lines of each host.
        :raises HawserError: a host is lost.
        """

        def look(name: str) -> list[str]:
            lines: list[str] = []

            def on_message(message: Message) -> None:
                if message["t"] == "event" and (line := told(message)):
                    lines.append(line)

            masks = self.session.secrets.mask_values()
            self.connections.wires[name].apply(self.catalog(name, steps, release), True, masks, on_message)
            return lines

        found: dict[str, list[str]] = {}
        for name, lines in self.connections.parallel(self.names, look).items():
            if isinstance(lines, Exception):
                raise lines
            found[name] = lines
        return found

    def failure(self, phase: str, failed: Mapping[str, str]) -> StepFailed:
        """Return the error of a failed phase, with its hosts and the known causes."""
        events = self.session.messages.take_failures(failed)
        texts = {name: f"{event.error}\n{event.output}" for name, event in events.items()}
        lines = [f"{phase} failed on {', '.join(failed)}", *self.explained(texts)]
        lost = [name for name in failed if name in self.lost]
        target = self.environment.target(*lost[:1])
        next_move = f"fab -H {target} status; when {', '.join(lost)} answers, the same command again" if lost else ""
        return StepFailed("\n".join(lines), next=next_move)

    def catalog(self, name: str, steps: Sequence[StepLike], release: Release | None) -> Catalog:
        """Collect the resources of some steps on one host."""
        host = self.host(name, release)
        books = [step.title for step in steps if step.bookkeeping]
        return Catalog.of(((step.title, step.resources(host)) for step in steps), books)

    def push(self, name: str, catalog: Catalog) -> None:
        """Send ahead the commits and the Python that a host cannot fetch itself and does not have yet."""
        for item in catalog.items:
            if isinstance(item.resource, UploadedPython):
                transfer.send_python(self, name, item.resource)
            if isinstance(item.resource, Checkout) and item.resource.bundle:
                tips = self.ask(name, reading.TIPS, {"mirror": item.resource.mirror})
                location = repository.location(self.environment.app.repo or "", self.session.folder.parent)
                data = repository.bundle(location, item.resource.commit, [str(tip) for tip in tips])
                if data:
                    self.connections.wires[name].blob(item.resource.bundle, data)

    def refuse_in_plan(self, title: str) -> None:
        """Stop where a plan is made: nobody can say what a program that somebody types changes.

        :raises HawserError: names it.
        """
        if self.session.recorder is not None:
            raise HawserError(f"no plan can hold {title!r}: it would run, and nobody knows what it changes", code=2)

    def stream(self, programs: Mapping[str, Mapping[str, object]], title: str) -> None:
        """Run a program on each of some hosts at once; its output is passed on line by line, marked by host.

        :param programs: by host: argv, and where wanted user, cwd, stdin.
        :raises StepFailed: it exited with anything but 0 somewhere.
        """
        self.refuse_in_plan(title)
        if self.dry:
            for name in programs:
                self.report.note(name, f"would run {title}")
            return
        reached = self.subset(list(programs)).reachable()
        results = self.each("stream", {name: programs[name] for name in reached.names})
        bad = [str(error) for error in self.lost.values()]
        texts: dict[str, str] = {}
        for name, result in results.items():
            if isinstance(result, HawserError):
                bad.append(str(result))
            elif result.message["code"]:
                bad.append(f"{name}: exited with {result.message['code']}")
                texts[name] = self.session.messages.last_output(name)
        if bad:
            bad += self.explained(texts)
            raise StepFailed(f"{title}:\n" + "\n".join(f"  {line}" for line in bad))

    def terminal(self, name: str, script: str) -> None:
        """Connect this terminal with a script that runs as root on a host.

        :raises StepFailed: it exited with anything but 0, which becomes our own status.
        """
        self.refuse_in_plan(script)
        if self.dry:
            self.report.note(name, f"would run {script}")
            return
        self.subset([name]).connect()
        self.report.pause()
        status = terminal.attach(self.connections.wires[name].terminal(script, terminal.size()))
        if status:
            raise StepFailed(f"exited with {status}", host=name, code=status)

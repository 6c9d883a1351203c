"""The passwords of services in a rollout: they change together with the processes that use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.rolling import Rollout
from hawser.host.release import Release

from ..services import SERVICES
from ..services.moments import AT_ONCE, BACK, BEGIN, BEGIN_ANEW, WAIT


def servers(fleet: Fleet) -> Fleet:
    """Return the hosts of services that have passwords."""
    installed = fleet.environment.services.installed
    groups = [installed[name].groups for name, each in SERVICES.items() if each.passwords and name in installed]
    found = [name for each in groups for name in fleet.environment.hosts_of(each)]
    return fleet.subset(tuple(dict.fromkeys(found)))


def given(there: Fleet, release: Release, moment: str, phase: str) -> None:
    """Give the users of services their passwords, at a moment of a rollout."""
    steps = [each.passwords.given(moment=moment) for each in SERVICES.values() if each.passwords]
    if there.names:
        there.apply(steps, release, phase)


def to_change(rolling: Rollout) -> Fleet:
    """Return the hosts of services whose passwords may change in a rollout; none where `bootstrap` has given them."""
    there, known = servers(rolling.hosts), rolling.connections.facts
    code = rolling.hosts.everyone().with_code().names
    # Of one that is not asked, nobody knows it.
    serves = any(name not in known or known[name].current for name in code)
    return there.subset([name for name in there.names if serves and name not in there.lost])


@contextmanager
def changing(rolling: Rollout, there: Fleet, anew: bool) -> Iterator[None]:
    """Have services take the passwords of a release from here on; after a failure the former ones count again.

    While others go on serving with the former ones, those stay where a service holds one alone.

    :param anew: no rollout was open before this one.
    """
    rolling.sooner.append(partial(put_back, rolling, there))
    begin = BEGIN_ANEW if anew else BEGIN
    given(there, rolling.wanted, begin if is_whole(rolling) else WAIT, "passwords")
    try:
        yield
    except Exception as error:
        try:
            rolling.prepare_revert()
        except HawserError as second:
            told = f"{error}\nand the passwords of before could not be put back everywhere: {second}"
            raise HawserError(told, next=f"fab -H {rolling.hosts.environment.name} resume") from error
        raise


def end(rolling: Rollout, there: Fleet) -> None:
    """Have the former passwords count no more, where nothing uses them any more."""
    if is_whole(rolling) and not rolling.failed and not rolling.skipped:
        given(there, rolling.wanted, AT_ONCE, "former passwords")


def is_whole(rolling: Rollout) -> bool:
    """Whether all hosts that run the code have a part in a rollout."""
    return set(rolling.hosts.everyone().with_code().names) <= set(rolling.hosts.names)


def only_secrets_differ(rolling: Rollout) -> bool:
    """Whether all hosts serve one release that differs from the wanted one in its secrets alone."""
    hosts, wanted = rolling.hosts, rolling.wanted
    found = [hosts.facts(name) for name in hosts.with_leader().names]
    if len({each.current for each in found}) != 1 or any(
        each.journal or each.commit != wanted.commit for each in found
    ):
        return False
    kept_ones, _refused = kept.releases(hosts.leader(), found[0].current)
    return any(inputs_of(each) == inputs_of(wanted) for each in kept_ones.values())


def inputs_of(release: Release) -> tuple[object, ...]:
    """Return all that a release is made of, but its secrets."""
    return release.kept["commit"], release.kept["settings"], release.kept["templates"]


def put_back(rolling: Rollout, there: Fleet) -> None:
    """Have services take the passwords again that the release uses which serves again."""
    if not rolling.hosts.dry:
        left = there.subset([name for name in there.names if name not in there.lost])
        given(left, rolling.wanted, BACK, "passwords of before")

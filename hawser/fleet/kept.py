"""Records of releases and rollouts that hosts keep; only those are used that we can prove to be ours.

A host may be in other hands. Whatever it says it keeps becomes settings, templates, and in the end commands, here and
elsewhere; so it carries a signature (`hawser.signatures`). What hosts kept before there was a key counts for the host
that keeps it, never for another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ..errors import HawserError
from ..host import Host
from ..host.journal import Record, believable
from ..host.places import rollout_inputs
from ..host.processes import defined_as_set
from ..host.release import Release, is_id
from ..inventory.tables.app import SIGNING_KEY
from ..report.text import hearsay
from ..resources import File, Journal, Resources
from ..session.generated import make_signing_key
from ..signatures import JOURNAL, RELEASE, ROLLOUT, Kept, Standing, identity
from ..steps import step
from .fleet import Fleet

BELIEVED = (Standing.OURS, Standing.ACCEPTED)
# The runner reads no more of a file than this; what a release is made of takes some ten thousand characters.
LONGEST = 1 << 20
# Of the id of a release, where only its beginning is typed.
FEWEST_DIGITS = 4
# How many differences are shown of one.
SHOWN = 12


def ready(fleet: Fleet, looks: bool = False) -> None:
    """Have a signing key, before anything is signed or believed; where none was ever in use, make it.

    What hosts keep unsigned by then counts from then on for the host that keeps it; this is said. In a dry run it
    counts for this run.

    :param looks: nothing is to be changed: as in a dry run, and without a word.
    :raises HawserError: hosts say that there is a key, and it is not here.
    """
    session = fleet.session
    signer = session.secrets.signer
    if signer is not None:
        known = session.connections.facts
        others = {name: key for name, facts in known.items() if (key := facts.signing) != signer.public}
        told = [f"{name} ({identity(others[name])})" for name in session.signing.to_warn(others) if others[name]]
        if told:
            session.report.note(
                "",
                f"{session.secrets.name_of(SIGNING_KEY)} holds the signing key {signer.identity}, and another one was "
                f"in use on {', '.join(told)}; if somebody has made a new one, get theirs",
                "warning",
            )
        return
    if session.signing.unsigned_counts:
        return
    everyone = reachable_everywhere(fleet)
    using = [f"{name} ({identity(key)})" for name in everyone.names if (key := fleet.facts(name).signing)]
    if using:
        raise HawserError(
            f"{session.secrets.sources.name} lacks {SIGNING_KEY}, and one is in use on {', '.join(using)}; nothing was "
            "touched",
            next=(
                f"get its line from whoever deployed; if nobody has it any more: "
                f"fab -H {fleet.environment.name} secrets.new-key"
            ),
            code=2,
        )
    kept = everyone.subset([name for name in everyone.names if fleet.facts(name).bootstrapped])
    if looks:
        session.signing.count_unsigned()
        return
    if session.dry:
        session.signing.count_unsigned()
        session.report.note("", f"would make {SIGNING_KEY}, and sign what hosts keep", "warning")
        return
    session.secrets.require_store([SIGNING_KEY])
    session.connections.lock(kept.names)
    make_signing_key(session)
    unsigned = [each for name in kept.names for each in inventory(kept, name)]
    if unsigned:
        accept(kept, unsigned)


def reachable_everywhere(fleet: Fleet) -> Fleet:
    """Return the hosts of the environment that answer: any of them may know of a key."""
    connections = fleet.connections
    fleet.connect()
    names = fleet.everyone().names
    # Nobody has asked for them: whoever does shall learn why they do not answer.
    connections.forget_losses(
        connections.try_open([name for name in names if name not in {*connections.wires, *connections.lost}])
    )
    return fleet.subset([name for name in names if name in connections.wires and name not in connections.lost])


def identifier(fleet: Fleet, named: str) -> str:
    """Return the id of the kept release that somebody names: by its id, or by its first digits, as of its commit.

    :raises HawserError: several begin so.
    """
    there = fleet.with_code().required_hosts()
    kept = dict.fromkeys(each for name in there.names for each in there.facts(name).releases)
    found = [each for each in kept if each.startswith(named)] if len(named) >= FEWEST_DIGITS else []
    if named in kept or not found:
        return named
    if len(found) > 1:
        raise HawserError(f"{named} is the beginning of several releases: {', '.join(found)}", next="name one", code=2)
    return found[0]


def release(fleet: Fleet, identifier: str) -> Release:
    """Return a release that hosts keep, with its own settings and templates, to be used on all that need the code.

    :raises HawserError: no host of these keeps it, it is not ours, counts for some of them only, or cannot be read.
    """
    fleet = fleet.with_code().required_hosts()
    found, refused = releases(fleet, identifier)
    if not found and not refused:
        raise HawserError(f"no host keeps the release {identifier};", next=f"fab -H {fleet.environment.name} status")
    if refused:
        raise refusal(fleet, refused)
    without = [name for name in fleet.names if name not in found]
    chosen = next(iter(found.values()))
    next_move = f"fab -H {fleet.environment.name} deploy --revision {chosen.commit}"
    if without:
        told = ", ".join(found)
        raise HawserError(
            f"{identifier} is kept on {told} from before it could be signed, and counts there alone; not on "
            f"{', '.join(without)}",
            next=next_move,
        )
    if len({each.inputs for each in found.values()}) > 1:
        raise HawserError(
            f"{', '.join(found)} keep different things as {identifier}, from before it could be signed", next=next_move
        )
    return chosen


def releases(fleet: Fleet, identifier: str) -> tuple[dict[str, Release], list[Kept]]:
    """Find a release on hosts that shall use it.

    :returns: it, by host: ours for all of them, else for each what it kept before it could be signed; and what is
        refused on those that are left.
    :raises HawserError: this is no name of a release, or what is ours cannot be read by this version.
    """
    if not is_id(identifier):
        raise HawserError(
            f"{identifier!r} is no release;", next=f"fab -H {fleet.environment.name} releases.list", code=2
        )
    fleet.connect()
    ready(fleet)
    own: dict[str, Release] = {}
    refused: dict[str, Kept] = {}
    for name in fleet.names:
        for each in places(fleet, name, identifier):
            if each.standing is Standing.OURS:
                made = read(fleet, each)
                return dict.fromkeys(fleet.names, made), []
            if each.standing is Standing.ACCEPTED:
                own.setdefault(name, read(fleet, each))
            else:
                refused[name] = each
    return own, [each for name, each in refused.items() if name not in own]


def serving_releases(fleet: Fleet) -> dict[str, Release]:
    """Return the release that serves on each host as it was made, with the settings that it kept."""
    fleet.connect()
    current = {name: fleet.facts(name).current for name in fleet.names if fleet.facts(name).current}
    found: dict[str, Release] = {}
    refused: list[Kept] = []
    for identifier in dict.fromkeys(current.values()):
        own, wrong = releases(fleet.subset([name for name in current if current[name] == identifier]), identifier)
        found.update(own)
        refused += wrong
    if refused:
        raise refusal(fleet, refused)
    if missing := [name for name in current if name not in found]:
        raise HawserError(
            f"{', '.join(missing)}: what serves there is not kept", next=f"fab -H {fleet.environment.name} deploy"
        )
    return found


def deployed_host(fleet: Fleet, name: str) -> Host:
    """Return a host with the settings of the release that serves there, where its processes are not today's.

    Nothing is changed for it; where what is kept cannot be read, or is not believed, today's settings have to do.
    """
    host = fleet.host(name)
    if not host.facts.current or defined_as_set(host):
        return host
    try:
        found = next((each for each in places(fleet, name, host.facts.current) if each.standing in BELIEVED), None)
        return fleet.host(name, read(fleet, found)) if found else host
    except HawserError:
        return host


def places(fleet: Fleet, name: str, identifier: str) -> Iterator[Kept]:
    """Yield a host's records of a release, judged: of its build, and of the begin of its rollout."""
    facts, host = fleet.facts(name), fleet.host(name)
    if identifier in facts.releases:
        yield from kept_at(fleet, name, RELEASE, f"{host.root}/releases/{identifier}/release.json", identifier)
    if facts.journal is not None and facts.journal.get("release") == identifier:
        # It may have been broken off before it had been built.
        yield from kept_at(fleet, name, ROLLOUT, rollout_inputs(host), identifier)


def kept_at(fleet: Fleet, name: str, kind: str, path: str, identifier: str) -> Iterator[Kept]:
    """Yield the record that a host keeps at a path, judged, if there is one."""
    text = fleet.connections.text_at(name, path)
    if text is None:
        return
    content = parsed(text)
    standing = judged(fleet, kind, content, name) if content.get("id") == identifier else Standing.WRONG
    yield Kept(name, kind, path, identifier, content, standing)


def parsed(text: object) -> Mapping[str, object]:
    """Return a host's record of a release as JSON has it; empty where it is none."""
    if not isinstance(text, str) or len(text) >= LONGEST:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def judged(fleet: Fleet, kind: str, content: Mapping[str, object], name: str) -> Standing:
    """Return the standing of a record that a host keeps."""
    signer = fleet.session.secrets.signer
    found = signer.judge(kind, content, name) if signer else Standing.UNSIGNED
    return Standing.ACCEPTED if found is Standing.UNSIGNED and fleet.session.signing.unsigned_counts else found


def read(fleet: Fleet, kept: Kept) -> Release:
    """Return the release that a host keeps.

    :raises HawserError: it cannot be read by this version.
    """
    try:
        return Release.from_inputs(kept.content, fleet.environment)
    except ValueError as error:
        raise HawserError(
            f"{kept.path} cannot be read by this version of Hawser: {hearsay(str(error))}",
            host=kept.host,
            next=f"fab -H {fleet.environment.name} deploy",
        ) from None


def record(fleet: Fleet, name: str) -> Record | None:
    """Return the rollout that is open on a host, as far as it is believed; None when there is none such."""
    return Record.of(fleet.facts(name)) if standing(fleet, name) in BELIEVED else None


def standing(fleet: Fleet, name: str) -> Standing | None:
    """Return the standing of a host's journal; None when it has none."""
    entry = fleet.facts(name).journal
    return judged(fleet, JOURNAL, entry, name) if entry is not None else None


def records(fleet: Fleet) -> dict[str, Record]:
    """Return the rollouts that are open on hosts, by host.

    :raises HawserError: a journal is not ours.
    """
    ready(fleet)
    wrong = [each for name in fleet.names for each in journal(fleet, name) if each.standing not in BELIEVED]
    if wrong:
        raise refusal(fleet, wrong)
    return {name: found for name in fleet.names if (found := record(fleet, name))}


def journal(fleet: Fleet, name: str) -> Iterator[Kept]:
    """Yield the journal of a host, judged; nothing where it has none."""
    entry, found = fleet.facts(name).journal, standing(fleet, name)
    if entry is not None and found is not None:
        path = f"{fleet.host(name).state}/journal.json"
        yield Kept(name, JOURNAL, path, str(entry.get("release", "")), entry, found)


def joins(fleet: Fleet, name: str, rollout: Record, told_by: Sequence[str]) -> bool:
    """Tell whether a host takes part when a rollout is resumed.

    It has a journal of it; or we wrote one that names it, and the host knows of no later rollout: it did not answer
    when this one began, or it has finished it. Nobody can show an old journal to have others go back to what was then.

    :param told_by: the hosts with a journal of it.
    """
    own = record(fleet, name)
    if own is not None and own.by == rollout.by:
        return True
    if not any(standing(fleet, each) is Standing.OURS for each in told_by):
        return False
    facts = fleet.facts(name)
    seen = max(believable(facts.begun), own.begun if own else 0)
    return seen < rollout.begun or (seen == rollout.begun and facts.current == rollout.release)


def refusal(fleet: Fleet, wrong: Sequence[Kept]) -> HawserError:
    """Return the error that says which records of hosts are not used."""
    names = dict.fromkeys(each.host for each in wrong)
    target = fleet.environment.target(*(names if len(fleet.environment.hosts) > 1 else ()))
    return HawserError(
        "\n".join(
            [
                "what hosts keep is used only if we wrote it; nothing was touched",
                *(f"  {each.sentence}" for each in wrong),
            ]
        ),
        next=f"fab -H {target} releases.sign, which shows it and, when you say so, lets it count there; "
        f"or fab -H {fleet.environment.name} deploy",
    )


# What was there before there was a key, or is accepted after a look.


def inventory(fleet: Fleet, name: str) -> list[Kept]:
    """Return all that a host keeps and that is not believed."""
    facts, host = fleet.facts(name), fleet.host(name)
    found = [
        each
        for identifier in facts.releases
        if is_id(identifier)
        for each in kept_at(fleet, name, RELEASE, f"{host.root}/releases/{identifier}/release.json", identifier)
    ]
    for entry in journal(fleet, name):
        found += [entry, *kept_at(fleet, name, ROLLOUT, rollout_inputs(host), entry.release)]
    return [each for each in found if each.standing not in BELIEVED]


def differences(fleet: Fleet, each: Kept) -> str:
    """Return, for a look, the settings and templates of a kept record that differ from today's."""
    if each.kind == JOURNAL:
        return ""
    today = Release(each.release, "", fleet.environment, fleet.session.templates).kept
    settings, templates = (each.content.get(part) for part in ("settings", "templates"))
    if not isinstance(settings, dict) or not isinstance(templates, dict):
        return "cannot be read"
    present, ours = today["settings"], fleet.session.templates.used
    # Older versions have written down the hosts too.
    found = [key for key in {**present, **settings} if key != "hosts" and settings.get(key) != present.get(key)]
    found += [f"template {name}" for name, text in templates.items() if ours.get(name, text) != text]
    return hearsay(", ".join(found[:SHOWN])) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def accept(fleet: Fleet, wanted: Sequence[Kept]) -> None:
    """Let records count for the very host that keeps them, and have all hosts know the key.

    :raises StepFailed: it could not be signed.
    """
    if not fleet.names:
        return
    session = fleet.session
    readable = [each for each in wanted if is_id(each.release) and each.content]
    if readable:
        told: dict[str, dict[str, None]] = {}
        for each in readable:
            told.setdefault(each.host, {})[each.release] = None
        lines = "\n".join(f"  {name}: {', '.join(mine)}" for name, mine in told.items())
        session.report.note("", f"kept from before, and signed for the host that keeps it alone:\n{lines}", "warning")
    fleet.apply([sign.given(accepted=readable)], phase="sign")
    session.connections.refresh(fleet.names)


@step()
def sign(host: Host, accepted: Sequence[Kept] = ()) -> Resources:
    """Let the host know the public key, and sign the records that it kept before there was one.

    :param accepted: what hosts keep and is to be signed, each for its own host.
    """
    signer = host.secrets.signer
    if signer is None:
        return
    for each in accepted:
        if each.host != host.name:
            continue
        content = signer.signed(each.kind, each.content, host.name, accepted=True)
        if each.kind == JOURNAL:
            yield Journal(each.release, content)
        else:
            mode = 0o640 if each.kind == RELEASE else 0o600
            yield File(each.path, json.dumps(content, indent=1) + "\n", mode=mode, opaque=True)
    yield from public_key(host)


def public_key(host: Host) -> Resources:
    """Yield the file by which a host, and through it every colleague, knows which key is in use."""
    if host.secrets.signer is not None:
        yield File(f"{host.state}/signing.pub", host.secrets.signer.public + "\n")

"""The secrets of an environment, for everybody who deploys: fetched, edited, and who can read them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from hawser.errors import HawserError, InputErrors, Problem, StepFailed
from hawser.inventory.tables.app import FORMER, NEXT, SIGNING_KEY
from hawser.secrets import Secrets, judging, read_secrets, reconcile_generated, sources_of
from hawser.secrets.age.recipients import HINT, Recipient, read_list, recipient
from hawser.secrets.sources.age import AgeFile, keys
from hawser.session import generated
from hawser.session.session import Session
from hawser.steps import session_task

# A secret, empty for all of them; whether it is a warning; the finding; the next move.
Row = tuple[str, bool, str, str]


@session_task()
def pull(session: Session) -> None:
    """Fetch the generated secrets that this machine lacks from the hosts that were set up with them."""
    known = generated.load_incomplete(session)
    session.connections.open(session.selection.hosts)
    kept = generated.kept_on(session, session.selection.hosts)
    missing = reconcile_generated(known, kept)
    told = "; ".join(f"{name} from {', '.join(host for host in kept if name in kept[host])}" for name in missing)
    known.require_store(tuple(missing), hosts_have=True)
    if not missing:
        session.report.note("", f"{known.sources.name} has all of them; nothing to do")
    elif session.dry:
        session.report.note("", f"would write {told} into {known.kept_in}")
    else:
        known.keep(missing)
        end = f"; {known.shared}" if known.shared else ""
        session.report.note("", f"wrote {told} into {known.kept_in}{end}")
    if known.signer is None and any(facts.signing for facts in session.connections.facts.values()):
        session.report.note(
            "", f"{SIGNING_KEY} is on no host: get its line of {known.sources.name} from whoever deployed", "warning"
        )


@session_task()
def new_key(session: Session) -> None:
    """Make another signing key, where nobody has the one that hosts know any more."""
    place = session.secrets.name_of(SIGNING_KEY)
    if session.secrets.signer is not None:
        raise HawserError(f"{place} has a signing key; to replace it, remove the line {SIGNING_KEY} first", code=2)
    session.secrets.require_store([SIGNING_KEY])
    if session.dry:
        session.report.note("", f"would make {SIGNING_KEY} and keep it in {session.secrets.kept_in}")
        return
    generated.make_signing_key(session)
    session.report.note(
        "",
        f"what hosts keep was signed with the old one: fab -H {session.environment.name} releases.sign shows it and "
        "lets it count; the next deploy is signed with the new one",
    )


@session_task(
    help={"accept": "names of secrets that are as they should be, with commas between: nothing is said of them"}
)
def check(session: Session, accept: str = "") -> None:
    """Find secrets that are missing, that nothing names, that are easy to guess, or the same in two places.

    No host is asked, and no value is shown.
    """
    accepted = {name.strip() for name in accept.split(",") if name.strip()}
    rows = [row for row in findings(session) if row[0] not in accepted]
    if rows:
        told = [[name, "warning" if warning else "wrong", what, move] for name, warning, what, move in rows]
        session.report.table("secrets", ["secret", "how bad", "finding", "next"], sorted(told, key=lambda row: row[1]))
        raise StepFailed(f"{len(rows)} {'finding' if len(rows) == 1 else 'findings'}")
    session.report.note("", "nothing is wrong with the secrets")


def findings(session: Session) -> Iterator[Row]:
    """Yield what can be found: the name of a secret, whether it is a warning, the finding, and the next move."""
    environment = session.environment
    held, problems = read_secrets(environment, session.sources)
    generated.use_stand_ins(session, held)
    for each in problems:
        yield each.key, False, f"{each.file}: {each.message}", each.hint
    for name in held.missing_generated:
        move = f"fab -H {environment.name} secrets.pull; if no host was set up yet: bootstrap"
        yield name, False, f"is generated, and missing in {held.sources.name}", move
    yield from unused(session, held)
    yield from half_turned(session, held)
    for name, value in held.values.items():
        if name in held.aside:
            continue
        if why := judging.weakness(value, name in environment.env.generated):
            move = f"another one in {held.name_of(name)}, then: fab -H {environment.name} bootstrap deploy"
            yield name, False, f"is easy to guess: {why}", move
    for first, second in judging.twins({name: each for name, each in held.values.items() if name not in held.aside}):
        yield second, True, f"has the same value as {first}", "one of its own for each"
    yield from same_elsewhere(session, held)


def half_turned(session: Session, held: Secrets) -> Iterator[Row]:
    """Yield the secrets of which another value is on its way, or a former one still good."""
    target = session.environment.name
    for name in held.half_turned:
        what = f"a rotation is half done: {name}{NEXT} stands beside it"
        yield name, True, what, f"fab -H {target} secrets.rotate {name}"
    for name in session.environment.env.secrets:
        if name + FORMER in held.aside and name not in held.half_turned:
            what = f"its former value is still good: {name}{FORMER} stands beside it"
            yield name, True, what, f"fab -H {target} secrets.rotate {name} --end-former, when nothing needs it"


def unused(session: Session, held: Secrets) -> Iterator[Row]:
    """Yield the secrets that nothing names, and what stands beside them and is listed nowhere."""
    session.use_stand_in_addresses()
    wrong = session.rendering_problems()
    if wrong:
        move = f"fab -H {session.environment.name} check --offline"
        yield "", True, f"it cannot be told which are used: {wrong[0]}", move
        return
    env, file = session.environment.env, session.environment.path.name
    used = judging.used_names(session.environment, session.templates.used.values())
    for name in env.secrets:
        if name not in used:
            key = "required" if name in env.required else "generated"
            yield name, True, "no setting and no template names it", f"take it out of env.{key} in {file}"
    for name in held.unlisted:
        move = f"list it in env.required, or remove it from {held.sources.name}"
        yield name, True, f"stands in {held.sources.name}, and {file} does not list it", move


def same_elsewhere(session: Session, held: Secrets) -> Iterator[Row]:
    """Yield the secrets that are the same in another environment of the project."""
    own = session.environment.name
    mine = with_key(held)
    for name in session.inventory.names:
        if name == own:
            continue
        try:
            other = session.inventory.environment(name)
            theirs, problems = read_secrets(other, sources_of(other, session.folder))
        except InputErrors as errors:
            session.report.note("", f"not compared with {name}: {errors.problems[0]}")
            continue
        if problems and not theirs.values:
            session.report.note("", f"not compared with {name}: {problems[0]}")
        for ours, same in judging.shared(mine, with_key(theirs)):
            which = "" if same == ours else f", as {same}"
            yield ours, False, f"is the same in {name}{which}", f"one of its own: whoever has {name} has {own}"


def with_key(held: Secrets) -> dict[str, str]:
    """Return secrets by name, with the key that signs."""
    return {**held.values, **({SIGNING_KEY: held.signer.key} if held.signer is not None else {})}


@session_task()
def edit(session: Session) -> None:
    """Open the encrypted secrets in your editor, in memory alone, and encrypt them again for the same people."""
    from hawser.secrets.editing import edit as edited

    source = encrypted_file(session)
    if session.dry:
        session.report.note("", f"would open {source.name} in an editor")
        return

    def again(problems: tuple[Problem, ...]) -> bool:
        session.report.note("", "\n".join(["this cannot be used:", *map(str, problems)]), "warning")
        session.report.pause()
        return sys.stdin.isatty() and input("Edit it again? [Y/n] ").strip().lower() in ("", "y", "yes")

    session.report.pause()
    changed = edited(source, session.environment, again)
    if not changed:
        session.report.note("", f"nothing was changed in {source.name}")
        return
    session.report.note("", f"changed in {source.name}: {', '.join(changed)}; commit it")


@session_task(
    help={
        "add": "a public key, or the file that holds it: whoever has the private one can read the secrets from now on",
        "remove": "a public key, or the name beside it: whoever has the private one cannot read what is written later",
    }
)
def recipients(session: Session, add: str = "", remove: str = "") -> None:
    """Show who can read the encrypted secrets, or let somebody more or less read them."""
    source = encrypted_file(session)
    if not add and not remove:
        shown(session, source)
        return
    if add and remove:
        raise HawserError("--add and --remove are two commands", code=2)
    wanted = public_key(add) if add else one_of(source, remove)
    if session.dry:
        session.report.note("", f"would encrypt {source.name} {'for' if add else 'without'} {wanted}")
        return
    session.report.pause()
    if remove:
        source.without_reader(wanted)
        session.report.note("", f"{source.name} is encrypted without {wanted}; commit it and {source.list_path.name}")
        session.report.note(
            "",
            f"{wanted} still knows the values of before, and git keeps the former file: change those that matter, "
            f"at the service that gave them, and in secrets.edit",
            "warning",
        )
        return
    plain = session.folder / f"{session.environment.name}.env"
    first = plain.read_text(encoding="utf-8-sig") if not source.exists() and plain.exists() else ""
    source.with_reader(wanted, first)
    session.report.note("", f"{source.name} is encrypted for {wanted} too; commit it and {source.list_path.name}")
    if first and "file" not in session.environment.secrets.sources:
        session.report.note("", f"it holds what stands in {plain.name}, which is not read any more: remove that file")


def encrypted_file(session: Session) -> AgeFile:
    """Return the encrypted file of the environment.

    :raises HawserError: it has none.
    """
    found = next((each for each in session.sources.each if isinstance(each, AgeFile)), None)
    if found is None:
        setting = session.environment.secrets
        named = ", ".join(f'"{each}"' for each in ("age", *(each for each in setting.sources if each != "file")))
        raise HawserError(
            f"the secrets of {session.environment.name} stand in {session.sources.name}, and in no encrypted file",
            next=f"for one, write sources = [{named}] into [secrets] of {session.environment.path.name}",
            code=2,
        )
    return found


def public_key(text: str) -> Recipient:
    """Return the public key that somebody has typed, or that a file holds.

    :raises HawserError: there is none that age encrypts for.
    """
    path = Path(text).expanduser()
    try:
        if len(text) < 300 and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        if "PRIVATE KEY" in text or text.startswith("AGE-SECRET-KEY"):
            raise HawserError("that is a private key, which nobody else may see", next="its public half", code=2)
        return recipient(text)
    except ValueError:
        raise HawserError("that is no public key that age encrypts for", next=HINT, code=2) from None


def one_of(source: AgeFile, text: str) -> Recipient:
    """Return the one who can read a file that somebody means: by key, by name, or by the file that holds the key.

    :raises HawserError: there is none, or there are several.
    """
    known = read_list(source.list_path) or source.content().readers
    try:
        typed = public_key(text).key
    except HawserError:
        typed = text
    found = [each for each in known if typed in (each.key, each.name, each.short)]
    if len(found) != 1:
        several = "several have this name" if found else f"{text} is none of those who can read {source.name}"
        raise HawserError(several, next=f"one of: {', '.join(map(str, known))}", code=2)
    return found[0]


def shown(session: Session, source: AgeFile) -> None:
    """Show who can read the file: as the list says, and as the file itself does where it can be read here."""
    listed = read_list(source.list_path)
    content = source.content() if source.exists() else None
    inside = keys(content.readers) if content is not None and content.readers else keys(listed)
    everyone = {each.key: each for each in (*listed, *(content.readers if content is not None else ()))}
    rows = []
    for key, each in everyone.items():
        state = "yes" if key in inside and key in keys(listed) else "yes, and not in the list"
        rows.append([each.name, each.short, state if key in inside else "no: only in the list"])
    none = f"nobody yet; fab -H {session.environment.name} secrets.recipients --add ~/.ssh/id_ed25519.pub"
    session.report.table("recipients", ["who", "key", "reads"], rows, empty=none)

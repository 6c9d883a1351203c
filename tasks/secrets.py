"""Secrets that Hawser has made, for everybody who deploys."""

from __future__ import annotations

from hawser.errors import HawserError
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.secrets import reconcile_generated
from hawser.session import generated
from hawser.session.session import Session
from hawser.steps import session_task


@session_task()
def pull(session: Session) -> None:
    """Fetch the generated secrets that this machine lacks from the hosts that were set up with them."""
    known = generated.load_incomplete(session)
    session.connections.open(session.selection.hosts)
    kept = generated.kept_on(session, session.selection.hosts)
    missing = reconcile_generated(known, kept)
    told = "; ".join(f"{name} from {', '.join(host for host in kept if name in kept[host])}" for name in missing)
    if not missing:
        session.report.note("", f"{known.sources.name} has all of them; nothing to do")
    elif session.dry:
        session.report.note("", f"would write {told} into {known.kept_in}")
    else:
        known.keep(missing)
        session.report.note("", f"wrote {told} into {known.kept_in}")
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
    if session.dry:
        session.report.note("", f"would make {SIGNING_KEY} and keep it in {session.secrets.kept_in}")
        return
    generated.make_signing_key(session)
    session.report.note(
        "",
        f"what hosts keep was signed with the old one: fab -H {session.environment.name} releases.sign shows it and "
        "lets it count; the next deploy is signed with the new one",
    )

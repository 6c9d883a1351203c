"""Secrets that Hawser has made, for everybody who deploys."""

from __future__ import annotations

from hawser.secrets import settle
from hawser.session import Session
from hawser.steps import session_task


@session_task()
def pull(session: Session) -> None:
    """Fetch the generated secrets that this machine lacks from the hosts that were set up with them."""
    known, kept = session.kept_secrets()
    missing = settle(known, kept)
    if not missing:
        session.report.note("", f"{known.path.name} has all of them; nothing to do")
    elif session.dry:
        session.report.note("", f"would write {', '.join(missing)} into {known.path.name}")
    else:
        known.keep(missing)
        session.report.note("", f"wrote {', '.join(missing)} into {known.path.name}")

"""People who are told of rollouts."""

from __future__ import annotations

from hawser.errors import HawserError, StepFailed
from hawser.session import notices
from hawser.session.session import Session
from hawser.steps import session_task


@session_task()
def test(session: Session) -> None:
    """Send a message to everybody whom `[notify]` names, and say who could not be reached."""
    name = session.environment.name
    if session.environment.notify is None:
        raise HawserError(f"{session.environment.path.name} has no [notify], so nobody is told anything", code=2)
    urls = notices.addresses(session)
    if session.dry:
        session.report.note("", f"would send a message to {len(urls)} addresses")
        return
    title, body = f"{name}: a test", "Rollouts will be told here."
    if troubles := notices.send(urls, title, body, "begun"):
        raise StepFailed("\n".join(["not everybody could be told:", *(f"  {each}" for each in troubles)]))
    session.report.note("", f"told {len(urls)} addresses")

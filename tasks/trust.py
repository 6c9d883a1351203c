"""Host keys."""

from __future__ import annotations

from hawser.hostkeys import fingerprint, read_key
from hawser.session import Session
from hawser.steps import session_task


@session_task(help={"yes": "pin the keys without asking"})
def trust(session: Session, yes: bool = False) -> None:
    """Show the host keys of hosts and, when confirmed, pin them in the project's known_hosts."""
    for name in session.selection.hosts:
        address = session.address(name, log_in=False)
        reached = session.connector.connection(address)
        key = read_key(reached.host, reached.port, address.connect_timeout)
        session.report.note(name, f"{key.get_name()} {fingerprint(key)}")
        session.report.pause()
        if yes or input(f"Is this the key of {name}? Type yes to pin it: ").strip() == "yes":
            pinned = session.known_hosts.pin(reached.host, reached.port, key)
            session.report.note(name, f"pinned in {session.known_hosts.project}" if pinned else "was known already")

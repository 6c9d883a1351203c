"""Host keys."""

from __future__ import annotations

from hawser.errors import HawserError
from hawser.session.session import Session
from hawser.ssh.connect import Address
from hawser.ssh.hostkeys import fingerprint
from hawser.steps import session_task


@session_task(help={"yes": "pin the keys without asking"})
def trust(session: Session, yes: bool = False) -> None:
    """Show the host keys of hosts and, when confirmed, pin them in the project's known_hosts."""
    addresses = [session.address(name, log_in=False) for name in session.selection.hosts]
    # A jump host first: the way to those behind it leads through it.
    hops = dict.fromkeys(hop for address in addresses for hop in session.connector.way(address))
    for address in (*hops, *addresses):
        confirm(session, address, yes)


def confirm(session: Session, address: Address, yes: bool) -> None:
    """Show the key of one host, and pin it when somebody says that it is the right one."""
    key, trust = session.connector.show_key(address), session.connector.trust(address)
    session.report.note(address.name, f"{key.get_name()} {fingerprint(key)}")
    if trust.certifies(key):
        session.report.note(address.name, "was known already, by its certificate")
        return
    trust.refuse_changed(key)
    if trust.knows(key):
        session.report.note(address.name, "was known already")
    elif session.dry:
        session.report.note(address.name, f"would be pinned in {session.known_hosts.project}")
    elif yes or confirmed(session, address):
        session.known_hosts.pin(trust, key)
        session.report.note(address.name, f"pinned in {session.known_hosts.project}")


def confirmed(session: Session, address: Address) -> bool:
    session.report.pause()
    try:
        return input(f"Is this the key of {address.name}? Type yes to pin it: ").strip() == "yes"
    except EOFError:
        raise HawserError(
            f"nobody is there to say whether this is the key of {address.name}",
            next=f"compare it with what the host's owner says, then: fab -H {address.target} trust --yes",
        ) from None

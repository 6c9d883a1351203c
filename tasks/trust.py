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
    jumps = dict.fromkeys(address.jump for address in addresses if address.jump)
    # A jump host first: the way to those behind it leads through it.
    for address in (*map(session.connector.bastion, jumps), *addresses):
        confirm(session, address, yes)


def confirm(session: Session, address: Address, yes: bool) -> None:
    """Show the key of one host, and pin it when somebody says that it is the right one."""
    host, port, key = session.connector.show_key(address)
    session.report.note(address.name, f"{key.get_name()} {fingerprint(key)}")
    session.known_hosts.refuse_changed(address.name, host, port, key)
    if session.known_hosts.knows(host, port, key):
        session.report.note(address.name, "was known already")
    elif session.dry:
        session.report.note(address.name, f"would be pinned in {session.known_hosts.project}")
    elif yes or confirmed(session, address.name):
        session.known_hosts.pin(host, port, key)
        session.report.note(address.name, f"pinned in {session.known_hosts.project}")


def confirmed(session: Session, name: str) -> bool:
    session.report.pause()
    try:
        return input(f"Is this the key of {name}? Type yes to pin it: ").strip() == "yes"
    except EOFError:
        raise HawserError(
            f"nobody is there to say whether this is the key of {name}",
            next=f"compare it with what the host's owner says, then: fab -H {name} trust --yes",
        ) from None

"""Throwaway hosts on this machine, for trying everything on them."""

from __future__ import annotations

from hawser import sandbox
from hawser.errors import HawserError
from hawser.session.session import Session
from hawser.steps import session_task


def wanted(session: Session) -> dict[str, str]:
    """Return {name in the sandbox: name in the environment} for the named hosts that are sandbox hosts."""
    hosts = session.selection.hosts
    found = {session.environment.sandbox_name(name): name for name in hosts if session.environment.hosts[name].sandbox}
    if not found:
        raise HawserError(f"no host of {', '.join(hosts)} says `sandbox = true`", code=2)
    return found


@session_task()
def up(session: Session) -> None:
    """Start the sandbox hosts of an environment; the first time makes their base image."""
    if session.dry:
        session.report.note("", f"would start {', '.join(wanted(session))}")
        return
    settings = session.environment.hosts
    releases = {name: settings[host].sandbox for name, host in wanted(session).items()}
    specs = [
        sandbox.SandboxSpec(name, release=release if isinstance(release, str) else "")
        for name, release in releases.items()
    ]
    sandbox.up(specs, lambda text: session.report.note("", text))
    listing(session)


@session_task()
def down(session: Session) -> None:
    """Remove the sandbox hosts of an environment, or all of them without -H."""
    names = list(wanted(session)) if session.names else [each.name for each in sandbox.listing()]
    if session.dry:
        session.report.note("", f"would remove {', '.join(names) or 'nothing'}")
        return
    sandbox.down(names if session.names else None)


@session_task()
def reset(session: Session) -> None:
    """Make the sandbox hosts of an environment bare again."""
    down(session)
    up(session)


@session_task(name="list")
def listing(session: Session) -> None:
    """Show the sandbox hosts that are up."""
    rows = [[each.name, each.address, f"fab sandbox.shell {each.name}"] for each in sandbox.listing()]
    none = "no throwaway host is up; next: fab -H ENV sandbox.up"
    session.report.table("sandbox", ["host", "address", "reach it with"], rows, empty=none)


@session_task(positional=["host"], help={"host": "its name in the sandbox, as sandbox.list shows it"})
def shell(session: Session, host: str) -> None:
    """Open a root shell on a sandbox host."""
    session.report.pause()
    sandbox.shell(host)

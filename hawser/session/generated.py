"""The secrets that are made once, for an environment and for its hosts alike, and the key that signs."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import HawserError
from ..inventory.tables.app import SIGNING_KEY
from ..secrets import Secrets, kept_secrets, load_secrets
from .session import Session


def make_secrets(session: Session) -> None:
    """Make the generated secrets that are missing, unless hosts have been set up with others.

    :raises InputErrors: a host knows secrets that this machine lacks; a new value would lock everyone out.
    """
    loaded = load_incomplete(session)
    missing = loaded.missing_generated
    if not missing:
        return
    names = tuple(session.environment.hosts)
    session.connections.open(names)
    session.connections.refuse_damaged(names)
    if any(set(missing) & set(session.connections.facts[name].generated) for name in names):
        raise HawserError(
            f"{loaded.sources.name} lacks {', '.join(missing)}, which the hosts were set up with; "
            "a new value would lock everyone out",
            next=f"fab -H {session.environment.name} secrets.pull",
            code=2,
        )
    loaded.require_store([*missing, *([SIGNING_KEY] if loaded.signer is None else [])])
    if not session.dry:
        session.use_secrets(loaded.generate(missing))
        end = f"; {loaded.shared}" if loaded.shared else ""
        session.report.note("", f"made {', '.join(missing)} and kept them in {loaded.kept_in}{end}")


def make_signing_key(session: Session) -> None:
    """Make the key that signs the records of hosts, and keep it with the secrets."""
    # No template can see it.
    session.use_secrets(session.secrets.with_signing_key(), rendered_alike=True)
    others = session.secrets.shared or "whoever else deploys, colleagues and CI, needs the same line"
    session.report.note(
        "",
        f"made {SIGNING_KEY} and kept it in {session.secrets.kept_in}: {others}; it is never on a host, so keep a copy",
    )


def load_incomplete(session: Session) -> Secrets:
    """Return the secrets of this machine; the session renders with stand-ins for missing ones."""
    loaded = load_secrets(session.environment, session.sources)
    use_stand_ins(session, loaded)
    return loaded


def use_stand_ins(session: Session, loaded: Secrets) -> None:
    """Have the session use the secrets of this machine; missing ones get values that nobody keeps."""
    missing = [name for name in session.environment.env.secrets if name not in loaded.values]
    session.use_secrets(loaded.with_values({name: loaded.make(name) for name in missing}))


def kept_on(session: Session, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return, by host, the generated secrets that some hosts were set up with; their wires are open."""
    kept: dict[str, dict[str, str]] = {}
    for name in names:
        path = f"{session.host(name).state}/secrets.json"
        text = session.connections.text_at(name, path)
        kept[name] = kept_secrets(name, text, session.environment.env.generated, session.environment.target(name))
    return kept

"""How hosts let people log in: without passwords, and with bans for those who only try."""

from __future__ import annotations

from collections.abc import Mapping

from hawser.errors import StepFailed
from hawser.fleet import access
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.access import JAIL, STRICTER, WITHOUT_PASSWORDS, closes, never_banned, settings_file, ssh_port
from hawser.resources import Bans, Command, Packages, Resources, Service, SshdConfirmed, SshdSettings, changed
from hawser.steps import fleet_task, removal, step


@step()
def as_before(host: Host) -> Resources:
    """Leave it to whoever set a host up how people log in, where the settings say nothing of it."""
    if not closes(host):
        yield SshdSettings(host.app.name, settings_file(host), ())


@step()
def without_passwords(host: Host) -> Resources:
    """Have nobody log in with a password; it is taken back unless `confirmed` comes within two minutes."""
    if closes(host):
        yield SshdSettings(host.app.name, settings_file(host), WITHOUT_PASSWORDS, STRICTER)


@step(bookkeeping=True)
def confirmed(host: Host) -> Resources:
    """Keep what sshd was told: a new login has worked with it."""
    if closes(host):
        yield SshdConfirmed(host.app.name, settings_file(host))


@step()
def bans(host: Host, places: Mapping[str, str] | None = None) -> Resources:
    """Have fail2ban ban addresses from which many logins fail, but never hosts of the settings."""
    setting = host.environment.sshd
    if setting is None or not setting.fail2ban:
        yield Bans(host.app.name, JAIL, wanted=False)
        return
    # The jail first: without it, the package of Debian 12 does not start.
    here = (places or {}).get(host.name, "")
    jail = Bans(host.app.name, JAIL, True, (ssh_port(host),), never_banned(host), here)
    yield jail
    yield Packages(("fail2ban", "nftables", "python3-systemd"))
    yield Command(("fail2ban-client", "-t"), when=changed(jail))
    yield Service("fail2ban")
    yield Command(("systemctl", "reload", "fail2ban"), when=changed(jail))


def bring(fleet: Fleet) -> None:
    """Take passwords away where the settings want it, and have it stay so only where a new login has worked.

    :raises StepFailed: it is as it was, or will be within two minutes.
    """
    if not any(closes(fleet.host(name)) for name in fleet.names):
        return
    broken = fleet.attempt([without_passwords], phase="sshd")
    tried = [] if fleet.dry else access.on_trial(fleet.subset([name for name in fleet.names if name not in broken]))
    failed = access.log_in_again(fleet.subset(tried))
    worked = [name for name in tried if name not in failed]
    if worked:
        fleet.subset(worked).apply([confirmed], phase="confirm")
        fleet.report.note("", f"{', '.join(worked)}: a new login works without passwords, so it stays")
    if failed:
        told = "\n".join(f"  {name}: {error}" for name, error in failed.items())
        raise StepFailed(
            f"no new login without passwords, so that is taken back within two minutes:\n{told}",
            next=f"fab -H {fleet.environment.target(*failed)} check",
        )
    if broken:
        raise fleet.failure("sshd", broken)


@fleet_task(admin=True)
def install(fleet: Fleet) -> None:
    """Bring [sshd] to hosts: no passwords, and bans for those who try; it stays only when a new login works.

    Without the settings, both are as whoever set the host up has it.
    """
    fleet.refuse_freeze()
    found = access.require_way_back(fleet)
    places = {name: each.address for name, each in found.items()}
    fleet.apply([as_before, bans.given(places=places)], phase="sshd")
    bring(fleet)


@removal()
def remove(host: Host) -> Resources:
    """Leave it to whoever set the host up how people log in; the package stays."""
    yield SshdSettings(host.app.name, settings_file(host), ())
    yield Bans(host.app.name, JAIL, wanted=False)

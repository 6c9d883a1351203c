"""The people of the team: a user for each on every host, with their keys, and nothing any more for whoever leaves."""

from __future__ import annotations

from hawser.fleet import access
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.access import deployers, sudoers_file
from hawser.resources import Absent, File, Packages, Resources, Team
from hawser.steps import fleet_task, removal, step


@step()
def accounts(host: Host) -> Resources:
    """Make the users of the team, give them their keys and their roles, and lock those of whoever has left."""
    team = host.environment.team
    admins = sorted(name for name, each in team.items() if each.role == "admin")
    if admins:
        yield Packages(("sudo",))
    members = tuple((name, each.role, each.keys) for name, each in team.items())
    yield Team(host.app.name, members, deployers(host))
    if admins:
        text = host.render("team.sudoers.j2", admins=admins)
        yield File(sudoers_file(host), text, mode=0o440, validate="sudoers")
    else:
        yield Absent(sudoers_file(host))


@fleet_task(admin=True)
def install(fleet: Fleet) -> None:
    """Bring the team of the settings to hosts: users, keys, who becomes root; whoever has left is locked out.

    Programs of those who leave are ended; their files stay.
    """
    fleet.refuse_freeze()
    access.require_way_back(fleet)
    fleet.apply([accounts], phase="team")


@removal()
def remove(host: Host) -> Resources:
    """Lock the users of the application's team, but for those whom another application of the host has too."""
    yield Team(host.app.name, (), deployers(host))
    yield Absent(sudoers_file(host))

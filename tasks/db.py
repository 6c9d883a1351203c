"""The application's database schema."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Resources
from hawser.steps import step


@step()
def migrate(host: Host) -> Resources:
    """Run the migrate command, on the leader only."""
    line = host.environment.release.migrate
    if line and host.is_leader and host.release is not None:
        yield host.in_release(host.command_text(line, "release.migrate"))

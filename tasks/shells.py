"""A terminal on a host: in the application's environment, or in one of its databases."""

from __future__ import annotations

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import nothing_deployed, require_bootstrapped
from hawser.formats import shell as quoted
from hawser.formats import shell_join
from hawser.host.databases import Database, databases_of
from hawser.steps import fleet_task

from .adhoc import variables_of
from .services import DATABASES

# A login for this shell alone, which goes with it: the server's superuser could be led by what the application has put
# into its database, a function in a view for one, however it begins (RESET ROLE ends what it began as).
LOGIN = """
cd / && umask 077
who=hawser_shell_$$_$(date +%s)
secret=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \\n')
trap : INT
trap away EXIT
trap 'exit 129' HUP TERM
"""


@fleet_task(admin=True, help={"instance": "whose settings; needed where there are several"})
def shell(fleet: Fleet, instance: str = "") -> None:
    """Log in as the application's user, in its code and its environment, on the first of the named hosts."""
    own = variables_of(fleet, instance)
    name = fleet.needing_code().names[0]
    host = fleet.host(name)
    if not fleet.subset([name]).facts(name).current:
        raise nothing_deployed(fleet, name)
    source = host.serving_code
    prompt = f"{host.app.name}@{name}:\\w\\$ "
    argv = ["runuser", "-u", host.app.user, "--", f"{host.root}/current/run", *own, "env", f"HOME={host.root}/home"]
    # Its own start-up files may set another prompt; a plain one says at least where one is.
    fleet.terminal(name, f"cd {quoted(source)} && PS1={quoted(prompt)} exec {shell_join([*argv, 'bash'])}")


@fleet_task(admin=True, help={"database": "which one; needed where there are several"})
def dbshell(fleet: Fleet, database: str = "") -> None:
    """Open the database's own shell on its host, with the rights of the role that owns it."""
    found = [
        (name, each) for name in fleet.names for each in databases_of(fleet.host(name)) if database in ("", each.name)
    ]
    if len(found) != 1:
        known = ", ".join(f"{each.name} on {name}" for name, each in found) or "none here"
        raise HawserError(f"which database? {known}", next="the same command with --database, or one host", code=2)
    ((name, chosen),) = found
    there = fleet.subset([name])
    require_bootstrapped(there)
    # Its own shell would make a file that is not there, empty.
    if chosen.engine == "sqlite" and not there.facts(name).current:
        raise nothing_deployed(fleet, name)
    fleet.terminal(name, program(chosen))


def program(database: Database) -> str:
    """Return the command line of a database's shell."""
    if database.engine == "sqlite":
        argv = shell_join(["runuser", "-u", database.owner, "--", "sqlite3", database.path])
        missing = 'sqlite3 is not installed; next: packages.all = ["sqlite3"], then bootstrap'
        return f"command -v sqlite3 >/dev/null || {{ echo {quoted(missing)} >&2; exit 1; }}; exec {argv}"
    return LOGIN + DATABASES[database.engine].shell(database)

"""The least that a task of Fabric can do: it logs in, and asks for nothing."""

from fabric import Connection, task


@task
def nothing(connection: Connection) -> None:
    """Run a program that does nothing."""
    connection.run("true")

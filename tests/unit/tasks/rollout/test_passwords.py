"""When passwords of services change in a rollout, and what becomes of the former ones."""

from __future__ import annotations

from typing import Any

import pytest

from hawser.tasks.rollout import migrations

POSTGRES = """
[env]
required = ["DB_PASSWORD"]

[services.postgresql]
groups = ["front"]
databases.pier = { password = "{{ secrets.DB_PASSWORD }}" }
"""


@pytest.fixture
def secret(world, tmp_path):
    """Return a function that writes the password into the file of secrets."""

    def write(value: str) -> None:
        file = tmp_path / "pier.env"
        before = file.read_text().splitlines() if file.exists() else []
        kept = [line for line in before if line.startswith("HAWSER_")]
        file.write_text("\n".join([f"DB_PASSWORD={value}", *kept, ""]))
        file.chmod(0o600)

    write("first-one")
    world.settings(more=POSTGRES, release='batch = 1\nmigrate = "./migrate"\nrolling_migrations = "all"')
    assert world.fab("deploy") == ""
    return write


def rollout(world: Any, task: str = "deploy", **options: Any) -> list[str]:
    """Roll out; return what becomes of the password, and what happens around it."""
    found: list[str] = []

    def watch(name: str, row: Any) -> str | None:
        if row["kind"] == "postgres_role":
            found.append(f"password {row['password']} {row['former']}".strip())
        elif row["kind"] == "tried" and found[-1] != "try":
            found.append("try")
        elif row["step"] == "db.migrate":
            found.append("migrate")
        elif row["step"] == "release.start" and row["kind"] == "running" and (not found or found[-1] != "start"):
            found.append("start")
        return world.fails(name, row)

    world.fault = watch
    world.said = world.fab(task, **options)
    return found


def test_where_secrets_alone_differ_the_password_changes_right_before_the_switch(world, secret):
    secret("second")
    world.fails = lambda name, row: None
    assert rollout(world) == ["password second", "start", "migrate", "password second"]
    assert world.said == ""


def test_what_serves_does_not_wait_for_a_trial_where_secrets_alone_differ(world, secret):
    world.fails = lambda name, row: None
    world.settings(command="back --port {{ port }}")
    world.fab("deploy")
    secret("second")
    assert rollout(world) == ["password second", "start", "migrate", "password second"]
    world.commit = "b"
    assert rollout(world) == ["password second", "migrate", *["try", "start"] * 3, "password second"]


def test_with_new_code_the_password_changes_before_the_migration_is_asked_for(world, secret):
    secret("second")
    world.commit = "b"
    world.fails = lambda name, row: None
    assert rollout(world) == ["password second", "migrate", "start", "password second"]


def test_after_a_failure_the_former_password_is_back_before_the_former_release(world, secret):
    secret("second")
    world.commit = "b"
    world.fails = world.ill("app1")
    assert rollout(world) == ["password second", "migrate", "start", "password second back", "start"]
    assert "switch" in world.said and set(world.state.values()) == {"a"}


def test_after_a_failed_migration_the_former_password_is_back(world, secret):
    secret("second")
    world.commit = "b"
    world.fails = lambda name, row: "no such table" if row["step"] == "db.migrate" else None
    assert rollout(world) == ["password second", "migrate", "password second back"]


def test_a_rollout_of_some_hosts_leaves_the_password_to_the_others(world, secret):
    secret("second")
    world.commit = "b"
    world.fails = lambda name, row: None
    assert rollout(world, partial=True, target="app1")[0] == "password second keep"


def test_a_deploy_of_some_hosts_with_another_password_says_that_all_hosts_change_it(world, secret, monkeypatch):
    """The server keeps the password of those that are not named, so the new release cannot log in."""
    said = 'FATAL:  password authentication failed for user "pier"'
    asked = migrations.PendingMigrations(unknown="it crashes", crashes=(("`python manage.py` exited with 1", said),))
    monkeypatch.setattr(migrations, "outlook", lambda fleet, release: asked)
    secret("second")
    world.commit = "b"
    world.fault = lambda name, row: None
    told = world.fab("deploy", target="app1", partial=True)
    assert "the server refuses the password: one that was changed in pier.env comes to it with a deploy of all" in told
    assert told.endswith("next: fab -H pier deploy, or the former password there")
    told = world.fab("deploy")
    assert "the new release fails when it is asked" in told and "this is one of some" not in told

"""Commands of an application's own program that migrate its database."""

from __future__ import annotations

import pytest

from .conftest import value

PROJECT = """\
[project]
name = "shop"
version = "1"
dependencies = ["fastapi", "click"]

[project.scripts]
shop = "shop.cli:main"
"""
CLICK = """\
import click

@click.group()
def main():
    pass

@main.group("database")
def about_database():
    pass

@about_database.command("upgrade")
@click.option("--tag")
def to_newest(tag):
    pass

@main.command()
def upgrade():
    pass
"""
TYPER = """\
import typer

main = typer.Typer()
db = typer.Typer()
main.add_typer(db, name="db")

@db.command()
def migrate():
    pass
"""
FILES = {
    "pyproject.toml": PROJECT,
    "shop/__init__.py": "",
    "shop/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
}


@pytest.mark.parametrize(
    ("cli", "command"),
    [
        (CLICK, "shop database upgrade"),
        (TYPER, "shop db migrate"),
        ("import click\n\n@click.group()\ndef main():\n    pass\n\n@main.command()\ndef upgrade():\n    pass\n", None),
        (CLICK.replace('"upgrade"', '"dump"').replace("def upgrade", "def migrate_db"), "shop migrate-db"),
        ("import click\n\n@click.command()\ndef migrate():\n    pass\n", None),
    ],
)  # fmt: skip
def test_a_command_about_the_database_migrates_it(draft, cli, command):
    assert value(draft({**FILES, "shop/cli.py": cli}), "release", "migrate") == command


def test_alembic_of_the_checkout_goes_before_a_command_of_its_own(draft):
    found = draft({**FILES, "shop/cli.py": CLICK, "alembic.ini": "[alembic]\n"})
    assert value(found, "release", "migrate") == "alembic upgrade head"


def test_a_program_that_nothing_installs_is_not_asked(draft):
    assert value(draft({**FILES, "shop/cli.py": CLICK, "requirements.txt": "x\n"}), "release", "migrate") is None

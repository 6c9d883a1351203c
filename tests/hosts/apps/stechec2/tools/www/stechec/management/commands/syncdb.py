"""What Django 1.4 called the making of the schema."""

from django.core.management.commands.migrate import Command as Migrate


class Command(Migrate):
    """The same as `migrate`."""

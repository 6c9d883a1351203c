"""What Django 1.4 called the removal of sessions that have expired."""

from django.contrib.sessions.management.commands.clearsessions import Command as Clear


class Command(Clear):
    """The same as `clearsessions`."""

from django.core.management.base import BaseCommand

from logbook.models import LogEntry


class Command(BaseCommand):
    help = "Write cron's row into the logbook."

    def handle(self, *args, **options) -> None:
        self.stdout.write(f"wrote {LogEntry.objects.record(LogEntry.Source.CRON)}")

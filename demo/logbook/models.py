from __future__ import annotations

from socket import gethostname

from django.db import models
from django.utils import timezone


class LogEntryQuerySet(models.QuerySet):
    def newest(self, source: str) -> LogEntry | None:
        """Return the last row that `source` wrote."""
        return self.filter(source=source).first()

    def record(self, source: str, text: str = "") -> LogEntry:
        """Write a row in the name of this host, and forget all but the last `LogEntry.KEEP` rows of `source`."""
        entry = self.create(source=source, host=gethostname(), text=text)
        surplus = self.filter(source=source).values_list("pk", flat=True)[LogEntry.KEEP : LogEntry.KEEP + 1].first()
        if surplus is not None:
            self.filter(source=source, pk__lte=surplus).delete()
        return entry


class LogEntry(models.Model):
    """One line of the logbook: who wrote it, on which host, and when."""

    KEEP = 100

    class Source(models.TextChoices):
        CRON = "cron"
        WORKER = "worker"
        VISITOR = "visitor"

    source = models.CharField(max_length=16, choices=Source)
    host = models.CharField(max_length=255)
    text = models.CharField(max_length=200, blank=True)
    written_at = models.DateTimeField(default=timezone.now)

    objects = LogEntryQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = (models.Index(fields=["source", "-id"], name="newest_of_source"),)
        verbose_name_plural = "log entries"

    def __str__(self) -> str:
        return f"{self.source} on {self.host}, {self.written_at:%Y-%m-%d %H:%M:%S}"

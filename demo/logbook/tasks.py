import logging

from celery import shared_task

from .models import LogEntry

log = logging.getLogger(__name__)


@shared_task
def heartbeat() -> None:
    """Write the worker's row."""
    log.info("wrote %s", LogEntry.objects.record(LogEntry.Source.WORKER))

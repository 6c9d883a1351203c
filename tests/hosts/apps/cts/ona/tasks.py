import logging

from cts.celery import app
from django.conf import settings
from django.contrib.gis.geos import Point
from django.core.cache import cache

from ona.models import FormSubmission

logger = logging.getLogger(__name__)


@app.task(ignore_result=True)
def process_new_scans():
    """Take a new scan into the database of this instance, as if the server of forms had sent one."""
    if not settings.ONA_API_ACCESS_TOKEN:
        raise RuntimeError(f"no token for {settings.INSTANCE}")
    form_id = settings.ONA_FORM_IDS[0]
    scan = FormSubmission.objects.create(
        form_id=form_id, data={"instance": settings.INSTANCE, "form_id": form_id}, place=Point(32.52, 39.56, srid=4326)
    )
    cache.set("last_scan", f"{settings.INSTANCE}-{scan.pk}")
    logger.info("took scan %s of %s", scan.pk, settings.INSTANCE)

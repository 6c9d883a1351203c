import os

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from ona.models import FormSubmission


def health(request):
    return HttpResponse()


def home(request):
    """Say which instance this is, and what its services hold."""
    last = FormSubmission.objects.order_by("-pk").first()
    return JsonResponse(
        {
            "environment": settings.ENVIRONMENT,
            "instance": settings.INSTANCE,
            "title": settings.INSTANCE_NAME,
            "currency": settings.LOCAL_CURRENCY,
            "database": FormSubmission.objects.db and settings.DATABASES["default"]["NAME"],
            "groups": sorted(Group.objects.values_list("name", flat=True)),
            "scans": FormSubmission.objects.count(),
            "scanned_by": last.data.get("instance") if last else None,
            "form": last.data.get("form_id") if last else None,
            "cached": cache.get("last_scan"),
            "secure": request.headers.get("X-Forwarded-Proto"),
            "commit": os.environ.get("HAWSER_COMMIT", ""),
        }
    )


def protected(request):
    """Have nginx send a file that nobody gets directly."""
    response = HttpResponse()
    response["X-Accel-Redirect"] = "/protected/report.txt"
    return response

import time
from socket import gethostname

from django.conf import settings
from django.contrib import messages
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from .forms import EntryForm
from .models import LogEntry

LONGEST_SLEEP = 20


def this_process() -> dict[str, str]:
    """Name the host, release and commit that answer."""
    return {"host": gethostname(), "release": settings.RELEASE, "commit": settings.COMMIT}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    form = EntryForm(request.POST or None)
    if form.is_valid():
        entry = LogEntry.objects.record(LogEntry.Source.VISITOR, form.cleaned_data["text"])
        messages.success(request, f"Written by {entry.host}.")
        return redirect("home")
    context = this_process() | {
        "form": form,
        "worker": LogEntry.objects.newest(LogEntry.Source.WORKER),
        "cron": LogEntry.objects.newest(LogEntry.Source.CRON),
        "entries": LogEntry.objects.filter(source=LogEntry.Source.VISITOR)[:5],
        "rows": LogEntry.objects.count(),
        "database": {"name": connection.settings_dict["NAME"], "vendor": connection.display_name},
    }
    return render(request, "logbook/home.html", context)


@never_cache
@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return JsonResponse(this_process() | {"status": "no database"}, status=503)
    return JsonResponse(this_process() | {"status": "ok"})


@never_cache
@require_GET
def slow(request: HttpRequest) -> HttpResponse:
    """Answer after `?seconds=` (default 2, at most 20): shows that a reload lets requests in flight finish."""
    try:
        seconds = min(max(int(request.GET.get("seconds", 2)), 0), LONGEST_SLEEP)
    except ValueError:
        return HttpResponseBadRequest("seconds: a whole number, please\n", content_type="text/plain")
    time.sleep(seconds)
    return JsonResponse(this_process() | {"slept": seconds})

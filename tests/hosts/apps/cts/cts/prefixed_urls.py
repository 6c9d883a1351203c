from django.conf import settings
from django.urls import include, path

urlpatterns = [path(settings.PREFIX_URL.lstrip("/") + "/", include("cts.urls"))]

from django.conf import settings
from django.urls import path
from django.views.generic import TemplateView

from cts.views import health, home, protected

urlpatterns = [
    path("", home),
    path("health/", health),
    path("protected/", protected),
    path("instances/", TemplateView.as_view(template_name="instances.html", extra_context={"all": settings.INSTANCES})),
]

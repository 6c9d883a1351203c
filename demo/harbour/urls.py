from django.contrib import admin
from django.urls import path

from logbook import views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("slow/", views.slow, name="slow"),
    path("admin/", admin.site.urls),
]

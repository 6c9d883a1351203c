from django.urls import path

from .stechec import views

urlpatterns = [
    path("", views.start),
    path("game/", views.index),
    path("champions/new/", views.new_champion),
    path("champions/<int:pk>/", views.champion),
    path("master-status/", views.master_status),
]

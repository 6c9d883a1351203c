from django.contrib import admin

from .models import LogEntry


@admin.register(LogEntry)
class LogEntryAdmin(admin.ModelAdmin):
    list_display = ("written_at", "source", "host", "text")
    list_filter = ("source", "host")

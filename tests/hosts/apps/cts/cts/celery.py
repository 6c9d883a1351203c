from celery import Celery
from django.conf import settings

app = Celery("cts")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.broker_url = settings.BROKER_URL
app.autodiscover_tasks()

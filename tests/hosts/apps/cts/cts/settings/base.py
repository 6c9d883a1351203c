"""What all instances share."""

import os
from pathlib import Path

ENVIRONMENT = os.environ["ENVIRONMENT"]
INSTANCE = os.environ["INSTANCE"]
BASE_DIR = Path(__file__).resolve().parent.parent
PROJECT_ROOT = BASE_DIR.parent

DEBUG = False
SECRET_KEY = os.environ.get("SECRET_KEY", "of nobody")
DATABASES = {"default": {"ENGINE": "django.contrib.gis.db.backends.postgis"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Django puts it into TZ of the process.
TIME_ZONE = "America/New_York"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

ROOT_URLCONF = "cts.prefixed_urls"
WSGI_APPLICATION = "cts.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "templates"]}]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.gis",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "accounts",
    "ona",
]

CELERY_BEAT_SCHEDULE = {
    "process_new_scans": {
        "task": "ona.tasks.process_new_scans",
        "schedule": 5,
        # While no worker runs, tasks must not pile up in the queue.
        "options": {"expires": 60},
    },
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

"""What each instance has for itself, worked out from its name; production takes it from here as well."""

import os
from pathlib import Path

import yaml

from cts.settings.base import *  # noqa: F403
from cts.settings.base import DATABASES, INSTANCE

project = yaml.safe_load(Path("/srv/pillar/project.sls").read_text())

PREFIX_URL = project["instances"][INSTANCE]["prefix"]
assert PREFIX_URL.startswith("/") and not PREFIX_URL.endswith("/")
LOCAL_CURRENCY = project["instances"][INSTANCE]["currency"]
INSTANCE_NAME = project["instances"][INSTANCE]["name"]
INSTANCE_SUFFIX = "_" + PREFIX_URL[1:]
INSTANCES = [(each["name"], each["prefix"]) for _name, each in sorted(project["instances"].items())]

os.environ.setdefault("CACHE_HOST", "127.0.0.1:11211")
os.environ.setdefault("BROKER_HOST", "127.0.0.1:5672")

DATABASES["default"].update(
    NAME=os.environ.get("DB_NAME", "cts_%s" % INSTANCE),
    USER=os.environ.get("DB_USER", "cts_%s" % INSTANCE),
    HOST=os.environ.get("DB_HOST", ""),
    PORT=os.environ.get("DB_PORT", ""),
    PASSWORD=os.environ["DB_PASSWORD"],
)

PUBLIC_ROOT = "/var/www/cts/public/"
STATIC_ROOT = PUBLIC_ROOT + "static"
MEDIA_ROOT = PUBLIC_ROOT + "media"
MEDIA_URL = PREFIX_URL + "/media/"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": "%(CACHE_HOST)s" % os.environ,
        "KEY_PREFIX": INSTANCE,
    }
}

ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split(";")
BROKER_URL = "amqp://cts_%(INSTANCE)s:%(BROKER_PASSWORD)s@%(BROKER_HOST)s/cts_%(INSTANCE)s" % os.environ
CELERY_TASK_DEFAULT_QUEUE = "queue_%s" % INSTANCE

ONA_DOMAIN = os.environ.get("ONA_DOMAIN%s" % INSTANCE_SUFFIX, "ona.io")
ONA_API_ACCESS_TOKEN = os.environ.get("ONA_API_ACCESS_TOKEN%s" % INSTANCE_SUFFIX, "")
# Without the variable it is the same form for every instance.
ONA_FORM_IDS = os.environ.get("ONA_FORM_IDS%s" % INSTANCE_SUFFIX, "11983").split(";")
ONA_DEVICEID_VERIFICATION_FORM_ID = os.environ.get("ONA_DEVICEID_VERIFICATION_FORM_ID%s" % INSTANCE_SUFFIX, "0")

SENDFILE_URL = "/protected/"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"basic": {"format": "cts-%(name)s: %(levelname)s %(message)s"}},
    "handlers": {
        "syslog": {
            "class": "logging.handlers.SysLogHandler",
            "address": "/dev/log",
            "facility": "local6",
            "formatter": "basic",
        }
    },
    "root": {"handlers": ["syslog"], "level": "INFO"},
}

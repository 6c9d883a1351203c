import os

os.environ["INSTANCE"] = "turkey"

from cts.settings.staging import *  # noqa: F403

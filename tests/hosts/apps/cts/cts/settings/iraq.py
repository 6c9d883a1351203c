import os

os.environ["INSTANCE"] = "iraq"

from cts.settings.staging import *  # noqa: F403

import os

os.environ["INSTANCE"] = "jordan"

from cts.settings.staging import *  # noqa: F403

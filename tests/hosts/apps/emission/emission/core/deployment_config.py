"""What the study is: asked for over HTTP, once."""

import json
import os
import urllib.error
import urllib.request

STUDY_CONFIG = os.getenv("STUDY_CONFIG", "stage-program")
CONFIGS_URL = os.getenv(
    "CONFIGS_URL", "https://raw.githubusercontent.com/e-mission/op-deployment-configs/main/configs/"
)
known = {}


def get_deployment_config():
    """Return the study's settings; None where the address has none."""
    if not known:
        try:
            with urllib.request.urlopen(CONFIGS_URL + STUDY_CONFIG + ".nrel-op.json", timeout=10) as answer:
                known.update(json.load(answer))
        except urllib.error.HTTPError:
            return None
    return known

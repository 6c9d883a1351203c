"""Settings from a file; where it is missing or lacks a key, from the environment alone."""

import json
import os


def get_config(path, names):
    """Return {variable: value}, where `names` says which place in the file each variable has."""
    try:
        with open(path) as stream:
            config_data = json.load(stream)
        found = {}
        for variable, place in names.items():
            value = config_data
            for key in place.split("."):
                value = value[key]
            found[variable] = value
        return found
    except (OSError, KeyError, ValueError):
        print("Config file not found, returning a copy of the environment variables instead...")
        return dict(os.environ)

"""The database: where it is, and how it is spoken to."""

import json
import socket
import sys
import time
import urllib.parse

try:
    config_file = open("conf/storage/db.conf")
except OSError:
    print("storage not configured, falling back to sample, default configuration")
    config_file = open("conf/storage/db.conf.sample")
config_data = json.load(config_file)
url = config_data["timeseries"]["url"]
result_limit = int(config_data["timeseries"]["result_limit"])

PATIENCE = 20


def ask(question, patience=PATIENCE):
    """Send one line of JSON to the database and return its answer; try for a while to reach it."""
    parsed = urllib.parse.urlsplit(url if "//" in url else "mongodb://" + url)
    place = (parsed.hostname, parsed.port or 27017)
    question = dict(question, database=parsed.path.strip("/") or "Stage_database")
    deadline = time.monotonic() + patience
    while True:
        try:
            with socket.create_connection(place, timeout=3) as line:
                line.sendall(json.dumps(question).encode() + b"\n")
                answer = json.loads(line.makefile().readline())
                break
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                sys.exit("no database at %s:%d: %s" % (*place, error))
            time.sleep(0.5)
    if not answer["ok"]:
        raise ValueError(answer["why"])
    return answer

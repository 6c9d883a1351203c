"""Wakes the phones that have asked to be woken at this interval; started by cron."""

import argparse
import json
import sys

import emission.core.get_database as edb

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="silent_ios_push")
    parser.add_argument("interval", help="the sync interval that the phones have subscribed to", type=int)
    args = parser.parse_args()
    with open("conf/net/ext_service/push.json") as stream:
        push_config = json.load(stream)
    if push_config["server_auth_token"].startswith("Get from"):
        sys.exit("push is not configured")
    list(edb.get_uuid_db().find())
    print("About to send notification to phones with interval %d" % args.interval)
    print("complaints go to standard error", file=sys.stderr)

"""The analysis: once a day, by cron."""

import argparse
import json
import logging
import logging.config

import emission.core.get_database as edb

if __name__ == "__main__":
    try:
        intake_log_config = json.load(open("conf/log/intake.conf"))
    except OSError:
        intake_log_config = json.load(open("conf/log/intake.conf.sample"))
    parser = argparse.ArgumentParser()
    parser.add_argument("n_workers", type=int, help="the number of worker processors to use")
    args = parser.parse_args()
    for handler in ("file", "errors"):
        settings = intake_log_config["handlers"][handler]
        settings["filename"] = settings["filename"].replace("intake", "intake_launcher")
    logging.config.dictConfig(intake_log_config)
    list(edb.get_uuid_db().find())
    logging.info("Finished generating split lists for %d workers", args.n_workers)
    print("intake with %d workers" % args.n_workers)

"""Puts tokens into the database, or shows those that are there."""

import argparse

import emission.core.get_database as edb

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="insert_tokens")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--single", help="add a single token")
    group.add_argument("--show", help="show tokens that are in the DB", action="store_true")
    args = parser.parse_args()
    if args.single:
        edb.get_token_db().insert_one({"token": args.single})
    for entry in edb.get_token_db().find() if args.show else ():
        print(entry["token"])

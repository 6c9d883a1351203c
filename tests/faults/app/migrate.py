"""A migration of an SQLite database: one row for each version of the schema."""

import os
import sqlite3
from pathlib import Path

if Path("/run/fault/migrate").exists():
    raise SystemExit("the migration fails here")
with sqlite3.connect(os.environ["DATABASE"]) as database:
    database.execute("create table if not exists versions (release text primary key)")
    database.execute("insert or ignore into versions values (?)", [os.environ["HAWSER_RELEASE"]])

"""A job of backups that leave the host: a database of SQLite and a folder, for a repository in a folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ..conftest import ME

PASSWORD = "correct horse battery"


@pytest.fixture
def job(system, tmp_path: Path):
    tmp_path.chmod(0o755)
    path = tmp_path / "site.sqlite3"
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE entries (text)")
        link.execute("INSERT INTO entries VALUES ('first')")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "picture").write_text("a picture\n")
    database = {
        "database": "site",
        "engine": "sqlite",
        "owner": ME,
        "path": str(path),
        "folder": f"{tmp_path}/backups",
        "keep": 3,
        "days": 30,
        "entry": {"who": "the timer", "release": ""},
        "may_lack": False,
        "why": "",
    }
    return {
        "application": "shop",
        "host": "web1",
        "state": system.state,
        "databases": [database],
        "folders": [f"{tmp_path}/media", f"{tmp_path}/none"],
        "without": [],
        "env": {
            "RESTIC_REPOSITORY": f"{tmp_path}/repository",
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": f"{tmp_path}/cache",
        },
        "masks": [PASSWORD],
        "ssh": "",
        "keep": {"daily": 7, "last": 2},
    }

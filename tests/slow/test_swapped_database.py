"""A service user who swaps files while root saves and brings back a database: a race of thousands of tries."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import time
from pathlib import Path

from hawser.runner.databases.backups import Backup, listing
from hawser.runner.databases.restores import Restore
from hawser.runner.system import Failure
from tests.unit.runner.conftest import system
from tests.unit.runner.databases.test_sqlite_dump import SECRET, USER, act, read, root, spec, write

__all__ = ["act", "spec", "system"]  # fixtures of this test as well
SWAPPER = Path(__file__).parent.parent / "hostile" / "swapped_database.py"


@root
def test_a_user_who_swaps_files_while_root_works_reads_nothing_of_roots(spec, system, act, tmp_path):
    secret = tmp_path / "secret"
    write(secret, SECRET, 0o600)
    argv = ["/usr/bin/python3", "-c", SWAPPER.read_text(), spec["path"], str(secret)]
    said = tmp_path / "said"
    with said.open("w") as stream:
        swapper = subprocess.Popen(argv, stdout=stream, user=USER, group="nogroup")
    try:
        # It wins where root works by name: or it would show nothing that it loses below.
        path, deadline = Path(spec["path"]), time.monotonic() + 60
        while secret.stat().st_mode & 0o044 == 0:
            assert time.monotonic() < deadline, "the user never won"
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    os.chmod(path, 0o644)  # noqa: PTH101
        secret.chmod(0o600)
        tried = 0
        while tried < 6 or len(said.read_text().splitlines()) < 2000 / 100:
            tried += 1
            with contextlib.suppress(Failure):
                act(Backup, **spec)
            for name in [each["name"] for each in listing(system, spec["folder"])][:1]:
                with contextlib.suppress(Failure):
                    act(Restore, **spec, name=name)
    finally:
        swapper.kill()
        swapper.wait()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert read(secret) == [SECRET]
    for path in Path(spec["folder"]).iterdir():
        assert not path.is_symlink()
        assert SECRET.encode() not in path.read_bytes()

"""Logs as rollouts write them, with times that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGAN = datetime(2030, 1, 2, 14, 30, tzinfo=UTC)
COMMIT = "9d8e7f6a5b4c3d2e1f009d8e7f6a5b4c3d2e1f00"
STEPS = {
    "prepare": ["code.pull", "builds.make", "venv.python", "venv.build", "config.install", "release.build"],
    "switch 1/2": ["config.place", "certs.place", "release.start", "nginx.install", "release.activate", "visit.visit"],
    "finish": ["cron.install", "volumes.leave", "acme.issue", "release.tidy"],
}
DIFF = """\
--- /etc/nginx/sites-enabled/{host}.conf
+++ /etc/nginx/sites-enabled/{host}.conf
@@ -4,3 +4,3 @@
 server {{
-  client_max_body_size 10m;
+  client_max_body_size 25m;
 }}
"""


class Written:
    """A log that is being written.

    :param folder: where to.
    :param name: that of the log, without its ending.
    """

    def __init__(self, folder: Path, name: str = "2030-01-02T143000Z-deploy", began: datetime = BEGAN) -> None:
        self.path = folder / f"{name}.jsonl"
        self.began, self.now = began, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.rows: list[str] = []

    def row(self, kind: str, **fields: Any) -> None:
        at = (self.began + timedelta(seconds=self.now)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.rows.append(json.dumps({"t": kind, "at": at, **fields}))

    def begin(self, hosts: Sequence[str], **fields: Any) -> Written:
        account = {
            "format": 1,
            "command": "deploy",
            "environment": "mysite",
            "application": "mysite",
            "file": "hosts/mysite.toml",
            "hosts": list(hosts),
            "who": "ada",
            "from": "laptop",
            "hawser": "0.1.0+3249e03cd521",
        }
        self.row("begin", **{**account, **fields})
        return self

    def event(self, host: str, step: str, label: str, status: str = "ok", ms: float = 5, **fields: Any) -> None:
        self.row("event", host=host, step=step, label=label, status=status, ms=ms, **fields)

    def done(self) -> Path:
        self.path.write_text("\n".join(self.rows) + "\n")
        self.path.chmod(0o600)
        return self.path


def rollout(
    folder: Path,
    hosts: int = 4,
    labels: int = 2,
    slow: Mapping[str, float] = {},
    fails: bool = False,
    name: str = "2030-01-02T143000Z-deploy",
    began: datetime = BEGAN,
    end: bool = True,
) -> Path:
    """Write the log of a whole rollout.

    :param labels: resources of each step.
    :param slow: seconds of some steps.
    :param fails: the last host's new process does not come up.
    """
    log = Written(folder, name, began)
    names = [f"web{number}" for number in range(1, hosts + 1)]
    log.begin(names)
    log.row("release", id=f"{COMMIT[:10]}-1a2b3c4d", commit=COMMIT)
    subjects = ["Boats may be longer than their berth", "The tide table knows leap years"]
    told = "\n".join(["code 3f2c1ab4d5 -> 9d8e7f6a5b", "2 commits go out", *(f"| {each}" for each in subjects)])
    commits = {"former": "3f2c1ab4d5", "commit": COMMIT, "subject": subjects[0], "subjects": subjects}
    log.row("commits", **commits, hosts=names, text=told)
    gone = ""
    for phase, steps in STEPS.items():
        log.row("phase", name=phase, hosts=names)
        for step in steps:
            there = [host for host in names if host != gone]
            for host in there:
                log.row("start", host=host, step=step, label=f"{step} 1")
            seconds = slow.get(step, 0.4)
            for place, host in enumerate(there):
                for number in range(1, labels + 1):
                    log.now += 0.0005
                    if fails and host == names[-1] and step == "release.start" and number == labels:
                        output = "\n".join(f"line {each} of the traceback" for each in range(1, 40))
                        message = "mysite-web does not come up: exit status 1"
                        log.event(host, step, "running mysite-web", "failed", 2100, error=message, output=output)
                        gone = host
                        log.row("explained", host=host, text="the port is taken by somebody else\n  next: fab check")
                        break
                    diff = DIFF.format(host=host) if step == "nginx.install" and number == 1 else ""
                    changed = diff or (step in ("venv.build", "release.start") and number == labels)
                    ms = seconds * 1000 * (1 + 0.05 * place) / labels
                    extra = {"diff": diff} if diff else {}
                    log.event(host, step, f"{step} {number}", "changed" if changed else "ok", ms, **extra)
            log.now += seconds
    log.row("note", host="web1", level="warning", text="the certificate ends in 12 days\n  next: fab certs.issue")
    log.row("note", host="", level="info", text=f"{COMMIT[:10]}-1a2b3c4d serves on {', '.join(names[:3])}")
    if end:
        error = f"switch 1/2 failed on {names[-1]}" if fails else ""
        log.row("finish", ok=not fails, code=int(fails), seconds=log.now, **({"error": error} if error else {}))
    return log.done()

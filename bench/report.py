"""RESULTS.md: the claims of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .scenarios import Result

TEXT = """\
# Hawser beside a shell script

`make bench` measures it anew and writes this page. A ratio of 1.5 says that Hawser took one and a half times as long
as the script. Seconds differ from machine to machine; ratios differ less.

{table}

*Time* is from pressing Enter to the next prompt: the median of the rounds' own ratios. *Middle half* is the range of
the middle half of the rounds, of all rounds where there are only three. *Processor* is processor time on the machine
that is typed on, of the command with its children.

## How it is measured

- The site is `demo/`: Django, PostgreSQL, RabbitMQ, gunicorn under systemd, a celery worker and beat under supervisor,
  nginx with TLS, a cron entry. One host has it all; of three, two serve the web and one has the data and the workers.
- The hosts are throwaway hosts of the sandbox, on the same machine as the command: the network costs nothing, and the
  hosts share the processor with `fab` and `ssh`.
- Both deploy to the same hosts, side by side: `fab -H bench deploy` and `bench/deploy.sh HOST ...`, each with a user,
  a database, a virtual host, a domain and a folder of its own. Packages, services and uv are there before, for both.
- Rounds are interleaved, and who goes first alternates. After each deploy that changes something, it is checked that
  the site answers, that everything runs, and that it is the new commit; else the benchmark fails.
- *First deploy*: code, environments, units, site, cron entry and the tables of the database are removed before each
  round. What uv has downloaded stays, so that a package index is not measured.
- *One file changed*: a commit that changes one file of the code. Environments are reused, processes are replaced.
- *Nothing to do*: the same command again. Both look whether all processes run.

## What the script does

One `ssh HOST 'bash -s'` per host, all hosts at once: a lock; a stamp of commit and settings that ends an unchanged
deploy early; the code as a bundle on the same connection; a release folder; an environment keyed by the hash of its
requirements, built by uv; `collectstatic` and `check --deploy`; `migrate` on the first host while the others wait for
it; gunicorn beside the old one until it is healthy; the links; supervisor's programs; nginx with `nginx -t`; cron; old
releases removed.

## What Hawser does, and the script does not

- When one host of several fails, the others are put back. The script leaves some of them on the new commit.
- No host switches before all have built the release, and then batch by batch. The script's switch when they are ready.
- A new worker starts beside the old one, which finishes its task. The script stops one and starts the other.
- Rollback with the configuration of that release, dry run, diffs, history, progress.
- Every file is checked before it replaces another one, and values with quotes or newlines arrive as they are.
- A connection that breaks ends the work on the host, and what was broken off is taken up by the next deploy.
- Host keys, secrets, quoting and order are not written anew for the next site. The script is about one site.

Neither looks, when there is nothing to do, whether somebody has changed a file by hand.
"""


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the page, without dates, seconds and names of machines."""
    rows = ["| | hosts | time | middle half | processor |", "| --- | ---: | ---: | ---: | ---: |"]
    for each in results:
        low, high = each.spread
        middle = f"{low:.2f} to {high:.2f}"
        rows.append(f"| {each.scenario} | {each.hosts} | **{each.ratio:.2f}** | {middle} | {each.cpu_ratio:.2f} |")
    path.write_text(TEXT.format(table="\n".join(rows)))

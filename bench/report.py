"""RESULTS.md: what the benchmark claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .scenarios import Result

TEXT = """\
# Hawser beside a shell script

`make bench` measures it anew and writes this page. A ratio of 1.5 says that Hawser took one and a half times as long as
the script. Seconds differ from machine to machine; ratios differ less.

{table}

*Time* is from pressing Enter to the next prompt, *middle half* the range of the middle half of the rounds (of all rounds
where there are three), *processor* the processor time on the machine that is typed on, of the command with its children.

## How it is measured

- The site is `demo/`: Django, PostgreSQL, RabbitMQ, a gunicorn under systemd, a celery worker and beat under supervisor,
  nginx with TLS, a cron entry. One host has it all; of three, two serve the web and one has the data and the workers.
- The hosts are throwaway hosts of the sandbox, so the network costs nothing. Distance costs both sides a number of round
  trips: OpenSSH's connection for the script, ours for Hawser, then one for each phase.
- Both deploy to the same hosts, side by side: `fab -H bench deploy` and `bench/deploy.sh HOST ...`, each with a user,
  database, virtual host, domain and folder of its own. Packages, services and uv are there before, for both.
- Rounds are interleaved, and who goes first alternates. The ratio is the median of the rounds' own ratios. After each
  deploy that changes something, it is checked that the site answers, with the new commit, and that everything runs.
- *First deploy*: code, environments, units, site, cron entry and the tables of the database are removed before each round.
  What uv has downloaded stays, so that a package index is not measured.
- *One file changed*: a commit that changes one file of the code; environments are reused, processes are replaced.
- *Nothing to do*: the same command again. Both look whether all processes run.

## What the script does

One `ssh HOST 'bash -s'` per host, all hosts at once: a lock, a stamp of commit and settings that ends an unchanged deploy
early, the code as a bundle on the same connection, a release folder, an environment keyed by the hash of its requirements,
built by uv, `collectstatic`, `check --deploy`, `migrate` on the first host while the others wait for it, gunicorn beside the
old one until it is healthy, the links, supervisor's programs, nginx with `nginx -t`, cron, and old releases removed.

## What it does not do, and Hawser does

- Nothing is put back when a host fails halfway, or when one host of several fails: some then serve the new commit.
- Hosts switch as soon as they are ready, not when all have built it. There are no batches.
- Its worker restarts in place; Hawser starts the new one beside the old one.
- There is no rollback, neither of code nor of configuration, no dry run, no diff, no history, no progress.
- Nothing is validated but nginx's configuration. Values with quotes or newlines break its files.
- It trusts its stamp: a file that somebody changed by hand on the host stays changed. So does Hawser, when there is nothing
  to do.
- A connection that breaks leaves the deploy running on the host, or ends it anywhere. Files are not synced to disk.
- It is written for one site. Its 300 lines would be copied for the next one.
"""


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the page, without dates, seconds and names of machines."""
    rows = ["| | hosts | time | middle half | processor |", "| --- | ---: | ---: | ---: | ---: |"]
    for each in results:
        low, high = each.spread
        rows.append(
            f"| {each.scenario} | {each.hosts} | **{each.ratio:.2f}** | {low:.2f} – {high:.2f} | {each.cpu_ratio:.2f} |"
        )
    path.write_text(TEXT.format(table="\n".join(rows)))

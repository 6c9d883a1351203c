"""The staging site of CTS, with a second web host: what is `single` runs on one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.hosts.conftest import APPS, Fleet, system, wait_for
from tests.hosts.systems.test_cts import CODES, INSTANCES, ROOT, SECRETS

from .conftest import Row, take_away

BEATS = [f"{ROOT}/beat/{instance}.db" for instance in sorted(INSTANCES)]
CHANGES = {
    # The stand-in runs on the host's own Python, with the versions of today.
    'extends = "cts.toml"\n': 'extends = "cts.toml"\npatches = []\n',
    'branch = "develop"\n': """branch = "main"

[python]
interpreter = "/usr/bin/python3"
resolver = "uv"

[packages]
web = ["gdal-bin", "python3-yaml"]
""",
    "# [hosts.web1]": """[hosts.web2]
sandbox = true
groups = ["web", "second"]
vars = { workers = 1 }

# [hosts.web1]""",
}
BEAT = '[processes."celery-beat-{{ instance.name }}"]'


@pytest.fixture(scope="module")
def staging() -> Iterator[Fleet]:
    with system("cts-staging", APPS / "cts", changes=CHANGES, secrets=SECRETS) as fleet:
        fleet.fab("-H", fleet.name, "bootstrap", "deploy")
        yield fleet


def home(fleet: Fleet, host: str, code: str) -> dict[str, object]:
    """Return what the start page of an instance says of itself on one of the web hosts."""
    answer = fleet.visit(host, f"/{code}/", domain="cts-staging.rescue.org")
    assert answer.status == 200, answer.body
    return dict(json.loads(answer.body))


def beats(fleet: Fleet) -> dict[str, list[str]]:
    """Return the schedules of the beats that run on each web host."""
    found = {}
    for host in ("web1", "web2"):
        said = fleet.inside(host, "pgrep", "-fa", "celery -A cts beat --schedule=", check=False).split()
        found[host] = sorted(word.partition("=")[2] for word in said if word.startswith("--schedule="))
    return found


def test_staging_is_the_same_system_with_other_names(staging: Fleet) -> None:
    for host in ("web1", "web2"):
        for instance, code in CODES.items():
            said = home(staging, host, code)
            assert (said["instance"], said["environment"]) == (instance, "staging")


def test_exactly_one_of_two_hosts_runs_the_beats_and_both_run_workers(staging: Fleet) -> None:
    assert beats(staging) == {"web1": BEATS, "web2": []}
    for host in ("web1", "web2"):
        for instance in INSTANCES:
            assert int(staging.inside(host, "pgrep", "-fc", f"celery -A cts worker -n celery-{instance}@")) > 1
    before = home(staging, "web2", "IQ")["scans"]
    wait_for("a scan", lambda: home(staging, "web2", "IQ")["scans"] != before)


def test_beats_that_belong_to_another_host_stop_on_the_one_before(staging: Fleet) -> None:
    whole = staging.text
    staging.file.write_text(f'{whole}\n{BEAT}\ngroups = ["second"]\n')
    staging.fab("-H", staging.name, "deploy")
    assert beats(staging) == {"web1": [], "web2": BEATS}
    staging.file.write_text(whole)
    staging.fab("-H", staging.name, "deploy")
    assert beats(staging) == {"web1": BEATS, "web2": []}


@pytest.mark.parametrize(
    "row",
    [
        Row(
            "C5",
            (("# [hosts.web1]", f"{BEAT}\nsingle = false\n\n# [hosts.web1]"),),
            test_exactly_one_of_two_hosts_runs_the_beats_and_both_run_workers,
            "'web2': ",
        ),
        Row("C12", (('extends = "cts.toml"\n', ""),), None, "app.*missing|required", False),
    ],
    ids=str,
)
def test_a_setting_of_the_staging_site_that_is_taken_away_is_noticed(
    row: Row, staging: Fleet, request: pytest.FixtureRequest
) -> None:
    take_away(row, staging, request)

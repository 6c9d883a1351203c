"""Stechec2: without its setting, each need's test fails.

What has no row of its own here, and why:

- T3, a folder exported by a host of ours: the test itself has the setting for a while, and sees export and unit go.
- T4, a forgotten value: refused whatever the settings say; here the values themselves are left out.
- T7, a build that fails, and one build for several releases: what `[builds.NAME]` always does; without it nothing fits.
- T8, `/dev/log`: every host has it, whatever the settings say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.systems import test_stechec2 as tests
from tests.hosts.systems.test_stechec2 import fleet

from .conftest import Row, paragraph, take_away

__all__ = ["fleet"]

# Another release, so that all processes start anew.
ANOTHER = ("nb_players = 2 ", "nb_players = 3 ")
OF_MASTER, OF_WORKERS = (
    paragraph("stechec2", "[[firewall.rules]]                    # " + text)
    for text in ("the master node", "the workers, for the master")
)


def part(start: str) -> tuple[str, str]:
    """Return the change that takes a paragraph away."""
    return (paragraph("stechec2", start), "")


@contextmanager
def nobody_known(fleet: Fleet) -> Iterator[None]:
    """Have a database without users; what has run once would not run again by itself."""
    forget = "delete from stechec_champion; delete from auth_user"
    fleet.inside("db1", "su", "postgres", "-c", f"psql -q stechec -c '{forget}'")
    try:
        yield
    finally:
        fleet.fab("-H", "stechec2", "once.run", "admin")


ROWS = [
    Row(
        "T1",
        (('after = ["web"]                       # which makes the schema\n', ""), ANOTHER),
        tests.test_each_kind_of_host_waits_for_the_one_before,
        r"\d+ = started\(.*'web1'\)",
    ),
    Row(
        "T1",
        (('after = ["master"]\n', ""), ANOTHER),
        tests.test_each_kind_of_host_waits_for_the_one_before,
        r"\d+ = started\(.*'master1'\)\n.*min\(",
    ),
    Row(
        "T2",
        (('clients = ["web", "master"]', 'clients = ["web", "master", "worker"]'),),
        tests.test_the_database_is_open_to_the_website_and_the_master_alone,
        "connected",
    ),
    Row(
        "T2",
        (('clients = ["web", "master"]           # nobody else may connect\n', ""),),
        None,
        r"Connection refused|no pg_hba\.conf entry",
        False,
    ),
    Row(
        "T3",
        (part("[shares.contest]"),),
        tests.test_a_champion_goes_through_the_shared_folder_to_a_worker_and_back,
        "HTTP Error 500",
    ),
    Row(
        "T3",
        (part("[shares.contest]"),),
        tests.test_nothing_is_deployed_and_no_program_starts_without_the_shared_folder,
        r"srv-contest\.mount not loaded",
    ),
    Row(
        "T4",
        (('sample = "{{ builds.stechec2.prefix }}/share/stechec2/www/concours/website.yml"\n', ""),),
        None,
        r"the sample /etc/stechec/website\.yml\.sample does not exist",
        False,
    ),
    Row(
        "T4",
        (('game = "{{ vars.game }}"\n', ""),),
        None,
        r"website\.yml cannot be made from [^\n]*:\n\s*contest\.game is still CHANGEME",
        False,
    ),
    Row("T4", (("new_keys = true ", "# "),), None, r"paths(\.data_root)? is not in the sample", False),
    Row(
        "T4",
        (
            (
                'heartbeat_secs = "{{ vars.heartbeat_secs }}"\nshared_secret = "{{ secrets.SHARED_SECRET }}"\n',
                'heartbeat_secs = "{{ vars.heartbeat_secs }}"\n',
            ),
        ),
        tests.test_settings_come_from_the_samples_that_the_build_installed,
        "<undefined>",
    ),
    Row(
        "T4",
        (('path = "/etc/stechec/master-node.yml"\n', 'path = "/etc/stechec/master-node.yml"\nmode = "0644"\n'),),
        tests.test_settings_come_from_the_samples_that_the_build_installed,
        "644 root stechec2",
    ),
    Row(
        "T5",
        (("master = { url = \"http://{{ group('master')[0].address }}:{{ vars.master_port }}/\" }\n", ""),),
        tests.test_the_masters_address_is_known_to_the_website_at_the_first_deploy,
        "'http://master-node:8067/' == 'http://",
    ),
    Row(
        "T6",
        (part("[once.admin]"),),
        tests.test_the_admin_user_has_the_password_of_the_secrets_and_was_made_once,
        r"\[\] == \['admin\|t'\]",
        around=nobody_known,
    ),
    Row(
        "T6",
        (("\nmigrate = ", "\n# "),),
        tests.test_a_failing_migration_leaves_settings_and_website_as_they_were,
        "fab -H stechec2 deploy -> 0",
    ),
    Row("T6", ((', "ADMIN_PASSWORD"]', "]"),), None, "ADMIN_PASSWORD", False),
    Row(
        "T7",
        (('  "python3 waf.py install",\n', ""),),
        None,
        "the build stechec2 installed nothing into its prefix",
        False,
    ),
    Row(
        "T7",
        (part("[builds.stechec2]"),),
        None,
        r"site\.static\./static/: 'dict object' has no attribute 'stechec2'",
        False,
    ),
    Row(
        "T7",
        (
            (
                'static = { "/static/" = "{{ builds.stechec2.prefix }}/share/stechec2/www/concours/stechec/static" }\n',
                "",
            ),
        ),
        tests.test_nginx_serves_static_files_from_the_installed_package,
        r"status=404",
    ),
    Row(
        "T7",
        (('health = { path = "/", status = [200] }', 'health = { path = "/", status = [204], timeout = 5 }'),),
        None,
        r"stechec2-web-\w+ answers / with 200",
        False,
    ),
    Row(
        "T8",
        (
            part("[processes.master]"),
            part('[[rules]]\nthat = "environment.processes.master.port'),
            ('after = ["master"]\n', ""),
            ('restart = ["master"]\n', ""),
        ),
        tests.test_the_master_writes_to_the_systems_log_and_is_open_to_website_and_workers_alone,
        r"the process 0 has said: \n",
    ),
    Row(
        "T8",
        ((OF_MASTER, ""),),
        tests.test_the_master_writes_to_the_systems_log_and_is_open_to_website_and_workers_alone,
        r"^db1\nassert True == False",
    ),
    Row(
        "T8",
        ((OF_MASTER, OF_MASTER.replace('"web", ', "")),),
        tests.test_the_master_writes_to_the_systems_log_and_is_open_to_website_and_workers_alone,
        r"^web1\nassert False == True",
    ),
    Row("T9", (("vars = { slots = 4 }", "#"),), None, "a worker needs slots for tasks.* for worker1", False),
    Row(
        "T9",
        (('available_slots = "{{ host.vars.slots }}"\n', ""),),
        tests.test_workers_register_with_the_slots_of_their_host,
        "both workers are registered",
    ),
    Row(
        "T9",
        ((OF_WORKERS, ""),),
        tests.test_the_ports_of_tasks_are_open_to_the_other_workers,
        r"not True\)\n.*reaches\(.*'web1', 'worker1', 40000\)",
    ),
    Row(
        "T9",
        (part('[[rules]]\nthat = "vars.heartbeat_secs'),),
        tests.test_a_heartbeat_that_is_too_long_is_refused_before_any_host_is_asked,
        "fab -H stechec2 deploy -> 0",
    ),
    Row(
        "T10",
        (('CFG_DIR = "/etc/stechec"\n', ""),),
        tests.test_processes_commands_and_cron_lines_see_the_same_variables,
        "'CFG_DIR=/etc/stechec' in",
    ),
    Row(
        "T10",
        (('PYTHONPATH = "{{ builds.stechec2.prefix }}/share/stechec2/www"\n', ""),),
        None,
        "No module named 'concours'",
        False,
    ),
    Row("T10", (('DJANGO_SETTINGS_MODULE = "concours.settings"\n', ""),), None, "DJANGO_SETTINGS_MODULE", False),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_setting_of_stechec2_that_is_taken_away_is_noticed(
    row: Row, fleet: Fleet, request: pytest.FixtureRequest
) -> None:
    take_away(row, fleet, request)

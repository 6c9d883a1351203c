"""Siegetank: without its setting, each need's test fails.

What has no row here:

- S2, that the user can run the interpreter: no setting, always checked; the first deploy of all is refused for it.
- S6, `env.formats`: counts when a secret is made, which happens once; `tests/unit/test_secrets.py`.
- S7, `certs.request`: a command; without its requests, the test of certificates has nothing to sign.
- S8, `persistent.folders`: what was once made there is never removed, so leaving the line out changes nothing on a host
  that has it. A working directory that is not among them is the row.
- S9 over a reboot, and S10's end of the whole process group: no settings, always so.
"""

from __future__ import annotations

import shutil

import pytest

from tests.hosts.systems import test_siegetank as tests
from tests.hosts.systems.test_siegetank import Tank, tank

from .conftest import Row, take_away

__all__ = ["tank"]

HEALTH = 'tls = true, ca = "{{ certificates.server.chain }}", name = "{{ host.vars.get(\'url\', host.address) }}" }'
CC_HEALTH = f'health = {{ path = "/", status = [404], timeout = 60, {HEALTH}'
WS_HEALTH = f'health = {{ path = "/", status = [200], timeout = 60, {HEALTH}'
# The work servers have registered again, at command centers that were put back before them.
BACK = r"(?s)\A(?!.*could be put back).*"
# One that is never well need not be waited for that long.
QUICKLY = ("timeout = 60", "timeout = 20")
FILE = '[[files]]\npath = "ws.conf"\ntemplate = "ws.conf.j2"\nmode = "0600"\nvalidate = "python"\ngroups = ["ws"]\n'
GOODBYE = (
    'extra = { KillMode = "control-group" }          # the first of its children says goodbye to the command centers\n'
)
BUILD = """[builds.redis]                                  # which the code brings along; once for each state of it
inputs = ["redis"]
commands = ["make -C redis -j4"]
outputs = ["redis/src/redis-server"]
"""

ROWS = [
    Row(
        "S1",
        (('after = ["cc"] ', ""),),
        tests.test_work_servers_register_at_command_centers_that_are_up_already,
        "not after",
        None,
    ),
    Row(
        "S2 interpreter",
        ((f'interpreter = "{tests.INTERPRETER}"\n', ""),),
        tests.test_the_chosen_python_runs_it_and_one_that_the_user_cannot_reach_is_refused,
        "'/usr/bin/python3.[0-9]+' == '/opt/python/bin/python3'",
    ),
    Row(
        "S2 packages",
        (('"tornado>=6.3,<7", ', ""),),
        None,
        "No module named 'tornado'",
        False,
    ),
    Row("S3 build", ((BUILD, ""),), None, "redis/src/redis-server", False),
    Row(
        "S3 inputs",
        (('inputs = ["redis"]', 'inputs = ["redis", "ws.conf"]'),),
        tests.test_data_survives_a_new_release_and_redis_is_built_once,
        "redis-[0-9a-f]+",
    ),
    Row(
        "S4",
        (("check = [\"nosetests --exclude='test_(cc|ws|scv|siegetank|integration)'\"]\n", ""),),
        tests.test_a_failing_test_of_the_code_leaves_the_old_release_serving,
        "deploy -> 0",
    ),
    Row("S5 file", ((FILE, ""),), None, "Starting up Work Server: firebat", False),
    Row(
        "S5 mode",
        ((FILE, FILE.replace("0600", "0640")),),
        tests.test_settings_are_python_files_with_the_types_that_the_program_wants,
        "'640 siegetank'",
    ),
    Row(
        "S5 python",
        (),
        None,
        "400",
        False,
        templates=(
            ("siegetank/ws.conf.j2", "vars.external_http_port | string | python", "vars.external_http_port | python"),
        ),
    ),
    Row(
        "S6",
        (('generated = ["CC_PASS", ', "generated = ["), ('CC_PASS = "sha256", ', "")),
        None,
        "no attribute 'CC_PASS'",
        False,
    ),
    Row(
        "S6 same",
        (),
        None,
        "401",
        False,
        templates=(("siegetank/ws.conf.j2", "'pass': {{ secrets.CC_PASS", "'pass': {{ secrets.WS_REDIS_PASS"),),
    ),
    Row(
        "S7 names",
        (("names = [\"{{ host.vars.get('url', host.address) }}\"]\n", 'names = ["other.test"]\n'), QUICKLY),
        None,
        r"certificate is not valid for '10\.",
        False,
    ),
    Row(
        "S7 chain",
        (('chain = "certs/siegetank/incommon_ca.pem" ', ""),),
        tests.test_certificates_are_ordered_checked_and_brought,
        "SELF-SIGNED",
    ),
    Row("S7 fallback", (('fallback = "self-signed"\n', ""),), None, "certs/siegetank/ws1.crt", False),
    Row(
        "S7 files",
        (('files = { certificate = "public.crt", key = "private.pem", chain = "incommon_ca.pem" } ', ""), QUICKLY),
        None,
        # The hosts make new ones under the new names, which are not those that the program presents.
        "certificate verify failed: self-signed",
        False,
    ),
    Row(
        "S7 restart",
        (('restart = ["cc", "ws"]\n', ""),),
        tests.test_certificates_are_ordered_checked_and_brought,
        "assert '([0-9]+)' != '\\1'",
    ),
    Row(
        "S8 directory",
        (('directory = "{{ root }}/data/ws" ', ""),),
        tests.test_data_survives_a_new_release_and_redis_is_built_once,
        "data/ws/streams/[^ ]+: No such file",
    ),
    Row(
        "S8 folders",
        (('directory = "{{ root }}/data/ws" ', 'directory = "{{ root }}/data/other" '),),
        None,
        "200/CHDIR",
        False,
    ),
    Row(
        "S9",
        (('[[firewall.rules]]\ngroups = ["ws"]\nports = [443]\nto = 8960\n', ""),),
        tests.test_the_port_is_redirected_for_as_long_as_the_settings_say_so,
        "Connection refused",
        None,
    ),
    Row(
        "S10",
        (("limits = { files = 64000 }\nstop_timeout = 60\nextra", "stop_timeout = 60\nextra"),),
        tests.test_there_are_enough_open_files_and_a_stop_leaves_nothing_behind,
        "'1024 [0-9]+' == ",
    ),
    Row(
        "S10 goodbye",
        ((GOODBYE, ""),),
        tests.test_a_stopped_work_server_is_offline_at_the_command_centers,
        "still online",
    ),
    Row("S11 host", (('mongo_host = "', '# mongo_host = "'),), None, "no attribute 'mongo_host'", False),
    Row("S11 port", (("mongo_port = 27017", "mongo_port = 27018"),), None, "Connection refused", False),
    Row(
        "S12 status",
        ((CC_HEALTH, CC_HEALTH.replace("status = [404], ", "")), QUICKLY),
        None,
        BACK + "answers .*404",
        False,
    ),
    Row(
        "S12 tls",
        ((WS_HEALTH, WS_HEALTH.replace(", " + HEALTH, " }")), QUICKLY),
        None,
        BACK + "Connection reset by peer",
        False,
    ),
    Row(
        "S12 authority",
        ((WS_HEALTH, WS_HEALTH.replace('ca = "{{ certificates.server.chain }}", ', "")), QUICKLY),
        None,
        "certificate verify failed",
        False,
    ),
    Row(
        "S12 name",
        (
            (WS_HEALTH, WS_HEALTH.replace(", name = \"{{ host.vars.get('url', host.address) }}\"", "")),
            QUICKLY,
        ),
        None,
        "certificate verify failed",
        False,
    ),
    Row(
        "S12",
        ((WS_HEALTH, ""),),
        tests.test_every_program_says_that_it_is_well_in_its_own_way,
        "status -> 0",
    ),
]


@pytest.fixture(autouse=True)
def certificates_are_missing(tank: Tank) -> None:
    """Begin with those that the hosts make themselves, whatever the row before has ordered."""
    shutil.rmtree(tank.fleet.hosts / "certs", ignore_errors=True)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_setting_of_siegetank_that_is_taken_away_is_noticed(
    row: Row, tank: Tank, request: pytest.FixtureRequest
) -> None:
    take_away(row, tank.fleet, request)

"""E-mission: without its setting, each need's test fails.

What has no row of its own here, and why:

- E2: the comparison with the sample is what `[[settings]]` does; its opposite is a key that may be missing.
- E3, the application's own HTTPS, E9 and E10's patches are not in the environment file, for they are other ways to run
  it: the test adds them, and here it adds less.
- E4, logs that nobody else reads: no setting makes them so.
- E6, micromamba: no server of conda's can be reached; `tests/unit/runner/python/test_conda.py` has a stand-in.
- E8, the offset: `status` asks every host for its clock, whatever the settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest import mock

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.systems import test_emission as tests
from tests.hosts.systems.test_emission import emission

from .conftest import Row, paragraph, take_away

__all__ = ["emission"]

CRON = ("intake", "push-minute", "push-ten-minutes", "push-half-hour", "push-hour")


def without(*starts: str) -> tuple[tuple[str, str], ...]:
    """Return the changes that take paragraphs away."""
    return tuple((paragraph("emission", start), "") for start in starts)


def settings(path: str) -> str:
    return f'[[settings]]\npath = "{path}"'


# A table of settings, and that of its values.
PUSH = without(settings("conf/net/ext_service/push.json"), '[settings.values]\nprovider = "firebase"')


def adding(name: str, old: str, new: str) -> Callable[[Fleet], AbstractContextManager[None]]:
    """Have the test add something else to the environment file: another text in one of its constants."""

    @contextmanager
    def around(_fleet: Fleet) -> Iterator[None]:
        text = getattr(tests, name)
        assert old in text
        with mock.patch.object(tests, name, text.replace(old, new)):
            yield

    return around


@contextmanager
def no_stray_logs(fleet: Fleet) -> Iterator[None]:
    """Remove the logs that the samples' settings make."""
    try:
        yield
    finally:
        fleet.inside("web1", "sh", "-c", "rm -f /var/tmp/*.log")


@contextmanager
def without_the_package(fleet: Fleet) -> Iterator[None]:
    """Have hosts on which nobody has installed chrony: packages stay when their setting goes."""
    for host in ("web1", "db1"):
        fleet.inside(host, "apt-get", "purge", "--quiet", "--yes", "chrony")
    yield


@contextmanager
def slow_start(fleet: Fleet) -> Iterator[None]:
    """Have a program that takes its time until it answers, as the real one does."""
    path, short, long = "emission/net/api/cfc_webapp.py", "time.sleep(2)", "time.sleep(10)"
    code = (fleet.repository / path).read_text()
    assert short in code
    fleet.commit({path: code.replace(short, long)})
    try:
        yield
    finally:
        fleet.commit({path: code})


ROWS = [
    Row(
        "E1",
        PUSH,
        tests.test_settings_have_the_keys_and_types_of_their_samples_and_our_values,
        r"push\.json: No such file",
    ),
    Row(
        "E1",
        (('host = "127.0.0.1"                              # is not read: see the patch\n', ""),),
        tests.test_settings_have_the_keys_and_types_of_their_samples_and_our_values,
        "'host': '0.0.0.0'",
    ),
    Row(
        "E1",
        PUSH,
        tests.test_the_samples_of_settings_are_listed,
        r"^conf/net/ext_service/push\.json\n",
    ),
    Row(
        "E1",
        (('path = "conf/net/api/webserver.conf"', 'path = "conf/net/api/webserver.conf"\nnew_keys = true'),),
        tests.test_a_value_that_the_sample_does_not_know_stops_the_deploy,
        "fab -H emission deploy -> 0",
    ),
    # By itself it is refused: there is no template.
    Row(
        "E2",
        (('path = "conf/net/api/webserver.conf"', 'path = "conf/net/api/webserver.conf"\noptional = ["server.auth"]'),),
        tests.test_a_settings_file_without_a_key_of_its_sample_stops_the_deploy,
        r"'server\.auth is in the sample and not in the file' in",
        deployed=False,
    ),
    Row(
        "E3",
        (('server = "apache"                               # or "nginx"\n', ""),),
        tests.test_the_start_page_answers_301_and_the_redirect_names_the_port_of_apache,
        "'apache2' in .*nginx",
    ),
    Row(
        "E3",
        (('server = "apache"                               # or "nginx"\n', ""),),
        tests.test_a_site_that_apache_refuses_never_stays,
        "nginx refuses /etc/nginx/sites-enabled/emission.conf",
    ),
    Row(
        "E3",
        (("tls_port = 8080\n", ""),),
        tests.test_headers_of_phones_and_websockets_pass_through_apache,
        "Connection refused",
    ),
    Row(
        "E3",
        (),
        tests.test_apache_gives_the_site_to_nginx_then_to_the_application_itself_and_gets_it_back,
        r"emission\.pem",
        around=adding("BY_ITSELF", 'fallback = "self-signed"\n', ""),
    ),
    Row(
        "E3",
        (),
        tests.test_apache_gives_the_site_to_nginx_then_to_the_application_itself_and_gets_it_back,
        r"conf/net/keys\.json",
        around=adding("BY_ITSELF", "[[settings]]" + tests.BY_ITSELF.partition("[[settings]]")[2], ""),
    ),
    Row(
        "E4",
        (('auth = "token_list"                             # the sample says "skip", which lets everybody in\n', ""),),
        tests.test_a_phone_with_a_token_gets_its_profile_and_nobody_else,
        r"\(200, .* == \(403",
    ),
    Row(
        "E4",
        (('path = "/etc/emission/tokens"\n', 'path = "/etc/emission/others"\n'),),
        None,
        "/etc/emission/tokens",
        False,
    ),
    Row(
        "E4",
        (('required = ["USER_TOKENS", "PUSH_TOKEN", ', 'required = ["USER_TOKENS", '),),
        None,
        r"server_auth_token: the secret PUSH_TOKEN is not listed",
        False,
    ),
    Row(
        "E4",
        (('file = { filename = "{{ app.root }}/logs/webserver.log" }\n', ""),),
        tests.test_the_web_server_runs_under_supervisor_and_is_started_again_when_it_dies,
        r"^logs/webserver\.log\nassert (\d+) > \1\b",
        around=no_stray_logs,
    ),
    Row(
        "E5",
        (
            ('manager = "supervisor"                          # with autostart and autorestart\n', ""),
            (paragraph("emission", "[processes.emissionpy.extra]"), ""),
        ),
        tests.test_the_web_server_runs_under_supervisor_and_is_started_again_when_it_dies,
        r"emission-emissionpy\.conf: No such file",
    ),
    Row(
        "E5",
        without("[processes.emissionpy.extra]"),
        tests.test_the_web_server_runs_under_supervisor_and_is_started_again_when_it_dies,
        r"^log/emissionpy\.out\.log\nassert (\d+) > \1\b",
    ),
    Row(
        "E5",
        (('command = "{{ release.path }}/env/bin/python emission', 'command = "python emission'),),
        tests.test_the_web_server_runs_under_supervisor_and_is_started_again_when_it_dies,
        r"env/bin/python emission.*None|None.*env/bin/python",
    ),
    Row(
        "E6",
        (
            ('conda = "setup/environment36.yml"\n', 'packages = ["geojson", "python-dateutil", "pytz"]\n'),
            ('conda_packages = "uv"\n', ""),
        ),
        None,
        "Python finds no module pymongo",
        False,
    ),
    Row("E6", (('conda_packages = "uv"\n', ""),), None, "micromamba", False),
    Row(
        "E7",
        without(*(f"[cron.{name}]" for name in CRON)),
        tests.test_the_five_cron_lines_run_and_nobody_elses_line_is_touched,
        r"/etc/cron\.d/emission: No such file",
    ),
    Row(
        "E7",
        without("[cron.push-minute]"),
        tests.test_the_five_cron_lines_run_and_nobody_elses_line_is_touched,
        r"'\*/1 \* \* \* \*'",
    ),
    Row(
        "E7",
        (('output = "log/intake.stdinout.log"              # with >> and 2>&1\n', ""),),
        tests.test_the_five_cron_lines_run_and_nobody_elses_line_is_touched,
        r"intake with 3 workers|== \(?\d+ \+ 1",
    ),
    Row(
        "E8",
        without("[services.chrony]"),
        tests.test_the_clock_is_kept_and_its_offset_shown,
        "chronyd.*(not found|No such file)",
        around=without_the_package,
    ),
    Row(
        "E8",
        (("[services.chrony]", '[services.chrony]\nservers = ["time.example.org"]\n#'),),
        tests.test_the_clock_is_kept_and_its_offset_shown,
        "pool 2.debian.pool.ntp.org iburst' in .*time.example.org",
    ),
    Row(
        "E9",
        (),
        tests.test_an_encrypted_volume_is_made_when_asked_twice_and_nothing_starts_without_it,
        "fab -H emission/web1 bootstrap -> 0",
        around=adding("VOLUME", tests.VOLUME, ""),
    ),
    Row(
        "E10",
        (*without(settings("conf/storage/db.conf")), ("DB_HOST = ", "OTHER = ")),
        None,
        "InvalidURI: Invalid URI scheme",
        False,
    ),
    Row(
        "E10",
        ((""" = 'WEBSERVER_HOST="127.0.0.1"'""", """ = 'WEBSERVER_HOST="0.0.0.0" '"""),),
        tests.test_nobody_reaches_the_web_server_past_tls,
        "DID NOT RAISE",
    ),
    Row(
        "E4",
        (('migrate = ["python /etc/emission/tokens.py /etc/emission/tokens"]', "migrate = []"),),
        tests.test_a_token_that_leaves_the_list_is_refused_and_one_that_was_added_by_hand_stays,
        "{'open sesame 3': 403} != {'open sesame 3': 200}",
    ),
    Row(
        "E4",
        (('CONFIGS_URL = "http://127.0.0.1:8082/"', 'CONFIGS_URL = "http://127.0.0.1:8082/no/"'),),
        tests.test_a_phone_with_a_token_gets_its_profile_and_nobody_else,
        r"\(500, ",
    ),
    Row(
        "E10",
        without("[[firewall.rules]]"),
        tests.test_the_database_is_on_another_host_and_open_to_the_web_server_alone,
        "DID NOT RAISE",
    ),
    Row(
        "E10",
        (),
        tests.test_a_file_of_the_code_is_edited_and_an_edit_that_does_not_fit_stops_the_deploy,
        "fab -H emission deploy -> 0",
        around=adding("PATCH", tests.PATCH, ""),
    ),
    Row(
        "E11",
        (("status = [301], timeout = 60", "status = [200], timeout = 5"),),
        None,
        "emission-emissionpy answers / with 301",
        False,
    ),
    Row(
        "E11",
        (("status = [301], timeout = 60", "status = [301], timeout = 2"),),
        None,
        r"; \d+ tries in 2 s",
        False,
        around=slow_start,
    ),
    Row(
        "E12",
        without("[[local]]"),
        tests.test_settings_of_the_phone_are_made_without_asking_a_host,
        r"emission\.toml has no \[\[local\]\]",
    ),
    Row(
        "E12",
        (('    "android": {"auth": {"method": "prompted-auth", "prompt": "Your token"}},\n', ""),),
        tests.test_settings_of_the_phone_are_made_without_asking_a_host,
        r"local\[0\]\.sample: www/json/connectionConfig\.json: android is in the sample and not in the file",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_setting_of_emission_that_is_taken_away_is_noticed(
    row: Row, emission: Fleet, request: pytest.FixtureRequest
) -> None:
    take_away(row, emission, request)

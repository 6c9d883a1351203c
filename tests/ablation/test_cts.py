"""CTS: without its setting, each need's test fails.

A new release restarts nine programs, so that settings which have nothing to do with each other are taken away together,
in rounds: a row's expected reason tells which of them its test has noticed.

What no row takes away, and why:

- C2, that services are started by the init system, is no setting: its row takes away the command, `bootstrap`.
- C2, the reboot: what starts at boot is what runs before it, and the rows about that are those of the processes.
- C5, `count`: the environment file has none, for one celery worker of several processes is all that the document has.
- C12, `queue.purge`, `put`, `shell`, `printenv`: commands need no setting. Their rows take away what they are about:
  the broker's users, the folder that nginx serves, the instance, a variable.
- `proxy_read_timeout` and `keepalive_timeout` in `site.extra`: nothing shows them but a wait of minutes.
- `packages`: a package stays on its host when it leaves the settings.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.hosts.conftest import PROJECT, Fleet
from tests.hosts.systems import test_cts as tests
from tests.hosts.systems.test_cts import ROOT, bare_cts, cts, deployed

from .conftest import Row, deploy_without, see_fail

__all__ = ["bare_cts", "cts", "deployed"]

FILE = (PROJECT / "hosts" / "cts.toml").read_text()
# Tests of one instance are tried with this one.
INSTANCE = "jordan"


def lines(first: str, last: str = "") -> str:
    """Return the line of the environment file that starts so, or all from there to the next one that starts so."""
    start = FILE.index(f"\n{first}") + 1
    end = FILE.index(f"\n{last}", start) if last else start
    return FILE[start : FILE.index("\n", end + 1) + 1]


@contextmanager
def without_its_database(fleet: Fleet) -> Iterator[None]:
    """Have the instance start without a database, as on hosts where it is new: no deploy drops one."""
    fleet.inside(
        "data1", "runuser", "-u", "postgres", "--", "psql", "-c", f"DROP DATABASE IF EXISTS cts_{INSTANCE} WITH (FORCE)"
    )
    yield


@contextmanager
def without_media(fleet: Fleet) -> Iterator[None]:
    """Have hosts on which nothing was uploaded yet."""
    fleet.inside("web1", "rm", "-r", f"{ROOT}/public/media")
    yield


@contextmanager
def with_a_photo(fleet: Fleet) -> Iterator[None]:
    """Upload what the next release must still have."""
    fleet.inside("web1", "runuser", "-u", "cts", "--", "sh", "-c", f"echo photo > {ROOT}/public/media/photo.jpg")
    yield


@contextmanager
def with_other_styles(fleet: Fleet) -> Iterator[None]:
    """Have a next release that is to be seen."""
    with with_a_photo(fleet):
        fleet.commit({"cts/static/css/site.css": "body { color: green; }\n"})
        yield


JORDAN = lines("[instances.jordan]", "device_form")
USERS = lines('[services.rabbitmq.users."', "clients")
DATABASES = lines('[services.postgresql.databases."', "clients")
MIGRATE = lines("migrate = [", "]")

ROUNDS = {
    "first": [
        Row(
            "C1",
            (('output = "log/{{ instance.name }}/gunicorn.log"\n', ""),),
            tests.TestTheLayout.test_logs_of_nginx_and_gunicorn_are_kept_and_rotated,
            "'Listening at'|gunicorn",
        ),
        Row(
            "C3",
            (('"/static/" = "public/static", ', ""),),
            tests.TestTheSite.test_the_web_server_serves_static_files_itself_and_protected_ones_only_by_way_of_the_application,
            "404 == 200",
        ),
        Row(
            "C3",
            (("add_header Strict-Transport-Security max-age=31536000;\n", ""),),
            tests.TestTheSite.test_visitors_are_sent_to_https_and_from_the_start_to_the_list_of_instances,
            "None == 'max-age=31536000'",
        ),
        Row(
            "C3",
            ((lines("error_page", "}"), ""),),
            tests.TestTheSite.test_the_site_shows_a_page_of_its_own_while_an_application_is_down,
            "502 Bad Gateway|'<html>",
        ),
        Row(
            "C3",
            ((lines("extra_ports"), ""),),
            tests.TestTheSite.test_a_load_balancer_asks_the_site_for_its_health,
            "Connection refused",
        ),
        Row(
            "C3",
            (),
            tests.TestTheSite.test_the_site_believes_a_load_balancer_that_its_visitor_came_by_https,
            "Connection refused",
        ),
        Row(
            "C4",
            (('currency = "JOD"', 'currency = "USD"'),),
            tests.TestInstances.test_each_instance_has_its_own_settings_database_and_prefix,
            "'USD'",
        ),
        Row(
            "C4",
            (),
            tests.TestTheNextRelease.test_a_next_release_takes_away_all_of_an_instance_that_is_gone,
            "cts-celery-beat-jordan",
        ),
        Row(
            "C4",
            ((lines('"ONA_API_ACCESS_TOKEN_'), ""),),
            tests.TestInstances.test_each_instance_has_one_beat_whose_tasks_its_own_worker_takes_from_its_own_queue,
            "a scan of turkey",
        ),
        Row(
            "C5",
            (("vars = { workers = 2 }", "vars = { workers = 1 }"),),
            tests.TestInstances.test_each_instance_has_as_many_workers_as_its_host_and_its_command_say,
            "not within 10 s: 2 workers of turkey",
        ),
        Row(
            "C4",
            (("-Q queue_{{ instance.name }}", "-Q queue_turkey"),),
            tests.TestInstances.test_each_instance_has_its_own_user_vhost_and_queue_in_the_broker,
            "queue_turkey'|'queue_(iraq|jordan)', '0'",
        ),
        Row(
            "C6",
            (("stop_timeout = 60\n", ""),),
            tests.TestProcesses.test_a_stopped_process_leaves_none_of_its_children,
            "'cts-iraq-server'",
        ),
        Row(
            "C9",
            ((lines("restart_at"), ""),),
            tests.TestProcesses.test_cron_restarts_each_worker_every_night_under_its_manager,
            r"(?s)grep.*/etc/cron\.d/cts",
        ),
        Row(
            "C11",
            (('default = "drop"\n', ""),),
            tests.TestTheNetwork.test_only_hosts_of_the_environment_reach_its_services,
            r"\[25672\] == \[\]",
        ),
        Row(
            "C12",
            ((lines('"ONA_DEVICEID'), ""),),
            tests.TestTasks.test_the_environment_of_an_instance_is_shown_with_its_secrets_masked,
            "ONA_DEVICEID_VERIFICATION_FORM_ID_JO",
        ),
        Row("C12", (('"/media/" = "public/media", ', ""),), tests.TestTasks.test_a_file_is_put_onto_a_host, "404"),
    ],
    "second": [
        Row(
            "C1",
            (('output = "log/{{ instance.name }}/celery.log"\n', ""),),
            tests.TestTheLayout.test_logs_of_nginx_and_gunicorn_are_kept_and_rotated,
            r"/celery\.log",
        ),
        Row(
            "C3",
            ((lines("location = /robots.txt", "}"), ""),),
            tests.TestTheSite.test_the_web_server_serves_static_files_itself_and_protected_ones_only_by_way_of_the_application,
            "User-agent",
        ),
        Row(
            "C3",
            ((lines("location = / {", "}"), ""),),
            tests.TestTheSite.test_visitors_are_sent_to_https_and_from_the_start_to_the_list_of_instances,
            "Location",
        ),
        Row(
            "C3",
            ((lines("location = /health/", "}"), ""),),
            tests.TestTheSite.test_a_load_balancer_asks_the_site_for_its_health,
            "404 == 200",
        ),
        Row(
            "C4",
            (("port = 8003\nspare_port = 8013\n", "port = 8023\nspare_port = 8033\n"),),
            tests.TestInstances.test_each_instance_has_its_own_settings_database_and_prefix,
            r"\[\] == \[True\]",
        ),
        Row(
            "C4",
            ((lines('"ONA_FORM_IDS'), ""),),
            tests.TestInstances.test_each_instance_has_one_beat_whose_tasks_its_own_worker_takes_from_its_own_queue,
            "'11983'",
        ),
        Row(
            "C5",
            ((" --concurrency=2", " --concurrency=1"),),
            tests.TestInstances.test_each_instance_has_as_many_workers_as_its_host_and_its_command_say,
            "not within 10 s: 2 celery workers of turkey",
        ),
        Row(
            "C6",
            (("stop_timeout = 60                   # for tasks that are under way\n", ""),),
            tests.TestProcesses.test_a_stopped_process_leaves_none_of_its_children,
            "'cts-celery-iraq'",
        ),
        Row(
            "C9",
            (('restart_at = "30 23 * * *"', 'restart_at = "30 4 * * *"'),),
            tests.TestProcesses.test_cron_restarts_each_worker_every_night_under_its_manager,
            "30 4",
        ),
        Row(
            "C10",
            (('certificate = "certs/cts.pem"', 'certificate = "certs/other.pem"'),),
            tests.TestTheSite.test_the_site_has_the_right_certificate_once_it_is_there,
            "'SELF-SIGNED' not in",
        ),
    ],
    "third": [
        Row(
            "C1",
            (('output = "log/{{ instance.name }}/celery-beat.log"\n', ""),),
            tests.TestTheLayout.test_logs_of_nginx_and_gunicorn_are_kept_and_rotated,
            r"/celery-beat\.log",
        ),
        Row(
            "C2",
            ((USERS, ""),),
            tests.TestTheLayout.test_the_configuration_lies_where_the_document_says,
            r"20-hawser-cts\.conf",
        ),
        Row(
            "C3",
            ((lines("location ^~ /static/protected", "}"), ""),),
            tests.TestTheSite.test_the_web_server_serves_static_files_itself_and_protected_ones_only_by_way_of_the_application,
            "200 == 401",
        ),
        Row(
            "C3",
            ((', "{{ instance.prefix }}/media/" = "public/media"', ""),),
            tests.TestTheNextRelease.test_a_next_release_still_has_uploads_and_its_own_static_files,
            "404|JSON|Not Found",
            around=with_a_photo,
        ),
        Row(
            "C4",
            ((lines("CACHE_HOST"), ""),),
            tests.TestInstances.test_each_instance_has_its_own_settings_database_and_prefix,
            r"Server Error \(500\)",
        ),
        Row(
            "C7",
            (),
            tests.TestInstances.test_each_instance_has_its_own_user_vhost_and_queue_in_the_broker,
            "queue_",
        ),
        Row(
            "C11",
            (
                (
                    '[services.memcached]\ngroups = ["data"]\nclients = ["web"]\n',
                    '[services.memcached]\ngroups = ["data"]\n',
                ),
            ),
            tests.TestTheNetwork.test_only_hosts_of_the_environment_reach_its_services,
            "Connection refused",
        ),
        Row(
            "C11",
            (("ports = [80, 443, 8088]", "ports = [80, 443]"),),
            tests.TestTheNetwork.test_everybody_reaches_the_site_from_outside,
            "8088",
        ),
        Row("C12", (), tests.TestTasks.test_a_queue_is_purged_after_its_name_was_typed, "queue|broker"),
    ],
    "fourth": [
        Row(
            "C4",
            ((JORDAN, ""),),
            tests.TestInstances.test_each_instance_has_its_own_settings_database_and_prefix,
            "404",
        ),
        Row("C12", (), tests.TestTasks.test_management_commands_ask_which_instance_is_meant, "turkey, iraq, jordan"),
        Row("C12", (), tests.TestTasks.test_a_shell_is_in_the_settings_of_an_instance, "there is no instance jordan"),
        Row(
            "C6",
            (('--loglevel=INFO"\nmanager = "supervisor"\n', '--loglevel=INFO"\n'),),
            tests.TestProcesses.test_no_process_restarts_where_nothing_has_changed,
            "cts-celery-beat-iraq",
        ),
        Row(
            "C2",
            (),
            tests.TestTheLayout.test_the_configuration_lies_where_the_document_says,
            "cts-celery-beat-iraq",
        ),
        Row(
            "C3",
            ((lines("location /protected/", "}"), ""),),
            tests.TestTheSite.test_the_web_server_serves_static_files_itself_and_protected_ones_only_by_way_of_the_application,
            "for officers only",
        ),
    ],
    "fifth": [
        Row(
            "C8",
            (('  "@{{ instance.name }} python manage.py bootstrap_permissions",\n', ""),),
            tests.TestInstances.test_each_instance_has_its_own_settings_database_and_prefix,
            r"\[\] == \['Coordinator",
            around=without_its_database,
        ),
        Row(
            "C8",
            ((lines("build = "), ""),),
            tests.TestTheNextRelease.test_a_next_release_still_has_uploads_and_its_own_static_files,
            "'green'",
            around=with_other_styles,
        ),
        Row(
            "C4",
            ((lines("BROKER_HOST"), ""),),
            tests.TestInstances.test_each_instance_has_one_beat_whose_tasks_its_own_worker_takes_from_its_own_queue,
            "a scan of turkey",
        ),
    ],
    "sixth": [
        Row(
            "C1",
            (('"public/media", "beat"', '"beat"'),),
            tests.TestTheLayout.test_the_layout_is_the_documents_with_owners_and_modes_that_make_sense,
            "public/media.*No such file",
            around=without_media,
        ),
        Row(
            "C8",
            ((MIGRATE, ""),),
            tests.TestInstances.test_each_database_has_its_extensions_and_was_migrated_once,
            'relation "django_migrations" does not exist',
            around=without_its_database,
        ),
        Row(
            "C11",
            (("ports = [5432, 5672, 11211]", "ports = [5432, 5672]"),),
            tests.TestTheNetwork.test_only_hosts_of_the_environment_reach_its_services,
            "/11211.* -> 124",
        ),
    ],
    "without TLS": [
        Row(
            "C3",
            ((lines("tls = ", "fallback"), 'tls = "none"\n'),),
            tests.TestTheSite.test_visitors_are_sent_to_https_and_from_the_start_to_the_list_of_instances,
            "200|Location",
        ),
    ],
    # What a deploy refuses, each for itself.
    "files": [Row("C4", ((lines("[[files]]", "groups"), ""),), None, "/srv/pillar/project.sls", False)],
    "settings module": [
        Row("C4", (("cts.settings.{{ instance.name }}", "cts.settings.turkey"),), None, "(iraq|jordan)-server", False)
    ],
    # The settings have a key for those who give none.
    "secret key": [
        Row(
            "C4",
            ((lines("SECRET_KEY"), ""),),
            tests.TestTasks.test_the_environment_of_an_instance_is_shown_with_its_secrets_masked,
            "'SECRET_KEY='",
        )
    ],
    "spare port": [
        Row(
            "C6",
            ((lines('spare_port = "{{ instance.spare_port }}"'), ""),),
            tests.TestVisitors.test_visitors_notice_neither_a_broken_commit_nor_a_good_one_nor_a_restart,
            "502",
        )
    ],
    "workers": [Row("C5", (("vars = { workers = 2 }", ""),), None, "workers", False)],
    "root": [
        Row(
            "C6",
            (('command = "celery -A cts worker', 'user = "root"\ncommand = "celery -A cts worker'),),
            None,
            "must not be root",
            False,
        ),
    ],
    "fallback": [
        Row("C10", ((lines("fallback"), ""),), None, r"there is no file certs/cts\.pem", False),
    ],
    "hstore": [
        Row(
            "C7",
            (('extensions = ["postgis", "hstore"]', 'extensions = ["postgis"]'),),
            tests.TestInstances.test_each_database_has_its_extensions_and_was_migrated_once,
            r"\['hstore'\] == \[\]",
            False,
            without_its_database,
        ),
    ],
    "postgis": [
        Row(
            "C7",
            (('extensions = ["postgis", "hstore"]', 'extensions = ["hstore"]'),),
            tests.TestInstances.test_each_database_has_its_extensions_and_was_migrated_once,
            r"\['postgis'\] == \[\]",
            False,
            without_its_database,
        ),
    ],
    "clients": [
        Row(
            "C7",
            ((DATABASES, DATABASES.replace('clients = ["web"]\n', "")),),
            None,
            "no pg_hba.conf entry|Connection refused",
            False,
        ),
    ],
    "password": [
        Row(
            "C7",
            ((DATABASES, DATABASES.replace("DB_PASSWORD", "BROKER_PASSWORD")),),
            None,
            "password authentication failed",
            False,
        ),
    ],
    "databases": [
        Row(
            "C7",
            ((lines("[services.postgresql]", "clients"), ""),),
            tests.TestTheLayout.test_the_configuration_lies_where_the_document_says,
            "cts_turkey",
            False,
        ),
    ],
}


class Rounds:
    """The hosts without the settings of one round after the other; each deploy brings back those of the one before."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.whole = fleet.text
        self.name = ""
        self.prepared = ExitStack()
        self.done: subprocess.CompletedProcess[str]

    def without(self, name: str) -> subprocess.CompletedProcess[str]:
        """Return how the deploy without the settings of a round has ended."""
        if name != self.name:
            self.end()
            for row in ROUNDS[name]:
                self.prepared.enter_context(row.around(self.fleet))
            self.done, self.name = deploy_without(ROUNDS[name], self.fleet), name
        return self.done

    def end(self) -> None:
        """Have the settings whole again; the hosts follow with the next deploy."""
        self.name = ""
        self.prepared.close()
        self.fleet.file.write_text(self.whole)
        # A test has brought one.
        shutil.rmtree(self.fleet.hosts / "certs", ignore_errors=True)


@pytest.fixture(scope="module")
def rounds(cts: Fleet) -> Rounds:
    return Rounds(cts)


@pytest.mark.parametrize(
    ("name", "row"), [pytest.param(name, row, id=f"{name}: {row}") for name, rows in ROUNDS.items() for row in rows]
)
def test_a_setting_of_cts_that_is_taken_away_is_noticed(
    name: str, row: Row, rounds: Rounds, cts: Fleet, request: pytest.FixtureRequest
) -> None:
    see_fail(row, rounds.without(name), request, {"instance": INSTANCE, "without_jordan": cts})


def test_everything_of_cts_is_back_with_its_settings(rounds: Rounds, cts: Fleet) -> None:
    rounds.end()
    cts.fab("-H", "cts", "bootstrap", "deploy")
    for code in tests.CODES.values():
        tests.home(cts, code)
    tests.TestTheLayout().test_the_configuration_lies_where_the_document_says(cts)


def test_a_service_starts_at_boot_because_bootstrap_sees_to_it(cts: Fleet, request: pytest.FixtureRequest) -> None:
    test = tests.TestTheLayout.test_the_configuration_lies_where_the_document_says
    cts.inside("web1", "systemctl", "disable", "supervisor")
    see_fail(Row("C2", (), test, "disabled"), cts.fab("-H", "cts", "deploy"), request, {})
    cts.fab("-H", "cts", "bootstrap")
    test(tests.TestTheLayout(), cts)

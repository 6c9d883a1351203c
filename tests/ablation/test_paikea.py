"""Paikea: without its setting, each need's test fails.

What has no row here:

- P1, `app.root`: it is where everything is. With another one, the application is another one, with data of its own.
- P2, `env.dotenv`: with it go the two settings that need it; each of these has a row.
- P4, `stopasgroup`: no setting, always so.
- P5, a user of RabbitMQ that leaves the settings: it stays, for the release that serves may need it, until `remove`.
  Its password is the row.
- P6, `db.*` and `dbshell`: commands; they refuse where the settings name no database, which is the row. Clients on
  other hosts are taken away in `tests/hosts/test_mariadb.py`.
- P7, that nothing of ACME is left: is itself the test of a setting that was taken away.
- P9, `checkouts.update`: a command, without which the test never sees a new version.
"""

from __future__ import annotations

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.systems import test_paikea as tests
from tests.hosts.systems.test_paikea import paikea

from .conftest import Row, take_away

__all__ = ["paikea"]

ACCOUNTS_FILE = 'environment_file = "/home/paikea/vars.env"\n'
VARS_ENV = 'template = "vars.env.j2"\nmode = "0600"\nowner = "root"\ngroup = "root"\n'
CLONE_KEY = """[[files]]                           # the worker itself clones the firmware for a device, with this key
path = "/home/paikea/.ssh/paikea-firmware-deploy"
content = "{{ secrets.FIRMWARE_KEY }}\\n"
mode = "0600"
owner = "paikea"
"""
ACME = 'tls = "acme"\nacme = { server = "https://acme.test:14000/dir", ca = "acme-ca.pem" }'
DATABASE = '[services.mariadb.databases.paikea]\npassword = "{{ secrets.PAIKEA_DB_PASS }}"\n'
BROKER_PASSWORD = '[services.rabbitmq.users.paikea]\npassword = "{{ secrets.BROKER_PASSWORD }}"\n'

# GitHub's, which this server has not.
SOMEBODYS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ROWS = [
    # First, for it wants a name that does not lead to the host yet.
    Row(
        "P7",
        ((ACME, 'tls = "self-signed"'),),
        tests.test_a_certificate_comes_from_the_acme_server_as_soon_as_it_can_and_is_renewed,
        "no certificate for paikea.test|not within 90 s: the certificate",
    ),
    Row(
        "P1 source",
        (('source = "backend"\n', ""),),
        tests.test_the_layout_is_that_of_the_document,
        r"/home/paikea/backend'?: No such file",
    ),
    Row(
        "P1 environment",
        (('environment = "venv"\n', ""),),
        tests.test_the_layout_is_that_of_the_document,
        r"/home/paikea/venv/bin/flask'\) -> 1",
    ),
    Row("P2 variable", (('dotenv_variable = "PAIKEA_DOTENV"\n', ""),), None, "KeyError: 'PAIKEA_DOTENV'", False),
    Row(
        "P2 keys",
        (('dotenv_keys = [\n  "FLASK_APP",', 'dotenv_keys = [\n  "CELERY_BROKER_URL", "FLASK_APP",'),),
        tests.test_the_dotenv_file_has_the_six_variables_and_everything_is_told_where_it_is,
        "CELERY_BROKER_URL",
    ),
    Row("P2 quoted", (("PAIKEA_DB_PASS | urlquote", "PAIKEA_DB_PASS"),), None, "sqlalchemy", False),
    Row(
        "P3 systemd",
        (("  # asks the database\n" + ACCOUNTS_FILE, "\n"),),
        tests.test_the_accounts_reach_both_processes_unchanged_and_only_root_can_read_them,
        "ROCKBLOCK_USER",
    ),
    Row(
        "P3 supervisor",
        (('manager = "supervisor"\n' + ACCOUNTS_FILE, 'manager = "supervisor"\n'),),
        tests.test_the_accounts_reach_both_processes_unchanged_and_only_root_can_read_them,
        "ROCKBLOCK_USER",
    ),
    Row(
        "P3 root",
        ((VARS_ENV, VARS_ENV.replace('"root"', '"paikea"')),),
        tests.test_the_accounts_reach_both_processes_unchanged_and_only_root_can_read_them,
        "not in",
    ),
    Row(
        "P4 after",
        (('"Unit.After" = "mariadb.service rabbitmq-server.service"\n', ""),),
        tests.test_unit_and_program_have_the_keys_of_the_document,
        "mariadb.service",
    ),
    Row(
        "P4 restart",
        (('Restart = "on-abort"\n', ""),),
        tests.test_unit_and_program_have_the_keys_of_the_document,
        "on-abort",
    ),
    Row(
        "P4 type",
        (('Type = "simple"\n', ""),),
        tests.test_unit_and_program_have_the_keys_of_the_document,
        "'simple'",
    ),
    Row(
        "P4 spare port",
        (("spare_port = 8889                   # by turns: a new release starts there beside the old one\n", ""),),
        tests.test_a_fix_after_a_rollback_keeps_what_the_newer_version_has_stored,
        "502",
    ),
    Row(
        "P4 program",
        (('extra = { numprocs = "1", startsecs = "10", priority = "1000" }\n', ""),),
        tests.test_unit_and_program_have_the_keys_of_the_document,
        "'(numprocs|startsecs|priority)=[0-9]+' in",
    ),
    Row(
        "P4 stop",
        (("stop_timeout = 600 ", "stop_timeout = 30 "),),
        tests.test_unit_and_program_have_the_keys_of_the_document,
        "'stopwaitsecs=600' in",
    ),
    Row(
        "P5 password",
        ((BROKER_PASSWORD, BROKER_PASSWORD.replace("BROKER_PASSWORD", "PAIKEA_DB_PASS")),),
        None,
        "amqp.exceptions.AccessRefused",
        False,
    ),
    Row(
        "P5 url",
        (('CELERY_BROKER_URL = "amqp:', '# CELERY_BROKER_URL = "amqp:'),),
        tests.test_the_broker_is_that_of_the_settings,
        "paikea\\\\tpaikea",
    ),
    Row(
        "P6 database",
        ((DATABASE, ""),),
        tests.test_the_database_is_saved_and_brought_back_and_has_a_shell,
        "no database lies on backend",
    ),
    Row(
        "P6 password",
        ((DATABASE, DATABASE.replace("PAIKEA_DB_PASS", "BROKER_PASSWORD")),),
        None,
        "Access denied",
        False,
    ),
    Row("P6 socket", (("unix_socket=/var/run/mysqld/mysqld.sock", "unix_socket=/run/x.sock"),), None, "x.sock", False),
    Row(
        "P7 documents",
        (('static = { "/docs/" = "/srv/paikea_docs/_build/html" }\n', ""),),
        tests.test_the_site_answers_as_the_document_says,
        "404 Not Found",
    ),
    Row(
        "P7 log",
        (("log_format = '", "# log_format = '"),),
        tests.test_the_site_answers_as_the_document_says,
        "GET /v1/app",
    ),
    Row(
        "P7 health",
        (("location /connection/hc", "location /connection/other"),),
        tests.test_the_site_answers_as_the_document_says,
        "404",
    ),
    Row(
        "P7 words",
        (("sub_filter 'server_hostname' '$hostname';\n", ""),),
        tests.test_the_site_answers_as_the_document_says,
        "server_hostname",
    ),
    Row(
        "P7 modern",
        (('extra = """\n', 'extra = """\nssl_ciphers DEFAULT:@SECLEVEL=0;\n'),),
        tests.test_old_versions_of_tls_are_refused,
        "is False",
        templates=(("nginx-site.conf.j2", "ssl_protocols TLSv1.2", "ssl_protocols TLSv1.1 TLSv1.2"),),
    ),
    Row("P8", (('linked = ["logs"] ', ""),), None, "logs/logs.log", False),
    Row(
        "P9 key",
        (('deploy_key = "FIRMWARE_KEY"\n', ""),),
        tests.test_firmware_is_checked_out_updated_and_cloned_by_the_worker,
        "Permission denied",
        None,
    ),
    Row(
        "P9 writable",
        (('writable = ["upgrades"] ', ""),),
        tests.test_firmware_is_checked_out_updated_and_cloned_by_the_worker,
        "not within 30 s: the clone",
    ),
    Row(
        "P9 clone",
        ((CLONE_KEY, ""),),
        tests.test_firmware_is_checked_out_updated_and_cloned_by_the_worker,
        "not within 30 s: the clone",
    ),
    Row(
        "P9 known host",
        (("{{ environment.checkouts.firmware.repo_host_keys[0] }}", SOMEBODYS_KEY),),
        tests.test_firmware_is_checked_out_updated_and_cloned_by_the_worker,
        "not within 30 s: the clone",
    ),
    Row(
        "P10",
        (('  "flask db check -d {{ root }}/migrations",\n', ""),),
        tests.test_an_upgrade_that_creates_nothing_stops_the_deploy,
        "deploy -> 0",
    ),
    Row(
        "P10 kept",
        (('kind == "column" and not', 'kind != "none" or not'),),
        tests.test_a_fix_after_a_rollback_keeps_what_the_newer_version_has_stored,
        "deploy -> 1",
    ),
    Row(
        "P11 address",
        (('new = "wss://{{ site.domains[0] }}:7778/"', 'new = "wss://fqdn:port:7778/"'),),
        tests.test_websockets_reach_the_device_server_through_its_own_port,
        "wss://paikea.test:7778/",
    ),
    Row(
        "P11 proxy",
        (('tls_proxy = { 7778 = "{{ host.vars.device_server }}" }\n', ""),),
        tests.test_websockets_reach_the_device_server_through_its_own_port,
        "Connection refused",
    ),
    Row(
        "P12",
        (("flask run -h 127.0.0.1", "flask run -h 0.0.0.0"),),
        tests.test_services_of_one_host_listen_on_loopback_only_and_status_has_nothing_to_warn_of,
        r"0\.0\.0\.0:888[89]",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_setting_of_paikea_that_is_taken_away_is_noticed(
    row: Row, paikea: Fleet, request: pytest.FixtureRequest
) -> None:
    take_away(row, paikea, request)

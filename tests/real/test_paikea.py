"""The real Paikea, with the shipped file: every statement of its document, and that no deploy drops what is in use."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hawser import sandbox
from hawser.sandbox.host import HostBroken
from tests.hosts.conftest import Fleet, wait_for
from tests.hosts.systems import test_paikea as stand_in
from tests.hosts.systems.test_paikea import (
    HOST,
    sql,
    test_a_column_that_the_code_from_before_does_not_fill_is_asked_about,
    test_a_fix_after_a_rollback_keeps_what_the_newer_version_has_stored,
    test_a_second_run_changes_nothing_and_status_shows_both_managers,
    test_ignored_folders_are_there_and_survive_a_release,
    test_old_versions_of_tls_are_refused,
    test_services_of_one_host_listen_on_loopback_only_and_status_has_nothing_to_warn_of,
    test_the_broker_is_that_of_the_settings,
    test_the_dotenv_file_has_the_six_variables_and_everything_is_told_where_it_is,
    test_the_layout_is_that_of_the_document,
    test_unit_and_program_have_the_keys_of_the_document,
    visit,
)
from tests.real.conftest import clone_of, copy_of, real_system
from tests.real.tables import sources

# What holds for the stand-in holds for the real one.
__all__ = [
    "test_a_column_that_the_code_from_before_does_not_fill_is_asked_about",
    "test_a_fix_after_a_rollback_keeps_what_the_newer_version_has_stored",
    "test_a_second_run_changes_nothing_and_status_shows_both_managers",
    "test_ignored_folders_are_there_and_survive_a_release",
    "test_old_versions_of_tls_are_refused",
    "test_services_of_one_host_listen_on_loopback_only_and_status_has_nothing_to_warn_of",
    "test_the_broker_is_that_of_the_settings",
    "test_the_dotenv_file_has_the_six_variables_and_everything_is_told_where_it_is",
    "test_the_layout_is_that_of_the_document",
    "test_unit_and_program_have_the_keys_of_the_document",
]

IMEI = "300434063836590"
MESSAGE = {
    "imei": IMEI,
    "device_type": "ROCKBLOCK",
    "serial": "123456",
    "momsn": "441",
    "transmit_time": "20-03-15 22:12:51",
    "iridium_latitude": "37.7740",
    "iridium_longitude": "-122.4050",
    "iridium_cep": "2.0",
    "iridium_session_status": "0",
    "data": b"hello from the sea".hex(),
}


@pytest.fixture(scope="module")
def paikea(clones: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    source = sources("paikea")[0]
    code = copy_of(clone_of(clones, "paikea"), source.commit, "paikea", "main")
    with real_system("paikea", {source.url: code}, {}) as fleet:
        if not fleet.repository.exists():
            fleet.repository.symlink_to(code)
        private, public = stand_in.key_pair(tmp_path_factory.mktemp("key"))
        stand_in.rewrite(fleet, stand_in.addresses(fleet))
        if not (fleet.hosts / "paikea.env").exists():
            stand_in.surround(fleet, public)
            stand_in.write_secrets(fleet, private)
        fleet.fab("-H", "paikea", "bootstrap", "deploy", timeout=1200)
        yield fleet


def send(fleet: Fleet, message: Mapping[str, str]) -> None:
    """Send a message as RockBlock does, who escapes nothing."""
    body = "&".join(f"{name}={value}" for name, value in message.items()).encode()
    assert stand_in.post(fleet, "/rockblock/incoming", body) == "OK"


def test_a_message_is_stored_and_shown_and_the_worker_reads_it(paikea: Fleet) -> None:
    send(paikea, MESSAGE)
    assert MESSAGE["data"] in visit(paikea, "/rockblock/incoming")
    wait_for("the worker", lambda: IMEI in visit(paikea, "/v1/rockblocks"))
    assert sql(paikea, f"SELECT COUNT(*) FROM rock_block_message WHERE imei = '{IMEI}'") != "0"


def test_commands_of_flask_run_in_the_release(paikea: Fleet) -> None:
    assert "/v1/buoy/register" in paikea.fab("-H", "paikea", "manage", "routes").stdout


def test_the_site_answers_as_the_document_says(paikea: Fleet) -> None:
    assert visit(paikea, "/connection/hc") == "OK"
    assert visit(paikea, "/docs/").strip() == "pages"
    assert f"wss://{stand_in.DOMAIN}:7778/" in visit(paikea, "/static/js/device.js")
    assert "Paikea" in visit(paikea, "/v1/app")


def test_websockets_reach_the_device_server_through_its_own_port(paikea: Fleet) -> None:
    if paikea.inside(HOST, "systemctl", "is-active", "devices", check=False).strip() != "active":
        stand_in.start_devices(paikea)
    stand_in.test_websockets_reach_the_device_server_through_its_own_port(paikea)


def test_the_worker_clones_the_firmware_and_its_files_are_served(paikea: Fleet) -> None:
    buoy = json.loads(visit(paikea, "/v1/buoy/register", {}))["iam"]
    page = f"/v1/buoy/{buoy}/upgrade"
    job = json.loads(visit(paikea, page, {"cmd": "init"}))["job_id"]
    question = {"cmd": "status", "job_id": job}
    wait_for("the clone", lambda: json.loads(visit(paikea, page, question))["status"] == 2)
    wanted = {"cmd": "get_file", "job_id": job, "file_path": "boot.py"}
    assert visit(paikea, page, wanted).strip() == "one"


def test_the_accounts_reach_the_worker_and_no_argument_list(paikea: Fleet) -> None:
    for unit in ("paikea-web", "paikea-celery"):
        there = stand_in.environment_of(paikea, unit)
        assert {name: there[name] for name in stand_in.ACCOUNTS} == stand_in.ACCOUNTS
    arguments = paikea.inside(HOST, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert stand_in.ACCOUNTS["ROCKBLOCK_PASS"] not in arguments
    assert stand_in.DB_PASSWORD not in arguments


def test_everything_runs_again_after_a_reboot(paikea: Fleet) -> None:
    with contextlib.suppress(HostBroken):
        # On a busy machine the broker alone takes longer than a host may take to start.
        sandbox.reboot(f"paikea-{HOST}")
    wait_for("the site", lambda: stand_in.answers(paikea), seconds=300)
    status = ("supervisorctl", "status", "paikea-celery")
    wait_for("the worker", lambda: "RUNNING" in paikea.inside(HOST, *status, check=False))

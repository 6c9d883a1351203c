"""The maintenance page, and the variables that processes get."""

from __future__ import annotations

import pytest

from .conftest import Fleet

MESSAGE = "Moving to <new> hardware."
# From an address that is not allowed.
STRANGER = """
import http.client, ssl
link = http.client.HTTPSConnection("127.0.0.1", context=ssl._create_unverified_context())
link.request("GET", "/", headers={"Host": "demo.test"})
answer = link.getresponse()
print(answer.status, answer.headers["Retry-After"])
"""


def test_visitors_get_a_page_with_503_while_health_checks_and_deploys_go_on(fleet: Fleet) -> None:
    fleet.fab("-R", "-H", fleet.name, "maintenance.on")
    assert fleet.visit("web1").status == 200
    fleet.fab("-H", fleet.name, "maintenance.on", "--message", MESSAGE)
    try:
        for host in ("web1", "web2"):
            for path in ("/", "/static/logbook/style.css"):
                answer = fleet.visit(host, path)
                assert (answer.status, answer.headers["Retry-After"]) == (503, "300")
                assert "Moving to &lt;new&gt; hardware." in answer.body
            assert fleet.visit(host, "/health/").status == 200
        assert "maintenance" in fleet.fab("-H", fleet.name, "status").stdout
        fleet.commit({"during.py": "1"})
        fleet.fab("-H", fleet.name, "deploy")
        assert fleet.visit("web1").status == 503
        assert "nothing changed" in fleet.fab("-H", fleet.name, "maintenance.on", "--message", MESSAGE).stdout
    finally:
        fleet.fab("-H", fleet.name, "maintenance.off")
    assert fleet.visit("web1").status == 200
    assert fleet.visit("web2").status == 200
    assert "maintenance" not in fleet.fab("-H", fleet.name, "status").stdout


@pytest.mark.slow
def test_networks_that_are_allowed_see_the_site_all_the_same(fleet: Fleet) -> None:
    text = fleet.file.read_text()
    network = fleet.address("web1").rpartition(".")[0] + ".0/24"
    allow = f'[site]\nmaintenance = {{ allow = ["{network}"], retry_after = 60 }}\n'
    fleet.file.write_text(text.replace("[site]\n", allow))
    try:
        fleet.fab("-H", fleet.name, "deploy", "maintenance.on")
        assert fleet.visit("web1").status == 200
        answer = fleet.inside("web1", "python3", "-c", STRANGER)
        assert answer.split() == ["503", "60"]
    finally:
        fleet.fab("-H", fleet.name, "maintenance.off")
        fleet.file.write_text(text)
    fleet.fab("-H", fleet.name, "deploy")


def test_a_host_without_a_site_has_nothing_to_close(fleet: Fleet) -> None:
    said = fleet.fab("-H", f"{fleet.name}/data1", "maintenance.on", code=2)
    assert "none of data1 serves a site" in said.stdout + said.stderr


def test_the_variables_of_processes_are_shown_without_their_secrets(fleet: Fleet) -> None:
    said = fleet.fab("-H", fleet.name, "printenv").stdout
    lines = [line.split(" | ", 1)[1] for line in said.splitlines() if line.startswith("web1")]
    assert "DJANGO_SETTINGS_MODULE=harbour.settings" in lines
    assert any(line.startswith("DATABASE_URL=") and "********" in line for line in lines)
    assert not [value for value in fleet.secrets.values() if value in said]
    assert fleet.release("web1") in said
    fleet.fab("-H", fleet.name, "printenv", "--process", "wbe", code=2)

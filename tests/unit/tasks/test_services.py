"""Every service is known to all that speaks of services: one that is added without a part of it fails here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hawser.diagnosis.causes import Cause
from hawser.diagnosis.checks import hosts, network
from hawser.diagnosis.explain import last_words
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.logins import login_name
from hawser.host.ports import Port, exposed, promised
from hawser.inventory import Environment, Services
from hawser.inventory.tables.services.server import Server
from hawser.resources import Absent, Block, Packages, PostgresLogin, Service
from hawser.runner.databases import engines, removal
from hawser.secrets import Secrets, in_file
from hawser.tasks import bootstrap, remove
from hawser.tasks.logs import sources
from hawser.tasks.services import DATABASES, SERVICES
from hawser.tasks.services.moments import AT_ONCE, BACK, BEGIN, BEGIN_ANEW, WAIT
from hawser.tasks.status import HOSTS, HostStatus
from hawser.templates.rendering import Templates

ENVIRONMENT = Environment.model_validate(
    {
        "name": "shop",
        "path": Path("shop.toml"),
        "app": {"name": "shop", "repo": "https://git.example.org/shop.git"},
        "services": {name: {"groups": ["data"]} for name in Services.model_fields},
        "hosts": {"web1": {"groups": ["web"]}, "data1": {"groups": ["data"]}},
    }
)
SERVERS = ENVIRONMENT.services.installed
LISTENING = [name for name, server in SERVERS.items() if server.PORT is not None]

each_service = pytest.mark.parametrize("name", SERVERS)
each_that_listens = pytest.mark.parametrize("name", LISTENING)


@pytest.fixture
def host() -> Host:
    addresses = {"web1": "10.0.0.11", "data1": "10.0.0.21"}
    secrets = Secrets("shop", in_file(Path("shop.env")), {})
    return Host("data1", ENVIRONMENT, secrets, Templates(), addresses, Facts(bootstrapped=True))


def socket_of(server: Server, **differs: Any) -> dict[str, Any]:
    """Return what the runner says of a server that listens on every address."""
    socket = {"address": "0.0.0.0", "port": server.PORT, "program": server.PROGRAM, "unit": f"{server.UNIT}.service"}
    return {**socket, "pid": 7, "pids": [7], **differs}


def counted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows as the runner tells them, with none beyond them."""
    return {"rows": rows, "more": 0}


def failed(units: list[str]) -> dict[str, Any]:
    """Return what the runner says of units that have failed."""
    return counted([{"unit": unit} for unit in units])


def look(host: Host, **says: Any) -> HostStatus:
    """Return what `status` makes of a host."""
    said = {"offset": 0.0, "health": {}, "certificates": {}, "sockets": [], "unmounted": [], **says}
    return HostStatus(host, [], **said)


@each_service
def test_a_service_to_which_nobody_connects_is_the_only_one_without_a_port(name):
    server = SERVERS[name]
    assert server.PORT is not None or not list(server.access())


@each_that_listens
def test_the_port_of_a_service_is_promised_to_its_program(host, name):
    server = SERVERS[name]
    assert server.PORT is not None
    assert Port(server.PORT, name, (server.PROGRAM,), public=False) in promised(host)


@each_that_listens
def test_a_service_that_listens_on_every_address_unasked_is_found(host, name):
    sockets = [socket_of(SERVERS[name])]
    assert exposed(host, sockets) == [(name, SERVERS[name].PORT)]
    found = [each.message for each in network.ports(host, lambda function, **_arguments: counted(sockets))]
    assert found == [f"{name} listens on port {SERVERS[name].PORT} on every address"]


@each_that_listens
def test_a_program_that_has_the_port_of_a_service_is_found_by_check(host, name):
    taken = socket_of(SERVERS[name], program="nc", address="127.0.0.1", unit="")
    (found,) = network.ports(host, lambda function, **_arguments: counted([taken]))
    assert found.message == f"port {SERVERS[name].PORT} of {name} is taken by nc (pid 7, no unit)"


@each_that_listens
def test_status_shows_on_which_port_a_service_listens_or_that_it_does_not(host, name):
    ports = HOSTS.index("ports")
    server = SERVERS[name]
    assert f"{name} {server.PORT}: nobody listens" in look(host).row()[ports].splitlines()
    assert f"{name} {server.PORT}" in look(host, sockets=[socket_of(server)]).row()[ports].splitlines()


@each_that_listens
def test_check_connects_to_a_service_where_it_runs(host, name):
    asked: list[str] = []

    def ask(function: str, places: list[str]) -> dict[str, str]:
        asked.extend(places)
        return {place: "Connection refused" for place in places if place.endswith(f" {SERVERS[name].PORT}")}

    (found,) = network.services(host, ask)
    assert found.message == f"cannot reach {name} on data1 at 127.0.0.1:{SERVERS[name].PORT}: Connection refused"
    assert len(asked) == len(LISTENING)


def units_of(name: str) -> list[str]:
    """Return a service's unit, and an instance of its template."""
    return [f"{SERVERS[name].UNIT}.service", f"{SERVERS[name].UNIT}@main.service"]


@each_service
def test_a_unit_of_a_service_that_failed_is_wrong_to_check(host, name):
    found = list(hosts.units(host, lambda function, **_arguments: failed(units_of(name))))
    assert [each.message for each in found] == [f"{unit} has failed" for unit in units_of(name)]
    assert not any(each.warning for each in found)
    assert {each.next for each in found} == {"fab -H shop/data1 logs --only services"}


@each_service
def test_a_unit_of_a_service_that_failed_makes_status_fail(host, name):
    assert list(look(host, failed_units=[*units_of(name), "motd-news.service"]).troubles()) == [
        f"data1: {unit} has failed; next: fab -H shop/data1 logs --only services" for unit in units_of(name)
    ]


@each_service
def test_a_unit_that_failed_where_the_service_is_not_of_the_settings_is_no_trouble_of_theirs(host, name):
    web = Host("web1", ENVIRONMENT, host.secrets, host.templates, host.addresses, Facts())
    assert all(each.warning for each in hosts.units(web, lambda function, **_arguments: failed(units_of(name))))
    assert list(look(web, failed_units=units_of(name)).troubles()) == []


@each_service
def test_logs_of_a_service_are_shown_when_they_are_asked_for(host, name):
    files = [{"name": name, "pattern": SERVERS[name].LOGS}] if SERVERS[name].LOGS else []
    journal = {"name": name, "units": list(SERVERS[name].units())}
    assert [each for each in sources(host, "", "services") if each["name"] == name] == [*files, journal]
    assert name not in [each["name"] for each in sources(host, "", "")]


@each_service
def test_the_last_words_of_a_service_are_asked_for_when_a_failure_is_explained(name):
    asked: list[Any] = []

    def ask(*question: Any) -> list[str]:
        asked.append(question)
        return ["no"]

    fleet = SimpleNamespace(environment=ENVIRONMENT, lost={}, age=7.0, ask=ask)
    cause = Cause("refused", "it refuses", "look there", service=name)
    assert list(last_words(fleet, cause)) == ["data1 | no"]  # type: ignore[arg-type]
    units = [f"{SERVERS[name].UNIT}.service", f"{SERVERS[name].UNIT}@*.service"]
    assert asked == [("data1", "looks.last_words", {"logs": SERVERS[name].LOGS, "units": units, "seconds": 7.0})]


def test_each_service_of_the_settings_has_its_steps_in_the_order_of_one_list():
    assert set(SERVICES) == set(SERVERS)
    installs = [each.install for each in SERVICES.values()]
    assert [step for step in bootstrap.STEPS if step in installs] == installs
    removals = [each.remove for each in SERVICES.values() if each.remove]
    assert [step for step in remove.REMOVE["services"] if step in removals] == removals


@each_service
def test_a_service_is_installed_and_runs_where_the_settings_want_it(host, name):
    wanted = list(SERVICES[name].install.resources(host))
    assert [each.names for each in wanted if isinstance(each, Packages)] == [SERVERS[name].PACKAGES]
    assert [each.name for each in wanted if isinstance(each, Service)] == [SERVERS[name].UNIT]


def test_each_service_with_databases_has_a_shell_and_is_known_to_backups_restores_and_removal():
    assert set(DATABASES) == set(ENVIRONMENT.services.databases)
    assert set(engines.ENGINES) == set(removal.SERVERS) == {*DATABASES, "sqlite"}


def with_logins(service: str, table: str, logins: bool = True) -> Host:
    """Return a host of a service whose application logs in by a name for each password."""
    entry = {"password": "{{ secrets.P }}", "logins": logins, "clients": ["web"]}
    services = {service: {"groups": ["data"], table: {"shop": entry}}}
    environment = Environment.model_validate(
        {
            "name": "shop",
            "path": Path("shop.toml"),
            "app": {"name": "shop", "repo": "https://git.example.org/shop.git"},
            "env": {"generated": ["P"]},
            "services": services,
            "hosts": {"web1": {"groups": ["web"]}, "data1": {"groups": ["data"]}},
        }
    )
    secrets = Secrets("shop", in_file(Path("shop.env")), {"P": "first-password"})
    addresses = {"web1": "10.0.0.11", "data1": "10.0.0.21"}
    return Host("data1", environment, secrets, Templates(), addresses, Facts(bootstrapped=True))


def kinds(service: str, host: Host, moment: str) -> list[str]:
    """Return what becomes of passwords at a moment."""
    found = SERVICES[service].passwords.given(moment=moment).resources(host)
    return [
        f"{each.kind} {each.alone}" if isinstance(each, PostgresLogin) else each.kind
        for each in found
        if not isinstance(each, Absent)
    ]


def test_a_login_of_postgresql_comes_beside_that_of_before_and_is_alone_at_the_end():
    host = with_logins("postgresql", "databases")
    for moment in (WAIT, BEGIN, BEGIN_ANEW):
        assert kinds("postgresql", host, moment) == ["postgres_login False"]
    assert kinds("postgresql", host, AT_ONCE) == ["postgres_login True"] and kinds("postgresql", host, BACK) == []
    plain = with_logins("postgresql", "databases", logins=False)
    assert kinds("postgresql", plain, BEGIN) == ["postgres_role"]
    # Those that were made when the settings said otherwise go.
    assert kinds("postgresql", plain, AT_ONCE) == ["postgres_role", "postgres_login True"]


@pytest.mark.parametrize(("logins", "role"), [(True, "+shop"), (False, "shop")])
def test_hosts_of_clients_let_all_logins_of_an_owner_in(logins, role):
    host = with_logins("postgresql", "databases", logins)
    (access,) = [each for each in SERVICES["postgresql"].install.resources(host) if isinstance(each, Block)]
    assert access.content == f"host shop {role} 10.0.0.11/32 scram-sha-256"


def test_a_user_of_rabbitmq_for_a_password_comes_beside_that_of_before_and_is_alone_at_the_end():
    host = with_logins("rabbitmq", "users")
    assert kinds("rabbitmq", host, BEGIN) == ["rabbit_access"] and kinds("rabbitmq", host, BACK) == []
    access, logins = SERVICES["rabbitmq"].passwords.given(moment=AT_ONCE).resources(host)
    assert access.user == logins.keep == login_name("shop", "first-password", 255) and logins.user == "shop"


def test_redis_starts_with_the_new_password_as_soon_as_it_is_good_alone():
    environment = ENVIRONMENT.model_copy(
        update={"services": Services.model_validate({"redis": {"groups": ["data"], "password": "{{ secrets.P }}"}})}
    )
    secrets = Secrets("shop", in_file(Path("shop.env")), {"P": "first-password"})
    host = Host("data1", environment, secrets, Templates(), {"web1": "10.0.0.11", "data1": "10.0.0.21"}, Facts())
    assert kinds("redis", host, BEGIN) == ["command"] and kinds("redis", host, AT_ONCE) == ["command", "file"]
    *_, file = SERVICES["redis"].passwords.given(moment=AT_ONCE).resources(host)
    assert 'requirepass "first-password"' in file.content

"""Before anything is touched, a deploy knows whether hosts can take the Python of this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from hawser.errors import HawserError, InputErrors
from hawser.fleet import transfer
from hawser.host import Host
from hawser.host.code import index_question
from hawser.host.facts import Facts
from hawser.host.pythons import local_python as local_python_of
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.tasks import venv
from hawser.templates.rendering import Templates
from tests import local_python

SETTINGS = {
    "name": "shop",
    "app": {"name": "shop", "repo": "."},
    "hosts": {"web1": {}, "web2": {}},
    "processes": {"web": {"command": "serve"}},
}
ADDRESSES = {"web1": "10.0.0.11", "web2": "10.0.0.12"}
SECRETS = Secrets("shop", in_file(Path("shop.env")), {})
LOADERS = "/lib"


class FleetOfTwo:
    """Two hosts that say what lies at a path.

    :param there: the beginnings of the paths that a host has, by its name.
    """

    def __init__(self, environment: Environment, there: dict[str, tuple[str, ...]], machine: str = "x86_64") -> None:
        self.environment, self.there, self.machine = environment, there, machine
        self.names, self.asked = tuple(ADDRESSES), []
        self.connections = SimpleNamespace(
            wires={name: SimpleNamespace(blob_of=self.sent_to(name)) for name in ADDRESSES}
        )
        self.sent = []

    def sent_to(self, host):
        return lambda name, stream, size: self.sent.append((host, name.partition(":")[0], len(stream.read()) == size))

    def facts(self, name):
        return dataclasses.replace(Facts(), machine=self.machine)

    def host(self, name, release=None):
        environment = release.environment if release else self.environment
        return Host(name, environment, SECRETS, Templates(), ADDRESSES, self.facts(name), release)

    def subset(self, names):
        found = FleetOfTwo(self.environment, self.there, self.machine)
        found.names, found.asked = tuple(names), self.asked
        return found

    def ask(self, name, function, arguments):
        self.asked.append(name)
        has = self.there.get(name, ())
        return {path: "folder" if path.startswith(has) and has else "" for path in arguments["paths"]}

    def ask_all(self, function, arguments):
        return {name: self.ask(name, function, arguments) for name in self.names}


@pytest.fixture
def settings(tmp_path):
    """Settings that name a Python beside them."""
    local_python.packed(tmp_path / "python.tar.gz")
    path = tmp_path / "hosts" / "shop.toml"

    def settings(**python: str) -> Environment:
        tables = {"upload": "python.tar.gz", **python}
        return Environment.model_validate({**SETTINGS, "path": path, "python": tables})

    return settings


def release(environment: Environment) -> Release:
    return Release.of("1" * 40, environment, Templates(), SECRETS, ADDRESSES)


HAS = ("/lib", "/srv/shop/pythons/")


def test_hosts_that_have_it_are_asked_once_and_get_nothing(settings):
    fleet = FleetOfTwo(settings(), {"web1": HAS, "web2": HAS})
    wanted = release(settings())
    venv.require_interpreter(fleet, wanted)
    assert fleet.asked == ["web1", "web2"]
    (brought, link) = venv.python.resources(fleet.host("web1", wanted))
    transfer.send_python(fleet, "web1", brought)
    assert not fleet.sent
    assert (
        link.path == f"/srv/shop/releases/{wanted.id}/python" and link.target == f"../../pythons/{brought.sha256[:16]}"
    )


def test_a_host_that_lacks_it_gets_it(settings):
    fleet = FleetOfTwo(settings(), {"web1": HAS, "web2": (LOADERS,)})
    venv.require_interpreter(fleet, release(settings()))
    brought = next(iter(venv.python.resources(fleet.host("web2", release(settings())))))
    transfer.send_python(fleet, "web2", brought)
    assert fleet.sent == [("web2", brought.sha256, True)]


@pytest.mark.parametrize(
    ("there", "machine", "said"),
    [((LOADERS,), "aarch64", "and the host is aarch64"), ((), "x86_64", "which the host has not")],
)
def test_all_hosts_that_cannot_take_it_are_named_before_anything_is_touched(settings, there, machine, said):
    fleet = FleetOfTwo(settings(), {"web1": there, "web2": there}, machine)
    with pytest.raises(HawserError) as refused:
        venv.require_interpreter(fleet, release(settings()))
    text = str(refused.value)
    assert "shop.toml: python.upload is 'python.tar.gz'; nothing was touched" in text
    assert all(f"{name}: it is for " in text and said in text for name in ADDRESSES)


def test_a_version_that_contradicts_the_settings_is_refused_where_hosts_have_it_too(settings):
    today = settings(interpreter="3.99")
    with pytest.raises(InputErrors, match=r"python\.interpreter is '3\.99'"):
        venv.require_interpreter(FleetOfTwo(today, {"web1": HAS, "web2": HAS}), release(today))


def test_nothing_of_this_machine_is_sent_for_the_word_of_a_host(settings, tmp_path):
    wanted = release(settings())
    (tmp_path / "python.tar.gz").unlink()
    today = settings().model_copy(update={"python": Environment.model_fields["python"].default})
    for fleet in (FleetOfTwo(today, {}), FleetOfTwo(today, {"web1": HAS, "web2": (LOADERS,)})):
        with pytest.raises(HawserError, match="hosts lack the Python that the release was made with"):
            venv.require_interpreter(fleet, wanted)


def test_settings_without_one_ask_nothing(settings):
    today = settings().model_copy(update={"python": Environment.model_fields["python"].default})
    fleet = FleetOfTwo(today, {})
    venv.require_interpreter(fleet, release(today))
    assert not fleet.asked and not list(venv.python.resources(fleet.host("web1", release(today))))


@pytest.mark.parametrize(("key", "value"), [("conda", "environment.yml"), ("mirror", "https://files.test")])
def test_it_stands_beside_no_other_source_of_a_python(key, value, tmp_path):
    from hawser.inventory import read_environment

    path = tmp_path / "shop.toml"
    path.write_text(f'[app]\nname="shop"\nrepo="."\n[python]\nupload="p"\n{key}="{value}"\n[hosts.web1]\n')
    with pytest.raises(InputErrors, match=f"cannot be used beside python.{key}"):
        read_environment(path)
    path.write_text(
        '[app]\nname="shop"\nrepo="."\n[python]\nupload="p"\ninterpreter="/usr/bin/python3"\n[hosts.web1]\n'
    )
    with pytest.raises(InputErrors, match="is a path, and python"):
        read_environment(path)


def test_a_package_is_looked_up_for_the_python_that_comes_with_the_release(settings):
    environment = settings()
    host = FleetOfTwo(environment, {}).host("web1")
    here = local_python_of(environment)
    assert here is not None and index_question(host, "1.0")["target"] == here.about.version != ""

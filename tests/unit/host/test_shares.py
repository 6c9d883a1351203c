"""What a host exports, mounts and needs, as the settings say it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hawser.host import Host, shares
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.templates.rendering import Templates

ADDRESSES = {"data1": "10.0.0.21", "web1": "10.0.0.11", "web2": "2001:db8::12"}
HOSTS = {"data1": {"groups": ["data"]}, "web1": {"groups": ["web"]}, "web2": {"groups": ["web"]}}


def make(name: str, **media: Any) -> Host:
    tables = {"name": "shop", "path": Path("shop.toml"), "app": {"name": "shop", "repo": "."}, "hosts": HOSTS}
    tables["shares"] = {"media": {"path": "/srv/media", **media}}
    environment = Environment.model_validate(tables)
    return Host(name, environment, Secrets("shop", in_file(Path("shop.env")), {}), Templates(), ADDRESSES)


def mount(host: Host) -> dict[str, str]:
    found = shares.mount_of(host, "media", host.environment.shares["media"])
    return {key: found[key] for key in ("What", "Type", "Options")}


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="needs systemd-escape")
@pytest.mark.parametrize("path", ["/srv/media", "/srv/a-b/.c/d_e:f", "/.hidden/x", "/srv/a.b--c"])
def test_a_mount_unit_is_named_as_systemd_names_it(path):
    said = subprocess.run(["systemd-escape", "-p", "--suffix=mount", path], capture_output=True, text=True, check=True)
    assert shares.unit_name(path) == said.stdout.strip()


def test_the_server_exports_a_share_to_hosts_that_need_it():
    host = make("data1", server="data", clients=["web"])
    share = host.environment.shares["media"]
    assert list(shares.served(host)) == ["media"] and not shares.served(make("web1", server="data"))
    assert shares.clients_of(host, share) == ["10.0.0.11", "2001:db8::12"]


def test_a_client_mounts_from_the_servers_address():
    assert mount(make("web1", server="data1")) == {
        "What": "10.0.0.21:/srv/shares/media",
        "Type": "nfs4",
        "Options": "",
    }
    assert mount(make("web1", server="web2"))["What"] == "[2001:db8::12]:/srv/shares/media"


def test_the_server_of_a_share_needs_no_network_itself():
    host = make("data1", server="data", folder="/data/media", options="noatime")
    assert mount(host) == {"What": "/data/media", "Type": "none", "Options": "bind"}
    assert shares.clients_of(host, host.environment.shares["media"]) == ["10.0.0.11", "2001:db8::12"]


def test_a_share_of_another_server_is_mounted_as_it_is_written():
    assert mount(make("web1", source="nas:/media", options="ro"))["What"] == "nas:/media"


def test_a_share_that_somebody_else_mounts_is_needed_and_not_mounted():
    host = make("web1", clients=["web"])
    assert shares.required(host) == ["/srv/media"] and shares.units(host) == ["srv-media.mount"]
    assert not shares.mounted(host)
    assert not shares.required(make("data1", clients=["web"]))

"""What `certs.place` wants: the files that fit, a loud stand-in where that is allowed, and the restarts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.certificates.requests import orders
from hawser.host import Host
from hawser.host.certificates import local_file
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.resources import File, Notice, OnlyPlaced, Resource, Running, SelfSigned
from hawser.secrets import Secrets, in_file
from hawser.tasks import certs
from hawser.templates.rendering import TemplateError, Templates

from ..certificates.test_provided import DAY, NOW, make

OWN = {"certificate": "{{ host.name }}.crt", "key": "{{ host.name }}.key", "names": ["{{ host.name }}.test"]}
RELEASE = "1111111111-aaaaaaaa"


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Host]:
    def host(
        certificates: dict[str, Any] | None = None, site: dict[str, Any] | None = None, release: str = "", **facts: Any
    ) -> Host:
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": tmp_path / "shop.toml",
                "app": {"name": "shop", "repo": ".", "user": "clerk"},
                "processes": {"web": {"command": "shop --port {{ port }}", "port": 8000}},
                "site": site,
                "certificates": certificates or {},
                "hosts": {"web1": {"groups": ["web"]}, "web2": {"groups": ["web"]}},
            }
        )
        at_stake = Release(release, "1" * 40, environment, Templates()) if release else None
        held = Secrets("shop", in_file(tmp_path / "shop.env"), {})
        said = Facts(**facts)
        addresses = {"web1": "10.0.0.1", "web2": "10.0.0.2"}
        return Host("web1", environment, held, Templates(), addresses, said, at_stake)

    return host


def runs(release: str = RELEASE, active: bool = True) -> dict[str, Any]:
    own = {"unit": "shop-web", "process": "web", "manager": "systemd"}
    row = {**own, "release": release, "inputs": "", "active": active}
    return {"processes": [row], "current": release}


def wanted(host: Host, kind: type[Resource]) -> list[Any]:
    return [each for each in certs.place.resources(host) if isinstance(each, kind)]


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., None]:
    def files(**changes: Any) -> None:
        root = make("root", ())
        pair = make(**{"issuer": root, "names": ["web1.test"], "ends": NOW + 90 * DAY, **changes})
        (tmp_path / "web1.crt").write_text(pair.pem)
        (tmp_path / "web1.key").write_text(pair.key)
        (tmp_path / "root.crt").write_text(root.pem)

    return files


def test_certificate_key_and_chain_go_into_the_folder_and_only_the_owner_reads_the_key(host, files, tmp_path):
    files()
    mine = host({"web": {**OWN, "chain": "root.crt", "files": {"key": "private.pem"}}})
    assert [(each.path, each.mode, each.owner) for each in wanted(mine, File)] == [
        ("/srv/shop/certs/web.crt", 0o644, "root"),
        ("/srv/shop/certs/private.pem", 0o600, "clerk"),
        ("/srv/shop/certs/web-chain.crt", 0o644, "root"),
    ]
    assert wanted(mine, File)[1].content == (tmp_path / "web1.key").read_text()
    assert wanted(mine, OnlyPlaced)[0].paths == tuple(each.path for each in wanted(mine, File))
    assert not wanted(mine, Notice)
    assert mine.text("{{ certificates.web.key }}", "x") == "/srv/shop/certs/private.pem"


def test_nothing_is_left_of_a_certificate_that_the_settings_no_longer_name(host):
    assert [each.paths for each in wanted(host(), OnlyPlaced)] == [()]


def test_a_certificate_that_is_missing_is_named_with_the_next_move(host):
    with pytest.raises(TemplateError) as caught:
        wanted(host({"web": OWN}), File)
    assert str(caught.value.problem) == (
        "shop.toml: certificates.web.certificate: web1.crt: No such file or directory "
        "(fab -H shop certs.request makes a key and what is to be signed)"
    )


def test_a_certificate_that_does_not_fit_is_named(host, files):
    files(names=["other.test"])
    with pytest.raises(TemplateError, match=r"certificates.web.certificate: is not for web1.test"):
        wanted(host({"web": {**OWN, "chain": "root.crt"}}), File)
    files()
    with pytest.raises(TemplateError, match=r"certificates.web.chain: does not complete"):
        wanted(host({"web": OWN}), File)


def test_a_kept_release_says_nothing_of_which_files_of_this_machine_are_read(host, files, tmp_path):
    files()
    (tmp_path / "web2.crt").write_text("of another")
    setting = {"web": {**OWN, "certificate": "{{ vars.own }}.crt", "chain": "root.crt"}}
    today = host(setting)
    today = dataclasses.replace(today, environment=today.environment.model_copy(update={"vars": {"own": "web1"}}))
    kept = today.environment.model_copy(update={"vars": {"own": "web2"}})
    mine = dataclasses.replace(today, environment=kept, today=today)
    assert wanted(mine, File)[0].content == (tmp_path / "web1.crt").read_text()
    with pytest.raises(TemplateError, match=r"site.acme.ca: the settings name no file here"):
        local_file(mine, "site.acme.ca")


def test_a_self_signed_certificate_stands_in_loudly_where_it_is_allowed(host, files):
    setting = {"web": {**OWN, "chain": "root.crt", "fallback": "self-signed"}}
    mine = host(setting)
    made = wanted(mine, SelfSigned)[0]
    assert (made.certificate, made.key, made.chain) == (
        "/srv/shop/certs/web.crt",
        "/srv/shop/certs/web.key",
        "/srv/shop/certs/web-chain.crt",
    )
    assert (made.names, made.owner) == (("web1.test",), "clerk")
    said = wanted(mine, Notice)[0].text
    assert said.startswith("certificates.web: its certificate web1.crt: No such file or directory; a SELF-SIGNED")
    files(names=["other.test"])
    assert "its certificate is not for web1.test" in wanted(mine, Notice)[0].text
    files()
    assert not wanted(mine, SelfSigned)
    assert not wanted(mine, Notice)


def test_the_site_may_have_a_self_signed_certificate_as_well(host):
    site = {"domains": ["shop.test"], "tls": "files", "certificate": "a.crt", "key": "a.key"}
    with pytest.raises(TemplateError, match=r"site.certificate: a.crt"):
        wanted(host(site=site), SelfSigned)
    mine = host(site={**site, "fallback": "self-signed"})
    assert [each.names for each in wanted(mine, SelfSigned)] == [("shop.test",)]
    assert "SELF-SIGNED certificate for shop.test" in wanted(mine, Notice)[0].text


def test_where_browsers_use_https_alone_no_certificate_has_signed_itself(host, files):
    site = {"domains": ["web1.test"], "tls": "files", "certificate": "web1.crt", "key": "web1.key"}
    alone = {**site, "hsts": {"days": 7}}
    files()
    assert wanted(host(site=alone), File)
    files(issuer=None)
    with pytest.raises(TemplateError, match=r"site.hsts: .*web1.crt has signed itself"):
        wanted(host(site=alone), File)
    assert wanted(host(site=site), File)


def test_a_certificate_that_ends_soon_is_spoken_of(host, files):
    files(ends=NOW + 5 * DAY)
    mine = host({"web": {**OWN, "chain": "root.crt"}})
    assert wanted(mine, Notice)[0].text == "certificates.web: the certificate expires in 4 days"
    assert wanted(mine, File)


class TestRestarts:
    @pytest.fixture
    def restarted(self, host, files):
        files()
        setting = {"web": {**OWN, "chain": "root.crt", "restart": ["web"]}}
        return lambda **more: [each.unit for each in wanted(host(setting, **more), Running)]

    def test_a_process_that_runs_is_restarted_when_its_certificate_changes(self, restarted, host):
        assert restarted(**runs()) == ["shop-web"]
        assert restarted(release=RELEASE, **runs()) == ["shop-web"]

    def test_a_process_that_a_switch_replaces_is_not_restarted_for_its_certificate(self, restarted):
        assert restarted(release="2222222222-bbbbbbbb", **runs()) == []

    def test_a_process_that_somebody_has_stopped_is_not_started_for_its_certificate(self, restarted):
        assert restarted(**runs(active=False)) == []

    def test_no_process_is_restarted_for_its_certificate_before_the_first_deploy(self, restarted):
        assert restarted() == []


def test_a_certificate_that_several_hosts_share_is_ordered_once_for_all_names(host):
    shared = {**OWN, "certificate": "all.crt", "key": "all.key"}
    site = {"domains": ["shop.test"], "tls": "files", "certificate": "site.crt", "key": "site.key"}
    first = host({"web": shared, "own": {**OWN, "names": ["own.test"]}}, site)
    hosts = [first, Host("web2", first.environment, first.secrets, first.templates, first.addresses)]
    assert [(order.request.name, order.names) for order in orders(hosts)] == [
        ("site.csr", ("shop.test",)),
        ("all.csr", ("web1.test", "web2.test")),
        ("web1.csr", ("own.test",)),
        ("web2.csr", ("own.test",)),
    ]

"""Certificates of an ACME server, as steps want them of a host: asked for on port 80, and in DNS."""

from __future__ import annotations

import dataclasses

import pytest

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.resources import Absent, AcmeCertificate, AcmeLink, File, Packages
from hawser.secrets import Secrets, in_file
from hawser.tasks import acme, bootstrap
from hawser.tasks.webservers import WEB_SERVERS
from hawser.templates.rendering import TemplateError, Templates

ADDRESSES = {"web1": "10.0.0.1", "web2": "2001:db8::2", "data1": "10.0.0.3"}
CREDENTIALS = {"server": "192.0.2.53", "name": "shop", "secret": "{{ secrets.DNS_KEY }}"}
DNS = {"dns": {"plugin": "rfc2136", "credentials": CREDENTIALS}}


@pytest.fixture
def host(tmp_path):
    """Return a host of a site on two, with the secrets that credentials name."""

    def host(acme=None, key="abc=", name="web1", **site):
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": tmp_path / "shop.toml",
                "app": {"name": "my-shop", "repo": "."},
                "processes": {"web": {"command": "gunicorn shop.wsgi --bind unix:{{ socket }}"}},
                "site": {"groups": ["web"], "domains": ["shop.test"], "tls": "acme", "acme": acme or {}, **site},
                "hosts": {"web1": {"groups": ["web"]}, "web2": {"groups": ["web"]}, "data1": {"groups": ["data"]}},
            }
        )
        templates = Templates()
        release = Release("1111111111-aaaaaaaa", "1" * 40, environment, templates)
        secrets = Secrets("shop", in_file(tmp_path), {"DNS_KEY": key})
        return Host(name, environment, secrets, templates, ADDRESSES, Facts(), release)

    return host


def page_of(host: Host) -> str:
    """Return the configuration of the site."""
    site = host.environment.site
    assert site is not None
    files = [each for each in WEB_SERVERS[site.server].install.resources(host) if isinstance(each, File)]
    return files[-1].content


def certificate_of(host: Host) -> AcmeCertificate:
    (found,) = (each for each in acme.issue.resources(host) if isinstance(each, AcmeCertificate))
    return found


def test_a_host_hands_a_question_without_an_answer_to_the_others_of_the_site_and_no_further(host):
    page = page_of(host(listen=8080))
    upstream = "upstream my-shop__challenges {\n    server [2001:db8::2]:8080 max_fails=0;\n}"
    assert upstream in page and "10.0.0.3" not in page
    assert "try_files $uri @challenges;" in page
    assert "if ($http_x_hawser_challenge) {\n            return 404;" in page
    alone = page_of(host(groups=["data"], name="data1"))
    assert "acme-challenge" in alone and "@challenges" not in alone and "upstream my-shop__" not in alone


def test_a_question_in_dns_is_none_for_the_web_server(host):
    for server in ("nginx", "apache"):
        page = page_of(host(DNS, server=server))
        assert "acme-challenge" not in page and "/srv/my-shop/ssl/acme/fullchain.pem" in page


def test_apache_shows_the_answers_of_certbot_before_it_leads_to_https(host):
    page = page_of(host(server="apache", groups=["data"], name="data1"))
    folder = "/srv/my-shop/acme/.well-known/acme-challenge/"
    assert f'Alias "/.well-known/acme-challenge/" "{folder}"' in page
    assert page.index('"^/\\.well-known/acme-challenge/" - [L]') < page.index("[R=301,NE,L]")
    assert 'SSLCertificateFile "/srv/my-shop/ssl/acme/fullchain.pem"' in page


def test_the_credentials_are_a_file_that_root_alone_reads_and_go_with_the_plugin(host):
    (file,) = (each for each in acme.issue.resources(host(DNS)) if isinstance(each, File) and "dns" in each.path)
    assert (file.path, file.mode, file.owner, file.opaque) == (
        "/var/lib/hawser/my-shop/acme-dns.ini",
        0o600,
        "root",
        True,
    )
    assert file.content.splitlines()[1:] == [
        'dns_rfc2136_server = "192.0.2.53"',
        'dns_rfc2136_name = "shop"',
        'dns_rfc2136_secret = "abc="',
    ]
    wanted = certificate_of(host(DNS))
    assert (wanted.webroot, wanted.plugin, wanted.credentials) == ("", "rfc2136", file.path)
    assert "TXT records of _acme-challenge.shop.test, then: fab -H shop certs.issue" in wanted.hint

    without = [*acme.issue.resources(host())]
    gone = [each.path for each in without if isinstance(each, Absent)]
    assert file.path in gone and "/srv/my-shop/acme" not in gone
    assert file.path in [each.path for each in acme.remove.resources(host(DNS)) if isinstance(each, Absent)]


def test_bootstrap_brings_the_plugin(host):
    def names(**more):
        return next(each.names for each in bootstrap.packages.resources(host(**more)) if isinstance(each, Packages))

    assert "certbot" in names() and not [each for each in names() if "dns" in each]
    assert "python3-certbot-dns-rfc2136" in names(acme=DNS)
    assert "certbot" not in names(tls="self-signed")


def test_a_credential_that_its_file_cannot_carry_is_refused_with_its_key_and_without_its_value(host):
    with pytest.raises(TemplateError) as caught:
        [*acme.issue.resources(host(DNS, key="hidden\n"))]
    assert caught.value.problem.key == "site.acme.dns.credentials.secret"
    assert "newline" in str(caught.value) and "hidden" not in str(caught.value)


def test_credentials_speak_of_today_whatever_release_comes(host):
    def of(said):
        there = host({"dns": {**DNS["dns"], "credentials": {**CREDENTIALS, "name": "{{ vars.key }}"}}})
        environment = there.environment.model_copy(update={"vars": {"key": said}})
        return dataclasses.replace(there, environment=environment)

    kept = dataclasses.replace(of("a host's word"), today=of("today"))
    (file,) = (each for each in acme.issue.resources(kept) if isinstance(each, File) and "dns" in each.path)
    assert 'dns_rfc2136_name = "today"' in file.content


def test_a_name_with_a_star_has_a_certificate_beside_that_of_the_same_name_without(host):
    both = [host({**DNS}, domains=[name]) for name in ("*.shop.test", "shop.test")]
    assert [certificate_of(each).name for each in both] == ["_.shop.test", "shop.test"]
    (link,) = (each for each in acme.link(both[0]) if isinstance(each, AcmeLink))
    assert link.name == "_.shop.test"
    (hook,) = (each for each in acme.issue.resources(both[0]) if isinstance(each, File) and "hook" in each.path)
    assert "= _.shop.test ] || exit 0" in hook.content


def test_the_advice_names_all_hosts_that_the_acme_server_may_ask(host):
    assert "have shop.test lead to web1, web2, port 80 open there to each other as well" in certificate_of(host()).hint

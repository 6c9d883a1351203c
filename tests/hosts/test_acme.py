"""Certificates of a real ACME server for a site on two hosts: asked for on port 80, and in the DNS of a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from hawser.formats import credentials_value
from hawser.inventory.tables.acme import PLUGINS

from .conftest import Fleet, own_environment, wait_for
from .pebble import PEBBLE

SERVER = "https://acme.test:14000/dir"
SETTINGS = """
[app]
name = "moor"
repo = "{repository}"

[env]
required = ["DNS_KEY"]

[site]
groups = ["web"]
domains = ["moor.test"]
tls = "acme"
static = {{ "/" = "pages" }}

[site.acme]
server = "https://acme.test:14000/dir"

[hosts.web1]
sandbox = true
groups = ["web"]

[hosts.web2]
sandbox = true
groups = ["web"]
"""
DNS = """
[site.acme.dns]
plugin = "rfc2136"
propagation = 1

[site.acme.dns.credentials]
server = "{address}"
name = "moor-key"
secret = "{{{{ secrets.DNS_KEY }}}}"
algorithm = "HMAC-SHA512"
"""
HOSTS = ("web1", "web2")
CREDENTIALS = "/var/lib/hawser/moor/acme-dns.ini"
KEY = "c2FpZCBieSBub2JvZHkgZWxzZSBidXQgdGhlIGhvc3RzIG9mIG1vb3IudGVzdA=="
# A name server whose only name leads to the first host, and whose key may write two records and nothing else.
NAMES = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null; apt-get install -q -y --no-install-recommends bind9 nftables >/dev/null
cat > /etc/bind/named.conf.local <<END
key "moor-key" { algorithm hmac-sha512; secret "$2"; };
zone "moor.test" {
    type primary; file "/var/lib/bind/moor.test";
    update-policy { grant moor-key name _acme-challenge.moor.test. TXT; };
};
END
cat > /var/lib/bind/moor.test <<END
\$TTL 1
@ SOA ns root 1 3600 600 86400 1
@ NS ns
@ A $1
ns A $1
END
chown bind: /var/lib/bind/moor.test
cat > /etc/bind/named.conf.options <<END
options { directory "/var/cache/bind"; recursion no; dnssec-validation no; listen-on { any; }; };
END
systemctl restart named
"""


# Has a plugin read its file, as it does before it asks its service for anything.
READ = """
import importlib, sys
from types import SimpleNamespace
plugin, path = sys.argv[1:]
module = importlib.import_module(f"certbot_dns_{plugin}._internal.dns_{plugin}")
settings = SimpleNamespace(**{f"dns_{plugin}_credentials": path}, noninteractive_mode=True)
module.Authenticator(settings, f"dns-{plugin}")._setup_credentials()
"""


@pytest.fixture(scope="module")
def moor() -> Iterator[Fleet]:
    with own_environment(
        "moor", SETTINGS, {"pages/index.html": "the moor\n", "requirements.txt": ""}, {"DNS_KEY": KEY}
    ) as fleet:
        first = fleet.address("web1")
        fleet.inside("web1", "bash", "-c", NAMES, "bash", first, KEY)
        fleet.inside("web1", "bash", "-c", PEBBLE, "bash", first, f"{first}:53")
        fleet.inside("web2", "sh", "-c", f"echo '{first} acme.test' >> /etc/hosts")
        (fleet.hosts / "acme-ca.pem").write_text(fleet.inside("web1", "cat", "/etc/pebble/ca.pem"))
        write(fleet, "[site.acme]", '[site.acme]\nca = "acme-ca.pem"')
        fleet.fab("-H", "moor", "bootstrap", "deploy")
        yield fleet


def shown(fleet: Fleet, host: str) -> tuple[str, str, str]:
    """Return issuer, serial number and names of the certificate that a visitor of a host gets."""
    script = (
        "echo | openssl s_client -connect 127.0.0.1:443 -servername moor.test 2>/dev/null"
        " | openssl x509 -noout -issuer -serial -ext subjectAltName"
    )
    said = fleet.inside(host, "sh", "-c", script)
    names = ", ".join(sorted(re.findall(r"DNS:(\S+?)(?:,|\s|$)", said)))
    return re.findall("issuer=(.*)", said)[0], re.findall("serial=(.*)", said)[0], names


def renew(fleet: Fleet, host: str) -> bool:
    """Renew as certbot's own timer does; tells whether the ACME server gave a certificate."""
    script = "certbot renew -q --force-renewal --no-random-sleep-on-renew >/dev/null 2>&1 && echo done"
    return "done" in fleet.inside(host, "sh", "-c", script, check=False)


def renewed(fleet: Fleet, host: str) -> None:
    """Have a host renew, which changes nothing on the other one, and have its web server take the new one up."""
    before = {each: shown(fleet, each)[1] for each in HOSTS}
    assert renew(fleet, host)
    wait_for("the new certificate", lambda: shown(fleet, host)[1] != before[host])
    assert {each for each in HOSTS if shown(fleet, each)[1] != before[each]} == {host}
    assert "Pebble" in shown(fleet, host)[0]
    assert fleet.visit(host, "/index.html", domain="moor.test").body == "the moor\n"


def write(fleet: Fleet, old: str, new: str) -> None:
    assert old in fleet.text
    fleet.file.write_text(fleet.text.replace(old, new))


def ask_in_dns(fleet: Fleet) -> None:
    """Have the ACME server ask in DNS, for a name with a star as well; a run of slow tests alone begins with that."""
    if "[site.acme.dns]" not in fleet.text:
        write(fleet, 'domains = ["moor.test"]', 'domains = ["moor.test", "*.moor.test"]')
        write(fleet, "[hosts.web1]", DNS.format(address=fleet.address("web1")) + "\n[hosts.web1]")


def test_each_of_two_hosts_gets_a_certificate_of_its_own_though_the_name_leads_to_one(moor: Fleet) -> None:
    found = {host: shown(moor, host) for host in HOSTS}
    assert all("Pebble" in issuer for issuer, _serial, _names in found.values()), found
    assert len({serial for _issuer, serial, _names in found.values()}) == 2
    key = ("sha256sum", "/srv/moor/ssl/acme/privkey.pem")
    assert moor.inside("web1", *key) != moor.inside("web2", *key)
    assert {each["status"] for each in moor.events("-H", "moor", "certs.issue") if each["t"] == "event"} == {"ok"}
    assert "ACME server" not in moor.fab("-H", "moor", "check", code=None).stdout


@pytest.mark.parametrize("host", HOSTS)
def test_each_host_renews_its_own_certificate_by_itself(moor: Fleet, host: str) -> None:
    renewed(moor, host)


def test_an_answer_that_no_host_has_is_asked_for_once_of_each(moor: Fleet) -> None:
    path = "/.well-known/acme-challenge/nothing"
    assert moor.visit("web1", path, "http", "moor.test").status == 404
    # What says that it was asked already, is not asked further.
    for said, times in (({}, 1), ({"X-Hawser-Challenge": "passed-on"}, 0)):
        moor.inside("web2", "sh", "-c", ": > /var/log/nginx/access.log")
        assert moor.visit("web1", path, "http", "moor.test", **said).status == 404
        assert moor.inside("web2", "cat", "/var/log/nginx/access.log").count("acme-challenge") == times


def test_a_host_that_cannot_renew_serves_on_with_what_it_has_and_check_says_why(moor: Fleet) -> None:
    before, closed = shown(moor, "web2"), f"ip daddr {moor.address('web2')} tcp dport 80"
    wall = f"table ip wall {{ chain out {{ type filter hook output priority 0; {closed} drop; }}; }}"
    moor.inside("web1", "nft", wall)
    try:
        assert not renew(moor, "web2")
        assert shown(moor, "web2") == before
        assert moor.visit("web2", "/index.html", domain="moor.test").body == "the moor\n"
        said = moor.fab("-H", "moor", "check", code=1).stdout
        assert f"cannot reach web2 at {moor.address('web2')}:80, where the answer to the ACME server may lie" in said
    finally:
        moor.inside("web1", "nft", "delete table ip wall")
    renewed(moor, "web2")


def test_with_the_question_in_dns_names_may_have_a_star_and_the_key_is_roots(moor: Fleet) -> None:
    ask_in_dns(moor)
    moor.fab("-H", "moor", "bootstrap", "deploy")
    for host in HOSTS:
        assert shown(moor, host)[0::2] == (shown(moor, host)[0], "*.moor.test, moor.test")
        assert "Pebble" in shown(moor, host)[0]
        assert moor.inside(host, "stat", "-c", "%a %U %G", CREDENTIALS).split() == ["600", "root", "root"]
        assert "acme-challenge" not in moor.inside(host, "cat", "/etc/nginx/sites-enabled/moor.conf")
    assert {each["status"] for each in moor.events("-H", "moor", "certs.issue") if each["t"] == "event"} == {"ok"}
    assert moor.drifted() == []
    for host in HOSTS:
        renewed(moor, host)


def test_certbots_reader_of_credentials_gives_every_value_back(moor: Fleet) -> None:
    values = ["", "abc=", "a, b # c", "it's", 'say "hi"', " %s 100% %(x) $x ${x} \\ ", "ü = [x]", "'''", "# ; ="]
    lines = "".join(f"key_{number} = {credentials_value(value)}\n" for number, value in enumerate(values))
    script = "import configobj, json, sys; open('/tmp/x.ini', 'w').write(sys.argv[1]); "
    script += "print(json.dumps([*configobj.ConfigObj('/tmp/x.ini').values()]))"
    assert json.loads(moor.inside("web1", "python3", "-X", "utf8", "-c", script, lines)) == values


def test_a_key_that_the_name_server_refuses_is_a_warning_and_the_site_goes_on(moor: Fleet) -> None:
    before = {host: shown(moor, host) for host in HOSTS}
    file = moor.hosts / "moor.env"
    text = file.read_text()
    file.write_text(text.replace(KEY, "d3Jvbmc="))
    write(moor, 'domains = ["moor.test", "*.moor.test"]', 'domains = ["*.moor.test", "moor.test"]')
    try:
        said = moor.fab("-H", "moor", "deploy").stdout
        assert "d3Jvbmc=" not in said
        assert re.search(
            r"warning .*no certificate for \*.moor.test, moor.test from .*signature.*; what is there", said
        )
        assert "TXT records of _acme-challenge.moor.test, then: fab -H moor certs.issue" in said
        assert not renew(moor, "web1")
        # It has the name of another first domain, and serves on.
        assert {host: shown(moor, host) for host in HOSTS} == before
    finally:
        file.write_text(text)
    moor.fab("-H", "moor", "deploy")
    assert all(shown(moor, host)[1] != before[host][1] for host in HOSTS)


@pytest.mark.slow
def test_apache_has_certificates_of_an_acme_server_in_both_ways(moor: Fleet) -> None:
    ask_in_dns(moor)
    write(moor, "[site]\n", '[site]\nserver = "apache"\n')
    moor.fab("-H", "moor", "bootstrap", "deploy")
    for host in HOSTS:
        assert "Pebble" in shown(moor, host)[0]
        renewed(moor, host)
    # On port 80, on one host.
    moor.file.write_text(re.sub(r"\[site\.acme\.dns\].*?(?=\[hosts)", "", moor.text, flags=re.DOTALL))
    moor.file.write_text(re.sub(r"domains = .*", 'domains = ["moor.test"]', moor.text))
    write(moor, '[site]\nserver = "apache"\ngroups = ["web"]', '[site]\nserver = "apache"\ngroups = ["first"]')
    write(moor, '[hosts.web1]\nsandbox = true\ngroups = ["web"]', '[hosts.web1]\nsandbox = true\ngroups = ["first"]')
    moor.fab("-H", "moor", "deploy")
    assert "Pebble" in shown(moor, "web1")[0]
    assert shown(moor, "web1")[2] == "moor.test"
    assert renew(moor, "web1")
    missing = moor.visit("web1", "/.well-known/acme-challenge/nothing", "http", "moor.test")
    assert missing.status == 404
    assert moor.visit("web1", "/x", "http", "moor.test").headers["Location"] == "https://moor.test/x"


@pytest.mark.slow
def test_nothing_of_it_is_left_without_it_in_the_settings(moor: Fleet) -> None:
    moor.file.write_text(re.sub(r'tls = "acme"\n|\[site\.acme[^\n]*\].*?(?=\[hosts)', "", moor.text, flags=re.DOTALL))
    moor.fab("-H", "moor", "deploy")
    for host in HOSTS:
        left = "find /etc/letsencrypt/live /etc/letsencrypt/renewal /etc/letsencrypt/renewal-hooks /srv/moor/acme"
        left += " /srv/moor/ssl/acme /var/lib/hawser/moor/acme-dns.ini -name '*moor*' -o -name 'acme*'"
        assert moor.inside(host, "sh", "-c", f"{left} 2>/dev/null", check=False).split() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "way"), [(name, way) for name, each in PLUGINS.items() for way in each.needs if way]
)
def test_a_plugin_takes_the_credentials_that_it_needs_and_no_fewer(
    moor: Fleet, plugin: str, way: Sequence[str]
) -> None:
    package = (
        f"DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-certbot-dns-{plugin}"
    )
    moor.inside("web1", "sh", "-c", f"{package} >/dev/null")
    values = {"server": "192.0.2.53", "algorithm": "HMAC-SHA512", "endpoint": "ovh-eu", "port": "53", "version": "4"}

    def taken(keys: Sequence[str]) -> bool:
        lines = "".join(f"dns_{plugin}_{key} = {credentials_value(values.get(key, 'YWJj'))}\n" for key in keys)
        moor.inside("web1", "sh", "-c", 'umask 077; printf %s "$1" > /tmp/credentials.ini', "sh", lines)
        script = 'python3 -c "$1" "$2" /tmp/credentials.ini >/dev/null 2>&1 && echo taken'
        return "taken" in moor.inside("web1", "sh", "-c", script, "sh", READ, plugin, check=False)

    assert taken([*way, *PLUGINS[plugin].takes])
    for missing in way:
        assert not taken([key for key in way if key != missing]), missing


@pytest.mark.slow
def test_the_plugin_for_route53_takes_the_credentials_of_root(moor: Fleet) -> None:
    package = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-certbot-dns-route53"
    moor.inside("web1", "sh", "-c", f"{package} >/dev/null")
    order = "certbot certonly --non-interactive --agree-tos --register-unsafely-without-email --server"
    order += f" {SERVER} --config-dir /tmp/le --authenticator dns-route53 --cert-name x -d x.moor.test 2>&1"
    missing = "Unable to locate credentials"
    assert missing in moor.inside("web1", "sh", "-c", f"HOME=/root {order}", check=False)
    keys = "[default]\naws_access_key_id = A\naws_secret_access_key = b\n"
    moor.inside("web1", "sh", "-c", 'mkdir -p /root/.aws; printf %s "$1" > /root/.aws/credentials', "sh", keys)
    said = moor.inside("web1", "sh", "-c", f"HOME=/root timeout 60 {order}", check=False)
    assert said and missing not in said

"""Certificates from an ACME server: when certbot is asked, what its refusal becomes, and where nginx is led to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hawser.runner.certificates import acme
from hawser.runner.certificates.acme import Certificate, Link, reason
from hawser.runner.certificates.certificates import SelfSigned
from hawser.runner.system import Failure

from ..conftest import MY_GROUP

SERVER = "https://acme.example.org/directory"
# Takes certbot's command line, and does what it would do to the folders; refuses while a file says so.
CERTBOT = """#!/bin/sh
echo "$@" >> {base}/asked
if [ -e {base}/refuses ]; then
    echo "Saving debug log to /var/log/letsencrypt/letsencrypt.log"
    echo "  Detail: no such host"
    echo "Ask for help or search for solutions"
    exit 1
fi
if [ "$1" = delete ]; then
    rm -r {base}/live/"$4" {base}/renewal/"$4.conf"
    exit
fi
name=$(echo "$@" | sed 's/.*--cert-name //; s/ .*//')
mkdir -p {base}/live/$name {base}/renewal
cp {base}/new/* {base}/live/$name/
echo "server = {server}" > {base}/renewal/$name.conf
case "$*" in
*--webroot*) echo "authenticator = webroot" >> {base}/renewal/$name.conf ;;
*) echo "authenticator = dns-rfc2136" >> {base}/renewal/$name.conf ;;
esac
echo "$@" | sed -n 's/.*--dns-rfc2136-propagation-seconds \\([0-9]*\\).*/dns_rfc2136_propagation_seconds = \\1/p' \\
    >> {base}/renewal/$name.conf
"""
DNS = {"webroot": "", "plugin": "rfc2136", "credentials": "/var/lib/hawser/demo/acme-dns.ini"}


@pytest.fixture
def certbot(tmp_path, system, monkeypatch):
    """A certbot that issues for demo.test, and the folder of its files."""
    base = tmp_path / "letsencrypt"
    (base / "new").mkdir(parents=True)
    make(base / "new", system, ["demo.test"])
    program = tmp_path / "bin" / "certbot"
    program.parent.mkdir()
    program.write_text(CERTBOT.format(base=base, server=SERVER))
    program.chmod(0o755)
    monkeypatch.setattr(acme, "CONFIGURATION", str(base))
    original = system.environment
    monkeypatch.setattr(
        system, "environment", lambda *a, **k: {**original(*a, **k), "PATH": f"{program.parent}:/usr/bin:/bin"}
    )
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return base


def make(folder, system, names):
    pair = {"certificate": f"{folder}/cert.pem", "key": f"{folder}/privkey.pem", "names": names, "group": MY_GROUP}
    resource = SelfSigned({**pair, "owner": "root", "chain": ""}, system)
    resource.apply(resource.check())
    (folder / "fullchain.pem").write_text((folder / "cert.pem").read_text())


@pytest.fixture
def spec(tmp_path):
    return {
        "name": "demo.test",
        "domains": ["demo.test"],
        "server": SERVER,
        "email": "",
        "webroot": str(tmp_path),
        "plugin": "",
        "credentials": "",
        "propagation": 0,
        "hint": "certs.issue",
    }


def apply(spec, system):
    resource = Certificate(spec, system)
    change = resource.check()
    if change:
        resource.apply(change)
    return (change.note if change else ""), resource.facts().get("warning", "")


def asked(base: Path) -> list[str]:
    path = base / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_a_certificate_is_asked_for_once(certbot, spec, system):
    assert apply(spec, system) == ("new", "")
    assert apply(spec, system) == ("", "")
    (line,) = asked(certbot)
    assert "--webroot" in line and "--register-unsafely-without-email" in line and "-d demo.test" in line


def test_a_refused_certificate_is_a_warning_with_the_reason_and_the_next_move(certbot, spec, system):
    (certbot / "refuses").touch()
    note, warning = apply(spec, system)
    assert note == "new"
    assert f"no certificate for demo.test from {SERVER}: no such host" in warning
    assert "next: certs.issue" in warning
    (certbot / "refuses").unlink()
    assert apply(spec, system) == ("new", "")


def test_other_names_or_another_acme_server_want_a_new_certificate(certbot, spec, system):
    apply(spec, system)
    note, _warning = apply({**spec, "domains": ["demo.test", "www.demo.test"]}, system)
    assert note == "names demo.test -> demo.test, www.demo.test"
    assert "--renew-with-new-domains" in asked(certbot)[-1]
    note, _warning = apply({**spec, "server": "https://other.example.org/dir"}, system)
    assert note == f"server {SERVER} -> https://other.example.org/dir"


def test_a_certificate_that_nobody_renewed_is_asked_for_again(certbot, spec, system, monkeypatch):
    apply(spec, system)
    monkeypatch.setattr(acme, "DAYS_LEFT", 400)
    assert apply(spec, system)[0] == "ends within 400 days"


def test_a_certificate_that_is_no_longer_wanted_goes_only_if_it_was_asked_for_here(certbot, spec, system):
    nothing = {**spec, "name": "", "domains": []}
    assert apply(nothing, system) == ("", "")
    apply(spec, system)
    assert apply(nothing, system)[0] == "removes the certificate demo.test"
    assert not (certbot / "live" / "demo.test").exists()
    assert apply(nothing, system) == ("", "")
    # Somebody has asked for it by hand.
    (certbot / "live" / "demo.test").mkdir()
    for each in (certbot / "new").iterdir():
        (certbot / "live" / "demo.test" / each.name).write_bytes(each.read_bytes())
    assert apply(spec, system) == ("", "")
    assert apply(nothing, system) == ("", "")


def test_a_certificate_that_cannot_be_removed_is_a_failure(certbot, spec, system):
    apply(spec, system)
    (certbot / "refuses").touch()
    with pytest.raises(Failure):
        apply({**spec, "name": "", "domains": []}, system)
    assert json.loads((Path(system.state) / "acme.json").read_text()) == {"name": "demo.test", "former": []}


def test_the_answer_is_given_in_dns_where_there_is_a_plugin_and_at_renewals_too(certbot, spec, system):
    apply(spec, system)
    assert apply({**spec, **DNS}, system) == ("webroot -> dns-rfc2136", "")
    words = asked(certbot)[-1]
    assert "--authenticator dns-rfc2136 --dns-rfc2136-credentials /var/lib/hawser/demo/acme-dns.ini" in words
    assert "--force-renewal" in words and "webroot" not in words and "propagation" not in words
    assert apply({**spec, **DNS}, system) == ("", "")
    assert apply({**spec, **DNS, "propagation": 5}, system) == ("propagation default -> 5", "")
    assert "--dns-rfc2136-propagation-seconds 5" in asked(certbot)[-1]
    assert apply({**spec, **DNS, "propagation": 5}, system) == ("", "")
    assert apply(spec, system) == ("dns-rfc2136 -> webroot", "")


def test_a_certificate_that_somebody_asked_for_in_dns_stays_where_the_settings_name_no_plugin(certbot, spec, system):
    apply({**spec, **DNS}, system)
    (Path(system.state) / acme.RECORD).unlink()
    assert apply(spec, system) == ("", "")


def test_the_certificate_of_former_names_serves_on_and_goes_when_there_is_another(certbot, spec, system, tmp_path):
    link = {"path": f"{tmp_path}/acme", "name": "_.demo.test", "stand_in": f"{tmp_path}/stand-in"}
    apply(spec, system)
    (certbot / "refuses").touch()
    wider = {**spec, "name": "_.demo.test", "domains": ["demo.test"], **DNS}
    note, warning = apply(wider, system)
    assert note == "new, in place of the certificate demo.test" and "no such host" in warning
    assert acme.recorded(system) == ["_.demo.test", "demo.test"]
    assert Link(link, system).target() == f"{certbot}/live/demo.test"
    # It is tried again, and nothing is forgotten.
    apply(wider, system)
    assert acme.recorded(system) == ["_.demo.test", "demo.test"]
    (certbot / "refuses").unlink()
    apply(wider, system)
    assert acme.recorded(system) == ["_.demo.test"]
    assert not (certbot / "live" / "demo.test").exists()
    assert Link(link, system).target() == f"{certbot}/live/_.demo.test"


def test_where_the_record_is_damaged_what_stands_in_serves(certbot, system, tmp_path):
    Path(system.state, acme.RECORD).write_text("[]")
    link = {"path": f"{tmp_path}/acme", "name": "demo.test", "stand_in": f"{tmp_path}/stand-in"}
    assert Link(link, system).target() == f"{tmp_path}/stand-in"


def test_nginx_is_led_to_what_stands_in_until_there_is_a_certificate(certbot, spec, system, tmp_path):
    link = {"path": f"{tmp_path}/acme", "name": "demo.test", "stand_in": f"{tmp_path}/stand-in"}

    def led() -> str:
        resource = Link(link, system)
        change = resource.check()
        if change:
            resource.apply(change)
        assert Link(link, system).check() is None
        return str((tmp_path / "acme").readlink())

    assert led() == f"{tmp_path}/stand-in"
    apply(spec, system)
    assert led() == f"{certbot}/live/demo.test"


def test_the_reason_is_found_in_what_certbot_says():
    assert reason("x\n  Detail: 10.0.0.1: Connection refused\ny") == "10.0.0.1: Connection refused"
    assert reason("An unexpected error occurred:\nConnection refused\nAsk for help") == "Connection refused"
    assert reason("Saving debug log to x\nSomething else\nAsk for help") == "Something else"
    assert reason("") == "certbot says nothing"


def test_the_hook_reloads_nginx_for_its_own_certificate_alone(tmp_path):
    hook = Path(__file__).parents[4] / "conf_templates" / "acme-hook.sh.j2"
    script = hook.read_text().replace("{{ name | shell }}", "demo.test")
    script = script.replace("{{ server.judge | shell_join }}", "nginx -t -q")
    script = script.replace("{{ server.unit | shell }}", "nginx")
    for name in ("nginx", "systemctl"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n')
        (tmp_path / name).chmod(0o755)
    for lineage in ("/etc/letsencrypt/live/other.test", "/etc/letsencrypt/live/demo.test"):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RENEWED_LINEAGE": lineage}
        subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (tmp_path / "called").read_text().splitlines() == ["nginx -t -q", "systemctl reload nginx"]


@pytest.mark.parametrize("text", ["", "[]", '{"name": "sh'])
def test_a_damaged_record_of_what_was_asked_for_is_said(system, text):
    path = Path(system.state, acme.RECORD)
    path.write_text(text)
    with pytest.raises(Failure, match=f"{path} is damaged, so nobody knows which certificate is ours"):
        acme.recorded(system)

"""Caddy gets certificates from a real ACME server itself."""

from __future__ import annotations

import re

from tests.hosts.conftest import Fleet, wait_for
from tests.hosts.pebble import PEBBLE
from tests.hosts.test_web_servers import SETTINGS, bare

__all__ = ["bare"]


def test_caddy_gets_certificates_itself_and_until_then_one_of_its_own_stands_in(bare: Fleet) -> None:
    issuer = (
        "echo | openssl s_client -connect 127.0.0.1:443 -servername quay.test 2>/dev/null | openssl x509 -noout -issuer"
    )
    bare.inside("solo", "sh", "-c", PEBBLE)
    (bare.hosts / "acme-ca.pem").write_text(bare.inside("solo", "cat", "/etc/pebble/ca.pem"))
    acme = 'tls = "acme"\nacme = { server = "https://acme.test:14000/dir", ca = "acme-ca.pem" }\n'
    text = SETTINGS.format(repository=bare.repository, server="caddy")
    text = text.replace(', "www.quay.test"', "")
    bare.file.write_text(text.replace("[hosts.solo]", f"{acme}\n[hosts.solo]"))
    # Its names lead nowhere yet.
    bare.fab("-H", "quay", "bootstrap", "deploy")
    assert "Caddy Local Authority" in bare.inside("solo", "sh", "-c", issuer)
    assert "there is no readable certificate" in bare.fab("-H", "quay", "check", code=1).stdout

    bare.inside("solo", "sh", "-c", "echo '127.0.0.1 quay.test www.quay.test' >> /etc/hosts")
    # As if the time of what stands in were over, until the ACME server has forgotten that it did not find the name.
    local = "/var/lib/caddy/.local/share/caddy/certificates/local"

    def issued() -> bool:
        told = bare.inside("solo", "sh", "-c", issuer, check=False)
        if "Caddy Local Authority" in told:
            bare.inside("solo", "sh", "-c", f"systemctl stop caddy; rm -rf {local}; systemctl start caddy")
        return "Pebble" in told

    wait_for("the certificate", issued, seconds=90, every=2)
    assert re.search(r"\d{3,} days", bare.fab("-H", "quay", "status").stdout)
    assert "readable certificate" not in bare.fab("-H", "quay", "check", code=None).stdout
    events = bare.events("-H", "quay", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}

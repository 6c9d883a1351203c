"""A certificate of the site from an ACME server such as Let's Encrypt."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.certificates import local_file
from hawser.resources import (
    Absent,
    AcmeCertificate,
    AcmeLink,
    Command,
    Directory,
    File,
    Resource,
    Resources,
    SelfSigned,
    Service,
    changed,
)
from hawser.steps import removal, step


def wanted(host: Host) -> bool:
    """Whether certbot gets the certificate of the site on this host from an ACME server."""
    site = host.environment.site
    return site is not None and site.tls == "acme" and host.web_server is not None and not host.web_server.acme_folder


def stand_in(host: Host) -> Resources:
    """Yield the self-signed pair that serves until there is a certificate, and the link to the one that serves."""
    site = host.environment.site
    assert site is not None
    folder = f"{host.root}/ssl/stand-in"
    yield Directory(folder, mode=0o750)
    pair = SelfSigned(f"{folder}/fullchain.pem", f"{folder}/privkey.pem", tuple(site.domains))
    yield pair
    yield from link(host, pair)


def link(host: Host, *before: Resource) -> Resources:
    """Yield the link that leads the web server to certbot's certificate, or to its stand-in, and the reload.

    :param before: what asks for a reload as well when it changes.
    """
    site = host.environment.site
    assert site is not None and host.web_server is not None
    leads = AcmeLink(f"{host.root}/ssl/acme", site.domains[0], f"{host.root}/ssl/stand-in")
    yield leads
    yield Command(("systemctl", "try-reload-or-restart", host.web_server.unit), when=changed(*before, leads))


@step()
def issue(host: Host) -> Resources:
    """Get the site's certificate from its ACME server where it lacks one, and have certbot renew it; or clean up."""
    site, hook = host.environment.site, f"/etc/letsencrypt/renewal-hooks/deploy/hawser-{host.app.name}"
    trusted = f"/usr/local/share/ca-certificates/hawser-{host.app.name}.crt"
    ca = site.acme.ca if site is not None and wanted(host) else None
    trust = File(trusted, local_file(host, "site.acme.ca")) if ca else Absent(trusted)
    yield trust
    yield Command(("update-ca-certificates",), when=changed(trust))
    server = host.web_server
    if site is None or server is None or not wanted(host):
        yield from gone(host)
        return
    yield Directory(f"{host.root}/acme")
    # For whatever renews it, by whatever means: a web server reads a certificate only when it is told to.
    told = {"label": server.label, "judge": list(server.judge), "unit": server.unit}
    yield File(hook, host.render("acme-hook.sh.j2", server=told), mode=0o755, parents=True)
    # Of the package: it renews what ends within 30 days.
    yield Service("certbot.timer")
    names = ", ".join(site.domains)
    yield AcmeCertificate(
        site.domains[0],
        tuple(site.domains),
        site.acme.server,
        site.acme.email or "",
        f"{host.root}/acme",
        f"have {names} lead to this host, port 80 open, then: fab -H {host.environment.name} certs.issue",
    )
    yield from link(host)


def gone(host: Host) -> Resources:
    """Yield the removal of all that ACME left: certificate, hook, and stand-in."""
    yield AcmeCertificate("")
    yield Absent(f"/etc/letsencrypt/renewal-hooks/deploy/hawser-{host.app.name}")
    yield Absent(f"{host.root}/ssl/acme")
    yield Absent(f"{host.root}/ssl/stand-in", recursive=True)
    yield Absent(f"{host.root}/acme", recursive=True)


@removal()
def remove(host: Host) -> Resources:
    """Take the certificate from certbot, which would go on renewing it, and from the host the trust in its server."""
    trust = Absent(f"/usr/local/share/ca-certificates/hawser-{host.app.name}.crt")
    yield trust
    yield Command(("update-ca-certificates",), when=changed(trust))
    yield from gone(host)

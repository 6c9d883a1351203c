"""A certificate of the site from an ACME server such as Let's Encrypt."""

from __future__ import annotations

from hawser.errors import Problem
from hawser.formats import NotRepresentable, credentials_value
from hawser.host import Host
from hawser.host.certificates import certbot_name, challenged, local_file
from hawser.inventory.tables.acme import Dns
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
from hawser.templates.rendering import TemplateError


def wanted(host: Host) -> bool:
    """Whether certbot gets the certificate of the site on this host from an ACME server."""
    site = host.environment.site
    return site is not None and site.tls == "acme" and host.web_server is not None and not host.web_server.acme_folder


def packages(host: Host) -> list[str]:
    """Return the packages of the system that get a certificate here."""
    site = host.environment.site
    if site is None or not wanted(host):
        return []
    return ["certbot", *([f"python3-certbot-dns-{site.acme.dns.plugin}"] if site.acme.dns else [])]


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
    leads = AcmeLink(f"{host.root}/ssl/acme", certbot_name(site), f"{host.root}/ssl/stand-in")
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
    dns = site.acme.dns
    if dns is None:
        yield Directory(f"{host.root}/acme")
    else:
        yield Absent(f"{host.root}/acme", recursive=True)
    if dns is not None and dns.credentials:
        yield File(credentials_file(host), credentials(host, dns), mode=0o600, opaque=True)
    # For whatever renews it, by whatever means: a web server reads a certificate only when it is told to.
    told = {"label": server.label, "judge": list(server.judge), "unit": server.unit}
    yield File(hook, host.render("acme-hook.sh.j2", server=told, name=certbot_name(site)), mode=0o755, parents=True)
    # Of the package: it renews what ends within 30 days.
    yield Service("certbot.timer")
    yield AcmeCertificate(
        certbot_name(site),
        tuple(site.domains),
        site.acme.server,
        site.acme.email or "",
        "" if dns else f"{host.root}/acme",
        dns.plugin if dns else "",
        credentials_file(host) if dns and dns.credentials else "",
        (dns.propagation or 0) if dns else 0,
        advice(host),
    )
    if dns is None or not dns.credentials:
        # After the one that was renewed with it.
        yield Absent(credentials_file(host))
    yield from link(host)


def advice(host: Host) -> str:
    """Return what to do where the ACME server refuses."""
    site = host.environment.site
    assert site is not None
    again, names = f"fab -H {host.environment.name} certs.issue", ", ".join(site.domains)
    if site.acme.dns is not None:
        records = ", ".join(dict.fromkeys(f"_acme-challenge.{each.removeprefix('*.')}" for each in site.domains))
        return f"bootstrap if site.acme.dns is new, have its credentials write TXT records of {records}, then: {again}"
    if others := challenged(host):
        hosts = ", ".join(sorted((host.name, *others)))
        return f"have {names} lead to {hosts}, port {site.listen} open there to each other as well, then: {again}"
    return f"have {names} lead to this host, port 80 open, then: {again}"


def credentials_file(host: Host) -> str:
    """Return where certbot's plugin for DNS finds its credentials, now and at every renewal."""
    return f"{host.state}/acme-dns.ini"


def credentials(host: Host, dns: Dns) -> str:
    """Return the text of that file.

    :raises TemplateError: a value cannot be rendered, or the file cannot carry it.
    """
    # They are today's, whichever release comes: so are the values that they speak of.
    host, lines = host.today or host, ["# Of a site; replaced by a deploy."]
    for name, value in dns.credentials.items():
        key = f"site.acme.dns.credentials.{name}"
        try:
            lines.append(f"dns_{dns.plugin}_{name} = {credentials_value(host.text(value, key))}")
        except NotRepresentable as error:
            raise TemplateError(Problem(host.environment.path.name, key, str(error))) from None
    return "\n".join(lines) + "\n"


def gone(host: Host) -> Resources:
    """Yield the removal of all that ACME left: certificate, hook, and stand-in."""
    yield AcmeCertificate("")
    yield Absent(f"/etc/letsencrypt/renewal-hooks/deploy/hawser-{host.app.name}")
    yield Absent(f"{host.root}/ssl/acme")
    yield Absent(f"{host.root}/ssl/stand-in", recursive=True)
    yield Absent(f"{host.root}/acme", recursive=True)
    yield Absent(credentials_file(host))


@removal()
def remove(host: Host) -> Resources:
    """Take the certificate from certbot, which would go on renewing it, and from the host the trust in its server."""
    trust = Absent(f"/usr/local/share/ca-certificates/hawser-{host.app.name}.crt")
    yield trust
    yield Command(("update-ca-certificates",), when=changed(trust))
    yield from gone(host)

"""The certificates that visitors see."""

from __future__ import annotations

from hawser.answers import reading
from hawser.certificates.provided import matches
from hawser.host import Host

from ...host.certificates import certificate_names, own_certificates, shown_certificates
from .registry import Ask, Finding, Findings, on_host

DAYS_WARN = 21


@on_host
def certificate(host: Host, ask: Ask) -> Findings:
    """Each certificate is there, valid for a while, issued by an authority, and for all names that it must have."""
    if not host.facts.current:
        return
    site = host.environment.site
    acme = site is not None and site.tls == "acme"
    itself = acme and host.web_server is not None and host.web_server.acme_folder is not None
    names, own = certificate_names(host), own_certificates(host)
    for name, path in shown_certificates(host).items():
        found = ask(reading.CERTIFICATE, path=path)
        renew = f"fab -H {host.environment.name} certs.{'issue' if acme and name == 'site' else 'install'}"
        if itself and name == "site":
            renew = f"fab -H {host.environment.name} logs --only site"
        which = "its certificate" if name == "site" else f"the certificate {name}"
        if found is None:
            yield Finding(f"there is no readable certificate at {path}", renew)
            continue
        if found["days"] < DAYS_WARN:
            when = f"expired {-found['days']} days ago" if found["days"] < 0 else f"expires in {found['days']} days"
            yield Finding(f"{which} {when}", f"renew it, then: {renew}", warning=found["days"] >= 0)
        if found["self_signed"] and acme and name == "site":
            yield Finding(f"{which} is self-signed: the ACME server has given none yet", renew, warning=True)
        if found["self_signed"] and name in own:
            order = f"fab -H {host.environment.name} certs.request"
            yield Finding(f"{which} is self-signed, until you bring your own", order, warning=True)
        missing = [each for each in names[name] if not any(matches(has, each) for has in found["names"])]
        if missing:
            yield Finding(f"{which} is not for {', '.join(missing)}", renew)

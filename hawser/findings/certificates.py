"""The certificate that the site shows."""

from __future__ import annotations

from hawser.certificates import matches
from hawser.host import Host

from .registry import Ask, Finding, Findings, on_host

DAYS_WARN = 21


@on_host
def certificate(host: Host, ask: Ask) -> Findings:
    """The site's certificate is there, valid for a while, and for all of the site's names."""
    site = host.environment.site
    if site is None or site.tls == "none" or not host.serves_site or not host.facts.current:
        return
    found = ask("certificates.shown", path=f"{host.root}/ssl/site.crt")
    renew = f"fab -H {host.environment.name} certs.install"
    if found is None:
        yield Finding(f"there is no readable certificate at {host.root}/ssl/site.crt", renew)
        return
    if found["days"] < DAYS_WARN:
        when = f"expired {-found['days']} days ago" if found["days"] < 0 else f"expires in {found['days']} days"
        yield Finding(f"its certificate {when}", f"renew it, then: {renew}", warning=found["days"] >= 0)
    missing = [domain for domain in site.domains if not any(matches(name, domain) for name in found["names"])]
    if missing:
        yield Finding(f"its certificate is not for {', '.join(missing)}", renew)

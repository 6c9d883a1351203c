"""Certificates of the site."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Command, File, Resources, SelfSigned, changed
from hawser.steps import step


@step()
def install(host: Host) -> Resources:
    """Install the site's certificate and key, or make a self-signed pair where the settings ask for one."""
    site = host.environment.site
    if site is None or not host.serves_site or site.tls == "none":
        return
    # Apache cannot start before it has a site, which comes later; nginx can.
    server = ("systemctl", "reload-or-restart", "nginx")
    if site.server == "apache":
        server = ("systemctl", "try-reload-or-restart", "apache2")
    certificate, key = f"{host.root}/ssl/site.crt", f"{host.root}/ssl/site.key"
    if site.tls == "files":
        chain = host.local_file(site.certificate or "", "site.certificate")
        private = host.local_file(site.key or "", "site.key")
        # Only own certificates need it, and it takes longer to load than a host takes to answer.
        from hawser.certificates import check

        check(chain, private, site.domains, host.environment.path.name)
        pair = [File(certificate, chain), File(key, private, mode=0o600, opaque=True)]
        yield from pair
        yield Command(server, when=changed(*pair))
    else:
        made = SelfSigned(certificate, key, tuple(site.domains))
        yield made
        yield Command(server, when=changed(made))

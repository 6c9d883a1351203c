"""Contradictions in the settings of a site beyond requests to processes: ACME, more ports, links into the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ...runner.webservers import TRAITS, offering
from ..base import Loc, SettingError, did_you_mean, listed
from ..schema import Environment
from ..tables.acme import HOSTS_AT_MOST, LETS_ENCRYPT, PLUGINS, Dns
from ..tables.files import Site
from ..values.jinja import references

_SITE = frozenset({"site"})


def check_site_extras(environment: Environment, folder: Path) -> Iterator[SettingError]:
    """The settings of the site fit the web server, the hosts, and each other.

    :param folder: where the file lies, for the certificate that it names.
    """
    for index, name in enumerate(environment.persistent.linked):
        if name not in environment.persistent.folders:
            loc: Loc = ("persistent", "linked", index)
            yield SettingError(loc, f"{name} is not one of persistent.folders", "list it there as well")
        for position, patch in enumerate(environment.patches):
            if PurePosixPath(name) in PurePosixPath(patch.path).parents:
                message = f"{patch.path} lies in persistent.linked {name}, which no release has for itself"
                yield SettingError(("patches", position, "path"), message, f"take {name} out of persistent.linked")
    for index, name in enumerate(environment.persistent.collected):
        if name not in environment.persistent.folders:
            loc = ("persistent", "collected", index)
            yield SettingError(loc, f"{name} is not one of persistent.folders", "list it there as well")
    site = environment.site
    if site is None:
        return
    yield from _check_acme(site, environment, folder)
    for key, given in (
        ("tls_proxy", site.tls_proxy),
        ("log_format", site.log_format),
        ("buffering", site.buffering),
        ("http2", not site.http2),
        ("other_names", site.other_names),
    ):
        if given and key not in TRAITS[site.server].offers:
            message = f"is for {offering(key)}"
            yield SettingError(("site", key), message, 'remove it, or write server = "nginx"', needs=_SITE)
    yield from _check_hsts(site)
    taken = {site.listen, site.tls_port, *site.extra_ports}
    for port in site.tls_proxy:
        if site.tls == "none":
            yield SettingError(
                ("site", "tls_proxy", port), 'needs TLS, and tls = "none"', "remove one of the two", _SITE
            )
        elif not 1 <= int(port) <= 65535:
            yield SettingError(("site", "tls_proxy", port), f"{port} is no port", "1 to 65535")
        elif int(port) in taken:
            yield SettingError(("site", "tls_proxy", port), f"the site has port {port} already", needs=_SITE)


def _check_hsts(site: Site) -> Iterator[SettingError]:
    """Browsers that remember HTTPS let nobody past a certificate that they do not trust."""
    if site.hsts is None:
        return
    loc: Loc = ("site", "hsts")
    if site.tls == "self-signed" or site.fallback:
        what = 'tls = "self-signed"' if site.tls == "self-signed" else 'fallback = "self-signed"'
        message = f"needs a certificate that browsers trust, and {what} may show another one: nobody would get past it"
        yield SettingError(loc, message, 'tls = "files" without fallback, or "acme"', needs=_SITE)
    elif site.tls == "none":
        message = 'needs TLS, and tls = "none"'
        yield SettingError(loc, message, "have whatever ends TLS in front send it", needs=_SITE)
    if site.hsts.preload and (not site.hsts.subdomains or site.hsts.days < 365):
        message = "needs subdomains = true and days = 365 or more"
        yield SettingError((*loc, "preload"), message, "as the lists of browsers want it", needs=_SITE)
    if "strict-transport-security" in site.extra.lower():
        yield SettingError(loc, "is sent by lines of site.extra already", "remove one of the two", needs=_SITE)


def _check_acme(site: Site, environment: Environment, folder: Path) -> Iterator[SettingError]:
    if site.tls != "acme":
        if site.acme.model_fields_set:
            yield SettingError(
                ("site", "acme"), f'is not used with tls = "{site.tls}"', 'write tls = "acme"', needs=_SITE
            )
        return
    if site.acme.ca and not (folder / site.acme.ca).is_file():
        hint = "the path is relative to the environment file"
        yield SettingError(("site", "acme", "ca"), f"there is no file {site.acme.ca}", hint)
    if "acme" not in TRAITS[site.server].offers:
        message = f'"acme" is for {offering("acme")}'
        yield SettingError(("site", "tls"), message, 'tls = "files", or server = "nginx"', needs=_SITE)
    if TRAITS[site.server].acme_folder and len(site.domains) > 1:
        # Caddy 2.6 asks for each by itself, and two that register at once damage the account, which stays so.
        message = f'with tls = "acme", {site.server} gets a certificate for one name alone'
        hint = 'one name, tls = "files", or server = "nginx"'
        yield SettingError(("site", "domains", 1), message, hint, needs=_SITE)
    hosts = environment.hosts_of(site.groups)
    if site.acme.dns is not None:
        yield from _check_dns(site, site.acme.dns, hosts)
    elif len(hosts) > 1 and "acme_several" not in TRAITS[site.server].offers:
        # The server asks whichever host DNS leads it to, and only one of them knows the answer.
        message = f'with {site.server}, "acme" is for a site on one host, and this one is on {", ".join(hosts)}'
        ways = "site.acme.dns, " if "acme_dns" in TRAITS[site.server].offers else ""
        hint = f'{ways}server = "nginx", tls = "files", or a load balancer that ends TLS, with extra_ports'
        yield SettingError(("site", "tls"), message, hint, needs=_SITE | {"hosts"})
    if len(hosts) > HOSTS_AT_MOST and site.acme.server == LETS_ENCRYPT:
        message = f'"acme" is for {HOSTS_AT_MOST} hosts at most, and this one is on {len(hosts)}: each gets a '
        message += "certificate of its own, and Let's Encrypt gives five a week for the same names"
        hint = 'tls = "files", or a load balancer that ends TLS, with extra_ports'
        yield SettingError(("site", "tls"), message, hint, needs=_SITE | {"hosts"})
    for index, domain in enumerate(site.domains):
        if domain.startswith("*.") and site.acme.dns is None:
            message = f"an ACME server gives no certificate for {domain} over HTTP"
            yield SettingError(("site", "domains", index), message, "name each domain, or site.acme.dns", needs=_SITE)


def _check_dns(site: Site, dns: Dns, hosts: tuple[str, ...]) -> Iterator[SettingError]:
    """The web server takes certbot's certificate, and the plugin has what it needs."""
    loc: Loc = ("site", "acme", "dns")
    if "acme_dns" not in TRAITS[site.server].offers:
        message = f"is for {offering('acme_dns')}"
        yield SettingError(loc, message, 'remove it, or write server = "nginx"', needs=_SITE)
    plugin = PLUGINS[dns.plugin]
    if plugin.alone and len(hosts) > 1:
        message = f"{dns.plugin} is for a site on one host, and this one is on {', '.join(hosts)}: what one host "
        message += "writes takes the place of what another one waits for"
        hint = 'no dns with server = "nginx", another plugin, or tls = "files"'
        yield SettingError((*loc, "plugin"), message, hint, needs=_SITE | {"hosts"})
    for name, value in dns.credentials.items():
        at = (*loc, "credentials", name)
        if name not in plugin.keys:
            hint = did_you_mean(name, plugin.keys, listed("it reads", plugin.keys))
            yield SettingError(at, f"{dns.plugin} reads no such credential", hint, needs=_SITE)
        elif name in plugin.secret and not references(value).secrets:
            hint = f'as in "{{{{ secrets.DNS_{name.upper()} }}}}", with DNS_{name.upper()} in env.required'
            yield SettingError(at, "a secret stands in this file", hint, needs=_SITE)
    if not any(set(way) <= set(dns.credentials) for way in plugin.needs):
        ways = " or ".join(" and ".join(way) for way in plugin.needs)
        message = f"{dns.plugin} needs {ways}"
        yield SettingError((*loc, "credentials"), message, "as its documentation says, without dns_NAME_", needs=_SITE)
    if dns.propagation is not None and plugin.alone:
        message = f"is of no use: {dns.plugin} asks its service itself"
        yield SettingError((*loc, "propagation"), message, "remove it", needs=_SITE)

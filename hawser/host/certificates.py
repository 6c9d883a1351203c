"""The certificates of a host: their need, places and names; files beside the environment file."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from ..errors import Problem
from ..inventory.documents import read_file
from ..inventory.tables.certificates import Certificate
from ..inventory.tables.files import Site
from ..runner.webservers import TRAITS
from ..templates.rendering import TemplateError
from .host import Host
from .views import certificate_files


def certificate_settings(host: Host) -> dict[str, Certificate]:
    """Return the application's own certificates that a host needs, by name."""
    return {name: entry for name, entry in host.environment.certificates.items() if host.is_in(entry.groups)}


def site_certificate(host: Host) -> tuple[str, str]:
    """Return the certificate that the web server presents, with its chain, and its key."""
    site = host.environment.site
    if site is not None and site.tls == "acme":
        if own := TRAITS[site.server].acme_folder:
            path = f"{own(site.acme.server, site.domains[0])}/{site.domains[0]}"
            return f"{path}.crt", f"{path}.key"
        return f"{host.root}/ssl/acme/fullchain.pem", f"{host.root}/ssl/acme/privkey.pem"
    return f"{host.root}/ssl/site.crt", f"{host.root}/ssl/site.key"


def certbot_name(site: Site) -> str:
    """Return under which name certbot keeps the site's certificate; that of no other site, with or without ``*.``."""
    return site.domains[0].replace("*", "_", 1)


def challenged(host: Host) -> tuple[str, ...]:
    """Return the other hosts of the site that may have been asked for in a question of an ACME server's.

    Each host orders for itself, and the server asks whichever host a name leads it to. In DNS it asks none.
    """
    site = host.environment.site
    if site is None or site.tls != "acme" or site.acme.dns is not None or not host.serves_site:
        return ()
    return tuple(name for name in host.environment.hosts_of(site.groups) if name != host.name)


def shown_certificates(host: Host) -> dict[str, str]:
    """Return where the certificates lie that visitors of this host see, by name; ``site`` is that of the site."""
    site, places = host.environment.site, certificate_files(host.environment)
    found = {"site": site_certificate(host)[0]} if site and site.tls != "none" and host.serves_site else {}
    return {**found, **{name: places[name].certificate for name in certificate_settings(host)}}


def certificate_names(host: Host) -> dict[str, tuple[str, ...]]:
    """Return the names that each of these certificates must hold, by its own."""
    found = {
        name: tuple(host.text(each, f"certificates.{name}.names[{number}]") for number, each in enumerate(entry.names))
        for name, entry in certificate_settings(host).items()
    }
    site = host.environment.site
    return {**({"site": site.domains} if site else {}), **found}


def own_certificates(host: Host) -> frozenset[str]:
    """Return the names of the certificates that the team brings itself."""
    site = host.environment.site
    return frozenset([*host.environment.certificates, *(["site"] if site and site.tls == "files" else [])])


def local_file(host: Host, key: str, hint: str = "") -> str:
    """Read a file that lies beside the environment file.

    :param key: what names it, in today's settings: those of a release may be the words of a host.
    :param hint: what to do when there is none.
    :raises TemplateError: it cannot be read, or none is named.
    """
    host = host.today or host
    value = setting_of(host, key)
    path = host.text(value, key) if isinstance(value, str) else ""
    try:
        if not path:
            raise FileNotFoundError(errno.ENOENT, "the settings name no file here")
        return read_file(host.environment.path.parent / path)
    except OSError as error:
        problem = Problem(host.environment.path.name, key, f"{path}: {error.strerror}".removeprefix(": "), hint)
    except UnicodeDecodeError:
        problem = Problem(host.environment.path.name, key, f"{path} is no text", "PEM begins with -----BEGIN")
    raise TemplateError(problem)


def setting_of(host: Host, key: str) -> object:
    """Return the value under a key of the settings; None where there is none."""
    found: object = host.environment
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
    return found

"""Certificates of an ACME server: ``[site.acme]``, and how its question is answered in DNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..base import Model
from ..values.types import AcmeServer, Line, RelativePath, Seconds, Template, VariableName

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
# Of certificates for the same names Let's Encrypt gives five a week: one is left for whoever asks anew.
HOSTS_AT_MOST = 4


@dataclass(frozen=True)
class Plugin:
    """A plugin of certbot's for a DNS service, with the credentials that it reads.

    :param needs: those that it must have; each row is one way.
    :param takes: those that it may have besides.
    :param secret: those that nobody else may know.
    :param alone: what it writes takes the place of what another host has written, so two must not ask at once.
    """

    needs: tuple[tuple[str, ...], ...]
    takes: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    alone: bool = False

    @property
    def keys(self) -> list[str]:
        return list(dict.fromkeys([*(key for way in self.needs for key in way), *self.takes]))


_TOKEN = Plugin(needs=(("token",),), secret=("token",))
_OVH = ("endpoint", "application_key", "application_secret", "consumer_key")
# By the names of Debian's packages, python3-certbot-dns-NAME.
PLUGINS: Mapping[str, Plugin] = {
    "cloudflare": Plugin(needs=(("api_token",), ("email", "api_key")), secret=("api_token", "api_key")),
    "digitalocean": _TOKEN,
    "dnsimple": _TOKEN,
    "linode": Plugin(needs=(("key",),), takes=("version",), secret=("key",)),
    "ovh": Plugin(needs=(_OVH,), secret=_OVH[2:]),
    "rfc2136": Plugin(needs=(("server", "name", "secret"),), takes=("port", "algorithm"), secret=("secret",)),
    # It asks the machine's role, or /root/.aws.
    "route53": Plugin(needs=((),), alone=True),
}

if TYPE_CHECKING:
    PluginName = str
else:
    PluginName = Literal[tuple(PLUGINS)]


class Dns(Model):
    """The ACME server asks in DNS (DNS-01), where certbot writes the answer. Names may begin with `*.` then."""

    plugin: PluginName = Field(description="The plugin of certbot's, Debian's package `python3-certbot-dns-NAME`.")
    credentials: dict[VariableName, Template] = Field(
        default_factory=dict,
        description="What it needs to write records (Jinja2), as its documentation calls it, without `dns_NAME_`. "
        "Every host of the site keeps it in a file that root alone reads.",
    )
    propagation: Seconds | None = Field(
        default=None,
        description="How long certbot waits between the record and the question. Default: the plugin's own time.",
    )


class Acme(Model):
    """Where `tls = "acme"` gets the certificate."""

    server: AcmeServer = Field(
        default=LETS_ENCRYPT, description="The directory of the ACME server. Default: Let's Encrypt."
    )
    email: Line | None = Field(default=None, description="Whom the server may write to. Default: nobody.")
    ca: RelativePath | None = Field(
        default=None,
        description="The certificate (PEM) of the authority that the server itself shows, relative to this file; the "
        "hosts trust it from then on. Default: one that they trust anyway.",
    )
    dns: Dns | None = Field(
        default=None,
        description="It asks in DNS. Default: on port 80 of the names.",
    )

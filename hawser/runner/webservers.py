"""The web servers, by their name in the settings, with the traits in which they differ."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, FrozenSet, Iterable, Optional, Sequence


class Traits:
    """The traits of a web server; how its site is installed, its module in `tasks/webservers` says.

    :param label: its name as people write it.
    :param package: that of Debian, which brings it, and
    :param unit: the service of systemd in it.
    :param program: what the kernel calls it.
    :param judge: the command that fails for a configuration with which it would not start, and
    :param typed: the same as people type it.
    :param block: what its configuration of one site is called.
    :param site: the file of one site, with ``{}`` for the application.
    :param user: as whom it opens logs and keys; root opens them for most.
    :param writer: to whom its logs belong where they must be there before it writes; nobody: it makes them.
    :param logs: the kinds of logs that it keeps in the application's folder; what else it says is in the journal.
    :param offers: of what not all of them can do, the keys of `[site]` that it takes.
    :param acme_folder: for one that gets certificates from ACME servers itself: where it keeps that of a domain,
        by the server's address and the domain. For others certbot gets them.
    """

    def __init__(
        self,
        label: str,
        package: str,
        unit: str,
        program: str,
        judge: Sequence[str],
        typed: str,
        block: str,
        site: str,
        user: str = "root",
        writer: str = "",
        logs: Sequence[str] = ("access", "error"),
        offers: Iterable[str] = (),
        acme_folder: Optional[Callable[[str, str], str]] = None,
    ) -> None:
        self.label = label
        self.package = package
        self.unit = unit
        self.program = program
        self.judge = tuple(judge)
        self.typed = typed
        self.block = block
        self.site = site
        self.user = user
        self.writer = writer
        self.logs = tuple(logs)
        self.offers: FrozenSet[str] = frozenset(offers)
        self.acme_folder = acme_folder


VALIDATE_CADDY = ("caddy", "validate", "--config", "/etc/caddy/Caddyfile")


def kept_by_caddy(server: str, domain: str) -> str:
    """Return where Caddy keeps a certificate of an ACME server (certmagic: ``issuerKey``, ``KeyBuilder.Safe``)."""
    host, _, path = server.partition("://")[2].partition("/")
    issuer = "-".join(filter(None, (host.replace(":", "-"), path.replace("/", "-").strip("-"))))
    return "/var/lib/caddy/.local/share/caddy/certificates/%s/%s" % (issuer.lower(), domain)


TRAITS: Dict[str, Traits] = {
    "nginx": Traits(
        "nginx",
        package="nginx",
        unit="nginx",
        program="nginx",
        judge=("nginx", "-t", "-q"),
        typed="nginx -t",
        block="server block",
        site="/etc/nginx/sites-enabled/{}.conf",
        # Its workers open them anew when those of the host are rotated.
        writer="www-data",
        offers=("acme", "log_format", "tls_proxy"),
    ),
    "apache": Traits(
        "Apache",
        package="apache2",
        unit="apache2",
        program="apache2",
        judge=("apache2ctl", "configtest"),
        typed="apache2ctl configtest",
        block="virtual host",
        site="/etc/apache2/sites-enabled/{}.conf",
    ),
    "caddy": Traits(
        "Caddy",
        package="caddy",
        unit="caddy",
        program="caddy",
        # As the user that it serves as: what root can read says nothing about it, and what root makes is in its way.
        judge=("runuser", "-u", "caddy", "--", "env", "HOME=/var/lib/caddy", *VALIDATE_CADDY),
        typed="runuser -u caddy -- " + " ".join(VALIDATE_CADDY),
        block="site block",
        site="/etc/caddy/sites-enabled/{}.conf",
        user="caddy",
        writer="caddy",
        logs=("access",),
        offers=("acme", "tls_proxy"),
        acme_folder=kept_by_caddy,
    ),
}


def offering(key: str) -> str:
    """Return the names of the web servers that take a key of `[site]`."""
    return " and ".join(name for name, traits in TRAITS.items() if key in traits.offers)

"""The web servers, by their name in the settings, with the traits in which they differ."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence


class Claim:
    """A part of a web server's configuration that answers for some names on some ports.

    :param file: where it stands.
    """

    def __init__(self, file: str, names: Iterable[str], ports: Iterable[int]) -> None:
        self.file = file
        self.names = frozenset(name.lower() for name in names)
        self.ports = frozenset(ports)


# Of sh: whether Apache loads all modules that are its arguments.
ENABLED_MODULES = 'for each; do test -e "/etc/apache2/mods-enabled/$each.load" || exit 1; done'
# As nginx prints all that it has read: each file after its own path.
NGINX_FILE = re.compile(r"^# configuration file (/.+):$", re.MULTILINE)
NGINX_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:\$\{[^}]*\}|[^\s{};])+""")


def nginx_claims(text: str) -> Iterator[Claim]:
    """Yield the server blocks of ``nginx -T``; a file without any as well, for it has been read."""
    parts = NGINX_FILE.split(text)
    for file, content in zip(parts[1::2], parts[2::2]):
        yield Claim(file, (), ())
        words: List[str] = []
        blocks: List[str] = []
        names: List[str] = []
        ports: List[int] = []
        for token in NGINX_TOKEN.findall(content):
            if token == "{":
                blocks.append(words[0] if words else "")
                if words == ["server"]:
                    names, ports = [], []
            elif token == "}":
                if blocks and blocks.pop() == "server":
                    yield Claim(file, names or [""], ports or [80])
            elif token == ";" and blocks[-1:] == ["server"] and words[0:1] == ["server_name"]:
                for word in words[1:]:
                    # With a dot in front it stands for the name itself and all below.
                    names += [word[1:], "*" + word] if word.startswith(".") else [word]
            elif token == ";" and blocks[-1:] == ["server"] and words[0:1] == ["listen"] and "unix:" not in words[1]:
                port = re.search(r"(?:^|:)([0-9]{1,5})$", words[1])
                ports.append(int(port.group(1)) if port else 80)
            if token in "{};":
                words = []
            elif not token.startswith("#"):
                words.append(token.strip("\"'"))


APACHE_HOST = re.compile(r"(?:\S+:(\d+)|\s+port (\d+) namevhost)\s+(\S+) \((/.+):\d+\)$")
APACHE_ALIAS = re.compile(r"\s+(?:wild )?alias (\S+)$")


def apache_claims(text: str) -> Iterator[Claim]:
    """Yield the virtual hosts of ``apache2ctl -S``."""
    found: List[Claim] = []
    for line in text.splitlines():
        host, alias = APACHE_HOST.match(line), APACHE_ALIAS.match(line)
        if host:
            found.append(Claim(host.group(4), [host.group(3)], [int(host.group(1) or host.group(2))]))
        elif alias and found:
            found[-1].names |= {alias.group(1).lower()}
    return iter(found)


class Traits:
    """The traits of a web server; how its site is installed, its module in `tasks/webservers` says.

    :param label: its name as people write it.
    :param package: that of Debian, which brings it, and
    :param unit: the service of systemd in it.
    :param program: what the kernel calls it.
    :param judge: the command that fails for a configuration with which it would not start, and
    :param typed: the same as people type it.
    :param sites: the folder of its sites, a file for each application.
    :param listing: the command that prints who answers for which names, where it has one, and
    :param claims: the reader of its output.
    :param block: what its configuration of one site is called.
    :param user: as whom it opens logs and keys; root opens them for most.
    :param writer: to whom its logs belong where they must be there before it writes; nobody: it makes them.
    :param logs: the kinds of logs that it keeps in the application's folder; what else it says is in the journal.
    :param offers: of what not all of them can do, the keys of `[site]` that it takes; of ``acme`` also whether the
        question may be answered in DNS, and whether a site on several hosts may have it where it is not.
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
        sites: str,
        listing: Sequence[str] = (),
        claims: Callable[[str], Iterator[Claim]] = lambda text: iter(()),
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
        self.sites = sites
        self.listing = tuple(listing)
        self.claims = claims
        self.user = user
        self.writer = writer
        self.logs = tuple(logs)
        self.offers: FrozenSet[str] = frozenset(offers)
        self.acme_folder = acme_folder

    def page(self, application: str) -> str:
        """Return where its configuration of an application's site is."""
        return "%s/%s.conf" % (self.sites, application)


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
        sites="/etc/nginx/sites-enabled",
        listing=("nginx", "-T", "-q"),
        claims=nginx_claims,
        # Its workers open them anew when those of the host are rotated.
        writer="www-data",
        offers=("acme", "acme_dns", "acme_several", "buffering", "http2", "log_format", "other_names", "tls_proxy"),
    ),
    "apache": Traits(
        "Apache",
        package="apache2",
        unit="apache2",
        program="apache2",
        judge=("apache2ctl", "configtest"),
        typed="apache2ctl configtest",
        block="virtual host",
        sites="/etc/apache2/sites-enabled",
        listing=("apache2ctl", "-S"),
        claims=apache_claims,
        offers=("acme", "acme_dns", "http2"),
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
        sites="/etc/caddy/sites-enabled",
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

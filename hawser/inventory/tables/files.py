"""Files on a host beside the code, and its site: ``[[files]]``, ``[persistent]`` and ``[site]``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from ...runner.webservers import TRAITS
from ..base import Model, Shape
from ..values.types import (
    VALIDATORS,
    AnyPath,
    BodySize,
    Days,
    Domain,
    Flag,
    Groups,
    HostPort,
    InstanceName,
    LogFormat,
    Mode,
    Network,
    Port,
    PortKey,
    ProcessName,
    RelativePath,
    Seconds,
    Template,
    TemplatePath,
    UnixName,
    UrlPrefix,
    Validation,
    some,
    unique,
)
from .acme import Acme

_BY_SUFFIX = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".py": "python", ".service": "systemd"}

Folders = Annotated[tuple[RelativePath, ...], AfterValidator(unique), Shape("list: relative path")]
ProcessNames = Annotated[tuple[ProcessName, ...], AfterValidator(unique), Shape("list: process")]
_BLOCKS = " or ".join(f"{each.block} ({each.label})" for each in TRAITS.values())
if TYPE_CHECKING:
    WebServerName = str
else:
    WebServerName = Literal[tuple(TRAITS)]


class FileEntry(Model):
    """A file that Hawser writes, from a template or from the text given here."""

    path: AnyPath = Field(description="Where it goes: absolute, or relative to the code.")
    template: RelativePath | None = Field(
        default=None, description="The template, looked up in `conf_templates/NAME/` and `conf_templates/`."
    )
    content: Template | None = Field(default=None, description="The text itself, instead of a template.")
    mode: Mode = Field(default=0o640, description="Its mode.")
    owner: UnixName = Field(
        default="",
        validate_default=False,
        description="Its owner. Default: root for an absolute path, else `app.user`.",
    )
    group: UnixName = Field(default="", validate_default=False, description="Its group. Default: `app.group`.")
    validate_with: Validation = Field(
        default_factory=lambda data: _BY_SUFFIX.get(PurePosixPath(data["path"]).suffix, "none"),
        alias="validate",
        description="What a new text must pass before it replaces the old one: "
        f"{', '.join(f'`{each}`' for each in VALIDATORS)}, or a command in which `{{}}` is the file. "
        "Default: by the file's extension.",
    )
    restart: ProcessNames = Field(default=(), description="The processes that must restart when it changes.")
    early: Flag = Field(
        default=False,
        description="Write a file outside of the code before packages are installed and commands of `[release]` run, "
        "which may read it. What serves then may see it before it is replaced. Default: with the switch.",
    )
    groups: Groups = Field(default=(), description="The groups whose hosts get it. Default: every host.")
    instance: InstanceName | None = Field(default=None, description="What `{{ instance }}` in its template stands for.")


class Persistent(Model):
    """What survives a release."""

    folders: Folders = Field(default=(), description="Folders under `app.root`, owned by the app's user.")
    linked: Folders = Field(
        default=(),
        description="Those of them that the code expects at the same path inside itself, where each release gets a "
        "link to them. What the code has there itself is copied into the folder, unless that has it.",
    )
    collected: Folders = Field(
        default=(),
        description="Those of them that `release.build` fills: each release keeps a copy, and `site.static` serves "
        "that of the release that serves, after a rollback too.",
    )


class Maintenance(Model):
    """Who passes while `maintenance.on` is in force, and when the others may come again."""

    retry_after: Seconds = Field(default=300, description="What visitors' programs are told to wait.")
    allow: Annotated[tuple[Network, ...], AfterValidator(unique), Shape("list: network")] = Field(
        default=(), description="Networks that see the site all the same."
    )


class Hsts(Model):
    """What browsers are told to remember of the site: that they ask for it over HTTPS alone (RFC 6797)."""

    days: Days = Field(
        description="For how long they remember it; 0 has those that come again forget it. No certificate that they do "
        "not trust gets past this, not even with a click, and neither does plain HTTP: begin with a few."
    )
    subdomains: Flag = Field(default=False, description="It holds for all names below those of the site as well.")
    preload: Flag = Field(
        default=False,
        description="The site may stand in the list that browsers bring along, from which it does not get out for "
        "months. Needs `subdomains` and 365 days.",
    )

    @property
    def header(self) -> str:
        """The header, as it is sent."""
        words = [f"max-age={self.days * 86400}"]
        words += ["includeSubDomains"] if self.subdomains else []
        return "; ".join([*words, *(["preload"] if self.preload else [])])


class Site(Model):
    """The web site, and the web server that visitors reach it through."""

    server: WebServerName = Field(default="nginx", description="The web server in front.")
    groups: Groups = Field(
        default=(),
        description="The groups whose hosts serve it. Default: those of the processes it passes requests to.",
    )
    domains: Annotated[tuple[Domain, ...], AfterValidator(unique), AfterValidator(some), Shape("list: domain")] = Field(
        description="Its names; the first one is used for health checks."
    )
    tls: Literal["self-signed", "files", "acme", "none"] = Field(
        default="self-signed",
        description="Where the certificate comes from: made by Hawser (browsers will warn), your own files, an ACME "
        "server such as Let's Encrypt, or no TLS.",
    )
    acme: Acme = Field(default=Acme(), description='With `tls = "acme"`: which server.')
    certificate: RelativePath | None = Field(
        default=None, description='With `tls = "files"`: the certificate and its chain (PEM), relative to this file.'
    )
    key: RelativePath | None = Field(
        default=None, description='With `tls = "files"`: the private key (PEM), relative to this file.'
    )
    fallback: Literal["self-signed"] | None = Field(
        default=None,
        description='With `tls = "files"` and `"self-signed"`: while the files are missing or wrong, the hosts make '
        "their own, with a warning at every deploy. Default: that is an error.",
    )
    other_names: Flag = Field(
        default=False,
        description="With nginx: also serve visitors who ask for a name that no site of the host claims, such as "
        "domains of customers. One site of a host may. Default: they get no answer.",
    )
    listen: Port = Field(default=80, description="The port for HTTP; with TLS it only redirects.")
    tls_port: Port = Field(default=443, description="The port for HTTPS.")
    extra_ports: tuple[Port, ...] = Field(
        default=(), description="More ports that serve the site over plain HTTP, for a load balancer."
    )
    static: dict[UrlPrefix, TemplatePath] = Field(
        default_factory=dict,
        description="Folders that the web server serves itself, by URL path: relative to the code, one of "
        "`persistent.folders`, or absolute, as `{{ builds.NAME.prefix }}/…` is.",
    )
    proxy: dict[UrlPrefix, ProcessName] = Field(
        default_factory=dict,
        description="Which process answers which URL path. Default: for `/`, the only one with a socket or port.",
    )
    tls_proxy: dict[PortKey, HostPort] = Field(
        default_factory=dict,
        description="More ports with TLS: all that comes there, WebSockets too, goes to one `HOST:PORT` (Jinja2), "
        "where another program listens.",
    )
    log_format: LogFormat | None = Field(
        default=None, description="What nginx writes about a request, in its own words. Default: its `combined`."
    )
    maintenance: Maintenance = Field(default=Maintenance(), description="While the site is closed.")
    extra: Template = Field(default="", description=f"More lines for the {_BLOCKS}.")
    max_body: BodySize = Field(
        default="10m", description="The largest request. Apache goes by the length that it announces."
    )

    read_timeout: Seconds = Field(
        default=3600,
        description="How long a process may say nothing, before an answer, in one, or over a WebSocket.",
    )
    buffering: Flag = Field(
        default=False,
        description="nginx takes an answer as fast as the process gives it, and holds it for a slow visitor: for "
        "servers whose few workers have one request each. What is streamed then comes late, but for answers with "
        "`X-Accel-Buffering: no`. Default: every part goes on at once.",
    )

    http2: Flag = Field(
        default=True,
        description="Whoever can speaks HTTP/2, on `tls_port`. Caddy always does. Sites that share a port with nginx "
        "before 1.25.1 share this too.",
    )
    compression: Literal["all", "static", "none"] | None = Field(
        default=None,
        description="What is sent compressed, of texts of some length, to whoever takes it: answers of the application "
        "as well, static files alone (for pages that hold secrets beside what somebody else may have sent them, see "
        "BREACH), or nothing. "
        'Default: `"all"`, but where `extra` says something about it, or has nginx include a file.',
    )
    immutable: Flag | None = Field(
        default=None,
        description="Browsers keep static files of a release for a year, without asking again, where a hash of the "
        "content is part of the name, as in `base.0123456789ab.css`. "
        "Default: true, but where `extra` says something about it, or has nginx include a file.",
    )
    hsts: Hsts | None = Field(default=None, description="Browsers are told to use HTTPS alone.")

    @property
    def doors(self) -> tuple[tuple[int, bool], ...]:
        """Its ports, and whether each is one for TLS."""
        tls = [self.tls_port, *map(int, self.tls_proxy)] if self.tls != "none" else []
        return (*((port, False) for port in (self.listen, *self.extra_ports)), *((port, True) for port in tls))

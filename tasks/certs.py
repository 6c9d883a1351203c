"""Certificates: of the site, and of the application's own programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hawser.errors import HawserError, Problem
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.certificates import certificate_names, certificate_settings, local_file, site_certificate
from hawser.host.health import healthy
from hawser.host.processes import ProcessInstance, going_on, live_processes_of
from hawser.host.release import Release
from hawser.host.views import certificate_files, certificates_folder
from hawser.inventory.tables.certificates import Certificate
from hawser.resources import Directory, File, Notice, OnlyPlaced, Resources, Running, SelfSigned, changed
from hawser.session.session import Session
from hawser.steps import fleet_task, removal, session_task, step
from hawser.templates.rendering import TemplateError

from . import acme
from .webservers import web_server


@fleet_task()
def install(fleet: Fleet) -> None:
    """Install the site's certificate and those of the application; programs that need them restart batch by batch."""
    bring(fleet)


def bring(fleet: Fleet, release: Release | None = None) -> None:
    """Bring certificates to hosts, in the order in which they switch where programs restart for them."""
    if not fleet.environment.certificates:
        fleet.apply([place], release, phase="certificates")
        return
    batches = list(fleet.batches())
    for number, batch in enumerate(batches, 1):
        batch.apply([place], release, phase=f"certificates {number}/{len(batches)}")
    rest = fleet.subset([name for name in fleet.names if name not in fleet.with_code().names])
    if rest.names:
        rest.apply([place], release, phase="certificates")


@step()
def place(host: Host) -> Resources:
    """Install the site's certificate and those of the application, or self-signed ones where that is asked for."""
    yield from of_site(host)
    yield from of_application(host)


def of_site(host: Host) -> Resources:
    """Yield the certificate that the web server presents."""
    site, server, traits = host.environment.site, web_server(host), host.web_server
    if site is None or server is None or traits is None or site.tls == "none":
        return
    certificate, key = site_certificate(host)
    if site.tls == "acme":
        if acme.wanted(host):
            yield from acme.stand_in(host)
        return
    if site.tls == "files" and not site.certificate:
        # A release from when the settings named the files: they are on the host still.
        return
    own = site_pair(host) if site.tls == "files" else None
    pair: tuple[File | SelfSigned, ...]
    if own is None or own.fault:
        pair = (SelfSigned(certificate, key, tuple(site.domains), traits.user),)
    else:
        pair = (
            File(certificate, own.certificate),
            File(key, own.key, mode=0o600 if traits.user == "root" else 0o640, group=traits.user, opaque=True),
        )
    if own is not None:
        yield from notices("site", own)
    yield from pair
    yield server.reloaded(host, changed(*pair))


def of_application(host: Host) -> Resources:
    """Yield the certificates that programs of the application present themselves, and their restarts."""
    settings, places = certificate_settings(host), certificate_files(host.environment)
    paths = [
        path
        for name, setting in settings.items()
        for part, path in places[name].model_dump().items()
        if part != "chain" or setting.chain or setting.fallback
    ]
    # A release that serves may still read those that are called otherwise by now; the next one takes them away.
    adds, folder = host.release is None and bool(host.facts.current), certificates_folder(host.environment)
    yield OnlyPlaced("certificates", tuple(paths), folder, adds=adds)
    if settings:
        yield Directory(certificates_folder(host.environment))
    for name, setting in settings.items():
        own, at = pair_of(host, name, setting), places[name]
        yield from notices(f"certificates.{name}", own)
        files: tuple[File | SelfSigned, ...]
        owner, group = setting.owner, host.app.group
        if own.fault:
            files = (SelfSigned(at.certificate, at.key, own.names, group, owner, at.chain),)
        else:
            files = (
                File(at.certificate, own.certificate),
                File(at.key, own.key, mode=0o600, owner=owner, group=group, opaque=True),
            )
            if setting.chain or setting.fallback:
                files += (File(at.chain, own.chain or own.certificate),)
        yield from files
        for process in live_processes_of(host):
            if process.setting_name in setting.restart and serves(host, process):
                due = changed(*files)
                yield Running(process.unit, process.setting.manager, log=process.log, when=due)
                yield from healthy(process, when=due)


def serves(host: Host, process: ProcessInstance) -> bool:
    """Whether a process runs that a switch would not replace anyway; one that somebody has stopped stays so."""
    row = host.facts.defined(process.unit, process.setting.manager)
    if row is None or not row["active"]:
        return False
    return host.release is None or going_on(host, process.unit, process.setting.manager) is not None


@dataclass(frozen=True)
class Pair:
    """A certificate of this machine with its key and chain, as text.

    :param fault: why it cannot be used, where a self-signed one may stand in.
    """

    names: tuple[str, ...]
    certificate: str = ""
    key: str = ""
    chain: str = ""
    fault: str = ""


def notices(key: str, own: Pair) -> Iterator[Notice]:
    """Yield the warning that a self-signed certificate stands in, or that the real one ends soon."""
    if own.fault:
        yield Notice(
            f"{key}: {own.fault}; a SELF-SIGNED certificate for {', '.join(own.names)} stands in, which nobody trusts"
        )
        return
    from hawser.certificates.provided import EARLY, days_left

    days = days_left(own.certificate)
    if days <= EARLY:
        yield Notice(f"{key}: the certificate expires in {days} days")


def site_pair(host: Host) -> Pair:
    """Read and check the site's certificate.

    :raises TemplateError: something is wrong with it, and nothing may stand in.
    """
    site = host.environment.site
    assert site is not None
    # Only own certificates need it, and it takes longer to load than a host takes to answer.
    from hawser.certificates.provided import check, self_signed

    try:
        chain = local_file(host, "site.certificate")
        key = local_file(host, "site.key")
        check(chain, key, site.domains, host.environment.path.name)
    except TemplateError as error:
        if not site.fallback:
            raise
        return Pair(site.domains, fault=message_of(error))
    if site.hsts and self_signed(chain):
        message = f"needs a certificate that browsers trust, and {site.certificate} has signed itself"
        hint = "one of an authority, or no hsts: nobody would get past it"
        raise TemplateError(Problem(host.environment.path.name, "site.hsts", message, hint))
    return Pair(site.domains, chain, key)


def pair_of(host: Host, name: str, setting: Certificate) -> Pair:
    """Read and check a certificate of the application for a host.

    :raises TemplateError: something is wrong with it, and nothing may stand in.
    """
    from hawser.certificates.provided import check_own

    at = f"certificates.{name}"
    names = certificate_names(host)[name]
    hint = f"fab -H {host.environment.name} certs.request makes a key and what is to be signed"
    try:
        texts = {
            part: local_file(host, f"{at}.{part}", hint)
            for part, path in (("certificate", setting.certificate), ("key", setting.key), ("chain", setting.chain))
            if path
        }
        check_own(texts["certificate"], texts["key"], texts.get("chain", ""), names, host.environment.path.name, at)
    except TemplateError as error:
        if not setting.fallback:
            raise
        return Pair(names, fault=message_of(error))
    return Pair(names, texts["certificate"], texts["key"], texts.get("chain", ""))


def message_of(error: TemplateError) -> str:
    """Return a mistake as a sentence, without the name of its file."""
    part, message = error.problem.key.rpartition(".")[2], error.problem.message
    return message if message.startswith("its ") else f"its {part} {message}"


@session_task()
def request(session: Session) -> None:
    """Make key and signing request of every certificate that somebody else signs; a key that is there is kept.

    Keys and requests lie beside the environment file; no host is asked.
    """
    from hawser.certificates.requests import create, orders, summary

    found = orders([session.host(name) for name in session.selection.hosts])
    if not found:
        raise HawserError(f"{session.environment.path.name} asks for no certificate of your own", code=2)
    for order in found:
        paths, names = summary(order, Path.cwd()), ", ".join(order.names)
        if session.dry:
            session.report.note("", f"would make {paths['request']} for {names}")
            continue
        next_move = f"have {paths['request']} signed, and put the answer into {paths['certificate']}"
        session.report.note("", f"{names}: {create(order)}\n  next: {next_move}")


@removal()
def remove(host: Host) -> Resources:
    """Remove the application's certificates and keys, wherever they are."""
    yield OnlyPlaced("certificates", (), certificates_folder(host.environment))

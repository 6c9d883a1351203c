"""What visitors of the site get, on the wire: HTTP/2, compression, how long files are kept, HSTS."""

from __future__ import annotations

from posixpath import dirname

from hawser.answers import reading
from hawser.answers.rows import Delivery as Measured
from hawser.host import Host
from hawser.host.delivery import Delivery, delivery, static_folders

from .registry import Ask, Finding, Findings, at_its_release, on_host


@on_host
def visitors(host: Host, ask: Ask) -> Findings:
    """Visitors get what the settings say: the protocol, compressed texts, files that are kept, HSTS."""
    site = host.environment.site
    if site is None or host.web_server is None or not host.facts.current:
        return
    host = at_its_release(host)
    tls = site.tls != "none"
    port = site.tls_port if tls else site.listen
    # While the page is there, nobody gets a file.
    released = [] if host.facts.closed else [each for each in static_folders(host) if each["released"]]
    folders = [[each["prefix"], each["folder"]] for each in released]
    name = site.domains[0].replace("*", "hawser-site", 1)
    found = ask(reading.DELIVERY, name=name, port=port, tls=tls, folders=folders)
    # That nobody answers is another finding.
    if found["why"]:
        return
    wanted = delivery(site, host.text(site.extra, "site.extra"))
    if tls:
        yield from protocol(host, found, f"{name} on port {port}")
    yield from files(host, found, wanted)
    if wanted["hsts"]:
        yield from hsts(host, found["hsts"], wanted["hsts"])


def brings(host: Host) -> str:
    """Return what to type for settings that a site may not have yet."""
    return f"fab -H {host.environment.name} deploy brings the lines of the settings"


def protocol(host: Host, found: Measured, place: str) -> Findings:
    """HTTP/2 is spoken where the settings say so, and nowhere else."""
    site = host.environment.site
    assert site is not None and host.web_server is not None
    spoken = found["protocol"] == "h2"
    if site.http2 and not spoken:
        reasons = {
            "nginx": "or a template of your own lacks it: `http2 on`, before 1.25.1 `http2` in `listen`",
            "apache": "or an MPM without threads has it off: a2query -M says mpm_event where it can work",
        }
        more = f", {reasons[site.server]}" if site.server in reasons else ""
        yield Finding(f"{place} speaks no HTTP/2", brings(host) + more, warning=True)
    if spoken and not site.http2:
        folder = dirname(host.web_server.sites)
        looks = f'fab -H {host.target} run "grep -rn http2 {folder}"'
        next_move = f"{brings(host)}, or another site of this port has it: {looks}"
        yield Finding(f"{place} speaks HTTP/2, and site.http2 is false", next_move, warning=True)


def files(host: Host, found: Measured, wanted: Delivery) -> Findings:
    """Texts are compressed, and hashed files are kept, as the settings say."""
    text, encoding, hashed, cache = found["text"], found["encoding"], found["hashed"], found["cache"]
    elsewhere = "; else look for lines of the same kind in other files of the web server, and in your own templates"
    next_move = brings(host) + elsewhere
    if text and wanted["compression"] in ("all", "static") and not encoding:
        yield Finding(f"{text} is not sent compressed to those who take it", next_move, warning=True)
    if text and wanted["compression"] == "none" and encoding:
        yield Finding(f'{text} is sent compressed ({encoding}), and compression is "none"', next_move, warning=True)
    if hashed and wanted["kept"] and cache != [wanted["kept"]]:
        said = f"Cache-Control is {' and '.join(cache)}" if cache else "there is no Cache-Control"
        message = f"{hashed} has a hash in its name, and browsers do not keep it for long: {said}"
        yield Finding(message, next_move, warning=True)


def hsts(host: Host, said: list[list[str]], wanted: str) -> Findings:
    """The web server says it itself, and the start page says it once, the application's own word or this one.

    :param said: by the web server, and with the start page.
    """
    own, page = [*said, [], []][:2]
    if own != [wanted]:
        told = " and ".join(own) or "nothing"
        yield Finding(f"Strict-Transport-Security is to be {wanted}, and the web server says {told}", brings(host))
    elif len(page) != 1:
        told = " and ".join(page) or "nothing"
        message = f"Strict-Transport-Security is to be said once, and the start page says {told}"
        yield Finding(message, f"take it out of the application, or out of {host.environment.path.name}")

"""Proof that it is a site's own configuration that answers for its names, and who answers in its place."""

from __future__ import annotations

import re
import time

from ..files.disk import beginning
from ..kernel.ports import at_port
from ..rows import NAMED
from ..system import Change, Failure, Kind
from ..webservers import TRAITS
from .visit import visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Tuple

    from ..specs.answers import SiteState
    from ..specs.processes import ServedSpec
    from ..system import System

    # A port, and whether it is one for TLS.
    Door = Tuple[int, bool]

# Asked there, a site names the text of its configuration.
PATH = "/.hawser-site"
MARK = re.compile(re.escape(PATH) + "/([0-9a-f]{16})")
# Seconds. A web server takes up another configuration some moments after it was told to.
RELOADING = 10.0
# Of a site that serves already, and is not what is tried.
GLANCE = 2.0
# Bytes of a configuration.
LONGEST = 1 << 20
WARNING = re.compile(r"\[(?:\w+:)?warn\]")


def mark_of(page: str) -> str:
    """Return the mark in the configuration of a site; empty where there is none, as in those of former versions."""
    found = MARK.search(beginning(page, LONGEST))
    return found.group(1) if found else ""


class Site:
    """A site of a web server on this host.

    :param server: the web server's name in the settings.
    :param page: the configuration of the site.
    :param names: those that it answers for; one stands for all below a ``*``.
    """

    def __init__(self, system: System, server: str, page: str, names: Sequence[str], doors: Sequence[Door]) -> None:
        self.system = system
        self.traits = TRAITS[server]
        self.page = page
        self.names = names
        self.doors = doors

    def astray(self) -> Optional[Tuple[str, Door, str]]:
        """Return the first name and door behind which is not this site, with the answer there; None: there is none."""
        mark = mark_of(self.page)
        if not mark:
            return None
        for port, tls in self.doors:
            for name in self.names:
                asked = name.replace("*", "hawser-site", 1) if name.startswith("*.") else name
                answer = visit(port, tls, asked, PATH)
                if not answer.location.endswith("%s/%s" % (PATH, mark)):
                    return name, (port, tls), str(answer)
        return None

    def why(self, name: str, door: Door, said: str) -> str:
        """Say why a name leads elsewhere."""
        port, tls = door
        place = "%s on port %d" % (name, port)
        rivals = self.rivals([name], [port])
        if rivals:
            return "%s leads to another site: %s has this name as well" % (place, ", ".join(rivals[:NAMED]))
        if not self.is_read():
            return "%s does not lead to this site: %s does not read %s" % (place, self.traits.label, self.page)
        others = sorted({each["program"] for each in at_port(port)} - {self.traits.program, ""})
        if others:
            named = ", ".join(others[:NAMED])
            return "%s does not lead to this site: %s has the port, not %s" % (place, named, self.traits.label)
        scheme = "https" if tls else "http"
        return "%s does not lead to this site: %s://%s:%d%s %s" % (place, scheme, name, port, PATH, said)

    def listed(self) -> str:
        """Return what the web server prints of its sites; empty where it does not."""
        if not self.traits.listing:
            return ""
        return self.system.run(list(self.traits.listing), check=False, apart=True, timeout=60).output

    def rivals(self, names: Sequence[str], ports: Sequence[int]) -> List[str]:
        """Return the other files that claim one of some names on one of some ports, in whatever address's name."""
        wanted, doors = {name.lower() for name in names}, set(ports)
        claims = self.traits.claims(self.listed())
        found = {each.file for each in claims if wanted & each.names and doors & each.ports}
        return sorted(found - {self.page})

    def is_read(self) -> bool:
        """Tell whether the web server reads the site's configuration at all."""
        return not self.traits.listing or any(each.file == self.page for each in self.traits.claims(self.listed()))

    def remarks(self) -> List[str]:
        """Return what there is to say of a site that is served: others with its names, warnings about its file."""
        rivals = self.rivals(self.names, [port for port, _tls in self.doors])
        found = ["%s claims a name of this site as well" % each for each in rivals]
        result = self.system.run(list(self.traits.judge), check=False, timeout=60)
        about = [line for line in result.output.splitlines() if self.page in line and WARNING.search(line)]
        found += [WARNING.split(line, 1)[1].strip() for line in about]
        return found[:NAMED]


def state(system: System, server: str, page: str, names: Sequence[str], doors: Sequence[Door]) -> SiteState:
    """Return why a site does not have its names, empty when it has, and what else there is to say of it."""
    site = Site(system, server, page, names, doors)
    wrong = site.astray()
    if wrong:
        return {"astray": site.why(*wrong), "remarks": []}
    return {"astray": "", "remarks": site.remarks() if mark_of(page) else []}


class Served(Kind):
    """See `hawser.resources.Served`."""

    spec: ServedSpec

    def site(self) -> Site:
        spec = self.spec
        return Site(self.system, spec["server"], spec["page"], spec["names"], spec["doors"])

    def check(self) -> Optional[Change]:
        site = self.site()
        if site.astray():
            return Change("waits until its names lead there")
        if mark_of(site.page):
            self.system.warnings += site.remarks()
        return None

    def apply(self, change: Change) -> None:
        site = self.site()
        wrong = self.waited(site, GLANCE)
        # Where another site has the name there is nothing to wait for.
        if wrong and not self.spec["serves"] and not site.rivals([wrong[0]], [wrong[1][0]]):
            wrong = self.waited(site, RELOADING)
        if not wrong:
            self.system.warnings += site.remarks()
        elif self.spec["serves"]:
            self.system.warnings.append(site.why(*wrong))
        else:
            raise Failure(site.why(*wrong))

    def waited(self, site: Site, seconds: float) -> Optional[Tuple[str, Door, str]]:
        """Return what leads elsewhere when some time is over; see `Site.astray`."""
        deadline = time.monotonic() + seconds
        wrong = site.astray()
        while wrong and time.monotonic() < deadline:
            time.sleep(0.05)
            wrong = site.astray()
        return wrong

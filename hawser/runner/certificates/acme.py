"""Certificates from an ACME server (RFC 8555), by the host's certbot and its webroot plugin."""

from __future__ import annotations

import json
import os
import re

from ..files.disk import link_atomically, read, remove, write_atomically
from ..files.records import parsed
from ..system import Change, Failure, Kind
from .certificates import parse_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.certificates import AcmeCertificateSpec, AcmeLinkSpec
    from ..specs.messages import Details
    from ..system import Spec, System

CONFIGURATION = "/etc/letsencrypt"
# Certbot itself renews 30 days before the end, twice a day; what it has not done by then needs somebody.
DAYS_LEFT = 10
# Seconds; the server comes to look at the challenges meanwhile.
LONGEST = 300
RECORD = "acme.json"


class Lineage:
    """A certificate as certbot keeps it, under a name.

    :param name: the folder's name in ``live``, and the file's in ``renewal``.
    """

    def __init__(self, system: System, name: str) -> None:
        self.system = system
        self.live = os.path.join(CONFIGURATION, "live", name)
        self.renewal = os.path.join(CONFIGURATION, "renewal", name + ".conf")

    def complete(self) -> bool:
        return all(os.path.exists(os.path.join(self.live, each)) for each in ("fullchain.pem", "privkey.pem"))

    def fault(self, domains: List[str], server: str) -> str:
        """Return its defect in words; empty when it will do."""
        if not self.complete():
            return "new"
        certificate = read(os.path.join(self.live, "cert.pem")) or b""
        argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-checkend", str(DAYS_LEFT * 86400)]
        shown = self.system.run(argv, stdin=certificate, check=False)
        names = sorted(value for _kind, value in parse_names(shown.output))
        if names != sorted(domains):
            return "names %s -> %s" % (", ".join(names), ", ".join(sorted(domains)))
        said = re.search(r"^server\s*=\s*(\S+)", (read(self.renewal) or b"").decode(), re.M)
        if said and said.group(1) != server:
            return "server %s -> %s" % (said.group(1), server)
        return "" if shown.code == 0 else "ends within %d days" % DAYS_LEFT


def recorded(system: System) -> str:
    """Return the name of the certificate that was asked for here, and so is ours to remove; empty for none."""
    path = os.path.join(system.state, RECORD)
    data = read(path)
    found = parsed(data, dict) if data is not None else {}
    if found is None:
        raise Failure(
            "%s is damaged, so nobody knows which certificate is ours; next: remove it, and with certbot one that is"
            " wanted no more" % path
        )
    return str(found.get("name", ""))


class Certificate(Kind):
    """See `hawser.resources.AcmeCertificate`.

    A server that refuses is no failure: its reason becomes a warning, and what stands in goes on serving.
    """

    spec: AcmeCertificateSpec

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.warning = ""

    def check(self) -> Optional[Change]:
        name, former = self.spec["name"], recorded(self.system)
        fault = Lineage(self.system, name).fault(self.spec["domains"], self.spec["server"]) if name else ""
        notes = [fault] if fault else []
        if former and former != name:
            notes.append("removes the certificate %s" % former)
        return Change(", ".join(notes)) if notes else None

    def apply(self, change: Change) -> None:
        name, former = self.spec["name"], recorded(self.system)
        if name:
            lineage = Lineage(self.system, name)
            fault = lineage.fault(self.spec["domains"], self.spec["server"])
            if fault:
                if fault == "new":
                    # Before it is made: a run that dies in between leaves nothing behind that nobody knows of.
                    write_atomically(
                        os.path.join(self.system.state, RECORD), json.dumps({"name": name}).encode(), 0o600
                    )
                self.issue(fault)
            if not lineage.complete():
                return
        if former and former != name:
            argv = ["certbot", "delete", "--non-interactive", "--cert-name", former]
            self.system.run(argv, timeout=LONGEST, check=os.path.exists(Lineage(self.system, former).renewal))
            if not name:
                remove(os.path.join(self.system.state, RECORD))
            else:
                self.record(name)

    def record(self, name: str) -> None:
        write_atomically(os.path.join(self.system.state, RECORD), json.dumps({"name": name}).encode(), 0o600)

    def issue(self, fault: str) -> None:
        spec = self.spec
        argv = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--webroot", "-w", spec["webroot"]]
        argv += ["--server", spec["server"], "--cert-name", spec["name"]]
        argv += ["--email", spec["email"]] if spec["email"] else ["--register-unsafely-without-email"]
        for domain in spec["domains"]:
            argv += ["-d", domain]
        if fault != "new":
            argv += ["--force-renewal", "--renew-with-new-domains"]
        result = self.system.run(argv, timeout=LONGEST, check=False)
        self.output = result.output
        if result.code:
            self.warning = "no certificate for %s from %s: %s; what is there goes on serving; next: %s" % (
                ", ".join(spec["domains"]),
                spec["server"],
                reason(result.output),
                spec["hint"],
            )

    def facts(self) -> Details:
        return {"warning": self.system.show(self.warning)} if self.warning else {}


def reason(output: str) -> str:
    """Return the line of certbot's output that says why."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    details = [line[len("Detail:") :].strip() for line in lines if line.startswith("Detail:")]
    if details:
        return details[0]
    said = [line for line in lines if not line.startswith(("Saving debug log", "Ask for help", "See the logfile"))]
    return said[-1] if said else "certbot says nothing"


class Link(Kind):
    """See `hawser.resources.AcmeLink`."""

    spec: AcmeLinkSpec

    def target(self) -> str:
        lineage = Lineage(self.system, self.spec["name"])
        return lineage.live if lineage.complete() else self.spec["stand_in"]

    def check(self) -> Optional[Change]:
        path, wanted = self.spec["path"], self.target()
        found = os.readlink(path) if os.path.islink(path) else ""
        return None if found == wanted else Change("%s -> %s" % (found or "nothing", wanted))

    def apply(self, change: Change) -> None:
        link_atomically(self.spec["path"], self.target())

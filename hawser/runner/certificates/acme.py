"""Certificates from an ACME server (RFC 8555), by the host's certbot: its webroot plugin, or one for a DNS service."""

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

    def fault(self, spec: AcmeCertificateSpec) -> str:
        """Return its defect in words; empty when it will do."""
        domains = spec["domains"]
        if not self.complete():
            return "new"
        certificate = read(os.path.join(self.live, "cert.pem")) or b""
        argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-checkend", str(DAYS_LEFT * 86400)]
        shown = self.system.run(argv, stdin=certificate, check=False)
        names = sorted(value for _kind, value in parse_names(shown.output))
        if names != sorted(domains):
            return "names %s -> %s" % (", ".join(names), ", ".join(sorted(domains)))
        said = self.noted("server")
        if said and said != spec["server"]:
            return "server %s -> %s" % (said, spec["server"])
        return self.renewed_otherwise(spec) or ("" if shown.code == 0 else "ends within %d days" % DAYS_LEFT)

    def renewed_otherwise(self, spec: AcmeCertificateSpec) -> str:
        """Say how certbot would answer at a renewal in another way than the settings have it; empty when it would not.

        Where they have no plugin, one that somebody else has asked for may answer as it does.
        """
        plugin, said = spec["plugin"], self.noted("authenticator")
        wanted = "dns-" + plugin if plugin else "webroot"
        ours = spec["name"] in recorded(self.system)
        if said and said != wanted and (plugin or (ours and said.startswith("dns-"))):
            return "%s -> %s" % (said, wanted)
        seconds, waits = str(spec["propagation"] or ""), self.noted("dns_%s_propagation_seconds" % plugin)
        if plugin and seconds != waits:
            return "propagation %s -> %s" % (waits or "default", seconds or "default")
        return ""

    def noted(self, key: str) -> str:
        """Return what certbot has noted for renewals; empty for nothing."""
        said = re.search(r"^%s\s*=\s*(\S+)" % re.escape(key), (read(self.renewal) or b"").decode(), re.M)
        return said.group(1) if said else ""


def recorded(system: System) -> List[str]:
    """Return the names of the certificates that were asked for here, and so are ours to remove, the latest first."""
    path = os.path.join(system.state, RECORD)
    data = read(path)
    found = parsed(data, dict) if data is not None else {}
    if found is None:
        raise Failure(
            "%s is damaged, so nobody knows which certificate is ours; next: remove it, and with certbot one that is"
            " wanted no more" % path
        )
    former = found.get("former")
    return [str(each) for each in (found.get("name"), *(former if isinstance(former, list) else ())) if each]


class Certificate(Kind):
    """See `hawser.resources.AcmeCertificate`.

    A server that refuses is no failure: its reason becomes a warning, and what stands in goes on serving.
    """

    spec: AcmeCertificateSpec

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.warning = ""

    def former(self) -> List[str]:
        """Return the names of those that this one takes the place of."""
        return [each for each in recorded(self.system) if each != self.spec["name"]]

    def check(self) -> Optional[Change]:
        name = self.spec["name"]
        fault = Lineage(self.system, name).fault(self.spec) if name else ""
        notes = [fault] if fault else []
        gone = "in place of the certificate %s" if fault else "removes the certificate %s"
        notes += [gone % each for each in self.former()]
        return Change(", ".join(notes)) if notes else None

    def apply(self, change: Change) -> None:
        name, former = self.spec["name"], self.former()
        if name:
            lineage = Lineage(self.system, name)
            fault = lineage.fault(self.spec)
            if fault:
                if fault == "new":
                    # Before it is made: a run that dies in between leaves nothing behind that nobody knows of.
                    self.record([name, *former])
                self.issue(fault)
            if not lineage.complete():
                return
        for each in former:
            argv = ["certbot", "delete", "--non-interactive", "--cert-name", each]
            self.system.run(argv, timeout=LONGEST, check=os.path.exists(Lineage(self.system, each).renewal))
        if former:
            self.record([name] if name else [])

    def record(self, names: List[str]) -> None:
        path = os.path.join(self.system.state, RECORD)
        if names:
            content = {"name": names[0], "former": names[1:]}
            write_atomically(path, json.dumps(content).encode(), 0o600)
        else:
            remove(path)

    def issue(self, fault: str) -> None:
        spec = self.spec
        argv = ["certbot", "certonly", "--non-interactive", "--agree-tos", *answering(spec)]
        argv += ["--server", spec["server"], "--cert-name", spec["name"]]
        argv += ["--email", spec["email"]] if spec["email"] else ["--register-unsafely-without-email"]
        for domain in spec["domains"]:
            argv += ["-d", domain]
        if fault != "new":
            argv += ["--force-renewal", "--renew-with-new-domains"]
        result = self.system.run(argv, timeout=LONGEST + spec["propagation"], check=False)
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


def answering(spec: AcmeCertificateSpec) -> List[str]:
    """Return the options of certbot that say how the server's question is answered."""
    plugin = spec["plugin"]
    if not plugin:
        return ["--webroot", "-w", spec["webroot"]]
    argv = ["--authenticator", "dns-" + plugin]
    if spec["credentials"]:
        argv += ["--dns-%s-credentials" % plugin, spec["credentials"]]
    if spec["propagation"]:
        argv += ["--dns-%s-propagation-seconds" % plugin, str(spec["propagation"])]
    return argv


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
        if lineage.complete():
            return lineage.live
        try:
            others = recorded(self.system)
        except Failure:
            # Whoever asks for the certificate says so.
            others = []
        # A former one serves on until there is another.
        found = (Lineage(self.system, name) for name in others)
        return next((each.live for each in found if each.complete()), self.spec["stand_in"])

    def check(self) -> Optional[Change]:
        path, wanted = self.spec["path"], self.target()
        found = os.readlink(path) if os.path.islink(path) else ""
        return None if found == wanted else Change("%s -> %s" % (found or "nothing", wanted))

    def apply(self, change: Change) -> None:
        link_atomically(self.spec["path"], self.target())

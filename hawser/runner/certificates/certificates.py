"""Self-signed certificates, made with the host's openssl."""

from __future__ import annotations

import calendar
import ipaddress
import os
import re
import shutil
import stat
import time

from ..files.disk import read, write_atomically
from ..system import Change, Failure, Kind, group_id, user_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional, Set, Tuple

    from ..specs.answers import Certificate
    from ..specs.certificates import SelfSignedSpec
    from ..system import System

    Name = Tuple[str, str]

DAYS = 397
DAYS_LEFT = 30
NAME = re.compile(r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")
CN_LENGTH = 64


def alternative(name: str) -> Name:
    """Return a host name or an address as a (kind, value) pair, in one spelling.

    :raises Failure: it is neither.
    """
    try:
        return "IP", str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if not NAME.match(name):
            raise Failure("%r is no host name that a certificate can hold" % name) from None
        return "DNS", name.lower()


def parse_names(text: str) -> Set[Name]:
    """Return the alternative names that ``openssl x509 -ext subjectAltName`` prints, as `alternative` spells them."""
    names = set()
    for entry in re.findall(r"(?:DNS|IP Address):[^,\s]+", text):
        names.add(alternative(entry.split(":", 1)[1]))
    return names


def self_signed(text: str) -> bool:
    """Tell from the output of ``openssl x509 -subject -issuer`` whether a certificate has issued itself."""
    said = dict(line.split("=", 1) for line in text.splitlines() if line.startswith(("subject=", "issuer=")))
    return said.get("subject") == said.get("issuer")


class SelfSigned(Kind):
    """See `hawser.resources.SelfSigned`."""

    spec: SelfSignedSpec

    def wanted(self) -> List[Name]:
        return [alternative(name) for name in self.spec["names"]]

    def key_mode(self) -> int:
        alone = self.spec["group"] == "root" or self.spec["owner"] != "root"
        return 0o600 if alone else 0o640

    def check(self) -> Optional[Change]:
        note = self.fault()
        if note:
            return Change(note)
        notes = []
        for path, mode in [(self.spec["key"], self.key_mode()), *((each, 0o644) for each in self.public())]:
            status = os.stat(path)
            if stat.S_IMODE(status.st_mode) != mode:
                notes.append("%s: mode -> %04o" % (path, mode))
            if path == self.spec["key"] and status.st_gid != group_id(self.spec["group"]):
                notes.append("%s: group -> %s" % (path, self.spec["group"]))
            if path == self.spec["key"] and status.st_uid != self.owner_id():
                notes.append("%s: owner -> %s" % (path, self.spec["owner"]))
        return Change(", ".join(notes)) if notes else None

    def public(self) -> List[str]:
        """The paths that hold the certificate."""
        return [path for path in (self.spec["certificate"], self.spec["chain"]) if path]

    def owner_id(self) -> int:
        """Whose the key shall be; root's is ours, whoever we are."""
        owner = self.spec["owner"]
        return os.getuid() if owner == "root" else user_id(owner)

    def fault(self) -> str:
        """Return the defect of the present pair in words; empty when it will do."""
        certificate, key = read(self.spec["certificate"]), read(self.spec["key"])
        if certificate is None or key is None:
            return "new"
        argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-pubkey", "-subject", "-issuer"]
        argv += ["-checkend", str(DAYS_LEFT * 86400)]
        shown = self.system.run(argv, stdin=certificate, check=False)
        public = self.system.run(["openssl", "pkey", "-pubout"], stdin=key, check=False)
        if "BEGIN PUBLIC KEY" not in shown.output or public.code:
            return "cannot be read, made anew"
        if public.output.strip() not in shown.output:
            return "key and certificate are no pair, made anew"
        if not self_signed(shown.output):
            return "was issued by somebody else, made anew"
        names = parse_names(shown.output)
        if names != set(self.wanted()):
            return "names %s -> %s" % (spell(names), spell(self.wanted()))
        if any(read(path) != certificate for path in self.public()):
            return "the chain is another one"
        return "" if shown.code == 0 else "expires within %d days" % DAYS_LEFT

    def apply(self, change: Change) -> None:
        gid = group_id(self.spec["group"])
        key, certificate = read(self.spec["key"]), read(self.spec["certificate"])
        if key is None or certificate is None or self.fault():
            key, certificate = self.generate()
        # Neither half fits an old other half, so a run that dies in between is seen by the next one.
        write_atomically(self.spec["key"], key, self.key_mode(), self.owner_id(), gid)
        for path in self.public():
            write_atomically(path, certificate, 0o644)

    def generate(self) -> Tuple[bytes, bytes]:
        """Return a new key and its certificate; the key never touches the disk on the way."""
        names = self.wanted()
        common = names[0][1] if len(names[0][1]) <= CN_LENGTH else "self-signed"
        argv = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        key = self.system.run(argv, apart=True).output
        argv = ["openssl", "req", "-x509", "-new", "-sha256", "-key", "/dev/stdin", "-days", str(DAYS)]
        argv += ["-subj", "/CN=" + common, "-addext", "basicConstraints=critical,CA:FALSE"]
        argv += ["-addext", "subjectAltName=" + ",".join("%s:%s" % name for name in names)]
        argv += ["-addext", "extendedKeyUsage=serverAuth"]
        return key.encode(), self.system.run(argv, stdin=key, apart=True).output.encode()


def spell(names: Iterable[Name]) -> str:
    return ", ".join(sorted(value for _kind, value in names)) or "(none)"


def shown(system: System, path: str) -> Optional[Certificate]:
    """Return the facts of a certificate: days (that are left, negative when it is over), names, self_signed.

    :returns: None when there is none that can be read.
    """
    if not path or not os.path.exists(path) or not shutil.which("openssl"):
        return None
    argv = ["openssl", "x509", "-noout", "-enddate", "-ext", "subjectAltName", "-subject", "-issuer", "-in", path]
    answer = system.run(argv, check=False, apart=True)
    end = re.search(r"^notAfter=(.*) GMT$", answer.output, re.M)
    if not end:
        return None
    seconds = calendar.timegm(time.strptime(end.group(1), "%b %d %H:%M:%S %Y")) - time.time()
    return {
        "days": int(seconds // 86400),
        "names": [value for _kind, value in sorted(parse_names(answer.output))],
        "self_signed": self_signed(answer.output),
    }

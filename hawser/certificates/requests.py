"""Keys and signing requests for certificates that are to be ordered, made on this machine and kept there."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from ..children import inherited
from ..errors import HawserError
from ..host import Host
from ..host.certificates import certificate_names, certificate_settings

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# What every authority signs and every program reads.
BITS = 3072
# The longest common name (RFC 5280, ub-common-name); all names are among the alternative ones anyway.
LONGEST = 64


@dataclass(frozen=True)
class CertificateRequest:
    """A certificate that somebody is asked to sign.

    :param certificate: where the answer shall be put, and
    :param key: where the private key is kept: absolute paths on this machine.
    :param names: what it shall be for, over all hosts that share it.
    """

    certificate: Path
    key: Path
    names: tuple[str, ...]

    @property
    def request(self) -> Path:
        """Where the signing request goes."""
        return self.certificate.with_suffix(".csr")


def orders(hosts: Sequence[Host]) -> list[CertificateRequest]:
    """Return the certificates that some hosts need from somebody else, one for each file."""
    found: dict[tuple[Path, Path], dict[str, None]] = {}
    for host in hosts:
        for certificate, key, names in wanted(host):
            found.setdefault((certificate, key), {}).update(dict.fromkeys(names))
    return [CertificateRequest(certificate, key, tuple(names)) for (certificate, key), names in found.items()]


def wanted(host: Host) -> Iterator[tuple[Path, Path, Sequence[str]]]:
    """Yield the place of each certificate of a host, of its key, and the names it is for."""
    folder, site = host.environment.path.parent.resolve(), host.environment.site
    if site and host.serves_site and site.tls == "files" and site.certificate and site.key:
        yield folder / site.certificate, folder / site.key, site.domains
    for name, setting in certificate_settings(host).items():
        at = f"certificates.{name}"
        names = certificate_names(host)[name]
        certificate = host.text(setting.certificate, f"{at}.certificate")
        yield folder / certificate, folder / host.text(setting.key, f"{at}.key"), names


def create(order: CertificateRequest) -> str:
    """Make the key, unless there is one, and the signing request.

    :returns: what was done, in words.
    :raises HawserError: a file cannot be read or written, or git would publish the key.
    """
    try:
        order.key.parent.mkdir(parents=True, exist_ok=True)
        order.request.parent.mkdir(parents=True, exist_ok=True)
        hide(order.key)
        private, made = key_of(order.key)
        write(order.request, signing_request(private, order.names), 0o644)
    except OSError as error:
        raise HawserError(f"{error.filename}: {(error.strerror or str(error)).lower()}", code=2) from None
    return f"made {order.key.name} and {order.request.name}" if made else f"made {order.request.name} for the key there"


def key_of(path: Path) -> tuple[PrivateKey, bool]:
    """Return the key at a path, and whether it was made just now; nobody but its owner may read it.

    :raises HawserError: there is something else.
    """
    made = not path.exists()
    if made:
        private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
        # PKCS #1: programs that are ten years old read it as well.
        text = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        write(path, text, 0o600, new=True)
    path.chmod(0o600)
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except (TypeError, ValueError):
        raise HawserError(f"{path}: is no PEM private key without a passphrase", code=2) from None
    if not isinstance(found, PrivateKey):
        raise HawserError(f"{path}: is neither an RSA nor an elliptic curve key", code=2)
    return found, made


def signing_request(private: PrivateKey, names: Sequence[str]) -> bytes:
    """Return a signing request (PEM) for some names and addresses."""
    common = [x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])] if len(names[0]) <= LONGEST else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(common))
    builder = builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def alternative(name: str) -> x509.GeneralName:
    """Return a name as a certificate holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def hide(path: Path) -> None:
    """Have git ignore a file that is about to be made.

    :raises HawserError: git has it already.
    """
    if git(path.parent, "rev-parse", "--is-inside-work-tree") != 0:
        return
    if git(path.parent, "ls-files", "--error-unmatch", "--", path.name) == 0:
        raise HawserError(
            f"{path}: is a private key that git keeps, for everyone who reads the repository",
            next=f"git rm --cached {path.name}, order another key, and write it into .gitignore",
            code=2,
        )
    if git(path.parent, "check-ignore", "--quiet", "--", path.name) != 0:
        ignored = path.parent / ".gitignore"
        lines = ignored.read_text().splitlines() if ignored.exists() else []
        write(ignored, "\n".join([*lines, f"/{path.name}", ""]).encode(), 0o644)


def git(folder: Path, *words: str) -> int:
    """Ask git something, and return its exit status; without git, nothing is kept by it."""
    try:
        argv = ["git", "-C", str(folder), *words]
        return subprocess.run(argv, env=inherited(), capture_output=True, check=False).returncode
    except FileNotFoundError:
        return 128


def write(path: Path, data: bytes, mode: int, new: bool = False) -> None:
    """Write a file in one step.

    :param new: one that is there already is left alone: somebody else was faster.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".key")  # mode 0600, ignored by git
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        if new:
            os.link(temporary, path)
        else:
            Path(temporary).replace(path)
    except FileExistsError:
        if not new:
            raise
    finally:
        Path(temporary).unlink(missing_ok=True)


def summary(order: CertificateRequest, folder: Path) -> Mapping[str, str]:
    """Return the paths of an order as a person types them, relative to a folder where they lie in it."""
    paths = {"certificate": order.certificate, "key": order.key, "request": order.request}
    return {
        name: str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
        for name, path in paths.items()
    }

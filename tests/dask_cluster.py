"""A scheduler of dask and workers on this machine, each a process of its own, with certificates made for them."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROJECT = Path(__file__).parent.parent
PREPARED = ("--preload", "hawser.session.workers.preload")
# Seconds within which one of them is up, on a machine that has other things to do as well.
UP = 60.0


def make_certificates(folder: Path, name: str = "cluster") -> dict[str, str]:
    """Make an authority and a certificate of it; returns the variables that tell dask of them."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)

    def certificate(title: str, public: ec.EllipticCurvePublicKey, authority: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )

    def write(what: str, data: bytes) -> str:
        path = folder / f"{name}-{what}.pem"
        path.touch(mode=0o600)
        path.write_bytes(data)
        return str(path)

    pem = serialization.Encoding.PEM
    authority = write("ca", certificate(f"{name} authority", key.public_key(), True).public_bytes(pem))
    own = write("cert", certificate(name, other.public_key(), False).public_bytes(pem))
    private = other.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private_key = write("key", private)
    variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": authority}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = own
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = private_key
    return variables


def as_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what such variables say, by the names of dask's settings."""
    names = {each: each.removeprefix("DASK_").lower().replace("__", ".").replace("_", "-") for each in variables}
    return {names[each]: value for each, value in variables.items()}


class Process:
    """A process whose words are kept."""

    def __init__(self, argv: list[str], environ: Mapping[str, str]) -> None:
        self.words: list[str] = []
        self.process = subprocess.Popen(
            argv,
            cwd=PROJECT,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.words.append(line)

    def said(self, pattern: str) -> str:
        """Wait until it has said something; returns the first group."""
        deadline = time.monotonic() + UP
        while not (found := re.search(pattern, "".join(list(self.words)))):
            assert self.process.poll() is None and time.monotonic() < deadline, "".join(self.words)
            time.sleep(0.05)
        return found[1]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it as nothing else does: it cannot say goodbye."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.kill()


class Cluster:
    """A scheduler, and the workers that are started for it.

    :param folder: for certificates.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = make_certificates(folder)
        self.workers: dict[str, Process] = {}
        self.addresses: dict[str, str] = {}
        self.port = 0
        self.start_scheduler()

    @property
    def environ(self) -> dict[str, str]:
        """What a command needs that goes by way of the cluster."""
        return {**self.variables, "HAWSER_ENGINE": f"dask://127.0.0.1:{self.port}"}

    def start(self, program: str, *words: str, **more: str) -> Process:
        own = {key: value for key, value in os.environ.items() if key not in ("HAWSER_ENGINE", "SSH_AUTH_SOCK")}
        argv = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
        path = os.pathsep.join(filter(None, [str(PROJECT), own.get("PYTHONPATH", "")]))
        return Process(argv, {**own, **self.variables, "PYTHONPATH": path, **more})

    def start_scheduler(self, *words: str) -> None:
        """Start it; again at the same port, where it had one."""
        # A fixed port of zero is a free one.
        self.scheduler = self.start(
            "scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", *words
        )
        self.port = int(self.scheduler.said(r"Scheduler at:\s+tls://127\.0\.0\.1:(\d+)"))

    def add(self, name: str, *hosts: str, options: Sequence[str] = PREPARED, **more: str) -> None:
        """Start a worker.

        :param hosts: the hosts and groups that it is for; none: any.
        :param options: of its command line.
        :param more: variables.
        """
        words = ["--name", name, "--nthreads", "1", "--no-dashboard", "--no-nanny", *options]
        words += [] if "--listen-address" in options else ["--host", "127.0.0.1"]
        words += ["--resources", " ".join(f"hosts:{each}=1" for each in hosts)] if hosts else []
        own = self.start("worker", f"tls://127.0.0.1:{self.port}", *words, **more)
        self.workers[name] = own
        self.addresses[name] = own.said(r"Start worker at:\s+(tls://\S+)")
        own.said(r"(Registered to)")

    def end(self) -> None:
        for each in (*self.workers.values(), self.scheduler):
            each.end()

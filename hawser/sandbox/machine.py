"""Settings that throwaway hosts take over from this machine, so that apt, pip and npm work in them as they do here."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path

from . import commands
from .sources import Source, keyrings, machine_sources, of_release

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
LOCAL_AUTHORITIES = Path("/usr/local/share/ca-certificates")
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
APT_OPTION = re.compile(
    r"Acquire::(http|https|Check-Valid-Until|Check-Date|Max-ValidTime|Min-ValidTime|Retries|Languages|ForceIPv[46]"
    r"|Allow\w+|IndexTargets::deb::[\w@-]+::DefaultEnabled)(::|$)"
)
PIP_VARIABLES = {
    "PIP_INDEX_URL": "index-url",
    "PIP_EXTRA_INDEX_URL": "extra-index-url",
    "PIP_TRUSTED_HOST": "trusted-host",
}


# Whose release is a code name, where it is not this machine's own.
DISTRIBUTIONS = {
    **dict.fromkeys(("bullseye", "bookworm", "trixie", "forky", "sid"), "debian"),
    **dict.fromkeys(("focal", "jammy", "noble", "resolute"), "ubuntu"),
}


@dataclass(frozen=True)
class Release:
    """A release of a distribution, e.g. ``debian`` and ``bookworm``."""

    distribution: str
    codename: str

    @property
    def keyring(self) -> str:
        """The file with the keys of its archive, as its distribution's package brings it."""
        return f"/usr/share/keyrings/{self.distribution}-archive-keyring.gpg"


@dataclass(frozen=True)
class Inheritance:
    """Everything a base image takes over from the machine.

    :param sources: apt sources of the distribution.
    :param apt_options: lines of apt configuration.
    :param files: further files by absolute path: keyrings, authorities, pip configuration, environment.
    """

    release: Release
    sources: tuple[Source, ...]
    apt_options: tuple[str, ...]
    files: Mapping[str, bytes]


def machine_release() -> Release:
    """Read the distribution that this machine runs."""
    try:
        return release(Path("/etc/os-release").read_text())
    except OSError:
        return Release("", "")


def release(text: str) -> Release:
    """Read an os-release(5) text."""
    words = dict(word.split("=", 1) for word in shlex.split(text, comments=True) if "=" in word)
    return Release(words.get("ID", ""), words.get("VERSION_CODENAME", ""))


def wanted_release(codename: str) -> Release:
    """Return the release of a code name; this machine's own for none."""
    own = machine_release()
    return Release(DISTRIBUTIONS.get(codename, own.distribution), codename) if codename else own


def sources_of(release: Release) -> list[Source]:
    """Return where the packages of a release come from, going by this machine's sources.

    :returns: an empty list when this machine says nothing about it; a default archive serves then.
    """
    own = machine_release()
    if release.distribution != own.distribution:
        return []
    return [of_release(source, own.codename, release.codename) for source in machine_sources(own.codename)]


def inheritance(release: Release, say: Callable[[str], None]) -> Inheritance:
    """Collect the settings that hosts of a release take over from this machine."""
    sources = sources_of(release)
    options = apt_options(commands.must("apt-config", "dump"))
    # Another release has its own keys, which may be newer than those of this machine.
    keys = [path for path in keyrings(sources) if release == machine_release() or path != release.keyring]
    files = {**_read(keys), **_read(option_files(options)), **_authorities()}
    variables = {**proxies(os.environ), **npm_variables(_text(Path.home() / ".npmrc"))}
    if any(path.startswith(str(LOCAL_AUTHORITIES)) for path in files):
        variables |= dict.fromkeys(BUNDLE_VARIABLES, BUNDLE)
    for name in PROXIES:
        if name not in variables and (os.environ.get(name) or os.environ.get(name.upper())):
            say(f"the proxy of this machine's {name} is not handed on: hosts cannot reach a loopback address")
    if pip := pip_configuration([_text(path) for path in _pip_files()], os.environ, lambda path: path == BUNDLE):
        files["/etc/pip.conf"] = pip.encode()
    if variables:
        files["/etc/environment"] = environment_file(variables).encode()
        files["/etc/systemd/system.conf.d/50-environment.conf"] = manager_configuration(variables).encode()
    # Debian 13 makes the first a link to the second at each start.
    files |= dict.fromkeys(("/etc/default/locale", "/etc/locale.conf"), b"LANG=C.UTF-8\n")
    return Inheritance(release, tuple(sources), tuple(options), files)


def apt_options(dump: str) -> list[str]:
    """Return the lines of ``apt-config dump`` that are about reaching archives."""
    return [line for line in dump.splitlines() if APT_OPTION.match(line.split(" ")[0]) and not line.endswith(' "";')]


def option_files(options: Iterable[str]) -> list[str]:
    """Return the files, such as client certificates, that apt's options name."""
    values = (line.split('"')[1] for line in options if line.count('"') >= 2)
    return [value for value in values if value.startswith("/") and value != BUNDLE]


def pip_configuration(texts: Iterable[str], variables: Mapping[str, str], exists: Callable[[str], bool]) -> str:
    """Merge pip's configuration files and variables into one for the hosts.

    Words that point at files are dropped unless the hosts have them; ``no-index`` goes with the last ``find-links``.

    :param texts: the files, in pip's order: later ones win.
    :param exists: whether a host has a file of that path.
    """
    merged = ConfigParser(interpolation=None, delimiters=("=",))
    for text in texts:
        try:
            merged.read_string(text)
        except ConfigError:
            continue
    for variable, key in PIP_VARIABLES.items():
        if variables.get(variable):
            if not merged.has_section("global"):
                merged.add_section("global")
            merged["global"][key] = variables[variable]
    lines = []
    for section in merged.sections():
        kept: dict[str, str] = {}
        for key, value in merged[section].items():
            words = [word for word in value.split() if _usable(word, exists)]
            if words:
                kept[key] = "\n    ".join(words)
        if "find-links" in merged[section] and "find-links" not in kept:
            kept.pop("no-index", None)
        if kept:
            lines += [f"[{section}]", *(f"{key} = {value}" for key, value in kept.items()), ""]
    return "\n".join(lines)


def proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy variables in both spellings, without proxies on a loopback address."""
    found: dict[str, str] = {}
    for name in PROXIES:
        value = variables.get(name) or variables.get(name.upper()) or ""
        loopback = re.search(r"(^|[/@])(localhost|127\.|\[?::1)", value)
        if value and (name == "no_proxy" or not loopback):
            found |= {name: value, name.upper(): value}
    return found if found.keys() - {"no_proxy", "NO_PROXY"} else {}


def npm_variables(text: str) -> dict[str, str]:
    """Return npm's registry, and nothing secret, of an ``.npmrc`` as variables."""
    found = re.search(r"^\s*registry\s*=\s*(\S+)", text, re.MULTILINE)
    return {"NPM_CONFIG_REGISTRY": found[1]} if found else {}


def environment_file(variables: Mapping[str, str]) -> str:
    """Return ``/etc/environment`` for pam_env(8)."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))


def manager_configuration(variables: Mapping[str, str]) -> str:
    """Return a drop-in of systemd-system.conf(5) that gives every service these variables."""
    pairs = " ".join(json.dumps(f"{name}={value}".replace("%", "%%")) for name, value in sorted(variables.items()))
    return f"[Manager]\nDefaultEnvironment={pairs}\n"


def _usable(word: str, exists: Callable[[str], bool]) -> bool:
    if word.startswith("file:"):
        return False
    return exists(word) if word.startswith(("/", "~", "./", "../")) else True


def _pip_files() -> list[Path]:
    home = Path.home()
    own = [home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    named = os.environ.get("PIP_CONFIG_FILE")
    return [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), *own, *([Path(named)] if named else [])]


def _authorities() -> dict[str, bytes]:
    return _read(sorted(str(path) for path in LOCAL_AUTHORITIES.rglob("*.crt")))


def _read(paths: Iterable[str]) -> dict[str, bytes]:
    return {path: Path(path).read_bytes() for path in paths if Path(path).is_file()}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

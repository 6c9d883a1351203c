"""Common parts of pip and uv: the host's settings for the package index, and the causes of failures."""

from __future__ import annotations

import configparser
import re

from ..system import Failure, how_it_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Sequence

# Lines of a builder's output that are told.
LAST_LINES = 40
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")
# pip's settings -> uv's variables that say the same.
PIP_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}


def pip_settings(files: Sequence[str] = PIP_FILES) -> Dict[str, str]:
    """Translate the host's settings for pip into variables for uv, so that the same index serves both."""
    found: Dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            raise Failure("%s cannot be read; pip would refuse it as well" % path) from None
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name.replace("_", "-"): " ".join(value.split()) for name, value in parser.items(section)})
    variables = {variable: found[name] for name, variable in PIP_SETTINGS.items() if found.get(name)}
    if "UV_FIND_LINKS" in variables:
        # uv parts these by commas, pip by spaces.
        variables["UV_FIND_LINKS"] = ",".join(variables["UV_FIND_LINKS"].split())
    if "UV_INDEX" in variables:
        # pip takes the best version of all indexes, uv the first index that knows the name.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def tail(output: str) -> str:
    """Return the last lines of a builder's output, without empty ones."""
    useful = [line for line in output.splitlines() if line.strip()]
    return "\n".join(useful[-LAST_LINES:])


# What pip, uv and compilers say (the first that fits), and what to do about it; {1} is what the pattern caught.
COMPILED = "a package is compiled here and "
# The kernel ends what the host has no memory for; others may have ended it as well.
KILLED = "was ended by SIGKILL (dmesg tells whether the host ran out of memory)"
# Where passwords come from while packages are installed.
PASSWORDS = (
    "next: [python] environment gives uv and pip the variables that the code names, as in environment = { INDEX_TOKEN "
    '= "{{ secrets.INDEX_TOKEN }}" } for ${INDEX_TOKEN}, or UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD for an '
    "index of uv; or [[files]] with early = true writes a .netrc"
)
HINTS = (
    (r"No space left on device|os error 28\b", "the disk is full"),
    (r"[Dd]isk quota exceeded|os error 122\b", "the quota of a user on the disk is used up"),
    (r"ensurepip is not available|No module named ensurepip", "the package python3-venv is missing (packages.all)"),
    (r"Python\.h: No such file", COMPILED + "needs the Debian packages python3-dev and build-essential (packages.all)"),
    (
        r"fatal error: (\S{1,200}): No such file or directory",
        COMPILED + "misses the header {1}; add the Debian package that holds it (a lib…-dev) to packages.all",
    ),
    (
        r"pg_config executable not found",
        COMPILED + "needs the Debian package libpq-dev (packages.all); psycopg[binary] needs none",
    ),
    (
        r"(?:command|program) ['`]?[\w+.-]{0,60}(?:gcc|g\+\+|cc|clang)[\w+.-]{0,60}['`]?"
        r" (?:failed: No such file|not found)"
        r"|\b(?:gcc|cc): (?:command )?not found|No such file or directory: '[\w+.-]{0,60}gcc'",
        COMPILED + "needs the Debian package build-essential (packages.all)",
    ),
    (
        r"HTTP status client error \(407\b|tunnel error: proxy authorization|407 Proxy Authentication Required",
        "the proxy of this host wants a password, which its http_proxy and https_proxy have to hold",
    ),
    (
        r"index URL \((\S{1,300})\)[^\n]{0,200}\b40[13]\b",
        "the package index {1} refuses the password that it is given, or is given none (401 or 403); " + PASSWORDS,
    ),
    (
        r"HTTP status client error \(40[13] [^)\n]{1,40}\) for url \(([^)\s]{1,300})\)",
        "{1} is refused for want of a password, or of another one (401 or 403); " + PASSWORDS,
    ),
    (
        r"git fetch [^\n]{0,300}'((?:ssh|https?)://[^'\s]{1,300})'[^\n]{0,2000}(?:Permission denied \("
        r"|Authentication failed|could not read (?:Username|Password)|error: 40[13]\b|terminal prompts disabled)",
        "git is not let in at {1}; app.deploy_key (SSH) and app.token (HTTPS) count for packages from the server of "
        "app.repo",
    ),
    (
        r"git fetch [^\n]{0,300}'(ssh://[^'\s]{1,300})'[^\n]{0,2000}(?:Host key verification failed|host key is known)",
        "the host key of the server of {1} is not known on this host; app.repo_host_keys counts for the server of "
        "app.repo",
    ),
    (
        r"--- stderr {1,20}((?:ssh|fatal|error|remote): [^\n]{1,300}?)(?: (?:fatal|Please)\b|\n|$)",
        "git cannot fetch a package: {1}",
    ),
    (
        r"does not satisfy Python[^\s,]{1,40} and ((?!your project)\S{1,100} depends on Python[^\s,]{1,40})",
        "{1}, which this one is not; next: name another one as python.interpreter, or of a package another version",
    ),
    (
        r"does not satisfy Python([^\s,]{1,40})|incompatible with the project's Python requirement: `([^`\n]{1,60})`"
        r"|requires a different Python: [^\n]{1,60} not in '([^'\n]{1,60})'",
        "the code asks for Python {1}, which this one is not; next: name another one as python.interpreter",
    ),
    (
        r"Expected `--hash`, found `\"?(--[\w-]{1,30})",
        'uv takes {1} on a line of its own only; next: move it there, or python.resolver = "pip-legacy", which reads '
        "it",
    ),
    (
        r"No download found for request",
        "uv has no such Python to fetch; bring one to the host and give python.interpreter its path",
    ),
    (
        r"Failed to (?:download|fetch)[^\n]{0,300}python-build-standalone",
        "uv cannot fetch this Python, which comes from github.com; bring one to the host and give python.interpreter "
        "its path",
    ),
    (
        r"use_2to3 is invalid",
        'a package is too old for the setuptools of today; python.build_constraints = ["setuptools<58"] lets it build',
    ),
    (
        r"cannot import name '(\w{1,60})' from 'setuptools'",
        "a package is built with {1} of setuptools, which that of today has no more; "
        'python.build_constraints = ["setuptools<60"] lets it build',
    ),
    (
        r"No module named '(pkg_resources)\b",
        "a package is built with {1}, which setuptools of today has no more; "
        'python.build_constraints = ["setuptools<81"] lets it build',
    ),
    (r"Killed signal terminated program", "a compiler " + KILLED),
    (
        r"HTTP status (?:client|server) error (\([45]\d\d [^)\n]{1,40}\) for url \([^)\s]{1,300}\))",
        "a server of packages answers with an error {1}",
    ),
    (
        r"(?:Failed to fetch:|request for url)[ `(]{1,3}(https?://[\w.:-]{1,200})[^\n]{0,300}"
        r"(?:\n[^\n]{0,300}){0,5}invalid peer certificate",
        "the certificate of {1} is not one that this host trusts; next: cert = FILE in /etc/pip.conf, or SSL_CERT_FILE "
        "of the host, names that of its issuer",
    ),
    (
        r"(?:Failed to fetch:|request for url)[ `(]{1,3}(https?://[\w.:-]{1,200})",
        "{1} cannot be reached from this host (its proxy and /etc/pip.conf are heeded)",
    ),
    (
        r"HTTPS?Connection(?:Pool)?\(host='([^'\n]{1,200})'",
        "{1} cannot be reached from this host (its proxy and /etc/pip.conf are heeded)",
    ),
    (
        r"after connection broken by|Could not fetch URL",
        "the package index cannot be reached from this host (its proxy and /etc/pip.conf are heeded)",
    ),
    (r"[Nn]o matching distribution found for ([^\n]{1,300})", "no version fits what is asked for: {1}"),
    (
        r"No solution found[^\n]{0,300}\n\s{0,300}(.{0,2000})",
        'no set of versions fits what is asked for: {1} (pins of before 2020 may want python.resolver = "pip-legacy")',
    ),
    (
        r"lockfile .{0,300}needs to be updated|Failed to parse `?uv.lock",
        "uv.lock does not fit pyproject.toml; run uv lock",
    ),
    (r"Permission denied(?! \([a-z,-]{1,100}\))", "a file or folder is closed to the application's user"),
)


def explain(output: str, code: int = 1) -> str:
    """Say in one line why an installation failed.

    :param code: what the installer ended with; where a signal ended it, its last line is no reason.
    """
    # uv wraps its sentences for a terminal that is not there.
    joined = re.sub(r"\n {4,}", " ", output)
    for pattern, meaning in HINTS:
        found = re.search(pattern, joined)
        if found:
            caught = next((each for each in found.groups() if each), "")
            return meaning.replace("{1}", caught.strip(" ╰─▶"))
    if code < 0 or code > 128:
        return KILLED if code in (-9, 137) else how_it_ended(code if code < 0 else 128 - code)
    last = [line.strip() for line in output.splitlines() if line.strip()]
    return last[-1] if last else "no reason was given"

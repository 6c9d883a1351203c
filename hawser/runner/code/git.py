"""A repository elsewhere: git's credentials for it, and the causes of git's failures."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import shutil
import tempfile
import urllib.parse

from ..system import Failure, user_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, Sequence


class Remote:
    """A repository elsewhere, and the credentials for it.

    :param repo: a URL, ``user@host:path``, or a path.
    :param key: a private SSH key.
    :param token: a password for HTTPS.
    :param host_keys: the only host keys to trust, as in known_hosts; empty: the host's own known_hosts files.
    """

    def __init__(self, repo: str, key: str = "", token: str = "", host_keys: Sequence[str] = ()) -> None:
        if repo.startswith("-"):
            raise Failure("%r is no address of a repository" % repo)
        if is_locked(key):
            raise Failure("the deploy key for %s has a passphrase; it must be one without" % repo)
        self.key = key
        self.host_keys = host_keys
        self.url, self.account, self.token = repo, "", token
        parts = urllib.parse.urlsplit(repo)
        if parts.scheme in ("http", "https"):
            self.account = urllib.parse.unquote(parts.username or "")
            self.token = token or urllib.parse.unquote(parts.password or "")
            self.url = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @contextlib.contextmanager
    def environment(self, user: str = "") -> Iterator[Dict[str, str]]:
        """Yield the variables that let git in; key material lives in memory only, and only as long as this.

        :param user: who runs git, which then reads the key from a folder of its own; empty: root.
        """
        variables = {
            "GIT_TERMINAL_PROMPT": "0",
            # A server that stops sending is given up after a minute, by HTTP as by SSH (ServerAliveInterval).
            "GIT_HTTP_LOW_SPEED_LIMIT": "1",
            "GIT_HTTP_LOW_SPEED_TIME": "60",
        }
        if os.environ.get("SSH_AUTH_SOCK"):
            variables["SSH_AUTH_SOCK"] = os.environ["SSH_AUTH_SOCK"]
        parts = urllib.parse.urlsplit(self.url)
        if self.token and parts.scheme in ("http", "https"):
            secret = "%s:%s" % (self.account or "x-access-token", self.token)
            # Bound to this server: a submodule elsewhere shall not be shown the token.
            variables["GIT_CONFIG_KEY_0"] = "http.%s://%s/.extraHeader" % (parts.scheme, parts.netloc)
            variables["GIT_CONFIG_VALUE_0"] = "Authorization: Basic " + base64.b64encode(secret.encode()).decode()
            variables["GIT_CONFIG_COUNT"] = "1"
        with contextlib.ExitStack() as stack:

            def kept(name: str, text: str) -> str:
                return stack.enter_context(file_of_user(name, text, user) if user else memory_file(name, text))

            command = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no"]
            command += ["-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3"]
            if self.key:
                path = kept("key", self.key.strip() + "\n")
                command += ["-i", path, "-o", "IdentitiesOnly=yes"]
            if self.host_keys:
                path = kept("known_hosts", "\n".join(self.host_keys) + "\n")
                command += ["-o", "UserKnownHostsFile=" + path, "-o", "GlobalKnownHostsFile=/dev/null"]
            variables["GIT_SSH_COMMAND"] = " ".join(shlex.quote(word) for word in command)
            yield variables


def is_locked(key: str) -> bool:
    """Tell whether a private key has a passphrase (OpenSSH's PROTOCOL.key, or PEM); ssh would only say "denied"."""
    if "BEGIN OPENSSH PRIVATE KEY" not in key:
        return "ENCRYPTED" in key
    try:
        data = base64.b64decode("".join(line for line in key.splitlines() if not line.startswith("-----")))
    except ValueError:
        return False
    return data.startswith(b"openssh-key-v1\0") and data[15:23] != b"\0\0\0\4none"


@contextlib.contextmanager
def memory_file(name: str, text: str) -> Iterator[str]:
    """Yield the path of a file in memory that root's children can read: no crash leaves a key on a disk."""
    handle = os.memfd_create(name)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, text.encode())
        yield "/proc/%d/fd/%d" % (os.getpid(), handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def file_of_user(name: str, text: str, user: str) -> Iterator[str]:
    """Yield the path of a file that a user's children can read: nobody else may look into what root has open."""
    # /run is in memory, too.
    folder = tempfile.mkdtemp(prefix="hawser-", dir="/run" if os.access("/run", os.W_OK) else None)
    try:
        path = os.path.join(folder, name)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, text.encode())
            os.fchown(handle, user_id(user), -1)
        finally:
            os.close(handle)
        os.chown(folder, user_id(user), -1)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


KEYS = " (app.deploy_key for SSH, app.token for HTTPS)"
# Where commits are sent from the controlling machine, the settings have no place for a key.
NO_KEYS = "; commits are sent to this host, which has no key of its own: it must be open to it"
# What git and ssh say (the first that fits), and what it means.
CAUSES = (
    (r"No space left on device", "the disk is full"),
    (r"[Dd]isk quota exceeded", "the quota of a user on the disk is used up"),
    (r"ssh: (?:\d{1,5}: )?(?:ssh: )?not found|cannot run ssh", "{repo}: this host lacks the package openssh-client"),
    (r"dubious ownership", "{repo} belongs to another user; git refuses it as root"),
    (r"lacks these prerequisite commits", "{repo} builds on commits that are missing on this host"),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S{1,40} host key is known",
        "{repo}: its server's host key is not known on this host or has changed (app.repo_host_keys pins it)",
    ),
    (
        r"Load key .{0,300}(error in libcrypto|invalid format)",
        "{repo}: the deploy key cannot be read; it must be a whole private key, with its first and last line",
    ),
    (
        r"Permission denied \(|Authentication failed|could not read (Username|Password)|error: 40[13]\b"
        r"|terminal prompts disabled",
        "{repo}: access denied{keys}",
    ),
    (
        r"[Pp]roxy [^\n]{0,200}\b407\b|\b407\b[^\n]{0,200} CONNECT|error: 407\b|Could not resolve proxy",
        "{repo} is asked for through the proxy of this host (http_proxy, https_proxy), which does not let it pass or "
        "is not there",
    ),
    (
        r"unable to access .{0,300}(SSL|certificate)",
        "{repo}: the certificate of its server is not one that this host trusts, or TLS fails with it otherwise",
    ),
    (
        r"Could not resolve host|Connection (refused|timed out|reset|closed)|No route to host|Network is unreachable"
        r"|Failed to connect|Operation timed out",
        "{repo} cannot be reached from this host",
    ),
    (
        r"[Rr]epository [^\n]{0,300}(not found|does not exist)|[Rr]epository not found|does not appear to be a git"
        r"|Cannot find repository|could not be found or you don't have permission|error: 404\b",
        "{repo}: there is no such repository, or it is closed to us{keys}",
    ),
)


def explain(repo: str, output: str, keys: str = KEYS) -> str:
    """Say in one line why git could not do it.

    :param keys: what is said of keys for it.
    """
    for pattern, meaning in CAUSES:
        if re.search(pattern, output):
            return meaning.format(repo=repo, keys=keys)
    return "git could not read %s" % repo

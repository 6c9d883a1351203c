"""The user's own ssh files: what they say of a host, as OpenSSH itself reads them and tells with `ssh -G`.

Nothing else reads them alike: `Include`, `Match`, tokens, and the order in which files and blocks count.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import HawserError
from ..report.text import hearsay, reason

if TYPE_CHECKING:
    from fabric.config import Config

SYSTEM = Path("/etc/ssh")
# What the files of distributions hold that says nothing of what we ask: where there is no more, no process is started.
IDLE = {"host", "sendenv", "hashknownhosts", "gssapiauthentication", "gssapikeyexchange"}
# Seconds that `ssh -G` may take: `Match exec` starts programs of the user's.
PATIENCE = 20.0
DEFAULT_IDENTITIES = ("id_rsa", "id_ecdsa", "id_ed25519")
TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")


@dataclass(frozen=True)
class Options:
    """What `ssh` would go by to reach a host; the names are those of ssh_config(5), mostly.

    :param name: the host as it was asked for.
    :param jumps: jump hosts, the first one first, as ``[user@]host[:port]``.
    :param command: a program that is the way to the host; empty: none.
    :param alias: the name under which its key is known; empty: `host` and `port`.
    :param agent: the agent's socket; empty: there is none.
    :param only_identities: no key of the agent's counts beyond `identities`.
    :param known_hosts: files of keys.
    :param revoked: a file of keys that nobody may show; empty: none.
    :param family: ``inet`` and ``inet6`` are the only ones to use then; ``any``.
    :param source: our own address; empty: any.
    """

    name: str
    host: str
    port: int
    user: str
    jumps: tuple[str, ...] = ()
    command: str = ""
    alias: str = ""
    agent: str = ""
    identities: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    only_identities: bool = False
    known_hosts: tuple[Path, ...] = ()
    revoked: str = ""
    family: str = "any"
    source: str = ""


def in_a_circle(jump: str) -> HawserError:
    """Return the error of a jump host that is reached through itself, as `Host *` with a `ProxyJump` has it."""
    return HawserError(
        f"the ssh files have {jump} reached through {jump} itself",
        next=f"`Host {jump}` with `ProxyJump none`, above the block that sends it there (`ssh -G {jump}` tells)",
        code=2,
    )


class UserFiles:
    """The ssh files of whoever runs this.

    :param config: Fabric's; it may name another file, or want none to be read.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        # With several hosts at once, each is asked for once; their files are mostly the same.
        self.options = functools.cache(self._options)
        self.at_home = functools.cache(_at_home)

    def _options(self, name: str, user: str, port: int) -> Options:
        """Return what counts for a host.

        :param user: the login that is given elsewhere; empty: none is.
        :param port: 0: the same.
        :raises HawserError: the files cannot be read.
        """
        return self._from_lines(name, self._ask(name, user, port) if self._say_something else {}, user, port)

    @property
    def _chosen(self) -> str:
        """The only file to read; empty: the user's and then the machine's."""
        chosen = self.config.ssh_config_path or self.config._runtime_ssh_path
        return str(Path(chosen).expanduser()) if chosen else ""

    @functools.cached_property
    def _file(self) -> str:
        """What `ssh` is to read instead of the files that it would find; empty: nothing."""
        path = Path.home() / ".ssh" / "config"
        if self._chosen or Path.home() == _account_home():
            return self._chosen
        # It goes by the account's home, and all else here by `HOME`, which sudo and containers set to another folder.
        if not path.is_file():
            return str(SYSTEM / "ssh_config")
        # Kept until the end of the run.
        self._copy = tempfile.NamedTemporaryFile("w", prefix="hawser-ssh-", suffix=".conf", errors="surrogateescape")
        lines = path.read_text(errors="surrogateescape").splitlines()
        self._copy.write("\n".join(map(_included_from_home, lines)) + "\n")
        self._copy.flush()
        return self._copy.name

    @functools.cached_property
    def _account(self) -> str:
        """The name of whoever runs this."""
        return pwd.getpwuid(os.getuid()).pw_name

    @functools.cached_property
    def _say_something(self) -> bool:
        if self._chosen or not self.config.load_ssh_configs:
            return bool(self._chosen)
        if (Path.home() / ".ssh" / "config").exists():
            return True
        return any(map(_says_something, [SYSTEM / "ssh_config", *(SYSTEM / "ssh_config.d").glob("*.conf")]))

    def _ask(self, name: str, user: str, port: int) -> dict[str, list[str]]:
        """Return the lines of `ssh -G`, by keyword."""
        if shutil.which("ssh") is None:
            raise HawserError(
                f"there are ssh files ({self._file or '~/.ssh/config'}), and no ssh that could say what they mean;",
                next="install OpenSSH's client here (openssh-client)",
                code=2,
            )
        given = [*(["-l", user] if user else []), *(["-p", str(port)] if port else []), "--", name]
        by_hand = shlex.join(["ssh", "-G", name])
        try:
            said = subprocess.run(
                ["ssh", "-T", "-G", *(["-F", self._file] if self._file else []), *given],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise HawserError(f"{by_hand} has not ended within {PATIENCE:.0f} s", code=2) from None
        except OSError as error:
            raise HawserError(f"{by_hand} cannot be started: {reason(error)}", code=2) from None
        if said.returncode:
            why = hearsay(said.stderr.decode("utf-8", "replace").strip())
            if circle := re.search(r"jumphost loop via (\S+)", why):
                raise in_a_circle(circle[1])
            raise HawserError(f"ssh refuses its own files:\n{why}", next=f"correct them; {by_hand} tells", code=2)
        found: dict[str, list[str]] = {}
        for line in said.stdout.decode("utf-8", "surrogateescape").splitlines():
            keyword, _, value = line.partition(" ")
            found.setdefault(keyword.lower(), []).append(value)
        return found

    def _from_lines(self, name: str, lines: Mapping[str, list[str]], user: str, port: int) -> Options:
        def said(keyword: str, default: str = "") -> str:
            value = lines.get(keyword, [default])[0]
            return "" if value.lower() == "none" else value

        local = self._account
        # What nobody has said is this user and port 22; the settings beside the fabfile may know better.
        login = user or (told if (told := said("user", local)) != local else self.config.user)
        number = port or (said_port if (said_port := int(said("port", "22"))) != 22 else int(self.config.port))
        host, alias = said("hostname", name), said("hostkeyalias")
        tokens = {
            "%": "%",
            "h": host,
            "n": name,
            "p": str(number),
            "r": login,
            "k": alias or name,
            "u": local,
            "i": str(os.getuid()),
            "d": str(Path.home()),
            "l": os.uname().nodename,
            "L": os.uname().nodename.partition(".")[0],
            "j": said("proxyjump"),
        }

        def paths(keyword: str, values: list[str]) -> tuple[Path, ...]:
            texts = [each for each in lines.get(keyword, values) if each.lower() != "none"]
            return tuple(self.at_home(_expanded(each, tokens)) for each in texts)

        defaults = [f"~/.ssh/{each}" for each in DEFAULT_IDENTITIES]
        known = f"{said('userknownhostsfile', '~/.ssh/known_hosts ~/.ssh/known_hosts2')} " + said(
            "globalknownhostsfile", f"{SYSTEM}/ssh_known_hosts {SYSTEM}/ssh_known_hosts2"
        )
        with_keys = said("pubkeyauthentication", "true") not in ("no", "false")
        return Options(
            name,
            host,
            number,
            login,
            tuple(_expanded(each, tokens) for each in said("proxyjump").split(",") if each),
            _expanded(said("proxycommand"), tokens),
            alias,
            _agent(lines.get("identityagent", ["SSH_AUTH_SOCK"])[0], tokens) if with_keys else "",
            paths("identityfile", defaults) if with_keys else (),
            paths("certificatefile", []),
            said("identitiesonly") in ("yes", "true"),
            tuple(self.at_home(_expanded(each, tokens)) for each in known.split()),
            str(self.at_home(_expanded(said("revokedhostkeys"), tokens))) if said("revokedhostkeys") else "",
            said("addressfamily", "any"),
            said("bindaddress"),
        )


def _account_home() -> Path:
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def _at_home(text: str) -> Path:
    """Return a path; in the account's home, it is in ``HOME``, as it is for all else here."""
    path, account = Path(text).expanduser(), _account_home()
    return Path.home() / path.relative_to(account) if path.is_relative_to(account) else path


def _included_from_home(line: str) -> str:
    """Return a line of the user's file with the paths of an `Include` as they are meant."""
    found = re.match(r"\s*include[\s=]+(.*)", line, re.IGNORECASE)
    if not found:
        return line
    folder = Path.home() / ".ssh"
    return "Include " + " ".join(f'"{folder / Path(each).expanduser()}"' for each in shlex.split(found[1]))


def _says_something(path: Path) -> bool:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return False
    words = [line.split(maxsplit=1) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return any(
        word[0].lower() not in IDLE and word != ["Include", f"{SYSTEM}/ssh_config.d/*.conf"]
        for word in ([part.strip() for part in each] for each in words)
    )


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    """Put values in for tokens and variables of the environment; what nobody knows stays."""

    def value(match: re.Match[str]) -> str:
        return tokens.get(match[1], match[0]) if match[1] else os.environ.get(match[2], match[0])

    return TOKEN.sub(value, text)


def _agent(text: str, tokens: Mapping[str, str]) -> str:
    if text.lower() == "none":
        return ""
    if text == "SSH_AUTH_SOCK" or (text.startswith("$") and not text.startswith("${")):
        return os.environ.get(text.lstrip("$"), "")
    return str(_at_home(_expanded(text, tokens)))

"""The POSIX shell: words, command lines, and a file of variables that systemd reads the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .systemd import SYSTEMD_REFUSES
from .text import NotRepresentable, fits_a_process, plain, variable

SHELL = "a shell word"
ENVIRONMENT_FILE = "an environment file"

# No "=": the first word of a command line would become an assignment.
_BARE = re.compile("[A-Za-z0-9_@%+:,./-]+")
_RESERVED = re.compile("if|then|else|elif|fi|do|done|case|esac|while|until|for|in|function|select|time|coproc")
# dash checks OPTIND; bash protects, replaces or checks the others, whatever a file assigns to them.
_KEPT_BY_SHELLS = re.compile(
    "_|OPTIND|LINENO|PPID|E?UID|GROUPS|S?RANDOM|(EPOCH)?SECONDS|EPOCHREALTIME|SHLVL|SHELLOPTS|DIRSTACK|FUNCNAME|HISTCMD|"
    "PIPESTATUS|COMP_WORDBREAKS|BASH(OPTS|PID)|BASH_(ALIASES|ARG[CV]|ARGV0|CMDS|COMPAT|LINENO|SOURCE|SUBSHELL|VERSINFO|XTRACEFD)"
)


def shell(value: str) -> str:
    """Return `value` as one word of a POSIX shell's command line (POSIX.1-2017, 2.2 Quoting).

    :raises NotRepresentable: for NUL and lone surrogates.
    """
    text = plain(SHELL, value)
    if _BARE.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def shell_join(argv: Sequence[str]) -> str:
    """Return the command line that makes a POSIX shell run `argv`.

    :raises NotRepresentable: see :func:`shell`.
    """
    return " ".join(shell(word) for word in argv)


def shell_environment(variables: Mapping[str, str]) -> str:
    """Return a file of ``NAME="value"`` lines, the same to ``set -a; . FILE`` and to systemd's ``EnvironmentFile=``.

    Both take a backslash before ``"``, a backslash, a backquote and ``$`` as an escape within double quotes, and
    everything else as it stands, newlines too (POSIX.1-2017, 2.2.3; systemd, ``src/basic/env-file.c``).

    :raises NotRepresentable: by name, for NUL, for what systemd does not take as text, for more than Linux hands to a
        process, and for variables that a shell keeps for itself.
    """
    return "".join(_assignment(name, value) for name, value in variables.items())


def _assignment(name: str, value: str) -> str:
    if _KEPT_BY_SHELLS.fullmatch(variable(ENVIRONMENT_FILE, name)):
        raise NotRepresentable(ENVIRONMENT_FILE, "shells keep this variable for themselves", name)
    text = plain(ENVIRONMENT_FILE, value, name)
    if SYSTEMD_REFUSES.search(text):
        raise NotRepresentable(ENVIRONMENT_FILE, "it holds a code point that systemd does not take as text", name)
    fits_a_process(ENVIRONMENT_FILE, f"{name}={text}", name)
    escaped = re.sub(r'["\\`$]', r"\\\g<0>", text)
    return f'{name}="{escaped}"\n'

"""The known causes of failures: the words of programs, their meaning, and the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..report.text import hearsay

# Headers that packages of the Python package index are often compiled with, and the Debian package that holds each.
HEADERS = {
    "Python.h": "python3-dev",
    "expat.h": "libexpat1-dev",
    "ffi.h": "libffi-dev",
    "ft2build.h": "libfreetype-dev",
    "gdal.h": "libgdal-dev",
    "hs/hs.h": "libhyperscan-dev",
    "jpeglib.h": "libjpeg-dev",
    "krb5.h": "libkrb5-dev",
    "lber.h": "libldap2-dev",
    "ldap.h": "libldap2-dev",
    "libmemcached/memcached.h": "libmemcached-dev",
    "libpq-fe.h": "libpq-dev",
    "libxml/xmlversion.h": "libxml2-dev libxslt1-dev",
    "libxslt/xslt.h": "libxslt1-dev",
    "mysql.h": "default-libmysqlclient-dev pkg-config",
    "openssl/opensslv.h": "libssl-dev",
    "openssl/ssl.h": "libssl-dev",
    "sasl/sasl.h": "libsasl2-dev",
    "snappy-c.h": "libsnappy-dev",
    "sqlite3.h": "libsqlite3-dev",
    "xmlsec/xmlsec.h": "libxmlsec1-dev",
    "yaml.h": "libyaml-dev",
    "zlib.h": "zlib1g-dev",
}
INSTALL = "add packages.all = [{packages}] to {file}, then: fab -H {environment} bootstrap deploy"
# Nobody has asked which of the two it is.
PASSWORD = (
    "if it was changed in {secrets}, the server has another one: fab -H {environment} bootstrap deploy sets the new "
    "one there, together with the processes; else fab -H {target} printenv shows which user and server the application "
    "asks for (SQLAlchemy writes *** in the place of a password when a URL becomes text)"
)

PASSWORD_ELSEWHERE = (
    "fab -H {target} printenv shows which server the application asks, and as which user; it is none of {file}: does "
    "it know this user, with this password?"
)

# Characters of what was said that are looked through: a quarter from its beginning, where the error stands, the rest
# from its end. The patterns bound what they repeat, for a search lets neither another thread nor Ctrl-C in.
MOST = 1 << 14


@dataclass(frozen=True)
class Cause:
    """Something that is known to go wrong.

    :param pattern: what programs say then (the first cause that fits counts).
    :param meaning: what it means; ``{1}`` is what the pattern caught. Where `checks` look for it, `untested` is said in
        its place until one of them has found something wrong.
    :param move: what to do or to type; may name ``{host}``, ``{target}`` (after ``-H``), ``{environment}``, ``{file}``,
        ``{secrets}`` (where they are kept), ``{1}``.
    :param checks: the checks that look at the host for it; what they find says more than `move`.
    :param service: the service whose servers are asked for their last words.
    :param untested: what the words say by themselves; empty: the same as `meaning`.
    :param elsewhere: the move where the settings have no such service, which somebody else runs then.
    :param deeper: what to do where the program or module that the pattern caught lies deeper in the code: may also name
        ``{deeper}``, its path, and ``{folder}``, the folder that holds it.
    """

    pattern: str
    meaning: str
    move: str
    checks: tuple[str, ...] = ()
    service: str = ""
    untested: str = ""
    elsewhere: str = ""
    deeper: str = ""


CAUSES = (
    Cause(
        r'sudo: The "(no new privileges)" flag is set',
        "a hardened process asks for rights that its user has not: systemd lets it have no more",
        "hardened = false for the process in {file}, which then may do all that its user may; then: fab -H "
        "{environment} deploy",
    ),
    Cause(
        r"Failed at step (NAMESPACE|SECCOMP|CAPABILITIES|NO_NEW_PRIVILEGES) spawning",
        "systemd cannot set up on this host what keeps a hardened process from things ({1})",
        "the words of systemd before it say why; a folder of `extra` that is not there, or a container that may not "
        "mount anything: there hardened = false for the process in {file}",
    ),
    Cause(
        r"[Rr]ead-only file system(?:: |, \w{1,20} )['\"]?(/[^'\"\n]{1,200})['\"]?"
        r"|(/[^:'\"\n]{1,200})['\"]?: [Rr]ead-only file system|[Rr]ead-only file system|os error 30\b",
        "something was to be written where nothing can be: {1}",
        'fab -H {target} run "findmnt -T {1}" shows whether the host has it read-only; else a hardened process lacks '
        "its folder in `writable` in {file}",
        ("disk", "hardening"),
    ),
    Cause(
        r"inotify watch limit reached|limit for number of file watchers reached",
        "the host lets a user watch no more files",
        'fab -H {target} run "sysctl fs.inotify.max_user_watches" shows how many; a file of [[files]] in /etc/sysctl.d '
        "raises it",
    ),
    Cause(
        r"[Dd]isk quota exceeded|os error 122\b",
        "the quota of a user on a disk is used up",
        'fab -H {target} run "repquota -a; df -h"',
    ),
    Cause(
        r"No space left on device|ENOSPC|os error 28\b|could not extend file"
        r"|You don't have enough free space|the disk is full",
        "the disk is full",
        'fab -H {target} run "df -h; df -i"; old releases go with fab -H {target} releases.prune',
        ("disk",),
        untested="a program found no room to write",
    ),
    Cause(
        r"is not who answers on",
        "the port is taken by somebody else",
        'fab -H {target} check names who has it; fab -H {target} run "ss -tlnp" shows all',
        ("ports",),
    ),
    Cause(
        r"Connection in use: \('[^'\n]{0,200}', (\d{1,5})\)|bind on address \('[^'\n]{0,200}', (\d{1,5})\b"
        r"|port (\d{1,5}) is already (?:in use|allocated)|[Aa]ddress already in use|EADDRINUSE|\[Errno 98\]"
        r"|Connection in use:",
        "the port is taken by somebody else",
        'fab -H {target} run "ss -tlnp" shows who listens where; two processes of {file} with one port do this as well',
        ("ports",),
        untested="an address that a program wants to listen on is in use: {1}",
    ),
    Cause(
        r"(no password supplied)",
        "PostgreSQL wants a password, and the application gives none",
        PASSWORD,
        service="postgresql",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r'password authentication failed for user "([^"\n]{1,200})"',
        "PostgreSQL refuses the password that was given for {1}, or has no such user",
        PASSWORD,
        service="postgresql",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r"Access denied for user '[^'\n]{1,200}'@'[^'\n]{0,200}' to database '([^'\n]{1,200})'",
        "MariaDB does not let the application's user into the database {1}",
        "fab -H {target} printenv shows which database and user the application asks for; fab -H {environment} "
        "bootstrap makes those of the settings, each user for its own database",
        service="mariadb",
        elsewhere="fab -H {target} printenv shows which database and user the application asks for; its server is none "
        "of {file}: who runs it can GRANT",
    ),
    Cause(
        r"Access denied for user '([^'\n]{1,200})'[^\n]{0,210}\(using password: NO\)",
        "MariaDB wants a password for {1}, and the application gives none",
        PASSWORD,
        service="mariadb",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r"Access denied for user '([^'\n]{1,200})'",
        "MariaDB refuses the password that was given for {1}, or has no such user",
        PASSWORD,
        service="mariadb",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r"Login was refused using authentication mechanism",
        "RabbitMQ refuses the user or password that was given",
        PASSWORD,
        service="rabbitmq",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r"ACCESS_REFUSED - ([^\n]{1,200})",
        "RabbitMQ knows the user, and refuses what it asks for: {1}",
        "fab -H {target} printenv shows which virtual host the application asks for; fab -H {environment} bootstrap "
        "gives each user of the settings its own",
        service="rabbitmq",
        elsewhere="fab -H {target} printenv shows which virtual host the application asks for; who runs the server, "
        "which is none of {file}, can set permissions",
    ),
    Cause(
        r"NOAUTH Authentication required",
        "Redis wants a password, and the application gives none",
        PASSWORD,
        service="redis",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r"WRONGPASS",
        "Redis refuses the password that was given",
        PASSWORD,
        service="redis",
        elsewhere=PASSWORD_ELSEWHERE,
    ),
    Cause(
        r'relation "([^"\n]{1,200})" does not exist|no such table: (\S{1,200})'
        r"|Table '([^'\n]{1,200})' doesn't exist",
        "the database has no table {1}",
        "what asks for tables belongs into release.after_migrate in {file}, for release.build and release.check run "
        "before migrate; if it ran after it, a migration is missing",
    ),
    Cause(
        r"Can't locate revision identified by '([^'\n]{1,200})'",
        "Alembic finds no revision {1} in the code of this release: the database is at it, or a migration builds on it",
        "fab -H {environment} deploy --revision with a commit that has it; it stays applied over a rollback",
    ),
    Cause(
        r'no pg_hba\.conf entry for host "([^"\n]{1,200})"',
        "PostgreSQL lets nobody in from {1}",
        "name the host's group in services.postgresql…clients, then: fab -H {environment} bootstrap",
        service="postgresql",
        elsewhere="the server is none of {file}: a line of its pg_hba.conf has to let this host in",
    ),
    Cause(
        r"git's filter (lfs) is missing on this host",
        "files of the code are kept by Git LFS, which is not installed",
        'add packages.all = ["git-lfs"] to {file}, then: fab -H {environment} bootstrap deploy',
    ),
    Cause(
        r"git's filter ([\w.-]{1,100}) is missing on this host",
        "files of the code pass through the filter {1} when git checks them out, and nobody has set it there",
        'fab -H {target} run "git config --system filter.{1}.smudge COMMAND", with its program as COMMAND, or with cat '
        "where the files are right as git stores them",
    ),
    Cause(
        r"what Git LFS keeps lies on the repository's server",
        "hosts that are sent their commits have no address from which they could fetch the files of Git LFS",
        "app.repo = the repository's own address, in {file}, from which hosts then fetch by themselves",
    ),
    Cause(
        r"fatal error: (\S{1,200}\.h(?:pp)?): No such file",
        "a package is compiled here and misses the header {1}",
        INSTALL,
    ),
    Cause(r"(pg_config) executable not found", "a package is compiled here and misses {1}", INSTALL),
    Cause(
        r"(mysql_config|Can not find valid pkg-config name)",
        "mysqlclient is compiled here and misses the client library of MariaDB",
        INSTALL,
    ),
    Cause(
        r"(?:command|program) ['`]?[\w+.-]{0,60}(gcc|g\+\+|cc|clang)[\w+.-]{0,60}['`]?"
        r" (?:failed: No such file|not found)"
        r"|\b(gcc|cc): (?:command )?not found|No such file or directory: '[\w+.-]{0,60}(gcc)'",
        "a package is compiled here and there is no compiler",
        INSTALL,
    ),
    Cause(
        r"(cargo|rustc)[^\n]{0,40} (?:not found|is not installed)|can't find (Rust) compiler",
        "a package is compiled here and there is no Rust",
        INSTALL,
    ),
    Cause(
        r"was ended by SIGKILL|Out of memory|oom-kill|MemoryError|Cannot allocate memory|signal: 9, SIGKILL"
        r"|Perhaps out of memory|code=killed, status=9",
        "the host may have run out of memory",
        'fab -H {target} run "journalctl -k -g oom -n 5; free -m"; fewer workers, or more memory or swap',
        ("memory",),
    ),
    Cause(
        r"Could not resolve (?:host(?:name)?|proxy):? ?([\w.-]{0,200}\w)"
        r"|could not translate host name \"([^\"\n]{1,200})\"|Temporary failure resolving '([^'\n]{1,200})'"
        r"|Failed to resolve '([^'\n]{1,200})'|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]{1,200})"
        r"|Unknown (?:MySQL |MariaDB )?server host '([^'\n]{1,200})'"
        r"|Error -[235] connecting to ([\w.-]{1,200}):\d|(?:error sending request for url \(|Failed to fetch: `?)"
        r"https?://([\w.-]{1,200})[^\n]{0,300}\n[^\n]{0,200}(?:\n[^\n]{0,200}){0,3}(?:dns error|failed to lookup)"
        r"|Name or service not known|Temporary failure in name resolution"
        r"|failed to lookup address information|dns error|nodename nor servname|the server's name does not resolve",
        "a name does not resolve on this host: {1}",
        'fab -H {target} run "cat /etc/resolv.conf; getent hosts {1}"; a name of your own network may need a line in '
        "/etc/hosts or another name server",
    ),
    Cause(
        r"certificate is not yet valid|is not valid yet|not yet valid|The token is not yet valid|RequestTimeTooSkewed"
        r"|[Cc]lock skew",
        "the clock of the host is wrong",
        'fab -H {target} run "timedatectl; date -u" shows its clock; if that is right, the other side\'s is not',
        ("clock",),
        untested="what was made elsewhere is not valid yet by the clock of this host",
    ),
    Cause(
        r"Connection refused|could not connect to server|Can't connect to (?:MySQL|MariaDB) server|\[Errno 111\]",
        "something that is needed does not answer",
        "fab -H {environment} status shows what is down",
        ("services", "units"),
    ),
    Cause(
        r"No module named '?(pkg_resources|distutils)\b",
        "Python finds no module {1}, which older versions of setuptools bring",
        'add python.packages = ["setuptools<81"] to {file}, or it to the requirements of the code; then: '
        "fab -H {environment} deploy",
    ),
    Cause(
        r"No module named '?(_sqlite3|_ctypes|_bz2|_lzma|_ssl|_tkinter|_curses)\b",
        "the Python of the environment was built without {1}",
        "name another one as python.interpreter in {file}, or build it anew with the headers that this needs",
    ),
    Cause(
        r"ModuleNotFoundError: No module named '([^'\n]{1,200})'",
        "Python finds no module {1}",
        "one of a package: add the package, whose name may be another one, to the requirements of the code or to "
        "python.packages; one of the code itself: is it in the commit, and does the command start where it lies? Then: "
        "fab -H {environment} deploy",
        deeper='PYTHONPATH = "{folder}" under [env.variables] in {file}, or `cd {folder} && ` before a command',
    ),
    Cause(
        r"can't open file '([^'\n]{0,1000}\bmanage\.py)': \[Errno 2\]",
        "there is no {1}",
        "commands run at the top of the code: name manage.py from there in {file}; is it committed?",
        deeper="write python {deeper} in the commands of {file}, and for `fab manage` under [release]: "
        'manage = "python {deeper}"',
    ),
    Cause(
        r"can't open file '([^'\n]{1,1000})': \[Errno 2\]",
        "there is no program {1}",
        "commands run at the top of the code: name it from there in {file}; is it committed?",
        deeper="write python {deeper} in {file}",
    ),
    Cause(
        r'FATAL: {1,8}database "([^"\n]{1,200})" does not exist|Unknown database \'([^\'\n]{1,200})\'',
        "there is no database {1}",
        "fab -H {environment} bootstrap makes those of the settings; does the application's own name for it fit?",
    ),
    Cause(
        r"nginx does not read (/[^\n]{1,200})",
        "nginx.conf includes neither the folder of this file nor /etc/nginx/conf.d",
        "add `include /etc/nginx/conf.d/*.conf;` to the http block of /etc/nginx/nginx.conf on {host}; then the same "
        "command again",
    ),
    Cause(
        r"you should increase (?:either )?(\w{1,60}_size)\b",
        "a file of nginx on this host sets {1} to less than a name of the site needs",
        'fab -H {target} run "grep -rn {1} /etc/nginx" shows where: take it out, for Hawser sets it; then '
        "the same command again",
    ),
    Cause(
        r"leads to another site: (/[^,\n]{1,200}?)(?:, /[^\n]{1,1000})? has this name as well",
        "two sites of this host have one name, and the web server goes by the one that it reads first",
        "take the name out of {1} on {host}, or out of site.domains in {file}; then the same command again",
    ),
    Cause(
        r"Could not get lock /var/lib/(?:dpkg|apt)|lock [^\n]{0,100}is another process using it\?",
        "another program is installing packages just now",
        'wait, then the same command again; fab -H {target} run "ps -eo pid,args | grep -E apt\\|dpkg" shows it',
    ),
)
# What stands for a package instead of a header.
TOOLS = {
    "pg_config": "libpq-dev python3-dev build-essential",
    "mysql_config": "default-libmysqlclient-dev pkg-config python3-dev build-essential",
    "Can not find valid pkg-config name": "default-libmysqlclient-dev pkg-config python3-dev build-essential",
    **dict.fromkeys(("gcc", "g++", "cc", "clang"), "build-essential"),
    **dict.fromkeys(("cargo", "rustc", "Rust"), "cargo"),
}


def cause_of(text: str) -> tuple[Cause, str] | None:
    """Return the cause of a failure, and the text that its pattern caught; None for an unknown one."""
    if len(text) > MOST:
        text = f"{text[: MOST // 4]}\n{text[-MOST * 3 // 4 :]}"
    # Builders wrap their sentences for a terminal that is not there.
    joined = re.sub(r"\n {4,}", " ", text)
    for cause in CAUSES:
        found = re.search(cause.pattern, joined)
        if found:
            return cause, hearsay(next((group for group in found.groups() if group), ""))
    return None


def packages_for(word: str) -> str:
    """Return the Debian packages that hold a header or a tool, quoted for the environment file; empty when unknown."""
    names = TOOLS.get(word) or HEADERS.get(word, "")
    if word in HEADERS and word != "Python.h":
        names += " python3-dev build-essential"
    return ", ".join(f'"{name}"' for name in dict.fromkeys(names.split()))

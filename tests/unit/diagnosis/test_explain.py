"""What programs really say when they fail, and what is made of it."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hawser.diagnosis.causes import CAUSES, MOST, cause_of, packages_for
from hawser.diagnosis.checks import Check
from hawser.diagnosis.explain import explain, filled_in
from hawser.errors import StepFailed
from hawser.inventory import Services
from hawser.runner.code import git
from hawser.runner.python import installers

SAID = {
    "OSError: [Errno 28] No space left on device": "the disk is full",
    'psycopg.errors.DiskFull: could not extend file "base/16384/2601": No space left on device': "the disk is full",
    "OSError: [Errno 98] Address already in use": "the port is taken by somebody else",
    "[ERROR] Connection in use: ('0.0.0.0', 8000)\n[ERROR] Can't connect": "the port is taken by somebody else",
    "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use": (
        "the port is taken by somebody else"
    ),
    "demo-api is not who answers on 127.0.0.1:8000: python3 (pid 7) does": "the port is taken by somebody else",
    "OSError: [Errno 28] inotify watch limit reached": "the host lets a user watch no more files",
    **dict.fromkeys(
        (
            "OSError: [Errno 30] Read-only file system: '/data/x y'",
            "FATAL: open /data/x y: read-only file system",
            "touch: cannot touch '/data/x y': Read-only file system",
            "Error: EROFS: read-only file system, open '/data/x y'",
        ),
        "something was to be written where nothing can be: /data/x y",
    ),
    "Read-only file system (os error 30)": "something was to be written where nothing can be",
    'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.': (
        "a hardened process asks for rights that its user has not: systemd lets it have no more"
    ),
    "demo-web-blue.service: Failed at step NAMESPACE spawning /bin/sh: Permission denied": (
        "systemd cannot set up on this host what keeps a hardened process from things (NAMESPACE)"
    ),
    "OSError: [Errno 122] Disk quota exceeded": "the quota of a user on a disk is used up",
    'connection to server at "10.0.0.2", port 5432 failed: FATAL:  password authentication failed for user "shop"': (
        "PostgreSQL refuses the password that was given for shop, or has no such user"
    ),
    "(1045, \"Access denied for user 'shop'@'10.0.0.3' (using password: YES)\")": (
        "MariaDB refuses the password that was given for shop, or has no such user"
    ),
    "connection to server failed: fe_sendauth: no password supplied": (
        "PostgreSQL wants a password, and the application gives none"
    ),
    "(1045, \"Access denied for user 'shop'@'10.0.0.3' (using password: NO)\")": (
        "MariaDB wants a password for shop, and the application gives none"
    ),
    "(1044, \"Access denied for user 'shop'@'10.0.0.3' to database 'other'\")": (
        "MariaDB does not let the application's user into the database other"
    ),
    "(403) ACCESS_REFUSED - access to vhost '/' refused for user 'shop'": (
        "RabbitMQ knows the user, and refuses what it asks for: access to vhost '/' refused for user 'shop'"
    ),
    "redis.exceptions.AuthenticationError: NOAUTH Authentication required.": (
        "Redis wants a password, and the application gives none"
    ),
    "amqp.exceptions.AccessRefused: (0, 0): (403) ACCESS_REFUSED - Login was refused using authentication mechanism": (
        "RabbitMQ refuses the user or password that was given"
    ),
    "redis.exceptions.AuthenticationError: WRONGPASS invalid username-password pair": (
        "Redis refuses the password that was given"
    ),
    'FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "shop"': "PostgreSQL lets nobody in from 10.0.0.9",
    "Modules/common.h:12:10: fatal error: lber.h: No such file or directory": (
        "a package is compiled here and misses the header lber.h"
    ),
    "git's filter lfs is missing on this host (the package git-lfs brings it), and without it a.bin would stay": (
        "files of the code are kept by Git LFS, which is not installed"
    ),
    "git's filter git-crypt is missing on this host, and without it secrets/key would stay as git stores them": (
        "files of the code pass through the filter git-crypt when git checks them out, and nobody has set it there"
    ),
    "Error: pg_config executable not found.": "a package is compiled here and misses pg_config",
    "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory": (
        "a package is compiled here and there is no compiler"
    ),
    "python was ended by SIGKILL": "the host may have run out of memory",
    "MemoryError": "the host may have run out of memory",
    "fatal: unable to access 'https://git.example.org/x/': Could not resolve host: git.example.org": (
        "a name does not resolve on this host: git.example.org"
    ),
    'could not translate host name "db.internal" to address: Name or service not known': (
        "a name does not resolve on this host: db.internal"
    ),
    "(2005, \"Unknown server host 'db.internal' (-2)\")": "a name does not resolve on this host: db.internal",
    "redis.exceptions.ConnectionError: Error -2 connecting to cache.internal:6379. Name or service not known.": (
        "a name does not resolve on this host: cache.internal"
    ),
    "Error: getaddrinfo ENOTFOUND registry.example.org": "a name does not resolve on this host: registry.example.org",
    "error: Failed to fetch: `https://h.example/simple/six/`\n  Caused by: error sending request for url "
    "(https://h.example/simple/six/)\n  Caused by: client error (Connect)\n  Caused by: dns error": (
        "a name does not resolve on this host: h.example"
    ),
    "socket.gaierror: [Errno -2] Name or service not known": "a name does not resolve on this host",
    "E: Release file for http://deb.debian.org/… is not valid yet (invalid for another 3h)": (
        "the clock of the host is wrong"
    ),
    "ssl.SSLCertVerificationError: certificate verify failed: certificate is not yet valid": (
        "the clock of the host is wrong"
    ),
    "ModuleNotFoundError: No module named 'celery'": "Python finds no module celery",
    "ModuleNotFoundError: No module named 'pkg_resources'": (
        "Python finds no module pkg_resources, which older versions of setuptools bring"
    ),
    "ModuleNotFoundError: No module named 'distutils.version'": (
        "Python finds no module distutils, which older versions of setuptools bring"
    ),
    "ModuleNotFoundError: No module named '_sqlite3'": "the Python of the environment was built without _sqlite3",
    "(1049, \"Unknown database 'shop'\")": "there is no database shop",
    "E: Could not get lock /var/lib/dpkg/lock-frontend": "another program is installing packages just now",
    "ConnectionRefusedError: [Errno 111] Connection refused": "something that is needed does not answer",
}


class Fleet:
    """As much of a fleet as an explanation needs; its hosts answer what a test says."""

    def __init__(self, **answers: object) -> None:
        self.answers = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.environment = SimpleNamespace(
            secrets=SimpleNamespace(sources=("file",)),
            name="shop",
            path=Path("shop.toml"),
            services=Services.model_validate({"postgresql": {"groups": ["data"]}}),
            hosts_of=lambda groups: ("data1",),
        )
        self.lost: dict[str, str] = {}
        self.age = 9.0

    def ask(self, name: str, function: str, arguments: object) -> object:
        if function not in self.answers:
            raise StepFailed(f"{name}: silent")
        return self.answers[function]

    def host(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(
            name=name,
            target=f"shop/{name}",
            root="/srv/shop",
            environment=SimpleNamespace(persistent=SimpleNamespace(folders=())),
        )


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_words_of_programs_are_understood_as_a_cause(said, meaning):
    found = cause_of(f"some lines before\n{said}\nand after")
    assert found is not None
    cause, caught = found
    assert filled_in(cause.meaning, Fleet(), "web1", caught) == meaning  # type: ignore[arg-type]


def test_a_failure_without_a_known_cause_is_not_explained():
    assert not explain(Fleet(), "web1", "AssertionError: 1 != 2")  # type: ignore[arg-type]


def test_a_failure_that_names_its_next_move_gets_no_other_one():
    said = "data1: password authentication failed for user postgres; the host advises: change pg_hba.conf"
    assert not explain(Fleet(), "data1", said)  # type: ignore[arg-type]


PATTERNS = sorted({each.pattern for each in CAUSES} | {pattern for pattern, _ in (*installers.HINTS, *git.CAUSES)})


def seconds(pattern: str, text: str) -> float:
    began = time.process_time()
    re.search(pattern, re.sub(r"\n {4,}", " ", text))
    return time.process_time() - began


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_search_for_a_cause_in_its_own_words_repeated_takes_time_in_proportion(pattern):
    words = dict.fromkeys(re.findall(r"[A-Za-z0-9_'\" ]{2,}", pattern))
    begins = [*words][:3] + [f"{word} " for word in words][:2]
    for first, again in itertools.product(begins, words):
        short, long = (first + again * (size // len(again)) for size in (MOST // 4, MOST))
        needed = seconds(pattern, long)
        assert needed < 0.2, (first, again)
        assert needed < 0.02 or needed < 9 * seconds(pattern, short), (first, again)


def test_very_long_output_is_looked_through_at_its_beginning_and_end():
    for text in (f"No space left on device{'x' * 9 * MOST}", f"{'x' * 9 * MOST}\nNo space left on device"):
        assert cause_of(text) is not None
    began = time.process_time()
    assert cause_of("command " + "gcc" * MOST) is None
    assert time.process_time() - began < 1


def test_every_cause_says_what_to_type_and_names_what_exists():
    titles = {check.title for check in Check.on_hosts}
    for cause in CAUSES:
        move = filled_in(cause.move, Fleet(), "web1", "x.h")  # type: ignore[arg-type]
        assert move and "{" not in move
        assert set(cause.checks) <= titles
        assert cause.service in ("", *Services.model_fields)


def test_the_packages_of_a_header_are_named_and_those_of_another_one_can_be_found():
    assert packages_for("libpq-fe.h") == '"libpq-dev", "python3-dev", "build-essential"'
    assert packages_for("Python.h") == '"python3-dev"'
    said = str(explain(Fleet(), "web1", "fatal error: odd/thing.h: No such file or directory"))  # type: ignore[arg-type]
    assert "next: find the Debian package with `apt-file search odd/thing.h`, then add packages.all" in said


def test_answers_of_the_host_about_a_failure_come_with_a_next_move_of_their_own():
    room = {"path": "/srv/shop", "free": 0, "total": 2**30, "files_free": 5, "files_total": 9, "read_only": False}
    said = str(explain(Fleet(looks__rooms=[room]), "web1", "No space left on device"))  # type: ignore[arg-type]
    assert said.splitlines()[:2] == ["web1: the disk is full", "  0.0 of 1 GiB are free at /srv/shop"]
    assert said.splitlines()[2].startswith('    next: fab -H shop/web1 run "du')
    assert len(said.splitlines()) == 3


def test_the_last_words_of_the_server_are_told():
    fleet = Fleet(looks__last_words=["FATAL: no"])
    said = str(explain(fleet, "web1", 'password authentication failed for user "shop"'))  # type: ignore[arg-type]
    assert said.splitlines()[1] == "  data1 | FATAL: no"
    assert "the server has another one: fab -H shop bootstrap" in said


@pytest.mark.parametrize(
    ("said", "untested"),
    [
        ("[Errno 98] Address already in use", "an address that a program wants to listen on is in use"),
        ("Connection in use: ('127.0.0.1', 8000)", "an address that a program wants to listen on is in use: 8000"),
        ("certificate is not yet valid", "what was made elsewhere is not valid yet by the clock of this host"),
    ],
)
@pytest.mark.parametrize("look", [True, False])
def test_a_cause_that_no_check_has_found_is_told_by_the_programs_words_alone(said, untested, look):
    explanation = explain(Fleet(looks__clock=time.time()), "web1", said, look)  # type: ignore[arg-type]
    assert explanation.lines == (f"web1: {untested}",)


def test_a_wrong_clock_is_told_when_it_was_compared_with_this_machines():
    known = explain(Fleet(looks__clock=time.time() - 9000), "web1", "not yet valid")  # type: ignore[arg-type]
    assert known.lines[0] == "web1: the clock of the host is wrong"


def test_room_that_is_short_but_not_gone_is_no_full_disk():
    room = {"path": "/", "free": 2**29, "total": 2**33, "files_free": 5, "files_total": 9, "read_only": False}
    said = explain(Fleet(looks__rooms=[room]), "web1", "No space left on device").lines  # type: ignore[arg-type]
    assert said == ("web1: a program found no room to write", "  0.5 of 8 GiB are free at /", said[2])


def test_a_password_that_another_ones_server_refuses_is_not_changed_by_bootstrap():
    ours = explain(Fleet(), "web1", 'password authentication failed for user "shop"')  # type: ignore[arg-type]
    other = explain(Fleet(), "web1", "NOAUTH Authentication required.")  # type: ignore[arg-type]
    assert "fab -H shop bootstrap" in ours.next
    assert "bootstrap" not in other.next and "it is none of shop.toml" in other.next


@pytest.mark.parametrize("said", ["Name or service not known", "Temporary failure in name resolution"])
def test_a_name_that_nobody_told_leaves_its_place_in_the_command_open(said):
    assert "getent hosts …" in explain(Fleet(), "web1", said).next  # type: ignore[arg-type]


def test_dpkg_without_rights_is_no_other_program_that_installs():
    said = "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?"
    assert cause_of(said) is None


def test_a_host_that_says_nothing_leaves_the_general_advice():
    said = str(explain(Fleet(), "web1", "No space left on device"))  # type: ignore[arg-type]
    assert said.splitlines() == [
        "web1: a program found no room to write",
        '  next: fab -H shop/web1 run "df -h; df -i"; old releases go with fab -H shop/web1 releases.prune',
    ]


OPENED = "/srv/shop/releases/7-ab/env/bin/python: can't open file '/srv/shop/releases/7-ab/source/manage.py': [Errno 2]"
IMPORTED = "File \"/srv/shop/releases/7-ab/source/wsgi.py\"\nModuleNotFoundError: No module named 'shop'"


@pytest.mark.parametrize(
    ("said", "lies", "end"),
    [
        (OPENED, ["back/manage.py"], "next: write python back/manage.py in the commands of shop.toml, and for "),
        (OPENED, ["back/manage.py", "till/manage.py"], "next: write python … in the commands of shop.toml, and for "),
        (OPENED, ["$(reboot)/manage.py"], "next: write python … in the commands of shop.toml, and for "),
        (OPENED, [], "next: commands run at the top of the code: name manage.py from there in shop.toml"),
        (OPENED.replace("manage", "sync"), ["jobs/sync.py"], "next: write python jobs/sync.py in shop.toml"),
        (
            IMPORTED,
            ["back/shop/__init__.py"],
            'next: PYTHONPATH = "back" under [env.variables] in shop.toml, or `cd',
        ),
        (IMPORTED, ["back/src/shop.py"], 'next: PYTHONPATH = "back/src" under [env.variables] in shop.toml'),
        (IMPORTED, [], "next: one of a package: add the package, whose name may be another one, to the requirements"),
    ],
)
def test_a_program_or_module_that_lies_deeper_in_the_code_is_named_with_its_folder(said, lies, end):
    lines = str(explain(Fleet(scripts__deeper=lies), "web1", said)).splitlines()  # type: ignore[arg-type]
    assert lines[-1].strip().startswith(end)
    shown = [each.removesuffix("/__init__.py") for each in lies]
    assert lines[1:-1] == ([f"  deeper in the code: {', '.join(shown)}"] if lies else [])


def test_what_was_not_found_is_looked_for_in_the_release_that_said_so():
    asked = []

    class Asked(Fleet):
        def ask(self, name: str, function: str, arguments: object) -> object:
            asked.append(arguments)
            return super().ask(name, function, arguments)

    for said in (OPENED, IMPORTED, "No module named 'shop'", "can't open file 'manage.py': [Errno 2]"):
        explain(Asked(), "web1", said)  # type: ignore[arg-type]
    source = "/srv/shop/releases/7-ab/source"
    assert asked == [{"source": source, "name": "manage.py"}, {"source": source, "name": "shop"}]


@pytest.mark.parametrize(
    "name", ["$(reboot).example", "`reboot`.example", '"; reboot; "', "--reboot", "-sreboot", "=reboot", "~reboot/x"]
)
def test_what_a_host_says_is_no_part_of_a_command_that_somebody_types(name):
    said = str(explain(Fleet(), "web1", f"Temporary failure resolving '{name}'"))  # type: ignore[arg-type]
    assert "reboot" not in said.rpartition("next: ")[2] and "getent hosts …" in said

"""The host as the kinds of resource act on it: programs that end with us, and masks for secrets."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import selectors
import signal
import subprocess
import threading
import time

from .kernel.scopes import MARK as SCOPE
from .kernel.scopes import Scope, Scopes
from .kernel.starts import Start
from .masks import mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

    from .specs.messages import Details

    # A resource as it arrives; each kind says which one it is (`specs`).
    Spec = Mapping[str, object]
    Child = subprocess.Popen[bytes]

# Characters of a text that an event carries.
OUTPUT_LIMIT = 64 * 1024
# Bytes of a program's output that are kept while it runs; twice as many may be.
KEPT_OUTPUT = 32 * 1024 * 1024
# Seconds after which a program takes long, and between two looks at what it says; bytes of that, and characters of what
# is passed on.
LONG, PAUSE, TAIL, LONGEST_LINE = 2.0, 1.0, 4096, 200
# Seconds between two looks at a child whose pipes are quiet: something that it left behind may keep them open.
GLANCE = 0.2
# Seconds after a child's end during which output that is still coming is read.
AFTERMATH = 1.0
# Seconds that the end of the run waits for a program that is just being started.
HANGING_START = 5.0

# A clean environment: what the operator's shell exports must not change what a deploy does.
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
# Sets the variables of a file and goes on as another program.
TAKE_UP = '. "$1"; shift; exec "$@"'
# What a host's administrator sets for the whole machine and a build needs to reach its package index.
INHERITED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")


class Failure(Exception):
    """Something that could not be done, in words for the user.

    :param message: what failed and why.
    :param output: what the program said, if one ran.
    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.output = output


class Change:
    """The difference between the host and a resource: a unified diff, or a note in words.

    Neither of them where the label of the resource says all.
    """

    def __init__(self, note: str = "", diff: str = "") -> None:
        self.note = note
        self.diff = diff


class Kind:
    """One resource on the host. `check` only reads; `apply` makes it so, atomically; a repetition does no harm."""

    def __init__(self, spec: Spec, system: System) -> None:
        self.spec = spec
        self.system = system
        self.due = False
        self.output = ""

    def check(self) -> Optional[Change]:
        """Return a `Change`, or None when everything is as wanted."""
        raise NotImplementedError

    def apply(self, change: Change) -> None:
        """Make it so; `check` has been called before on the same object."""
        raise NotImplementedError

    def facts(self) -> Details:
        """Further details of the event: ``{"facts": {...}}``, ``{"warning": "..."}`` or none."""
        return {}


class Finished:
    """A program that ended: its exit code, and its output (standard error merged in unless asked apart)."""

    def __init__(self, code: int, output: str, errors: str = "") -> None:
        self.code = code
        self.output = output
        self.errors = errors


class System:
    """The host, as the kinds see it.

    :param state: the folder that survives between runs (pending triggers, journal, history).
    :param token: marks every process that this run starts, so that a later run can end what a killed one left. Empty: a
        new one, for no two runs may take each other's processes for their own.
    """

    def __init__(self, state: str, token: str = "") -> None:
        self.state = state
        self.token = token or os.urandom(8).hex()
        self.blobs: Dict[str, str] = {}
        self.masks: Tuple[str, ...] = ()
        self.children: Dict[Child, Optional[Scope]] = {}
        self.scopes = Scopes(self.token)
        self.left: List[str] = []
        self.warnings: List[str] = []
        # By unit, its last start in this run.
        self.starts: Dict[str, Start] = {}
        # The Pythons that have said in this run which version they are.
        self.interpreters: List[Mapping[str, object]] = []
        # What is left to do when all has been asked for, and may stay undone.
        self.parting: List[Callable[[], object]] = []
        # Takes the last line of a program that takes long, while somebody waits for it.
        self.progress: Optional[Callable[[str], None]] = None
        self.told = 0.0
        self.children_lock = threading.Lock()
        self.aborted = False

    def part(self) -> None:
        """Do what was left for the end."""
        while self.parting:
            with contextlib.suppress(Failure):
                self.parting.pop(0)()

    def mask(self, text: str) -> str:
        """Replace every secret in a text, also where two overlap; lone surrogates are written as escapes."""
        return mask(text, self.masks).encode("utf-8", "backslashreplace").decode()

    def show(self, text: str, head: bool = False) -> str:
        """Return a text as an event carries it: masked first, then cut to its last (or first) lines."""
        roughly = 4 * OUTPUT_LIMIT
        text = self.mask(text[:roughly] if head else text[-roughly:])
        if len(text) <= OUTPUT_LIMIT:
            return text
        if head:
            return text[:OUTPUT_LIMIT].rpartition("\n")[0] + "\n(...)"
        return "(...)\n" + text[-OUTPUT_LIMIT:].partition("\n")[2]

    def tell(self, tail: bytes) -> None:
        """Say what a program has written last: a whole line, for a part of one may have a part of a secret."""
        text = self.mask(tail.decode("utf-8", "replace"))
        # Bars of progress are drawn over again.
        *lines, _begun = re.split(r"[\r\n]", text)
        if len(tail) == TAIL:
            del lines[:1]
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if last and self.progress is not None:
            self.told = time.monotonic()
            self.progress(last[:LONGEST_LINE])

    def environment(self, user: str = "", env: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
        """The variables that a child gets."""
        variables = dict(BASE_ENVIRONMENT)
        for name in INHERITED:
            if os.environ.get(name):
                variables[name] = os.environ[name]
        account = account_of(user) if user else pwd.getpwuid(os.getuid())
        variables.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
        variables.update(env or {})
        variables["HAWSER_RUN"] = self.token
        return variables

    def spawn(
        self,
        argv: Sequence[str],
        user: str = "",
        cwd: str = "/",
        env: Optional[Mapping[str, str]] = None,
        apart: bool = True,
        scoped: bool = False,
        source: Optional[int] = None,
    ) -> Child:
        """Start a program in a process group of its own, which ends when the runner is told to.

        :param scoped: it also gets a scope, in which nothing outlives it; for commands of the application.
        :param source: an open file that it reads as its standard input.
        """
        argv, handles = list(argv), []
        variables = self.environment(user, env)
        with contextlib.ExitStack() as stack:
            if user and account_of(user).pw_uid != os.getuid():
                account = account_of(user)
                # What starts as root gets nothing but our own: in the others' folders (PATH, LD_LIBRARY_PATH) lies
                # what that user likes.
                variables = self.environment(user)
                if env:
                    handles = [stack.enter_context(variables_file(env, account.pw_uid))]
                    argv = ["/bin/sh", "-c", TAKE_UP, "sh", "/proc/self/fd/%d" % handles[0], *argv]
                argv, cwd = become(account, cwd, argv), "/"
            return self.start(argv, cwd, variables, apart, handles, scoped, source)

    def start(
        self,
        argv: Sequence[str],
        cwd: str,
        variables: Dict[str, str],
        apart: bool,
        handles: Sequence[int],
        scoped: bool,
        source: Optional[int],
    ) -> Child:
        with self.children_lock:
            if self.aborted:
                raise Failure("the run was ended")
            scope = self.scopes.make() if scoped else None
            if scope is not None:
                argv, variables[SCOPE] = scope.enter(argv), scope.mark
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=variables,
                    stdin=subprocess.PIPE if source is None else source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=handles,
                )
            except FileNotFoundError:
                if scope is not None:
                    scope.close()
                raise Failure("%s: no such program or folder (in %s)" % (argv[0], cwd)) from None
            if scope is not None:
                scope.session = child.pid
            self.children[child] = scope
        return child

    def attend(
        self, child: Child, data: bytes, on_output: Callable[[str, bytes], None], timeout: Optional[float] = None
    ) -> bool:
        """Feed a child, pass on its output, and wait for its end.

        What it leaves behind in the background may keep its output open; that is not waited for. Where it has a scope,
        that is ended, and `left` says what it was.

        :param on_output: called with ``out`` or ``err`` and the bytes.
        :param timeout: seconds; its whole process group is killed after them.
        :returns: whether it ended by itself in time.
        :raises Failure: it does not even end when it is killed.
        """
        deadline = time.monotonic() + (timeout if timeout is not None else float("inf"))
        scope, in_time = self.children[child], False
        try:
            self.converse(child, data, on_output, deadline)
            # It may have closed its output long before its end.
            in_time = ends(child, max(0.0, deadline - time.monotonic()))
            if not in_time:
                kill_group(child.pid)
                if not ends(child, 10.0):
                    raise Failure("process %d does not end, although it was killed" % child.pid)
            return in_time
        finally:
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
            if scope is not None:
                self.leave(scope, in_time and not self.aborted)
            with self.children_lock:
                self.children.pop(child, None)

    def leave(self, scope: Scope, tell: bool) -> None:
        """End the processes that a command has left running.

        :param tell: say what it was; what was killed with its command has left nothing.
        """
        if tell and scope.members():
            rest = scope.rest()
            if rest:
                from .kernel.strays import describe

                self.left += describe(self, rest)
            scope.end()
        else:
            scope.kill()
        scope.close()

    def converse(self, child: Child, data: bytes, on_output: Callable[[str, bytes], None], deadline: float) -> None:
        """Feed a child and pass on its output, until there is no more, or it has ended, or the time is over."""
        rest = memoryview(data)
        ended = float("inf")
        with selectors.DefaultSelector() as ready:
            if child.stdin is not None:
                os.set_blocking(child.stdin.fileno(), False)
                ready.register(child.stdin, selectors.EVENT_WRITE)
            for name, stream in (("out", child.stdout), ("err", child.stderr)):
                if stream is not None:
                    ready.register(stream, selectors.EVENT_READ, name)
            while ready.get_map() and time.monotonic() < deadline:
                # Asked before the look: what an ended child has written is in its pipe by then.
                if ended == float("inf") and child.poll() is not None:
                    ended = time.monotonic()
                events = ready.select(GLANCE if ended == float("inf") else 0)
                if ended < float("inf") and (not events or time.monotonic() - ended > AFTERMATH):
                    return
                for key, _events in events:
                    if key.data is None:
                        rest = feed(key.fd, rest)
                        more = bool(rest)
                    else:
                        part = os.read(key.fd, 65536)
                        if part:
                            on_output(key.data, part)
                        more = bool(part)
                    if not more:
                        ready.unregister(key.fileobj)
                        if key.data is None and child.stdin is not None:
                            child.stdin.close()

    def run(
        self,
        argv: Sequence[str],
        user: str = "",
        cwd: str = "/",
        env: Optional[Mapping[str, str]] = None,
        stdin: Union[str, bytes] = "",
        timeout: float = 300,
        check: bool = True,
        apart: bool = False,
        scoped: bool = False,
        source: Optional[int] = None,
        whole: bool = False,
    ) -> Finished:
        """Run a program to its end.

        :param stdin: text or bytes for its standard input.
        :param timeout: seconds; its whole process group is killed after them.
        :param check: raise `Failure` when it exits with anything but 0.
        :param apart: keep standard error apart from the output.
        :param scoped: nothing outlives it, see `spawn`.
        :param source: an open file that it reads as its standard input, instead of `stdin`.
        :param whole: its output is read as an answer, of which the end alone is none: raise `Failure` where not all of
            it could be kept.
        """
        said = {"out": bytearray(), "err": bytearray()}
        cut, began = set(), time.monotonic()

        def keep(name: str, part: bytes) -> None:
            said[name] += part
            if self.progress is not None and time.monotonic() > max(began + LONG, self.told + PAUSE):
                self.tell(bytes(said[name][-TAIL:]))
            if len(said[name]) > 2 * KEPT_OUTPUT:
                cut.add(name)
                del said[name][:-KEPT_OUTPUT]

        child = self.spawn(argv, user, cwd, env, apart, scoped, source)
        in_time = self.attend(child, stdin.encode() if isinstance(stdin, str) else stdin, keep, timeout)
        output, errors = (bytes(said[name]).decode("utf-8", "replace") for name in ("out", "err"))
        if not in_time:
            raise Failure("%s: not done after %d s" % (os.path.basename(argv[0]), timeout), output + errors)
        if check and child.returncode != 0:
            raise Failure("%s %s" % (os.path.basename(argv[0]), how_it_ended(child.returncode)), output + errors)
        if whole and "out" in cut:
            told = (os.path.basename(argv[0]), 2 * KEPT_OUTPUT >> 20)
            raise Failure("%s answers with more than %d MiB; next: see what there is so much of" % told, output[-4096:])
        return Finished(child.returncode, output, errors)

    def abort(self) -> None:
        """End every program that this run started, with all they started."""
        # Something is being started just now: it is waited for, so that it does not escape, but not for ever.
        held = self.children_lock.acquire(timeout=HANGING_START)
        self.aborted = True
        children = list(self.children)
        if held:
            self.children_lock.release()
        for child in children:
            kill_group(child.pid)
        self.scopes.kill()

    def take_warnings(self) -> List[str]:
        """Return the warnings since the last call."""
        found, self.warnings = self.warnings, []
        return found

    def take_left(self) -> str:
        """Return in words the programs that commands have left running since the last call; empty: none."""
        found, self.left = self.left, []
        return "has left programs running, which were ended: %s" % "; ".join(found) if found else ""


def become(account: pwd.struct_passwd, cwd: str, argv: Sequence[str]) -> List[str]:
    """Return the arguments that make root another user and start a program, in a folder that is entered as that user.

    The folder may be closed to root no less than to others.
    """
    switch = ["--reuid=%d" % account.pw_uid, "--regid=%d" % account.pw_gid, "--init-groups"]
    return ["/usr/bin/setpriv", *switch, "/usr/bin/env", "-C", cwd, "--", *argv]


@contextlib.contextmanager
def variables_file(variables: Mapping[str, str], uid: int) -> Iterator[int]:
    """Yield the handle of a file in memory that sets variables in a shell, and that only a user (and root) may read."""
    import shlex

    handle = os.memfd_create("variables")
    try:
        os.fchown(handle, uid, -1)
        os.fchmod(handle, 0o400)
        with open(handle, "wb", closefd=False) as stream:
            for name, value in variables.items():
                stream.write(os.fsencode("export %s=%s\n" % (name, shlex.quote(value))))
        yield handle
    finally:
        os.close(handle)


def feed(pipe: int, data: memoryview) -> memoryview:
    """Write as much as a pipe takes now; return the rest, which is empty when nobody reads any more."""
    try:
        return data[os.write(pipe, data[:65536]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]


def ends(child: Child, seconds: float) -> bool:
    """Wait for a child's end, at most for some seconds."""
    try:
        child.wait(seconds if seconds < float("inf") else None)
    except subprocess.TimeoutExpired:
        return False
    return True


def how_it_ended(code: int) -> str:
    """Say an exit code in words; a negative one is a signal's."""
    if code >= 0:
        return "exited with %d" % code
    try:
        return "was ended by %s" % signal.Signals(-code).name
    except ValueError:
        return "was ended by signal %d" % -code


def kill_group(pid: int) -> None:
    """Kill a process group that may be gone already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def account_of(user: str) -> pwd.struct_passwd:
    """A user's entry, with a message that names it when there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise Failure("there is no user %s on this host" % user) from None


def user_id(name: str) -> int:
    """The number of a user."""
    return account_of(name).pw_uid


def group_id(name: str) -> int:
    """The number of a group, with a message that names it when there is none."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Failure("there is no group %s on this host" % name) from None

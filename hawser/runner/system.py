"""What the kinds of resource act through: processes that end with us, files that appear whole, and masks for secrets."""

import grp
import os
import pwd
import signal
import subprocess
import tempfile
import threading

MASK = "********"
OUTPUT_LIMIT = 64 * 1024

# A clean environment: what the operator's shell exports must not change what a deploy does.
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
# What a host's administrator sets for the whole machine and a build needs to reach its package index.
INHERITED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")


class Failure(Exception):
    """Something that could not be done, in words for the user.

    :param message: what failed and why.
    :param output: what the program said, if one ran.
    """

    def __init__(self, message, output=""):
        super().__init__(message)
        self.message = message
        self.output = output


class Change:
    """How the host differs from what is wanted: a unified diff, or a note in words."""

    def __init__(self, note="", diff=""):
        self.note = note
        self.diff = diff


class Kind:
    """One resource on the host. `check` only reads; `apply` makes it so, atomically; a repetition does no harm."""

    def __init__(self, spec, system):
        self.spec = spec
        self.system = system
        self.due = False
        self.output = ""

    def check(self):
        """Return a `Change`, or None when everything is as wanted."""
        raise NotImplementedError

    def apply(self, change):
        raise NotImplementedError

    def facts(self):
        """What the event says besides its status: ``{"facts": {...}}`` or nothing."""
        return {}


class Finished:
    """A program that ended: its exit code, and its output (standard error merged in unless asked apart)."""

    def __init__(self, code, output, errors=""):
        self.code = code
        self.output = output
        self.errors = errors


class System:
    """The host, as the kinds see it.

    :param state: the folder that survives between runs (pending triggers, journal, history).
    :param token: marks every process that this run starts, so that a later run can end what a killed one left.
    """

    def __init__(self, state, token=""):
        self.state = state
        self.token = token
        self.blobs = {}
        self.masks = ()
        self.children = set()
        self.children_lock = threading.Lock()
        self.aborted = False

    def mask(self, text):
        """Replace every secret in a text."""
        for secret in self.masks:
            text = text.replace(secret, MASK)
        return text

    def environment(self, user="", env=None):
        """The variables that a child gets."""
        variables = dict(BASE_ENVIRONMENT)
        for name in INHERITED:
            if os.environ.get(name):
                variables[name] = os.environ[name]
        account = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
        variables.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
        variables.update(env or {})
        if self.token:
            variables["HAWSER_RUN"] = self.token
        return variables

    def spawn(self, argv, user="", cwd="/", env=None, **options):
        """Start a program in a process group of its own, which ends when the runner is told to."""
        argv = list(argv)
        if user and user != pwd.getpwuid(os.getuid()).pw_name:
            account = pwd.getpwnam(user)
            switch = ["setpriv", "--reuid=%d" % account.pw_uid, "--regid=%d" % account.pw_gid, "--init-groups"]
            # The folder may be closed to us no less than to the user: enter it after the change.
            argv = switch + ["env", "-C", cwd, "--"] + argv
            cwd = "/"
        with self.children_lock:
            if self.aborted:
                raise Failure("the run was ended")
            try:
                child = subprocess.Popen(
                    argv, cwd=cwd, env=self.environment(user, env), start_new_session=True, **options
                )
            except FileNotFoundError:
                raise Failure("%s: no such program or folder (in %s)" % (argv[0], cwd)) from None
            self.children.add(child)
        return child

    def release_child(self, child):
        with self.children_lock:
            self.children.discard(child)

    def run(self, argv, user="", cwd="/", env=None, stdin="", timeout=300, check=True, apart=False):
        """Run a program to its end.

        :param stdin: text or bytes for its standard input.
        :param timeout: seconds; its whole process group is killed after them.
        :param check: raise `Failure` when it exits with anything but 0.
        :param apart: keep standard error apart from the output.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin
        errors = subprocess.PIPE if apart else subprocess.STDOUT
        child = self.spawn(argv, user, cwd, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            out, err = child.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_group(child.pid)
            out, err = child.communicate()
            text = (out or b"").decode("utf-8", "replace")
            raise Failure("%s: not done after %d s" % (argv[0], timeout), text[-OUTPUT_LIMIT:]) from None
        finally:
            self.release_child(child)
        output = out.decode("utf-8", "replace")[-OUTPUT_LIMIT:]
        said = (err or b"").decode("utf-8", "replace")[-OUTPUT_LIMIT:]
        if check and child.returncode != 0:
            how = (
                "was ended by %s" % signal.Signals(-child.returncode).name
                if child.returncode < 0
                else "exited with %d" % child.returncode
            )
            raise Failure("%s %s" % (os.path.basename(argv[0]), how), output + said)
        return Finished(child.returncode, output, said)

    def abort(self):
        """End every program that this run started, with all they started."""
        with self.children_lock:
            self.aborted = True
            children = list(self.children)
        for child in children:
            kill_group(child.pid)


def kill_group(pid):
    """Kill a process group that may be gone already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def user_id(name):
    """The number of a user, with a message that names it when there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Failure("there is no user %s on this host" % name) from None


def group_id(name):
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Failure("there is no group %s on this host" % name) from None


def open_folder(path):
    """Open a folder for use as ``dir_fd``, following only links that root (or we) own.

    A service user could otherwise lead root's write elsewhere by a link inside its own folders.

    :raises Failure: a part is missing, is no folder, or is somebody else's link.
    """
    trusted = (0, os.getuid())
    parts = [part for part in os.path.abspath(path).split("/") if part]
    handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    walked, followed = [], 0
    try:
        while parts:
            part = parts.pop(0)
            try:
                step = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as error:
                status = stat_at(part, handle)
                if status is None:
                    raise Failure("the folder /%s does not exist" % "/".join([*walked, part])) from None
                if (status.st_mode & 0o170000) != 0o120000:
                    raise Failure("/%s: %s" % ("/".join([*walked, part]), error.strerror)) from None
                followed += 1
                if status.st_uid not in trusted or followed > 40:
                    raise Failure("/%s is a link that root does not own" % "/".join([*walked, part])) from None
                target = os.path.normpath(os.path.join("/" + "/".join(walked), os.readlink(part, dir_fd=handle)))
                os.close(handle)
                handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
                parts = [p for p in target.split("/") if p] + parts
                walked = []
                continue
            os.close(handle)
            handle = step
            walked.append(part)
        return handle
    except BaseException:
        os.close(handle)
        raise


def stat_at(name, folder):
    """``lstat`` relative to an open folder; None when there is nothing."""
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


def write_atomically(path, data, mode, uid=-1, gid=-1, before=None):
    """Write a file so that a reader sees the old or the new one whole, and so that it is on disk afterwards.

    :param before: called with the temporary path before it takes the real one's place; may raise.
    """
    folder = open_folder(os.path.dirname(path) or "/")
    name = os.path.basename(path)
    temporary = ".%s.%s" % (name[:200], next(tempfile._get_candidate_names()))
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                if uid != -1 or gid != -1:
                    os.fchown(stream.fileno(), uid, gid)
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            if before is not None:
                before(os.path.join(os.path.dirname(path), temporary))
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            try:
                os.unlink(temporary, dir_fd=folder)
            except FileNotFoundError:
                pass
            raise
        os.fsync(folder)
    finally:
        os.close(folder)

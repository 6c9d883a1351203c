"""Python environments: of a tool, or of the application, shared where their inputs are the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import stat
import urllib.parse

from ..code.git import Remote
from ..facts import MARKER, marker
from ..files.deletion import refuse_mounts
from ..files.disk import open_folder, read, remove, stat_at, write_atomically
from ..files.files import Link
from ..system import Change, Failure, Kind, user_id
from . import legacy, versions
from .conda import CondaFile, arguments, find_program
from .installers import explain, pip_settings, tail
from .interpreters import Interpreter, known_interpreters, managed, path_of
from .origins import came_from
from .requirements import Recipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import AbstractSet, Dict, Iterator, List, Mapping, Optional, Sequence

    from ..specs.code import PythonEnvironmentSpec, PythonVersionsSpec
    from ..specs.files import LinkSpec
    from ..specs.messages import Details
    from ..specs.system import ToolSpec
    from ..system import Finished

# Raised when environments are built in another way, so that all are built anew.
FORMAT = 1
BUILD_TIMEOUT = 3600


class Tool(Kind):
    """See `hawser.resources.Tool`."""

    spec: ToolSpec

    def check(self) -> Optional[Change]:
        found = read(os.path.join(self.spec["path"], MARKER))
        if found is None:
            return Change("new")
        if found.decode("utf-8", "replace").strip() != self.spec["requirement"]:
            return Change("%s -> %s" % (found.decode("utf-8", "replace").strip(), self.spec["requirement"]))
        return None if interpreter_fits(self.spec["path"]) else Change("the host's Python is another one now")

    def apply(self, change: Change) -> None:
        path = self.spec["path"]
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        unmark_and_remove(path)
        result = self.system.run(["/usr/bin/python3", "-m", "venv", path], timeout=BUILD_TIMEOUT, check=False)
        if result.code:
            raise Failure("%s: %s" % (path, explain(result.output, result.code)), tail(result.output))
        # Root's own pip settings are the host's; those of the operator's session are not passed on.
        argv = [path + "/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q"]
        result = self.system.run([*argv, "--", self.spec["requirement"]], timeout=BUILD_TIMEOUT, check=False)
        if result.code:
            said = explain(result.output, result.code)
            raise Failure("%s: %s" % (self.spec["requirement"], said), tail(result.output))
        self.system.run(["sync", "-f", path])
        write_atomically(os.path.join(path, MARKER), (self.spec["requirement"] + "\n").encode(), 0o644)


def interpreter_fits(path: str) -> bool:
    """Tell whether an environment's packages were installed for its present interpreter."""
    name = os.path.basename(os.path.realpath(os.path.join(path, "bin", "python3")))
    if not os.path.exists(os.path.join(path, "bin", "python3")):
        return False
    return not re.match(r"python3\.\d+$", name) or os.path.isdir(os.path.join(path, "lib", name))


def unmark_and_remove(path: str) -> None:
    """Remove an environment, its marker first, so that a crash leaves nothing that looks complete."""
    if os.path.isdir(path) and not os.path.islink(path):
        refuse_mounts(path)
        remove(os.path.join(path, MARKER), recursive=True)
    remove(path, recursive=True)


class PythonEnvironment(Kind):
    """See `hawser.resources.PythonEnvironment`."""

    spec: PythonEnvironmentSpec

    path = ""
    # The versions of packages; None where they are not chosen yet.
    versions: Optional[List[str]] = None
    # Those to keep to while versions are chosen by making the environment.
    preferred: Sequence[str] = ()
    # Servers of repositories from which packages come.
    servers: AbstractSet[str] = frozenset()
    conda: Optional[CondaFile] = None

    def recipe(self) -> Recipe:
        """Return the recipe of the environment, with the packages that an environment file of conda leaves to uv."""
        recipe = self.read_recipe()
        self.servers = recipe.servers
        return recipe

    def read_recipe(self) -> Recipe:
        spec = self.spec
        if not spec["conda"]:
            return Recipe(spec)
        self.conda = CondaFile(self.system, spec)
        if not spec["interpreter"]:
            self.spec = {**spec, "interpreter": self.conda.python()}
        packages = [*self.conda.requirements(), *spec["packages"]]
        requirements = [*spec["requirements"], *self.conda.files]
        return Recipe({**spec, "packages": packages, "requirements": requirements}, self.conda.inputs())

    def by_conda(self) -> bool:
        """Whether conda makes the environment, with an interpreter of its own."""
        return self.conda is not None and self.conda.mode == "conda"

    def facts(self) -> Details:
        return {"facts": {"environment": self.path}} if self.path else {}

    def check(self) -> Optional[Change]:
        recipe = self.recipe()
        if self.by_conda():
            find_program(self.spec["conda_program"])
        interpreter = None if self.by_conda() else self.find_interpreter()
        if interpreter is None and not self.by_conda():
            return Change("new, after Python %s is installed" % self.spec["interpreter"])
        self.versions = self.known_versions(recipe, interpreter)
        self.path = self.find(recipe, interpreter)
        if not complete(self.path):
            made = "new environment %s from %s" % (os.path.basename(self.path), recipe.title())
            return Change(made + (", by " + self.by_pip(interpreter) if self.by_pip(interpreter) else ""))
        return self.link().check()

    def apply(self, change: Change) -> None:
        recipe = self.recipe()
        interpreter = None if self.by_conda() else self.find_interpreter() or self.install_interpreter()
        self.versions = self.known_versions(recipe, interpreter)
        self.path = self.find(recipe, interpreter)
        if self.versions is None and (self.tells_versions(interpreter) or not complete(self.path)):
            self.versions = self.choose(recipe, interpreter)
            self.path = self.find(recipe, interpreter)
        if not complete(self.path):
            self.build(recipe, interpreter)
        self.keep_versions(recipe, interpreter)
        difference = self.link().check()
        if difference is not None:
            self.link().apply(difference)

    def by_pip(self, interpreter: Optional[Interpreter]) -> str:
        """Say by which pip the environment is filled; empty when it is by uv."""
        if interpreter is not None and legacy.needs_virtualenv(interpreter.version):
            return "%s and its pip for %s" % (legacy.VIRTUALENV.replace("==", " "), interpreter.version)
        return "pip with its resolver of before 2020" if self.spec["resolver"] == legacy.PIP_LEGACY else ""

    def link(self) -> Link:
        target = os.path.relpath(self.path, os.path.dirname(self.spec["link"]))
        link: LinkSpec = {"path": self.spec["link"], "target": target, "parents": False}
        return Link(link, self.system)

    def find(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> str:
        """Return the folder of the environment; the release's own, where it turned out that it needs one."""
        path, alone = self.place(recipe, interpreter), self.place(recipe, interpreter, recipe.release())
        if complete(path) or not self.tells_versions(interpreter) or not self.versions:
            return alone if complete(alone) and not complete(path) else path
        # The one by which they were chosen was made before they were known.
        for own in ("", recipe.release()):
            first = self.place(recipe, interpreter, own, chosen=())
            if complete(first) and marker(first).get("versions") == self.versions:
                return first
        return alone if complete(alone) else path

    def place(
        self,
        recipe: Recipe,
        interpreter: Optional[Interpreter],
        own: str = "",
        chosen: Optional[Sequence[str]] = None,
    ) -> str:
        """Return the folder of the environment: named by the hash of all that goes into it.

        :param own: the release that has it for itself; empty: as the recipe says.
        :param chosen: the versions of its packages; None: those that are known.
        """
        inputs = dict(recipe.inputs, format=FORMAT, machine=platform.machine())
        if own:
            inputs["own"] = own
        known = self.versions if chosen is None else chosen
        if known:
            inputs["versions"] = known
        if self.tells_versions(interpreter) and self.spec["resolved"]:
            inputs["resolved"] = self.spec["resolved"]
        if interpreter is not None:
            inputs["interpreter"] = [interpreter.real, interpreter.version]
            if legacy.needs_virtualenv(interpreter.version):
                inputs["made_by"] = legacy.VIRTUALENV
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return os.path.join(self.spec["folder"], digest[:16])

    def leaves_open(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> bool:
        """Tell whether there are versions to be chosen: of what no lock file names."""
        return interpreter is not None and any(recipe.asked())

    def tells_versions(self, interpreter: Optional[Interpreter]) -> bool:
        """Tell whether only the finished environment says which versions were chosen: pip chooses as it goes."""
        return bool(self.by_pip(interpreter))

    def has_former_environment(self, recipe: Recipe, interpreter: Interpreter) -> bool:
        """Tell whether the release has its environment since versions were not kept yet."""
        path, self.versions = os.path.realpath(self.spec["link"]), None
        return path == self.place(recipe, interpreter) and complete(path)

    def identity(self, recipe: Recipe, interpreter: Interpreter) -> str:
        return versions.identity(recipe.inputs, interpreter.version, platform.machine(), self.spec["resolved"])

    def known_versions(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> Optional[List[str]]:
        """Return the versions that were chosen for these inputs: by the leader, for this release or another one."""
        if interpreter is None or not self.leaves_open(recipe, interpreter):
            return []
        name = self.identity(recipe, interpreter)
        if self.has_former_environment(recipe, interpreter):
            return []
        for data in (self.spec["chosen"].encode(), versions.data(self.spec["kept"])):
            found = versions.parse(data)
            if found and found[0] == name:
                return found[1]
        if recipe.own:
            # What it asks for may have changed with the code.
            return None
        return self.versions_before(recipe, interpreter) or None

    def choose(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> List[str]:
        """Let uv choose versions: those of the lock file or of the release before, as far as they fit, else today's."""
        assert interpreter is not None
        if self.tells_versions(interpreter):
            return self.choose_by_making(recipe, interpreter)
        self.make_cache()
        files, words = recipe.asked()
        groups = [word for name in self.spec["groups"] for word in ("--group", name)] if recipe.project else []
        argv = ["pip", "compile", "-q", "--no-header", "--no-annotate", "--no-strip-extras", "--python"]
        argv += [interpreter.real, *groups, *files, *(["-"] if words else [])]
        stdin = "".join(word + "\n" for word in words)
        constraints = self.write_build_constraints(recipe, self.cache())
        building = {"UV_BUILD_CONSTRAINT": constraints} if constraints else {}
        before = recipe.locked or self.versions_before(recipe, interpreter)
        if before:
            limits = self.limits(recipe, before, self.cache())
            try:
                return versions.chosen(self.uv(argv, {**building, **limits}, stdin=stdin))
            except Failure:
                # The code asks for others now, or nobody answers, which is told then.
                pass
        return versions.chosen(self.uv(argv, building, stdin=stdin))

    def choose_by_making(self, recipe: Recipe, interpreter: Interpreter) -> List[str]:
        """Make the environment, unless it is there, and return the versions that are in it."""
        self.path = self.find(recipe, interpreter)
        if not complete(self.path):
            self.preferred = self.versions_before(recipe, interpreter)
            try:
                self.build(recipe, interpreter)
            except Failure:
                if not self.preferred:
                    raise
                self.preferred = ()
                self.build(recipe, interpreter)
        found, about = self.installed(), marker(self.path)
        if about.get("versions") != found:
            text = json.dumps({**about, "versions": found}, indent=1)
            write_atomically(os.path.join(self.path, MARKER), text.encode(), 0o644)
        return found

    def installed(self) -> List[str]:
        """Return the versions of the packages that pip has installed into the environment, a line for each."""
        argv = [self.path + "/bin/python", self.path + "/bin/pip", "freeze"]
        variables = legacy.variables(self.cache(), "")
        said = self.system.run(argv, self.spec["user"], "/", variables, apart=True, scoped=True).output
        return versions.chosen(said)

    def versions_before(self, recipe: Recipe, interpreter: Interpreter) -> List[str]:
        """Return the versions that were chosen by these inputs for another release."""
        releases = os.path.dirname(os.path.dirname(self.spec["kept"]))
        return versions.of_other_releases(releases, self.identity(recipe, interpreter)) or []

    def keep_versions(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> None:
        """Write down the versions with the release."""
        if self.versions and interpreter is not None and self.spec["kept"]:
            text = versions.written(self.identity(recipe, interpreter), self.versions)
            if versions.data(self.spec["kept"]) != text:
                write_atomically(self.spec["kept"], text, 0o644)

    def limits(self, recipe: Recipe, lines: Sequence[str], folder: str) -> Dict[str, str]:
        """Return the variables that hold uv to some versions.

        :param folder: the user's, for the files that they name.
        """
        _files, words = recipe.asked()
        limits, commits = versions.write_lines(lines, [*recipe.lines, *words])
        found = {}
        for name, variable, text in (("versions", "UV_CONSTRAINT", limits), ("commits", "UV_OVERRIDE", commits)):
            if text:
                path = os.path.join(folder, name + ".txt")
                write_atomically(path, text.encode(), 0o644, user_id(self.spec["user"]))
                found[variable] = " ".join([path, *pip_settings().get(variable, "").split()])
        return found

    def find_interpreter(self) -> Optional[Interpreter]:
        """Return the interpreter that is asked for; None when it has to be installed first."""
        path = self.interpreter_path()
        if path is None:
            why = legacy.cannot_fetch(self.spec["interpreter"])
            if why:
                raise Failure(why)
            return None
        return Interpreter(self.system, path, self.spec["user"], known_interpreters(self.spec["folder"]))

    def interpreter_path(self) -> Optional[str]:
        return path_of(self.system, self.spec["interpreter"], self.spec["folder"], self.spec["user"])

    def managed_folder(self) -> str:
        return managed(self.spec["folder"])

    def install_interpreter(self) -> Interpreter:
        """Let uv fetch the interpreter of a version that the host does not have."""
        self.make_cache()
        self.make_folder(self.managed_folder())
        variables = {"UV_PYTHON_DOWNLOADS": "manual"}
        if self.spec["mirror"]:
            variables["UV_PYTHON_INSTALL_MIRROR"] = self.spec["mirror"]
        self.uv(["python", "install", "--no-bin", self.spec["interpreter"]], variables, cwd="/")
        found = self.find_interpreter()
        if found is None:
            raise Failure("uv installed Python %s, yet it is not to be found" % self.spec["interpreter"])
        return found

    def cache(self) -> str:
        return os.path.join(self.spec["folder"], ".cache")

    def make_cache(self) -> None:
        """Make uv's cache, on the filesystem of the environments, which lets it link files instead of copying."""
        if os.path.lexists(self.cache()) and os.lstat(self.cache()).st_uid != user_id(self.spec["user"]):
            # The application's user has changed, and uv cannot write to another one's cache.
            remove(self.cache(), recursive=True)
        self.make_folder(self.cache())

    def make_folder(self, path: str) -> None:
        """Make a folder that belongs to the user."""
        folder = open_folder(os.path.dirname(path))
        try:
            name = os.path.basename(path)
            status = stat_at(name, folder)
            if status is not None and not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=folder)
                status = None
            if status is None:
                os.mkdir(name, 0o755, dir_fd=folder)
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                os.fchown(handle, user_id(self.spec["user"]), -1)
            finally:
                os.close(handle)
        finally:
            os.close(folder)

    def build(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> None:
        """Build the environment as its user and mark it complete."""
        for name in recipe.passed_over():
            self.system.warnings.append("%s is not read; what is installed: %s" % (name, recipe.title()))
        self.fill(recipe, interpreter)
        if not recipe.own and came_from(self.path, self.spec["source"]):
            # What names the checkout is found in many places, and not in all of them.
            unmark_and_remove(self.path)
            recipe.keep_to_release()
            self.path = self.place(recipe, interpreter)
            self.fill(recipe, interpreter)
        self.system.run(["sync", "-f", self.path])
        about = dict(recipe.inputs, format=FORMAT)
        if interpreter is not None:
            about["interpreter"] = interpreter.describe()
            about["filled_by"] = self.by_pip(interpreter)
        write_atomically(os.path.join(self.path, MARKER), json.dumps(about, indent=1).encode(), 0o644)

    def fill(self, recipe: Recipe, interpreter: Optional[Interpreter]) -> None:
        """Make the environment and install into it."""
        unmark_and_remove(self.path)
        self.make_cache()
        if interpreter is None:
            self.output = self.create()
        else:
            self.make_folder(self.path)
            self.output = self.make_empty(interpreter)
        constraints = self.write_build_constraints(recipe, self.path)
        if interpreter is not None and self.by_pip(interpreter):
            self.fill_by_pip(recipe, interpreter, constraints)
        else:
            variables = {"UV_PROJECT_ENVIRONMENT": self.path, **self.limits(recipe, self.versions or (), self.path)}
            if constraints:
                variables["UV_BUILD_CONSTRAINT"] = constraints
            self.output += "".join(self.uv(words, variables) for words in recipe.commands(self.path))

    def make_empty(self, interpreter: Interpreter) -> str:
        """Make an environment that has nothing in it yet."""
        if legacy.needs_virtualenv(interpreter.version):
            argv = legacy.creation(interpreter.real, self.path)
            said = self.uv(argv, legacy.variables(self.cache(), ""), cwd="/")
            libraries = legacy.libraries(interpreter.real)
            if libraries:
                self.system.run(["ln", "-s", "--", *libraries, self.path + "/lib"], user=self.spec["user"])
            return said
        return self.uv(["venv", "--python", interpreter.real, self.path])

    def write_build_constraints(self, recipe: Recipe, folder: str) -> str:
        """Write the constraints for building packages; return the path, empty where there are none."""
        limits = self.spec["build_constraints"]
        if not limits:
            return ""
        if os.path.basename(recipe.lock) == "uv.lock":
            hint = "pyproject.toml names them under [tool.uv] build-constraint-dependencies"
            raise Failure("python.build_constraints do not count beside uv.lock; " + hint)
        path = os.path.join(folder, "build-constraints.txt")
        write_atomically(path, "".join(line + "\n" for line in limits).encode(), 0o644)
        return path

    def fill_by_pip(self, recipe: Recipe, interpreter: Interpreter, constraints: str) -> None:
        """Install the requirements with the pip of the interpreter's time."""
        if not legacy.needs_virtualenv(interpreter.version):
            self.output += self.uv(legacy.seeds(self.path, constraints))
        variables = {**legacy.variables(self.cache(), constraints), **self.spec["variables"]}
        limits = self.limits(recipe, self.versions or self.preferred, self.path).get("UV_CONSTRAINT", "").split()
        for argv in legacy.commands(recipe, self.path, interpreter.version, constraints, limits):
            with self.repository_access() as access:
                env = {**variables, **access}
                result = self.system.run(
                    argv, self.spec["user"], self.spec["source"], env, "", BUILD_TIMEOUT, False, scoped=True
                )
            if result.code:
                raise not_built(result)
            self.output += result.output

    def create(self) -> str:
        """Let conda make the environment, without pip's part; it makes the folder itself, and downloads into ours."""
        assert self.conda is not None
        program, user = find_program(self.spec["conda_program"]), self.spec["user"]
        downloads = os.path.join(self.spec["folder"], ".conda")
        self.make_folder(downloads)
        file = os.path.join(self.spec["folder"], ".conda.yml")
        write_atomically(file, self.conda.without_pip().encode(), 0o644)
        variables = {"CONDA_PKGS_DIRS": downloads, "MAMBA_ROOT_PREFIX": downloads, "NO_COLOR": "1"}
        argv = arguments(program, self.path, file)
        result = self.system.run(argv, user, self.spec["folder"], variables, "", BUILD_TIMEOUT, False, scoped=True)
        if result.code:
            said = "%s cannot make the environment from %s" % (os.path.basename(program), self.spec["conda"])
            raise Failure(said, tail(result.output))
        return result.output

    @contextlib.contextmanager
    def repository_access(self) -> Iterator[Dict[str, str]]:
        """Yield the variables that let git in where packages come from the server of the code itself."""
        spec = self.spec
        server = urllib.parse.urlsplit(spec["repo"]).hostname or spec["repo"].partition(":")[0].rpartition("@")[2]
        if not spec["repo"] or server not in self.servers:
            yield {"GIT_TERMINAL_PROMPT": "0"} if self.servers else {}
            return
        with Remote(spec["repo"], spec["key"], spec["token"], spec["host_keys"]).environment(spec["user"]) as found:
            yield found

    def uv(
        self,
        arguments: Sequence[str],
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        stdin: str = "",
    ) -> str:
        variables = {
            "UV_CACHE_DIR": self.cache(),
            "UV_PYTHON_INSTALL_DIR": self.managed_folder(),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_SYSTEM_CERTS": "1",
            "NO_COLOR": "1",
        }
        variables.update(pip_settings())
        variables.update(self.spec["variables"])
        variables.update(env or {})
        if arguments[:2] == ["pip", "sync"]:
            # A lock file has the last word on versions; uv refuses limits beside it.
            variables.pop("UV_CONSTRAINT", None)
        with self.repository_access() as access:
            result = self.system.run(
                [self.spec["uv"], *arguments],
                user=self.spec["user"],
                # The project's own settings for uv count, as they do for its developers.
                cwd=cwd or self.spec["source"],
                env={**variables, **access},
                stdin=stdin,
                timeout=BUILD_TIMEOUT,
                check=False,
                # What it builds from source runs as it likes.
                scoped=True,
            )
        if result.code:
            raise not_built(result)
        return result.output


class PythonVersions(PythonEnvironment):
    """See `hawser.resources.PythonVersions`."""

    spec: PythonVersionsSpec

    def facts(self) -> Details:
        return {}

    def check(self) -> Optional[Change]:
        recipe = self.recipe()
        interpreter = None if self.by_conda() else self.find_interpreter()
        if interpreter is None:
            return None if self.by_conda() else Change("after Python %s is installed" % self.spec["interpreter"])
        if not self.leaves_open(recipe, interpreter) or self.has_former_environment(recipe, interpreter):
            return None
        found = versions.parse(versions.data(self.spec["kept"]))
        if found and found[0] == self.identity(recipe, interpreter):
            return None
        known = self.known_versions(recipe, interpreter) is not None
        return Change("those of the release before" if known else "chosen for %s" % recipe.title())

    def apply(self, change: Change) -> None:
        recipe = self.recipe()
        interpreter = self.find_interpreter() or self.install_interpreter()
        if self.leaves_open(recipe, interpreter):
            self.versions = self.known_versions(recipe, interpreter)
            if self.versions is None:
                self.versions = self.choose(recipe, interpreter)
            self.keep_versions(recipe, interpreter)


def not_built(result: Finished) -> Failure:
    """Say why an installer did not come to its end."""
    return Failure("the environment cannot be built: " + explain(result.output, result.code), tail(result.output))


def complete(path: str) -> bool:
    """Tell whether an environment was built to its end and its interpreter is still there."""
    return os.path.isfile(os.path.join(path, MARKER)) and os.path.exists(os.path.join(path, "bin", "python"))

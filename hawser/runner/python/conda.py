"""Environment files of conda: their packages, from conda itself or from the Python package index."""

from __future__ import annotations

import os
import re
import shlex
import shutil

from ..files.disk import read_beneath
from ..files.sample_formats import parse_yaml
from ..system import BASE_ENVIRONMENT, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, TypedDict

    from ..specs.code import PythonEnvironmentSpec
    from ..system import System

    class CondaPart(TypedDict):
        part: str

    class CondaInputs(CondaPart, total=False):
        """The inputs of an environment beside uv's part: the last two where conda makes it."""

        channels: List[str]
        packages: List[str]


PROGRAMS = ("micromamba", "mamba", "conda")
PLACES = ("/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3", "/opt/mamba", "/opt/micromamba")
# Of conda's own kind: channel::name, then a version as in =1.2, ==1.2, =1.2=build or >=1,<2.
PACKAGE = re.compile(r"^(?:[^\s:]+::)?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(.*)$")
VERSION = re.compile(r"^(==?)?\s*([0-9][^\s=<>!~,|]*)(?:[=\s]+([^\s=]\S*))?$")
# What makes the environment is no package in it.
NOT_INSTALLED = ("python", "pip")


class CondaFile:
    """An environment file, read.

    :ivar packages: conda's part, as it stands there.
    :ivar pip: pip's part: requirements.
    :ivar files: requirement files that pip's part names, relative to the checkout.
    :raises Failure: it cannot be read, or asks for what is not understood.
    """

    def __init__(self, system: System, spec: PythonEnvironmentSpec) -> None:
        self.name = spec["conda"]
        self.mode = spec["conda_packages"]
        self.path = os.path.normpath(os.path.join(spec["source"], self.name))
        self.source = spec["source"]
        data = read_beneath(self.source, self.path, 1 << 20)
        if data is None:
            raise Failure("there is no %s in the checkout" % self.name)
        table = parse_yaml(system, data.decode("utf-8", "replace"), self.path)
        if not isinstance(table, dict) or not isinstance(table.get("dependencies"), list):
            raise Failure("%s is no environment file of conda: it lists no dependencies" % self.path)
        self.channels: List[str] = [str(each) for each in table.get("channels") or ()]
        self.packages: List[str] = []
        self.pip: List[str] = []
        self.files: List[str] = []
        for entry in table["dependencies"]:
            if isinstance(entry, str):
                self.packages.append(entry)
            elif isinstance(entry, dict) and list(entry) == ["pip"] and isinstance(entry["pip"], list):
                for line in entry["pip"]:
                    self.add(str(line))
            else:
                raise Failure("%s: %r is neither a package nor a list for pip" % (self.path, entry))

    def add(self, line: str) -> None:
        """Take a line of pip's part."""
        if not line.startswith("-"):
            self.pip.append(line)
            return
        words = shlex.split(line.replace("=", " ", 1) if line.startswith("--") else line)
        if len(words) != 2 or words[0] not in ("-r", "--requirement"):
            raise Failure(
                "%s: %r in pip's part is not understood; next: list it under python.packages" % (self.path, line)
            )
        place = os.path.normpath(os.path.join(os.path.dirname(self.path), words[1]))
        self.files.append(os.path.relpath(place, self.source))

    def requirements(self) -> List[str]:
        """Return the requirements for uv: pip's part, and conda's where the settings say so."""
        if self.mode != "uv":
            return list(self.pip)
        return [each for each in map(self.as_requirement, self.packages) if each] + self.pip

    def as_requirement(self, package: str) -> str:
        """Write a package of conda as the package index has it; empty for Python and pip themselves."""
        found = PACKAGE.match(package.strip())
        if not found:
            raise Failure("%s: %r is no package that can be read" % (self.path, package))
        name, version = found.groups()
        if name in NOT_INSTALLED:
            return ""
        exact = VERSION.match(version)
        if exact:
            sign, number, build = exact.groups()
            # One = without a build stands for all versions that begin so.
            begins = sign == "=" and not build and not number.endswith("*")
            return "%s==%s%s" % (name, number, ".*" if begins else "")
        if not version or re.match(r"^[<>!~=][^|]*$", version):
            return name + version.replace(" ", "")
        raise Failure(
            "%s: the version of %r is not understood; next: list it under python.packages" % (self.path, package)
        )

    def python(self) -> str:
        """Return the version of Python that the file asks for, as far as packages depend on it: 3.9; empty for none."""
        for package in self.packages:
            found = re.match(r"^(?:[^\s:]+::)?python\s*={0,2}\s*(3\.\d+)(?![\d])", package.strip())
            if found:
                return found.group(1)
        return ""

    def inputs(self) -> CondaInputs:
        """Return the inputs of the environment beside uv's part."""
        if self.mode != "conda":
            return {"part": self.mode}
        return {"part": self.mode, "channels": self.channels, "packages": self.packages}

    def without_pip(self) -> str:
        """Return the file's text for conda alone; JSON is YAML."""
        import json

        return json.dumps({"channels": self.channels, "dependencies": self.packages}, indent=1) + "\n"


def find_program(wanted: str) -> str:
    """Return the path of micromamba, mamba or conda on this host.

    :param wanted: a path of the settings; empty to look in the usual places.
    :raises Failure: there is none; says what can be done.
    """
    if wanted:
        if os.access(wanted, os.X_OK):
            return wanted
        raise Failure("python.conda_program: there is no program %s on this host" % wanted)
    places = [BASE_ENVIRONMENT["PATH"], *(place + "/bin" for place in PLACES)]
    for name in PROGRAMS:
        found = shutil.which(name, path=":".join(places))
        if found:
            return found
    raise Failure(
        "this host has no micromamba, mamba or conda; next: install one and name it as python.conda_program, or let uv "
        'install what the file asks for: conda_packages = "uv", or "skip" for the part of pip alone'
    )


def arguments(program: str, prefix: str, file: str) -> List[str]:
    """Return the command line that makes an environment."""
    if os.path.basename(program) == "micromamba":
        return [program, "create", "--yes", "--prefix", prefix, "--file", file]
    return [program, "env", "create", "--prefix", prefix, "--file", file]

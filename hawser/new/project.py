"""The application that is read: its checkout, its folder in it, and what is known of it already."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from functools import cached_property

from .checkout import SRC, Checkout, module_name
from .commands import Found
from .facts import Draft
from .packages import Packages
from .reads import Read


@dataclass
class Project:
    """An application in a checkout, and its environment file in the making.

    :param base: its folder in the checkout; empty for the top.
    :param reads: the variables that its code reads.
    :ivar database: the kind of database that its settings have been given; empty while they have none.
    :ivar defaults: places of settings that were taken as they are, with the defaults of variables in them.
    :ivar root_urls: the file of its first routes, where Django names it.
    """

    name: str
    checkout: Checkout
    base: str
    draft: Draft
    packages: Packages
    commands: list[Found]
    reads: list[Read]
    root_urls: str = ""
    database: str = ""
    defaults: set[str] = field(default_factory=set)

    @property
    def python(self) -> tuple[str, ...]:
        """Its Python files."""
        prefix = f"{self.base}/" if self.base else ""
        return tuple(path for path in self.checkout.python if path.startswith(prefix))

    def relative(self, path: str) -> str:
        """Return a path of the checkout as the application sees it."""
        return posixpath.relpath(path, self.base) if self.base else path

    @cached_property
    def src(self) -> str:
        """Its folder `src`, where packages lie in it that are imported without its name; empty where none do."""
        folder = posixpath.join(self.base, SRC)
        packages = any(path.startswith(f"{folder}/") and path.endswith("/__init__.py") for path in self.python)
        if not packages or f"{folder}/__init__.py" in self.checkout.names:
            return ""
        named = re.compile(rf"^\s*(?:from|import) {SRC}\b", re.MULTILINE)
        return "" if any(named.search(self.checkout.text(path)) for path in self.python) else folder

    def module_name(self, path: str) -> str:
        """Return the name by which a file of the application is imported."""
        inside = path.removeprefix(f"{self.src}/") if self.src else path
        return module_name(self.relative(path) if inside == path else inside)

    def has(self, path: str) -> bool:
        """Tell whether the application has a file."""
        return posixpath.join(self.base, path) in self.checkout.names

    def package(self, requirement: str, why: str) -> None:
        """Ask for a package that the application does not bring itself."""
        name = requirement.partition(">")[0].partition("[")[0]
        if name not in self.packages:
            self.packages.names[name] = ""
            self.draft.add("python", "packages", value=requirement, where=why)

    def folder(self, name: str, where: str = "", linked: bool = False) -> None:
        """Keep a folder over releases."""
        self.draft.add("persistent", "folders", value=name, where=where)
        if linked:
            self.draft.add("persistent", "linked", value=name, where=where)

    def secret(self, name: str, why: str, generated: bool = True) -> str:
        """Name a secret, and return the expression that stands for it.

        :param generated: the first bootstrap makes it; else a person writes it.
        """
        self.draft.add("env", "generated" if generated else "required", value=name, where=why)
        if not generated:
            self.draft.secrets[name] = why
        return f"{{{{ secrets.{name} }}}}"

    def variable(self, name: str, value: str, where: str, open: str = "") -> None:
        """Set a variable of the application."""
        self.draft.put("env", "variables", name, value=value, where=where, open=open)

"""Programs and modules of the application's code, which a command or a server may look for in the wrong folder."""

from __future__ import annotations

import os

from . import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from ..system import System

# Of more, nobody reads the rest.
MOST = 5


def deeper(system: System, source: str, name: str) -> List[str]:
    """Return where a program, or a module, lies in the folders below the top of the code; the highest first.

    :param name: of the program's file, or of the module; a package is told by its ``__init__.py``.
    """
    found = locks.deeper(os.path.realpath(source), (name, name + ".py", "__init__.py"))
    parts = [each.split("/") for each in found]
    # The folder of a package has its name, and lies below the top itself.
    kept = [each for each in parts if each[-1] != "__init__.py" or (len(each) > 2 and each[-2] == name)]
    return ["/".join(each) for each in kept][:MOST]

"""Faults of an environment and its hosts, found by `fab check` without changing anything.

Every module of this package is loaded, and every function in it that `on_host` or `once` marks is asked.
"""

import importlib
import pkgutil

from .registry import Ask, Check, Finding, Findings, on_host, once

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Ask", "Check", "Finding", "Findings", "on_host", "once"]

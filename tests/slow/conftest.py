"""Tests that take too long for every change: `make test-slow`."""

from __future__ import annotations

from tests.faults.conftest import ferry
from tests.hosts.conftest import bare_fleet, fleet, worker_sandbox

__all__ = ["bare_fleet", "ferry", "fleet", "worker_sandbox"]  # fixtures of these tests as well

"""Pieces of HTML."""

from __future__ import annotations

import base64
import hashlib
import time


def text(value: str) -> str:
    """Write a text as HTML, also as the value of an attribute in double quotes (HTML, 13.3)."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def digest(source: str) -> str:
    """Return the digest of a style or script, as a policy names it (CSP 3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def moment(seconds: float) -> str:
    """Return a moment in UTC; the script shows it in the reader's own zone."""
    at = time.gmtime(seconds)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", at)
    return f'<time datetime="{stamp}">{time.strftime("%Y-%m-%d %H:%M", at)} UTC</time>'


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".strip()

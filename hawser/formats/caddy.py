"""Caddy's configuration, the Caddyfile (``lexer.next()`` in ``caddyconfig/caddyfile/lexer.go``)."""

from __future__ import annotations

import re

from .text import NotRepresentable, plain

CADDY = "Caddy's configuration"


def caddy_word(value: str) -> str:
    r"""Return `value` as one quoted token: nothing is an escape between backquotes, only ``\"`` between double ones.

    :raises NotRepresentable: for control characters, for ``{``, which begins a placeholder, and for a backquote beside
        a backslash.
    """
    text = plain(CADDY, value)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise NotRepresentable(CADDY, "it holds a control character")
    if "{" in text:
        raise NotRepresentable(CADDY, "it holds a {, which begins a placeholder")
    if "`" not in text:
        return f"`{text}`"
    if "\\" in text:
        raise NotRepresentable(CADDY, "it holds a backquote and a backslash, and no quotes keep both")
    return '"' + text.replace('"', '\\"') + '"'


FILTERS = {"caddy": caddy_word}

"""nginx's configuration (``ngx_conf_read_token()`` in ``src/core/ngx_conf_file.c``)."""

from __future__ import annotations

import re

from .text import NotRepresentable, plain

NGINX = "nginx's configuration"

# A parameter and its quotes must fit into NGX_CONF_BUFFER.
_LONGEST_PARAMETER = 4095

_BARE = re.compile("[A-Za-z0-9_@%+=:,./*~-]+")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


def nginx_string(value: str) -> str:
    """Return `value` as a quoted parameter.

    :raises NotRepresentable: for NUL, for ``$`` (it begins a variable, and nginx has no escape for it), and for more
        than nginx's buffer of 4 KiB holds.
    """
    text = plain(NGINX, value)
    if "$" in text:
        raise NotRepresentable(NGINX, "it holds a $, which begins a variable and has no escape")
    quoted = '"' + re.sub(r'[\\"\n\r\t]', lambda match: _ESCAPES[match[0]], text) + '"'
    if len(quoted.encode()) > _LONGEST_PARAMETER:
        raise NotRepresentable(
            NGINX, f"it is longer than the {_LONGEST_PARAMETER} bytes that nginx takes as a parameter"
        )
    return quoted


def nginx_word(value: str) -> str:
    """Return `value`, a domain, a path or an address, as one parameter: bare if it can be, else quoted.

    :raises NotRepresentable: for an empty text, for control characters, and for what :func:`nginx_string` refuses.
    """
    text = plain(NGINX, value)
    if not text:
        raise NotRepresentable(NGINX, "it is empty")
    if re.search(r"[\x01-\x1f\x7f]", text):
        raise NotRepresentable(NGINX, "it holds a control character")
    return text if _BARE.fullmatch(text) and len(text) <= _LONGEST_PARAMETER else nginx_string(text)


FILTERS = {"nginx": nginx_string, "nginx_word": nginx_word}

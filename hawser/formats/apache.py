"""Apache's configuration (``ap_getword_conf()`` in ``server/util.c``, variables in ``server/config.c``)."""

from __future__ import annotations

import re

from .text import NotRepresentable, plain

APACHE = "Apache's configuration"


def apache_word(value: str) -> str:
    r"""Return `value` as one quoted argument of a directive: only ``\"`` and ``\\`` are escapes there.

    :raises NotRepresentable: for control characters, and for ``${``, which begins a variable and has no escape.
    """
    text = plain(APACHE, value)
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise NotRepresentable(APACHE, "it holds a control character")
    if "${" in text:
        raise NotRepresentable(APACHE, "it holds ${, which begins a variable and has no escape")
    return '"' + re.sub(r'[\\"]', lambda match: "\\" + match[0], text) + '"'


FILTERS = {"apache": apache_word}

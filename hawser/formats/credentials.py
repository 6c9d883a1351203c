"""Files of credentials for certbot's plugins, as ConfigObj reads them."""

from __future__ import annotations

import re

from .text import NotRepresentable, plain

CREDENTIALS = "a file of certbot's credentials"


def credentials_value(value: str) -> str:
    """Return `value` in quotes, as the text after ``name =``: without them a comma makes a list, and ``#`` a comment.

    :raises NotRepresentable: for lines after the first, both kinds of quotes at once, and ``%(…)s``, which ConfigObj
        takes for the name of another value (``ConfigParserInterpolation``), and has no way to write.
    """
    text = plain(CREDENTIALS, value)
    if "\n" in text or "\r" in text:
        raise NotRepresentable(CREDENTIALS, "it holds a newline")
    if '"' in text and "'" in text:
        raise NotRepresentable(CREDENTIALS, "it holds both \" and '")
    if re.search(r"%\([^)]*\)s", text):
        raise NotRepresentable(CREDENTIALS, "it holds %(…)s, which stands for another value there")
    return f"'{text}'" if '"' in text else f'"{text}"'

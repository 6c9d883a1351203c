"""Names of static files in which a hash of the content stands: what has such a name never becomes anything else.

They end as Django's ``ManifestStaticFilesStorage``, webpack and Vite write them by themselves:
``base.0123456789ab.css``, ``main.1a2b3c4d.chunk.js``, ``6ce24c58023cc2f8fd88.png``, ``assets/index-BxYz12_3.js``. What
might as well be a date, a number or a word is none. The patterns are read by Python, PCRE and Go alike, which has no
lookaheads: so each of the two kinds has one for what is none.
"""

from __future__ import annotations

import re

_END = r"(?:\.[A-Za-z0-9]+){1,3}$"
_LONG, _ALL = "16|20|32", "8|12|16|20|32"


def _sized(letters: str, sizes: str) -> str:
    return "(?:%s)" % "|".join("[%s]{%s}" % (letters, size) for size in sizes.split("|"))


# Digits of hexadecimal numbers, both kinds of them.
HEX = r"(?:[^/]\.%s|[/-]%s)%s" % (_sized("0-9a-f", _ALL), _sized("0-9a-f", _LONG), _END)
NO_HEX = r"[/.-](?:%s|%s)%s" % (_sized("0-9", _ALL), _sized("a-f", _ALL), _END)
# Letters and digits of base64: a digit, a small letter and a capital at the least.
BASE64 = r"/assets/(?:.*/)?[^/]+-[A-Za-z0-9_-]{8}" + _END
NO_BASE64 = r"-(?:[A-Za-z_-]{8}|[a-z0-9_-]{8}|[A-Z0-9_-]{8})" + _END
# Whichever matches first decides, beginning anywhere in the path.
ORDER = ((NO_HEX, False), (HEX, True), (NO_BASE64, False), (BASE64, True))


def is_hashed(path: str) -> bool:
    """Tell whether the name of a file holds a hash of its content.

    :param path: with a ``/`` at its beginning.
    """
    return next((hashed for pattern, hashed in ORDER if re.search(pattern, path)), False)

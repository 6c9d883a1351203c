"""What the real one brings along of Bottle: pages of errors are made by an expression with a flag inside of it."""

import re

_re_inl = r"(?mx)( \w+ )"
_re_inl = r"\{\{(%s)\}\}" % _re_inl


def error_page(status, text):
    return re.sub(_re_inl, str(status), "<h1>Error {{status}}</h1>") + "<p>" + text

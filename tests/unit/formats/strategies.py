"""Text that is meant to hurt: what hypothesis would find by itself only after a long time."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

_PIECES = [
    *"'\"\\%#;$`!{}()[]<>&|*?~^=:,@+-_. \t\n\r/",
    *"azAZ09nrtx",
    *"\x01\x0b\x0c\x1b\x1c\x1f\x7f\x80\x85\x9f\xa0äöüß€\u2003\u2028\u2029\ufeff\ufdd0\uffff😀\U0001ffff",
    " #",
    " ;",
    "\n#",
    "\n;",
    " \n",
    "\n ",
    "\\\\",
    "\\'",
    '\\"',
    "\\n",
    "\\%",
    "$$",
    "${",
    "${X}",
    "${:-$}",
    "${HOME:-x}",
    "%(here)s",
    "%(x)s",
    "%%",
    "%n",
    "''",
    '""',
    "'\"",
]

nasty_text: st.SearchStrategy[str] = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
any_text: st.SearchStrategy[str] = st.one_of(
    nasty_text, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
)
variables: st.SearchStrategy[Mapping[str, str]] = st.dictionaries(
    st.from_regex("HW_[A-Za-z0-9_]{1,5}", fullmatch=True), any_text, max_size=6
)

_scalars = st.one_of(
    any_text, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
)
json_data: st.SearchStrategy[object] = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)),
    max_leaves=8,
)

"""Which Hawser an environment file needs: an older one does not know its keys, so nothing else is said of it."""

from __future__ import annotations

from hawser import __version__
from hawser.errors import InputErrors, Problem
from hawser.installed import upgrade

KEY = "requires_hawser"
# Signs of clauses that a later version may meet.
AT_LEAST = (">=", ">", "~=", "==")


def require(file: str, wanted: object, ours: str = __version__) -> None:
    """Stop where a file needs another Hawser.

    :param file: its label.
    :param wanted: what it says, a specifier of PEP 440.
    :param ours: the version of this one.
    :raises InputErrors: this is another one, with the line that brings one; or it says something else.
    """
    # Most files say nothing, and need none of it.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import Version

    try:
        clauses = SpecifierSet(wanted if isinstance(wanted, str) else "", prereleases=True)
    except InvalidSpecifier:
        clauses = SpecifierSet()
    if not clauses:
        message = f"{wanted!r} does not say which versions of Hawser can read this file"
        raise InputErrors([Problem(file, KEY, message, 'as in requires_hawser = ">=0.2"')])
    failed = [each for each in clauses if not each.contains(ours, prereleases=True)]
    if failed:
        newer = all(
            each.operator in AT_LEAST and Version(ours) <= Version(each.version.removesuffix(".*")) for each in failed
        )
        message = f"needs Hawser {clauses}, and this is {ours}"
        raise InputErrors([Problem(file, KEY, message, f"next: {upgrade(str(clauses), newer)}")])

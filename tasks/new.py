"""A new environment file, out of what the code of an application says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hawser.errors import HawserError
from hawser.session.session import Session
from hawser.steps import session_task

if TYPE_CHECKING:
    from hawser.new.facts import Draft
    from hawser.new.writing import NewFiles


@session_task(
    optional=["sandbox"],
    help={
        "name": "of the environment and the application; default: that of the checkout's folder",
        "checkout": "the folder of the application's code; default: where you stand",
        "domain": "the name that visitors type",
        "address": "the address of the host",
        "sandbox": "a throwaway host of this machine instead of an address; its release may follow",
        "framework": "the one to take where the code has several: django, flask, fastapi …",
        "overwrite": "write over an environment file of this name",
    },
)
def new(
    session: Session,
    name: str = "",
    checkout: str = "",
    domain: str = "",
    address: str = "",
    sandbox: str = "",
    framework: str = "",
    overwrite: bool = False,
) -> None:
    """Read a checkout and write its environment file: what is sure, what is open, and where each value is from."""
    # What reads checkouts takes longer to load than most tasks take.
    from hawser.new import asking, writing
    from hawser.new.checkout import Checkout
    from hawser.new.reading import read

    code = Checkout(Path(checkout or ".").expanduser().resolve())
    project, hosts = places(session, code.folder, bool(checkout))
    name = name or writing.name_for(code.folder)
    files = writing.NewFiles(project, hosts, name)
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not session.dry
    if not session.dry:
        require_free(session, files, overwrite, asks)
    draft = read(code, name, framework.lower())
    draft.put("app", "repo", value=os.path.relpath(code.folder, project))
    if code.branch and code.branch != "main":
        draft.put("app", "branch", value=code.branch, where="the branch that is checked out")
    elif not code.branch and code.branches and "main" not in code.branches:
        draft.put("app", "branch", value=code.branches[0], open="no branch is checked out; this one has the commit")
    given(draft, domain, address, sandbox)
    writing.leave_out(draft, name)
    if asks:
        session.report.pause()
        asking.settle(draft, input, lambda: writing.problems_of(draft, name))
    files.collect(draft, f"{name}, written by `hawser new` from {code.folder.name}; each value says where it is from.")
    if session.dry:
        session.report.note("", f"would write {', '.join(str(shortened(path)) for path in files.texts)}:")
        print(files.texts[files.path], end="")
    else:
        files.write()
        session.report.note("", f"wrote {', '.join(str(shortened(path)) for path in files.texts)}")
    for loc, fact in draft.open():
        session.report.note("", f"open: {'.'.join(loc)}: {fact.open}")
    if draft.secrets:
        session.report.note(
            "", f"to be written into {files.sample.name.removesuffix('.example')}: {', '.join(draft.secrets)}"
        )
    session.report.note("", f"next: fab -H {files.target} check --offline, then trust, and bootstrap deploy")


def given(draft: Draft, domain: str, address: str, sandbox: str) -> None:
    """Put what was typed in the place of what is open."""
    if domain:
        draft.answer("site", "domains", value=[each.strip() for each in domain.split(",")])
    if address:
        draft.answer("hosts", "web1", "address", value=address)
    if sandbox:
        for key in ("address", "user"):
            draft.facts.pop(("hosts", "web1", key), None)
        # Without a value, Invoke passes True.
        draft.answer(
            "hosts", "web1", "sandbox", value=sandbox if isinstance(sandbox, str) else release_with(draft) or True
        )


def release_with(draft: Draft) -> str:
    """Return the release of Debian whose own Python and Node are what the code wants; empty for the default."""
    fact = draft.facts.get(("python", "interpreter"))
    wanted = str(fact.value) if fact else ""
    return "trixie" if wanted == "3.13" or (not wanted and draft.node > 18) else ""


def places(session: Session, code: Path, elsewhere: bool) -> tuple[Path, Path]:
    """Return the project and its folder of environment files: those that there are, else beside the code.

    :param elsewhere: the code is not where one stands.
    """
    hosts = session.folder
    if hosts.is_dir() or os.environ.get("HAWSER_HOSTS") or elsewhere:
        return hosts.parent, hosts
    return code, code / "hosts"


def require_free(session: Session, files: NewFiles, overwrite: bool, asks: bool) -> None:
    """Refuse to write over an environment that is there, unless somebody says so.

    :raises HawserError: nobody does.
    """
    taken = files.taken()
    if not taken or overwrite:
        return
    listed = ", ".join(str(shortened(path)) for path in taken)
    if asks:
        session.report.pause()
        try:
            if input(f"{listed}: already there. Type overwrite to write over it: ").strip() == "overwrite":
                return
        except EOFError:
            pass
    raise HawserError(
        f"{listed}: already there; nothing was written", next="--name for another one, or --overwrite", code=2
    )


def shortened(path: Path) -> Path:
    """Return a path as seen from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

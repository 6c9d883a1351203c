"""A repository on the controlling machine, for hosts that cannot reach one themselves."""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..answers.rows import Between
from ..children import inherited
from ..errors import HawserError
from ..formats import shell, shell_join
from ..inventory.tables.app import is_local
from ..report.text import hearsay

# What git says is read here, in one language; nobody is there to type a password; and hosts know nothing of what the
# user's repository has replaced (git-replace(1)).
OURS = {
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
# Tags that go along with a commit, and names that are suggested.
MOST_TAGS, MOST_NAMES = 10_000, 3
# Characters of the first line of a commit's message that are told.
LONGEST_SUBJECT = 200
# Seconds for a repository elsewhere to answer whether it has a branch.
PATIENCE = 15


def location(repo: str, base: Path) -> Path:
    """Return the folder of a local repository.

    :param repo: a path, relative to `base`, the folder that holds the folder of the environment files.
    :raises HawserError: there is no repository.
    """
    path = (base / Path(repo).expanduser()).resolve()
    if not path.is_dir():
        raise HawserError(f"app.repo: there is no folder {repo} on this machine", code=2)
    asked = git(path, "rev-parse", "--git-dir", check=False)
    if b"dubious ownership" in asked.stderr:
        trusted = shell_join(["git", "config", "--global", "--add", "safe.directory", str(path)])
        raise HawserError(f"app.repo: {repo} is somebody else's, so git does not read it", next=trusted, code=2)
    if asked.returncode:
        raise HawserError(f"app.repo: {repo} is no git repository", code=2)
    return path


def git(folder: Path, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, on the repository of that folder whatever our own variables say.

    :raises HawserError: it failed, with what it said; or there is no git.
    """
    argv, env = ["git", "-C", str(folder), *words], {**inherited(), **OURS}
    try:
        result = subprocess.run(argv, input=stdin.encode(), env=env, capture_output=True, check=False)
    except FileNotFoundError:
        raise HawserError("app.repo: there is no program git on this machine;", next="install it", code=2) from None
    if check and result.returncode:
        raise HawserError(f"git {words[0]} in {folder}: {told(result)}")
    return result


def told(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return what git has said of a failure."""
    return result.stderr.decode("utf-8", "replace").strip()


def resolve(folder: Path, revision: str) -> str:
    """Return the full hash of a branch, a tag, or a commit.

    :raises HawserError: there is none, or a short hash or a name fits several; or hosts cannot get it from here.
    """
    found = named(folder, revision)
    branch, tag = found.get(f"refs/heads/{revision}"), found.get(f"refs/tags/{revision}")
    if branch and tag and branch != tag:
        say = f"heads/{revision} or tags/{revision}"
        raise refused(f"{revision} is both a branch and a tag in {folder} on this machine", f"say {say}")
    commit = branch or tag or commit_of(folder, revision) or found.get(f"refs/remotes/origin/{revision}")
    if not commit:
        raise no_such_revision(folder, revision)
    if len(commit) != 40:
        raise refused(
            f"{folder} names its commits by SHA-256, which hosts do not understand", "a repository with SHA-1"
        )
    refuse_unreachable_submodules(folder, commit)
    fill_gaps(folder, commit)
    return commit


def refused(message: str, move: str) -> HawserError:
    """Return the refusal to deploy a revision."""
    return HawserError(f"{message}; nothing was touched", next=move, code=2)


def named(folder: Path, revision: str) -> dict[str, str]:
    """Return the commits of the branches and tags with a name, by their full names."""
    places = [f"refs/{kind}/{revision}" for kind in ("heads", "tags", "remotes/origin")]
    rows = git(folder, "for-each-ref", "--format=%(refname)", *places).stdout.decode().splitlines()
    # A pattern stands for a folder of names as well.
    return {name: commit_of(folder, name) for name in rows if name in places}


def commit_of(folder: Path, name: str) -> str:
    """Return the full hash of the commit that a name stands for; empty when there is none."""
    found = git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
    return "" if found.returncode else found.stdout.decode().strip()


def no_such_revision(folder: Path, revision: str) -> HawserError:
    """Return the error for a name that stands for nothing, or a short hash for several commits."""
    said = told(git(folder, "rev-parse", "--verify", f"{revision}^{{commit}}", check=False))
    if re.search("short (object ID|SHA1)", said):
        return refused(
            f"{revision} is a short hash that fits several commits in {folder} on this machine", "more digits"
        )
    names = known_names(folder)
    if not names:
        return refused(f"{folder} on this machine has no commit yet", f"git -C {shell(str(folder))} commit")
    missing = f"{revision} is no branch, tag or commit in {folder} on this machine"
    close = list(dict.fromkeys([*difflib.get_close_matches(revision, names, MOST_NAMES, 0.5), *names]))
    return refused(missing, meant(" or ".join(close[:MOST_NAMES])))


def meant(names: str) -> str:
    """Return the advice to name another revision; without a suggestion when there are no names."""
    return f"{'did you mean ' + names + '? ' if names else ''}name it with --revision, or as app.branch"


def known_names(folder: Path) -> list[str]:
    """Return the names of branches and tags, that of the branch which is checked out first, then the latest ones."""
    fields = "--format=%(HEAD)%(refname)"
    listed = git(
        folder, "for-each-ref", "--sort=-creatordate", fields, "refs/heads", "refs/remotes/origin", "refs/tags"
    )
    rows = sorted(listed.stdout.decode("utf-8", "replace").splitlines(), key=lambda row: not row.startswith("*"))
    names = (re.sub("^.?refs/(heads|tags|remotes/origin)/", "", row) for row in rows)
    return [name for name in dict.fromkeys(names) if name != "HEAD"]


def refuse_missing(repo: str, revision: str) -> None:
    """Refuse a branch or a tag that a repository elsewhere does not have, as far as this machine can read it.

    :raises HawserError: names the default branch.
    """
    if re.fullmatch(r"[0-9a-f]{4,40}", revision) or urlsplit(repo).password:
        # A hash is asked for by whoever fetches, and no password goes into an argument.
        return
    names = [revision, *(f"refs/{kind}{revision}" for kind in ("", "heads/", "tags/"))]
    argv, env = ["git", "ls-remote", "--quiet", "--symref", "--", repo, "HEAD", *names], {**inherited(), **OURS}
    env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=5")
    try:
        asked = subprocess.run(
            argv, stdin=subprocess.DEVNULL, env=env, capture_output=True, check=False, timeout=PATIENCE
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return
    rows = [row.split("\t") for row in asked.stdout.decode("utf-8", "replace").splitlines() if "\t" in row]
    if asked.returncode or not rows or any(name in names for _value, name in rows):
        return
    head = next((value.removeprefix("ref: refs/heads/") for value, name in rows if value.startswith("ref: ")), "")
    raise refused(f"{repo} has no branch or tag {revision}", meant(head))


def out_of_step(folder: Path, revision: str) -> str:
    """Return in words how far a branch here is behind the one that it follows; empty: it has all of it, or is none."""
    fields = "--format=%(upstream:short) %(upstream:track,nobracket)"
    rows = git(folder, "for-each-ref", fields, f"refs/heads/{revision}", check=False).stdout.decode().splitlines()
    upstream, _, track = (rows or [""])[0].partition(" ")
    behind = re.search(r"behind (\d+)", track)
    if not behind:
        return ""
    return (
        f"{revision} in {folder} lacks {behind[1]} commits of {upstream}, as of the last fetch; "
        f"next: git -C {shell(str(folder))} pull, or --revision {upstream}"
    )


def not_committed(folder: Path, commit: str) -> str:
    """Return in words which changes of files stay here, where the commit is the one that is checked out; or nothing."""
    if commit_of(folder, "HEAD") != commit:
        return ""
    # A bare repository has none, and git's own index is not to be touched.
    words = ["--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames"]
    rows = git(folder, *words, check=False).stdout.decode("utf-8", "replace").split("\0")
    changed = [row[3:] for row in rows if row]
    if not changed:
        return ""
    more = f" and {len(changed) - MOST_NAMES} more" if len(changed) > MOST_NAMES else ""
    return (
        f"changed in {folder} and not committed, so not part of it: {', '.join(changed[:MOST_NAMES])}{more}; "
        f"next: git -C {shell(str(folder))} commit, if it is to go out"
    )


def between(folder: Path, former: str, commit: str, most: int) -> Between | None:
    """Return what a commit brings beside a former one, and what it takes back; None where one of them is not here.

    :param most: how many subjects are told.
    """
    if not (commit_of(folder, former) and commit_of(folder, commit)):
        return None
    counted = git(folder, "rev-list", "--count", "--left-right", f"{former}...{commit}").stdout.split()
    takes, brings = (int(each) for each in counted)
    away, towards = (former, commit) if brings else (commit, former)
    words = ["log", "-z", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=%s"]
    rows = git(folder, *words, f"--max-count={most}", f"^{away}", towards).stdout.decode("utf-8", "replace").split("\0")
    return {"brings": brings, "takes": takes, "subjects": [hearsay(row[:LONGEST_SUBJECT]) for row in rows if row]}


def refuse_unreachable_submodules(folder: Path, commit: str) -> None:
    """Refuse a commit with submodules at addresses that mean something on this machine alone.

    :raises HawserError: names all of them.
    """
    listed = git(folder, "config", "--blob", f"{commit}:.gitmodules", "--null", "--list", check=False).stdout.decode()
    rows = dict(row.split("\n", 1) for row in listed.split("\0") if "\n" in row)
    modules = {name: url for key, url in rows.items() if (name := key.removesuffix(".url")) != key}
    bad = [
        f"{rows[f'{name}.path']} ({url})"
        for name, url in modules.items()
        if (is_local(url) or url.startswith("file:")) and f"{name}.path" in rows
    ]
    if not bad:
        return
    # What .gitmodules still names may have gone.
    there = git(folder, "ls-tree", "-r", commit).stdout.decode("utf-8", "replace")
    bad = [
        each for each in bad if re.search(f"^160000 .*\t{re.escape(each.rpartition(' (')[0])}$", there, re.MULTILINE)
    ]
    if bad:
        raise refused(
            f"commits are sent from {folder}, and hosts cannot reach the addresses of submodules: {', '.join(bad)}",
            "whole addresses in .gitmodules, as in https://git.example.org/lib.git; or the repository's own address in "
            "app.repo, from which hosts fetch",
        )


def fill_gaps(folder: Path, commit: str) -> None:
    """Have a partial clone fetch what it lacks of a commit (git-clone(1), --filter).

    :raises HawserError: it cannot.
    """
    if not git(folder, "config", "--get-regexp", r"^remote\..*\.promisor$", check=False).stdout:
        return
    packed = git(folder, "pack-objects", "--revs", "--stdout", "-q", stdin=f"{commit}\n", check=False)
    if packed.returncode:
        last = (told(packed).splitlines() or [""])[-1]
        raise refused(
            f"{folder} is a partial clone, and what it lacks cannot be fetched: {last}",
            "make its origin answer, or name a whole clone in app.repo",
        )


def bundle(folder: Path, commit: str, have: Sequence[str]) -> bytes:
    """Return a git bundle (gitformat-bundle(5)) of a commit without the objects that a host has; empty when it has it.

    Written here, for git makes none without a reference to the commit, which the user's repository must not get. With
    it go the tags of its history, and of a shallow clone the commits at which that ends.

    :param have: commits that the host has; those unknown here are left out.
    """
    if commit in have:
        return b""
    known = known_here(folder, have)
    if known and not git(folder, "rev-list", "-1", commit, *[f"^{each}" for each in known]).stdout.strip():
        # Everything is there, only not as a tip; say so with the commit itself.
        known = []
    tags = [row.split(" ") for row in tags_of(folder, commit)]
    rows = [(commit, "refs/heads/hawser"), *((tag, name) for tag, name in tags)]
    rows += [(each, f"refs/shallow/{each}") for each in ends(folder, commit)]
    header = ["# v2 git bundle", *(f"-{each} " for each in known), *(f"{each} {name}" for each, name in rows), "", ""]
    wanted = "".join(f"{each}\n" for each in [commit, *(tag for tag, _name in tags), *(f"^{each}" for each in known)])
    words = ["--revs", "--stdout", "--thin", "--delta-base-offset", "-q"]
    return "\n".join(header).encode() + git(folder, "pack-objects", *words, stdin=wanted).stdout


def known_here(folder: Path, have: Sequence[str]) -> list[str]:
    """Return those commits that this repository has as well."""
    asked = "".join(f"{each}^{{commit}}\n" for each in have)
    rows = (
        git(folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).stdout.decode().splitlines()
    )
    return list(dict.fromkeys(row.split()[0] for row in rows if row.endswith(" commit")))


def tags_of(folder: Path, commit: str) -> list[str]:
    """Return the tags in the history of a commit, each with the hash of its object before its name."""
    fields = "--format=%(objectname) %(refname)"
    listed = git(folder, "for-each-ref", f"--merged={commit}", fields, f"--count={MOST_TAGS}", "refs/tags")
    return listed.stdout.decode().splitlines()


def ends(folder: Path, commit: str) -> Iterator[str]:
    """Yield the commits at which the history of a commit ends in a shallow clone, although they have parents."""
    place = git(folder, "rev-parse", "--path-format=absolute", "--git-path", "shallow").stdout.decode().strip()
    shallow = Path(place)
    if shallow.is_file():
        history = set(git(folder, "rev-list", commit).stdout.decode().split())
        yield from (each for each in shallow.read_text().split() if each in history)

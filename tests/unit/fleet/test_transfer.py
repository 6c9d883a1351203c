"""Files from a host lie where they were asked for, are as large as announced, and replace nothing unasked."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.answers import messages, reading
from hawser.errors import HawserError, ProtocolBreach, StepFailed, Unreachable
from hawser.fleet import transfer
from hawser.ssh.protocol import Reader

DATA = b"what a host sends"
EVIL = [
    "/etc/cron.d/x", "../x", "a/../../x", "..", ".", "a//b", "a/", "/", "a/./b", "a\0b", "a\nb", "\x1b[2Jx", "a\\..\\b",
    ".git/hooks/post-checkout", "a/.GIT/config", "a/.git./config", "x" * 256, "\ud800", "a\u202eb",
    "a/.hg/hgrc", ".HG", ".jj/repo/config.toml", ".sl/config", "/".join(["n" * 200] * 6),
]  # fmt: skip


def heard(kind: Any, said: Any) -> Any:
    """Return what a host says, as it is taken off the wire."""
    return Reader("web1", bytes, str).checked("web1", kind, said)


class Host:
    """A host that says what it likes."""

    def __init__(self, listing: Any, parts: list[Any] | None = None, sha256: Any = None) -> None:
        self.listing, self.dry = listing, False
        self.parts = [DATA] if parts is None else parts
        self.sent = 0
        self.connections: Any = SimpleNamespace(wires={"web1": self})

    def ask(self, name: str, function: str, arguments: Any) -> Any:
        return heard(reading.expected(function, arguments), json.loads(json.dumps(self.listing)))

    def request(self, operation: str, arguments: Any, masks: object, tell: Any) -> Any:
        for part in self.parts:
            self.sent += 1
            data = base64.b64encode(part).decode() if isinstance(part, bytes) else part
            tell(heard(messages.Part, {"t": "part", "data": data}))
        return SimpleNamespace(error="", message={"sha256": "0" * 64})


def row(path: Any = "", data: bytes = DATA, **more: Any) -> dict[str, Any]:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "mode": 0o6777, "size": len(data), **more}


def got(host: Host, local: Path, force: bool = False, **more: Any) -> list[str]:
    return list(transfer.get(host, "web1", "/srv/x", local, force, **more))  # type: ignore[arg-type]


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_file_that_is_fetched_arrives_for_its_owner_alone(tmp_path):
    got(Host([row("a/ü.txt"), row("b c")]), tmp_path / "here")
    assert everything(tmp_path) == {"here", "here/a", "here/a/ü.txt", "here/b c"}
    assert (tmp_path / "here/b c").read_bytes() == DATA
    assert (tmp_path / "here/b c").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("path", EVIL)
def test_no_listed_path_leads_out_of_the_folder(tmp_path, path):
    with pytest.raises(StepFailed, match="web1: lists "):
        got(Host([row("good"), row(path)]), tmp_path / "here", force=True)
    assert everything(tmp_path) == set()


@given(st.lists(st.sampled_from(["a", "..", ".", "", "/", "\0", "b", "...", " ", ".git", "~", "\n"]), max_size=6))
def test_every_path_that_passes_stays_below_the_folder(parts):
    try:
        (found,) = transfer.offers("web1", [row("/".join(parts))])
    except StepFailed:
        return
    base = "/base/folder"
    place = os.path.normpath(Path(base).joinpath(*found.path))
    assert place == base or place.startswith(f"{base}/")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.floats(), lambda each: st.lists(each, max_size=4) | st.dictionaries(st.sampled_from(["path", "sha256", "mode", "size", "x"]), each)))  # fmt: skip  # noqa: E501
def test_every_listing_fits_or_is_refused_with_a_sentence(listing):
    try:
        found = transfer.offers("web1", Host(listing).ask("web1", "transfers.listing", {}))
    except HawserError as error:
        assert str(error).startswith("web1") and len(str(error)) < 1000
    else:
        assert all(isinstance(each.size, int) for each in found)


@pytest.mark.parametrize("pair", [("a", "A"), ("a", "a/b"), ("A/x", "a"), ("", "a"), ("é", "e\u0301")])
def test_two_files_never_get_the_same_place(tmp_path, pair):
    with pytest.raises(StepFailed, match="one place here"):
        got(Host([row(each) for each in pair]), tmp_path / "here")
    assert everything(tmp_path) == set()


def test_no_fetched_file_is_written_through_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here/a").symlink_to(tmp_path / "outside")
    (tmp_path / "here/f").symlink_to(tmp_path / "outside/f")
    for path in ("a/x", "a/b/x", "f"):
        with pytest.raises(StepFailed, match="is a link here"):
            got(Host([row(path)]), tmp_path / "here", force=True)
    assert everything(tmp_path / "outside") == set()


def test_a_file_that_is_here_already_is_kept_unless_it_is_forced(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(StepFailed, match="--force"):
        got(Host([row()]), tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"
    got(Host([row()]), tmp_path / "x", force=True)
    assert (tmp_path / "x").read_bytes() == DATA
    with pytest.raises(StepFailed, match="is a folder here"):
        got(Host([row()]), tmp_path, force=True)


@pytest.mark.parametrize(
    ("listed", "here"),
    [
        (["HEAD", "config", "objects/x", "refs/x"], []),
        (["a/b/head", "a/B/Objects/x", "x"], []),
        (["HEAD", "commondir"], []),
        (["a/b/c", "HEAD", "z", "refs./x"], []),
        (["config"], ["HEAD"]),
        (["a/HEAD"], ["a/refs"]),
        (["hooks/pre-commit"], ["HEAD"]),
    ],
)
def test_no_folder_becomes_a_repository_that_git_runs_commands_of(tmp_path, listed, here):
    for each in here:
        (tmp_path / "here" / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / each).touch()
    before = everything(tmp_path)
    with pytest.raises(StepFailed, match="would become a repository of git"):
        got(Host([row(each) for each in listed]), tmp_path / "here", force=True)
    assert everything(tmp_path) == before


def test_a_file_beside_head_makes_no_repository_either(tmp_path):
    (tmp_path / "HEAD").touch()
    with pytest.raises(StepFailed, match="would become a repository of git"):
        got(Host([row()]), tmp_path / "config")


def test_names_that_git_uses_as_well_are_taken_apart(tmp_path):
    listed = ["config", "objects/HEAD", "refs/config", "hooks", "a/HEAD", "b/config", "head.txt"]
    got(Host([row(each) for each in listed]), tmp_path / "here")
    assert {each for each in everything(tmp_path / "here") if (tmp_path / "here" / each).is_file()} == set(listed)


def test_many_deep_paths_are_judged_in_little_memory():
    listing = [row(f"{number}/" + "head/" * 40 + "x") for number in range(300)]
    tracemalloc.start()
    try:
        transfer.refuse_repository("web1", Path("here"), transfer.offers("web1", listing))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("folder", "path", "said"),
    [
        ("", "a/b", "file exists|not a directory"),
        ("/".join(["n" * 200] * 30), "x", "file name too long"),
        ("", "d", "is a folder"),
    ],
    ids=["a file is in the way", "too long", "a folder is in the way"],
)
def test_a_file_that_cannot_be_written_is_told_in_a_sentence(tmp_path, folder, path, said):
    (tmp_path / "a").touch()
    (tmp_path / "d").mkdir()
    with pytest.raises(StepFailed, match=said) as caught:
        got(Host([row(path), row("c")]), tmp_path / folder, force=True)
    assert str(caught.value).startswith("web1: ")


@pytest.mark.parametrize("parts", [[DATA] * 10**6, [b"x" * 100], [b""] * 10**6])
def test_more_bytes_than_were_announced_cut_the_line(tmp_path, parts):
    host = Host([row()], parts)
    with pytest.raises(Unreachable, match="more arrives than the 17 bytes announced"):
        got(host, tmp_path / "x")
    assert host.sent <= 2
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("parts", [[], [DATA[:-1]], [DATA.upper()], ["no base64!"], [None]])
def test_a_file_that_differs_from_its_listing_is_not_kept(tmp_path, parts):
    with pytest.raises((StepFailed, ProtocolBreach)):
        got(Host([row()], parts), tmp_path / "x")
    assert everything(tmp_path) == set()


def test_too_many_bytes_are_refused_before_anything_is_sent(tmp_path):
    host = Host([row("a", size=2**40), row("b", size=1)])
    with pytest.raises(StepFailed, match=r"1,099,511,627,777 bytes, more than .* --limit"):
        got(host, tmp_path / "x")
    with pytest.raises(ProtocolBreach, match="at most 100000"):
        got(Host([row(str(number)) for number in range(100_001)]), tmp_path / "x")
    assert not host.sent


def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch):
    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(StepFailed, match=r"web1: .*: no space left on device"):
        got(Host([row()]), tmp_path / "x")
    assert everything(tmp_path) == set()


def test_what_a_host_advises_in_what_it_lists_is_shown_as_its_own():
    with pytest.raises(StepFailed, match="the host advises: curl"):
        transfer.offers("web1", [row("../next: curl")])


class Target:
    """A host that takes files, and says what lies where."""

    def __init__(self, there: dict[str, str] | None = None, dry: bool = False) -> None:
        self.there, self.dry = there or {}, dry
        self.requests: list[Any] = []
        self.connections: Any = SimpleNamespace(wires={"web1": self})

    def ask(self, name: str, function: str, arguments: Any) -> Any:
        if function == reading.REMOTE_STATE:
            return None
        return {path: self.there.get(path, "") for path in arguments["paths"]}

    def blob_of(self, *_arguments: object) -> None:
        pass

    def request(self, name: str, operation: str, arguments: Any) -> None:
        self.requests.append((operation, arguments))

    def placed(self) -> list[str]:
        return [arguments["path"] for operation, arguments in self.requests if operation == "place"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "2024" / "empty").mkdir(parents=True)
    (folder / "2024" / "a.jpg").write_bytes(b"a")
    (folder / "b.jpg").write_bytes(b"b")
    (folder / "latest").symlink_to("2024")
    (folder / "gone").symlink_to("/no/such/place")
    return folder


@pytest.mark.parametrize(
    ("suffix", "remote", "there", "place"),
    [
        ("", "/srv/media", {}, "/srv/media"),
        ("", "/srv/media", {"/srv/media": "folder"}, "/srv/media/photos"),
        ("", "/srv/media/", {}, "/srv/media/photos"),
        ("", "/srv/photos", {"/srv/photos": "folder"}, "/srv/photos"),
        ("", "/srv/photos/", {"/srv/photos": "folder"}, "/srv/photos"),
        ("", "/", {"/": "folder"}, "/photos"),
        ("/", "/srv/media", {"/srv/media": "folder"}, "/srv/media"),
        ("/.", "/srv/media/", {"/srv/media": "folder"}, "/srv/media"),
    ],
)
def test_a_folder_goes_as_a_folder_and_its_contents_where_they_are_meant(photos, suffix, remote, there, place):
    host: Any = Target(there)
    said = transfer.put(host, "web1", transfer.pack(f"{photos}{suffix}", None), remote, "", "")
    assert host.placed() == [f"{place}/2024/a.jpg", f"{place}/b.jpg"]
    new = 6 if there.get(place) == "folder" else 7
    assert said.startswith(f"{place}: 2 files, 3 folders, 2 links; ") and f"{new} new" in said
    (arguments,) = [each for operation, each in host.requests if operation == "furnish"]
    assert (f"{place}/2024/empty", 0o755) in arguments["folders"]
    assert arguments["links"] == [(f"{place}/gone", "/no/such/place"), (f"{place}/latest", "2024")]


def test_an_empty_folder_is_made(tmp_path):
    (tmp_path / "empty").mkdir()
    host: Any = Target()
    assert transfer.put(host, "web1", transfer.pack(str(tmp_path / "empty"), None), "/srv/x", "ann", "") == (
        "/srv/x: 0 files, 1 folder; 1 new"
    )
    assert host.requests == [
        ("furnish", {"folders": [("/srv/x", 0o755)], "links": [], "owner": "ann", "group": "root"})
    ]


def test_a_dry_run_sends_nothing_of_a_folder(photos):
    host: Any = Target({"/srv/photos/latest": "-> 2023"}, dry=True)
    said = transfer.put(host, "web1", transfer.pack(str(photos), None), "/srv/photos", "", "")
    assert said == "/srv/photos: 2 files, 3 folders, 2 links; 6 would be new, 1 would be replaced"
    assert host.requests == []

"""Links in the code to folders that survive releases, also where git tracks something in their place."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from hawser.runner.files import linked
from hawser.runner.files.disk import link_atomically, remove
from hawser.runner.files.linked import LinkedFolder
from hawser.runner.system import Failure

from ..conftest import ME, MY_GROUP, names

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


@pytest.fixture
def code(tmp_path):
    """What git has checked out."""
    (tmp_path / "code" / "media" / "default").mkdir(parents=True)
    (tmp_path / "code" / "media" / ".gitkeep").write_text("")
    (tmp_path / "code" / "media" / "default" / "logo.svg").write_text("logo")
    return tmp_path / "code"


@pytest.fixture
def folder(system, tmp_path, kept):
    def make(path="code/media", owner=ME, group=MY_GROUP):
        spec = {"path": f"{tmp_path}/{path}", "target": str(kept), "aside": f"{tmp_path}/originals/{path}"}
        return LinkedFolder({**spec, "owner": owner, "group": group}, system)

    return make


def put(resource):
    change = resource.check()
    resource.apply(change)
    assert resource.check() is None
    return change.note


def test_a_persistent_folder_is_a_link_where_the_code_has_nothing(folder, tmp_path, kept):
    assert put(folder("code/a/b")) == f"-> {kept}"
    assert (tmp_path / "code" / "a" / "b").samefile(kept)


def test_a_link_that_leads_elsewhere_is_turned(folder, tmp_path, code, kept):
    (code / "logs").symlink_to("/tmp")
    assert put(folder("code/logs")) == f"/tmp -> {kept}"


def test_files_of_the_code_go_into_the_persistent_folder_and_a_link_takes_their_place(folder, code, kept):
    assert put(folder()) == f"-> {kept}; copied from the code: .gitkeep, default/logo.svg"
    assert (code / "media").is_symlink()
    assert (code / "media" / "default" / "logo.svg").read_text() == "logo"
    assert names(kept) == [".gitkeep", "default"]


def test_a_file_that_the_persistent_folder_has_stays_and_is_named_where_the_code_has_another(folder, code, kept):
    (kept / "default").mkdir()
    (kept / "default" / "logo.svg").write_text("a visitor's")
    (kept / "upload.png").write_text("theirs")
    assert put(folder()) == (
        f"-> {kept}; copied from the code: .gitkeep; kept, although the code has another one: default/logo.svg"
    )
    assert (kept / "default" / "logo.svg").read_text() == "a visitor's"
    assert (kept / "upload.png").read_text() == "theirs"


def test_the_next_release_says_nothing_of_files_that_are_the_same(folder, code, kept):
    put(folder())
    (code / "media").unlink()
    (code / "media" / "default").mkdir(parents=True)
    (code / "media" / "default" / "logo.svg").write_text("logo")
    assert put(folder()) == f"-> {kept}"


def test_many_files_are_counted(folder, code):
    for number in range(5):
        (code / "media" / f"{number}.txt").write_text("")
    assert put(folder()).endswith("copied from the code: .gitkeep, 0.txt, 1.txt and 4 more")


def test_the_codes_own_folder_is_kept_with_the_release(folder, code, tmp_path):
    put(folder())
    assert (tmp_path / "originals" / "code" / "media" / "default" / "logo.svg").read_text() == "logo"


def test_a_file_in_place_of_a_persistent_folder_is_named_with_what_helps(folder, code):
    (code / "logs").write_text("")
    with pytest.raises(Failure, match=r"has a file at .*code/logs, .* persistent.linked .* take it out of there"):
        folder("code/logs").check()


def test_a_file_where_the_code_has_a_folder_stays(folder, code, kept):
    (kept / "default").write_text("a file of theirs")
    assert put(folder()).endswith("kept, although the code has another one: default/logo.svg")
    assert (kept / "default").read_text() == "a file of theirs"


def test_links_are_copied_as_links_and_belong_to_the_user(folder, code, kept):
    (code / "media" / "current").symlink_to("default")
    assert "current" in put(folder())
    assert str((kept / "current").readlink()) == "default"


@needs_root
def test_copies_in_a_persistent_folder_belong_to_the_user_and_no_link_is_roots(folder, code, kept):
    (code / "media" / "default" / "logo.svg").chmod(0o755)
    (code / "media" / "way").symlink_to("/etc")
    put(folder(owner="nobody", group="nogroup"))
    owners = {each.name: each.lstat().st_uid for each in kept.rglob("*")}
    assert set(owners.values()) == {65534}
    assert stat.S_IMODE((kept / "default" / "logo.svg").stat().st_mode) == 0o755


@needs_root
def test_a_link_of_the_users_leads_root_nowhere(folder, code, kept, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (kept / "default").symlink_to(tmp_path / "elsewhere")
    os.lchown(kept / "default", 65534, 65534)
    put(folder(owner="nobody", group="nogroup"))
    assert names(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("after", range(4))
def test_a_run_that_dies_in_between_is_finished_by_the_next(folder, code, kept, monkeypatch, after):
    steps = []

    def dying(function):
        def call(*arguments, **more):
            if len(steps) == after:
                raise KeyboardInterrupt
            steps.append(function)
            return function(*arguments, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("write_atomically", "remove"):
            patch.setattr(linked, name, dying(getattr(linked, name)))
        patch.setattr(linked, "link_atomically", dying(link_atomically))
        with pytest.raises(KeyboardInterrupt):
            folder().apply(folder().check())
    put(folder())
    assert (code / "media" / "default" / "logo.svg").read_text() == "logo"


def nested(folder, levels):
    """Make folders in each other; a path of all of them would be too long to be named."""
    handle = os.open(folder, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("deep", dir_fd=handle)
        inner = os.open("deep", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    return handle


def test_a_thing_that_can_be_no_file_of_the_code_is_left_out_by_name(folder, tmp_path, code, kept):
    os.mkfifo(code / "media" / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(code / "media" / "sock"))
    with (code / "media" / "vast").open("wb") as stream:
        stream.truncate(1 << 40)
    assert put(folder()).endswith("; left out: pipe, sock, vast")
    assert names(kept) == [".gitkeep", "default"]
    assert (tmp_path / "originals" / "code" / "media" / "vast").exists()


def test_a_vast_file_in_the_place_of_one_of_the_code_is_not_read(folder, code, kept):
    (code / "media" / "a").write_text("small")
    with (kept / "a").open("wb") as stream:
        stream.truncate(1 << 40)
    assert "kept, although the code has another one: a" in put(folder())


def test_a_file_that_lies_too_deep_is_left_out_by_name(folder, code, kept):
    os.close(nested(code / "media", 1010))
    note = put(folder())
    assert "left out: deep/deep/" in note and (kept / "default" / "logo.svg").exists()
    # Whatever removes the temporary folders of tests may recurse.
    remove(str(code.parent / "originals"), recursive=True)

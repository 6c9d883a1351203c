"""One change at a time, and nothing left over of a change whose runner was killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from hawser.runner import lock as module
from hawser.runner.lock import Lock, end_leftovers, marked
from hawser.runner.system import Failure

INFO = {"who": "ann", "from": "desk", "what": "deploy", "since": 1.0}


@pytest.fixture
def lock(tmp_path):
    """Return a way to the same lock, as each runner has its own."""
    return lambda: Lock(str(tmp_path / "state" / "lock"))


@pytest.fixture(autouse=True)
def impatient(request, monkeypatch):
    if "only_looks" not in request.node.name:
        monkeypatch.setattr(module, "PATIENCE", 0.05)


@pytest.fixture
def orphan():
    """A program that carries the mark of a run, as a killed runner leaves it."""
    token = uuid.uuid4().hex
    program = subprocess.Popen(["sleep", "60"], env={"HAWSER_RUN": token}, start_new_session=True)
    program.token = token
    yield program
    program.kill()
    program.wait()


def test_a_second_run_is_told_who_holds_the_lock(lock):
    assert lock().acquire(INFO) is None
    assert lock().acquire({**INFO, "who": "bob"}) == INFO


def test_the_lock_is_free_after_it_was_given_back(lock):
    first, second = lock(), lock()
    first.acquire(INFO)
    first.release()
    assert second.acquire(INFO) is None
    assert first.acquire(INFO)["who"] == "ann"


def test_the_holder_of_the_lock_may_take_it_again(lock):
    mine = lock()
    assert mine.acquire(INFO) is None
    assert mine.acquire(INFO) is None
    mine.release()
    mine.release()
    assert mine.acquire(INFO) is None


def test_the_lock_can_be_waited_for(lock):
    first, second = lock(), lock()
    first.acquire(INFO)
    threading.Timer(0.2, first.release).start()
    assert second.acquire(INFO, wait=5) is None


def test_whoever_looks_learns_the_holder_and_takes_nothing(lock):
    assert lock().holder() is None
    mine = lock()
    mine.acquire(INFO)
    assert lock().holder()["who"] == "ann"
    assert mine.holder()["who"] == "ann"
    mine.release()
    assert lock().holder() is None


def test_whoever_only_looks_is_not_taken_for_a_holder(lock):
    done = threading.Event()

    def look():
        while not done.is_set():
            lock().holder()
            time.sleep(0.001)

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            mine = lock()
            assert mine.acquire(INFO) is None
            mine.release()
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()


def test_only_one_of_many_gets_the_lock(lock, tmp_path):
    def try_it(ready):
        ready.wait()
        os._exit(0 if lock().acquire(INFO) is None and not time.sleep(0.5) else 1)

    context = multiprocessing.get_context("fork")
    ready = context.Event()
    rivals = [context.Process(target=try_it, args=(ready,)) for _ in range(5)]
    for rival in rivals:
        rival.start()
    ready.set()
    for rival in rivals:
        rival.join()
    assert sorted(rival.exitcode for rival in rivals) == [0, 1, 1, 1, 1]


def test_the_lock_dies_with_its_holder_and_what_that_one_started_dies_with_the_next(lock, orphan):
    child = os.fork()
    if not child:
        lock().acquire({**INFO, "token": orphan.token})
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock().holder() is None
    assert orphan.poll() is None
    assert lock().acquire(INFO) is None
    assert orphan.wait(5) == -signal.SIGKILL


def test_a_holder_who_said_goodbye_leaves_nothing_to_end(lock, orphan):
    mine = lock()
    mine.acquire({**INFO, "token": orphan.token})
    mine.release()
    lock().acquire(INFO)
    assert orphan.poll() is None


def test_the_lock_is_not_taken_while_something_of_the_last_holder_lives_on(lock, tmp_path, monkeypatch):
    def survive(token, scope):
        raise Failure("an interrupted run left processes that do not end: 7")

    mine = lock()
    mine.acquire({**INFO, "token": "t"})
    os.close(mine.handle)
    with monkeypatch.context() as patched:
        patched.setattr(module, "end_leftovers", survive)
        with pytest.raises(Failure, match="do not end: 7"):
            lock().acquire(INFO)
    assert lock().acquire(INFO) is None


def test_a_program_that_survives_a_kill_is_named(monkeypatch):
    monkeypatch.setattr(module, "marked", lambda token: [2**22 + 1])
    with pytest.raises(Failure, match="left processes that do not end: 4194305; next: mend what they hang on"):
        end_leftovers("t", seconds=0.1)


def test_a_program_that_is_still_being_started_is_found_at_the_second_look(orphan, monkeypatch):
    looks = []

    def late(token):
        looks.append(marked(token))
        return [] if len(looks) == 1 else looks[-1]

    monkeypatch.setattr(module, "marked", late)
    end_leftovers(orphan.token)
    assert orphan.wait(5) == -signal.SIGKILL


def test_the_folder_of_the_lock_is_made_and_closed_to_others(lock, tmp_path):
    lock().acquire(INFO)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_holder_whose_file_was_removed_holds_nothing(lock, tmp_path):
    first, second = lock(), lock()
    first.acquire(INFO)
    (tmp_path / "state" / "lock").unlink()
    assert second.acquire({**INFO, "who": "bob"}) is None
    assert lock().acquire(INFO)["who"] == "bob"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_no_obstacle(lock, tmp_path, text):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").write_bytes(text)
    mine = lock()
    assert mine.acquire(INFO) is None
    (tmp_path / "state" / "lock").write_bytes(text)
    assert lock().acquire(INFO) == {"who": "somebody"}


def test_children_do_not_inherit_the_lock(lock, system):
    mine = lock()
    mine.acquire(INFO)
    system.run(["sh", "-c", "sleep 60 &"])
    mine.release()
    assert lock().acquire(INFO) is None


def test_no_descriptor_of_the_lock_is_left_open(lock):
    mine, before = lock(), len(list(Path("/proc/self/fd").iterdir()))
    mine.acquire(INFO)
    lock().acquire(INFO)
    lock().holder()
    mine.release()
    assert len(list(Path("/proc/self/fd").iterdir())) == before

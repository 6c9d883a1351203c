"""How much of a line is under way."""

from __future__ import annotations

import threading

from hawser.session.workers.flow import PORTION, WINDOW, Portions, Window


def test_who_sends_more_than_the_window_waits_until_some_was_taken():
    window, passed = Window(), threading.Event()
    assert window.enter(WINDOW)
    waiting = threading.Thread(target=lambda: window.enter(1) and passed.set(), daemon=True)
    waiting.start()
    assert not passed.wait(0.1)
    window.leave(1)
    assert passed.wait(5)


def test_nobody_waits_for_a_line_that_is_gone():
    window, found = Window(), []
    window.enter(WINDOW)
    waiting = threading.Thread(target=lambda: found.append(window.enter(1)), daemon=True)
    waiting.start()
    window.shut_down()
    waiting.join(5)
    assert found == [False]


def test_what_was_taken_is_told_in_portions():
    portions = Portions()
    assert [portions.add(PORTION - 1), portions.add(2), portions.add(1)] == [0, PORTION + 1, 0]

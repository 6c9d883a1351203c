"""Looking at hosts again and again, until Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import NoReturn

from hawser.errors import HawserError
from hawser.report.text import brief, safe

from .fleet import Fleet


def watch(fleet: Fleet, task: str, every: int, look: Callable[[], None]) -> NoReturn:
    """Look again and again over the same connections, and redraw; hosts that do not answer are tried anew each time.

    :param task: its name.
    :param every: seconds between two looks.
    :param look: tells the report of the session what it has found; an error of its own is shown below that.
    :raises HawserError: nobody sees it; or Ctrl-C, which is how it ends, and of which nothing is said.
    """
    session = fleet.session
    shown = session.report
    try:
        with session.screen(task, every) as screen:
            while True:
                session.report = told = screen.report()
                told.set_masks(session.masks)
                trouble = ""
                try:
                    look()
                except HawserError as error:
                    trouble = brief(safe(str(error), session.masks))
                screen.show(told, trouble)
                time.sleep(every)
                fleet.connections.look_again(fleet.names)
    except KeyboardInterrupt:
        raise HawserError("", code=128 + signal.SIGINT) from None
    finally:
        session.report = shown

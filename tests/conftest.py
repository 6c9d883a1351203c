"""For all tests: signals as in a terminal, also where the whole run was started in the background of a script; and no
logs of rollouts among the user's own."""

import os
import signal

from hypothesis import settings

# How long one example takes says more of the machine's load than of the code.
settings.register_profile("hawser", deadline=None)
settings.load_profile("hawser")

# A shell gives what it starts in the background ignored interrupts, and every process passes that on.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# Those that are about logs name a folder.
os.environ["HAWSER_ROLLOUTS"] = "none"
os.environ.pop("GITHUB_ACTIONS", None)

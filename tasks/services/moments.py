"""When a changed password comes to a service: together with the processes that use it."""

from __future__ import annotations

# Nobody uses the former one any more, or nothing serves yet: the new one alone is good.
AT_ONCE = "at once"
# A release serves with the former one, which goes on being good; the new one as well, where the service can hold two.
WAIT = "wait"
# A rollout needs the new one from here on; the former one stays good where the service can hold two.
BEGIN = "begin"
# The same, and no rollout is open that was broken off: what was kept aside for one counts no more.
BEGIN_ANEW = "begin anew"
# The rollout has failed, and what served before serves again.
BACK = "back"

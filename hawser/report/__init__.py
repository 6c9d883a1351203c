"""How events become lines for a person, or for a program."""

from .choose import make_report
from .events import Event, Status
from .protocol import Report
from .text import Marked

__all__ = ["Event", "Marked", "Report", "Status", "make_report"]

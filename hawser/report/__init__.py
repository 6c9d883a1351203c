"""How events become what a person, or a program, sees."""

from .choose import make_report
from .events import Event, Status
from .protocol import Report
from .text import Marked

__all__ = ["Event", "Marked", "Report", "Status", "make_report"]

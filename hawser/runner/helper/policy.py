"""What a deploy user may have done as root: what its application needs, and nothing that leads to more.

Whoever has both the deploy user's login and the key that requests are signed with may deploy, and so run programs as
the users of the application. Nothing here lets them become another user, root least of all. What no rule names is
refused.
"""

from __future__ import annotations

from .bounds import Bounds
from .definitions import Excess
from .rules import holds
from .tables import FURTHER, KINDS, PASSIVE, QUESTIONS, STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..specs.base import Row


class Policy:
    """The rules by which one application's helper takes requests.

    :param rules: see `Bounds`.
    """

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.bounds = Bounds(rules)

    def why_no_request(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return why a request is not taken; empty: it is."""
        try:
            self.require_request(operation, arguments)
        except (Excess, LookupError, TypeError, ValueError, AttributeError) as error:
            return str(error) if isinstance(error, Excess) else "the request `%s`" % operation
        return ""

    def require_request(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Require that a request is one of those that the helper takes.

        :raises Excess: it is not; why.
        """
        if operation in ("apply", "facts", "lock", "holder"):
            return
        if operation == "read" and self.bounds.is_record(arguments["path"]):
            return
        if operation == "ask_all":
            for function, given in arguments["questions"]:
                self.require_question(function, given)
            return
        if operation == "ask":
            self.require_question(arguments["function"], arguments["arguments"])
            return
        if operation == "stream" and holds(STREAM, self.bounds, arguments):
            return
        if operation == "logs" and all(self.bounds.is_own_log(each) for each in arguments["sources"]):
            return
        raise Excess("the request `%s`" % operation)

    def require_question(self, function: str, arguments: Mapping[str, Any]) -> None:
        rules = QUESTIONS.get(function)
        if rules is None or not holds(rules, self.bounds, arguments):
            raise Excess("the question %s" % function)

    def why_not(self, row: Row) -> str:
        """Return why a row of a catalog may not be applied; empty: it may."""
        rules = KINDS.get(row["kind"])
        if rules is None:
            return "it is of a kind that is not the application's own"
        fields = {name: value for name, value in row.items() if name not in ("kind", "step", "label", "when", "held")}
        if not rules.keys() <= fields.keys():
            return "it is not of the form that this helper knows"
        try:
            for name, value in fields.items():
                rule = rules.get(name)
                if rule is None or not rule(self.bounds, value):
                    return "its %s is none that the application has" % name.replace("_", " ")
            more = FURTHER.get(row["kind"])
            if more is not None:
                more(self.bounds, fields)
        except Excess as excess:
            return "it has more than the application's own rights: %s" % excess
        except (LookupError, TypeError, ValueError, AttributeError):
            return "it is not of the form that this helper knows"
        return ""

    def may_look(self, row: Row) -> bool:
        """Whether a row that may not be applied may be compared with what is there."""
        rule = PASSIVE.get(row["kind"])
        return rule is not None and rule(self.bounds, row)

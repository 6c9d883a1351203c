"""Commands that are typed, or advised, before a first release serves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError
from hawser.fleet.releases import nothing_deployed
from hawser.host.facts import Facts
from hawser.tasks import adhoc, once, processes, shells


class Bare(SimpleNamespace):
    """A fleet of one host that nothing has been deployed to."""

    def __init__(self, bootstrapped: bool, journal: dict[str, Any] | None = None) -> None:
        environment = SimpleNamespace(
            name="shop",
            once={"admin": SimpleNamespace(command="true")},
            instances={},
            processes={"web": None},
            app=SimpleNamespace(root="/srv/shop"),
        )
        found = Facts(bootstrapped=bootstrapped, journal=journal)
        super().__init__(environment=environment, names=["web1"], found=found, applied=[], asked=[])
        self.report = SimpleNamespace(output=lambda name, text: None)

    def facts(self, name: str) -> Facts:
        return self.found

    def host(self, name: str, release: object = None) -> Any:
        return SimpleNamespace(name=name, root="/srv/shop", process_settings=lambda: {"web": None})

    def subset(self, names: object) -> Bare:
        return self

    needing_code = with_code = reachable = everyone = leader = lambda self: self

    def connect(self) -> None:
        pass

    def apply(self, steps: list[Any], *releases: object, phase: str) -> None:
        self.applied.append(phase)

    def ask_all(self, function: object, arguments: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(arguments)
        return {}


@pytest.mark.parametrize(
    "command",
    [
        lambda fleet: once.run_now.body(fleet, "admin"),
        lambda fleet: shells.shell.body(fleet),
        lambda fleet: adhoc.manage.body(fleet, "check"),
        lambda fleet: adhoc.printenv.body(fleet),
        lambda fleet: processes.hosts_running(fleet, "web"),
    ],
    ids=["once.run", "shell", "manage", "printenv", "processes"],
)
@pytest.mark.parametrize(("bootstrapped", "tasks"), [(True, "deploy"), (False, "bootstrap deploy")])
def test_commands_that_need_a_release_name_what_the_hosts_take_as_they_are(command, bootstrapped, tasks, monkeypatch):
    monkeypatch.setattr(adhoc, "current_releases", lambda fleet: {})
    for module in (adhoc, shells):
        monkeypatch.setattr(module, "variables_of", lambda fleet, instance: [])
    with pytest.raises(HawserError, match=f"^web1: nothing has been deployed yet; next: fab -H shop {tasks}$"):
        command(Bare(bootstrapped))


def test_a_command_is_noted_as_done_before_the_first_release_serves():
    fleet = Bare(True)
    once.done.body(fleet, "admin")
    assert fleet.applied == ["remember"]
    with pytest.raises(HawserError, match=r"there is no \[once\.user\]"):
        once.done.body(fleet, "user")


def test_variables_are_those_of_the_first_release_that_failed_on_its_way():
    journal = {"release": "abc-123", "what": "deploy", "by": "ann", "hosts": ["web1"], "phase": "prepare"}
    fleet = Bare(True, journal)
    adhoc.printenv.body(fleet)
    assert fleet.asked == [{"paths": ["/srv/shop/releases/abc-123/environment"]}]


def test_hosts_of_which_one_is_bare_are_made_ready_first():
    assert "bootstrap deploy" in str(nothing_deployed(Bare(False), "web1", "web2"))

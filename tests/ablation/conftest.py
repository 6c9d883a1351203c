"""Whether the test of a need fails when its setting is taken away: `make test-settings`.

The tests of the systems say that each need is served. These say that they would notice if it was not: each row takes a
setting out of the environment file, deploys, and gives the test a chance to fail, for the reason that is expected.
"""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.conftest import PROJECT, Fleet, worker_sandbox

__all__ = ["worker_sandbox"]  # a fixture of these tests as well

# What a test of hosts fails with; anything else is a mistake in the test itself.
FAILURES = (
    AssertionError,
    LookupError,
    OSError,
    subprocess.SubprocessError,
    urllib.error.URLError,
    pytest.fail.Exception,  # something was to be refused and was not
)


def nothing(fleet: Fleet) -> AbstractContextManager[None]:
    """Prepare nothing for a row."""
    return nullcontext()


@dataclass(frozen=True)
class Row:
    """A setting that is taken away, and how that is noticed.

    :param need: the row of docs/systems/README.md.
    :param changes: texts of the environment file, each with what takes its place; each has to be there.
    :param test: what must fail; None: the deploy itself is refused.
    :param fails: a regular expression for what is said then.
    :param deployed: whether the deploy without the setting succeeds; None: either is well, the test tells.
    :param templates: of conf_templates, each with a text and what takes its place.
    :param around: what is done to the hosts or to the test before, and put right after everything else.
    """

    need: str
    changes: tuple[tuple[str, str], ...]
    test: Callable[..., None] | None
    fails: str
    deployed: bool | None = True
    around: Callable[[Fleet], AbstractContextManager[None]] = nothing
    templates: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.need} {self.test.__name__ if self.test else self.fails}"


def paragraph(name: str, start: str) -> str:
    """Return a part of ``hosts/NAME.toml``, from the text that it starts with to the next empty line."""
    text = (PROJECT / "hosts" / f"{name}.toml").read_text()
    assert text.count(start) == 1, f"{start!r} is {text.count(start)} times in hosts/{name}.toml"
    return text[text.index(start) :].partition("\n\n")[0]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Rows of one system share its hosts."""
    item.add_marker(pytest.mark.xdist_group(Path(item.path).stem))


def take_away(row: Row, fleet: Fleet, request: pytest.FixtureRequest, **values: object) -> None:
    """Deploy without a setting, see its test fail, and put everything back.

    :param values: arguments of the test that are no fixtures.
    """
    whole = fleet.text
    own = fleet.folder / "conf_templates"
    with row.around(fleet):
        try:
            notice(row, fleet, request, values)
        finally:
            fleet.file.write_text(whole)
            shutil.rmtree(own, ignore_errors=True)
            fleet.fab("-H", fleet.name, "bootstrap", "deploy")


def notice(row: Row, fleet: Fleet, request: pytest.FixtureRequest, values: Mapping[str, object]) -> None:
    """Deploy without a setting, and see the test fail for the reason that is expected."""
    see_fail(row, deploy_without([row], fleet), request, values)


def deploy_without(rows: Sequence[Row], fleet: Fleet) -> subprocess.CompletedProcess[str]:
    """Take the settings of rows out of the environment file, all at once, and deploy."""
    text = fleet.text
    for row in rows:
        for old, new in row.changes:
            assert old in text, f"{row.need}: {old!r} is not in the environment file"
            text = text.replace(old, new)
        for name, old, new in row.templates:
            # Those beside the environment file come before the project's own.
            template, own = (PROJECT / "conf_templates" / name).read_text(), fleet.folder / "conf_templates" / name
            assert old in template, f"{row.need}: {old!r} is not in conf_templates/{name}"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(template.replace(old, new))
    fleet.file.write_text(text)
    return fleet.fab("-H", fleet.name, "bootstrap", "deploy", code=None)


def see_fail(
    row: Row,
    done: subprocess.CompletedProcess[str],
    request: pytest.FixtureRequest,
    values: Mapping[str, object],
) -> None:
    """See a row's test fail, or its deploy refused, for the reason that is expected.

    :param done: how the deploy without the row's setting has ended.
    """
    if row.deployed is not None:
        assert (done.returncode == 0) == row.deployed, done.stdout + done.stderr
    if row.test is None:
        assert done.returncode and re.search(row.fails, done.stdout + done.stderr), done.stdout + done.stderr
        return
    # The classes of these tests only gather them.
    given = {"self": None, **values}
    wanted = inspect.signature(row.test).parameters
    arguments = {name: given[name] if name in given else request.getfixturevalue(name) for name in wanted}
    with pytest.raises(FAILURES) as caught:
        row.test(**arguments)
    said = str(caught.value)
    if isinstance(caught.value, subprocess.CalledProcessError):
        said += f"\n{caught.value.stdout}\n{caught.value.stderr}"
    assert re.search(row.fails, said), f"failed for another reason: {said}"

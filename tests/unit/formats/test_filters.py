"""The formats in templates."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from jinja2 import Environment, StrictUndefined, UndefinedError

from hawser.formats import NotRepresentable
from hawser.formats.filters import FILTERS


def render(template: str, **values: object) -> str:
    jinja = Environment(undefined=StrictUndefined, autoescape=False)
    jinja.filters.update(FILTERS)
    return jinja.from_string(template).render(**values)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{{ text | shell }}", "'50% \"x\" y'"),
        ("{{ ['a b', 'c'] | shell_join }}", "'a b' c"),
        ("{{ {'A': text} | shell_environment }}", 'A="50% \\"x\\" y"\n'),
        ("{{ text | systemd }}", '50%% "x" y'),
        ("{{ text | systemd_word }}", r'"50%% \"x\" y"'),
        ("{{ ['/bin/sh', text] | systemd_exec }}", r'/bin/sh "50%% \"x\" y"'),
        ("{{ 'A' | systemd_environment(text) }}", r'Environment="A=50%% \"x\" y"'),
        ("{{ text | supervisor }}", '50%% "x" y'),
        ("{{ ['/bin/sh', text] | supervisor_command }}", "/bin/sh '50%% \"x\" y'"),
        ("{{ {'A': text} | supervisor_environment }}", "A='50%% \"x\" y'"),
        ("{{ '/log/50%' | supervisor_logfile }}", "/log/50%%%%"),
        ("{{ {'A': text} | dotenv }}", "A='50% \"x\" y'\n"),
        ("{{ text | nginx }}", r'"50% \"x\" y"'),
        ("{{ path | nginx_word }}", "/srv/demo"),
        ("{{ text | cron }}", '50\\% "x" y'),
        ("{{ [text, 1, none] | python }}", "['50% \"x\" y', 1, None]"),
        ("{{ [text, 1, none] | json }}", r'["50% \"x\" y", 1, null]'),
        ("{{ [text, 1, none] | yaml }}", r'["50% \"x\" y", 1, null]'),
        ("{{ text | ini }}", '50%% "x" y'),
        ("{{ text | urlquote }}", "50%25%20%22x%22%20y"),
        ("{{ path | shell }} {{ 8000 | shell }} {{ 1.5 | nginx }}", '/srv/demo 8000 "1.5"'),
    ],
)
def test_a_template_writes_values_through_each_filter(template: str, written: str) -> None:
    assert render(template, text='50% "x" y', path=PurePosixPath("/srv/demo")) == written


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"systemd_environment"}))
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(UndefinedError, match=r"is undefined"):
        render("{{ missing | " + name + " }}")


@pytest.mark.parametrize("name", ["python", "json", "yaml"])
def test_a_missing_variable_inside_a_table_is_named(name: str) -> None:
    with pytest.raises(UndefinedError, match=r"'missing' is undefined"):
        render("{{ {'a': [1, missing]} | " + name + " }}")


@pytest.mark.parametrize("value", [True, None, ["a"], {"a": 1}])
def test_a_filter_for_text_guesses_nothing(value: object) -> None:
    with pytest.raises(NotRepresentable, match=type(value).__name__):
        render("{{ value | shell }}", value=value)
